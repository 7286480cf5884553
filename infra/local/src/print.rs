//! Prints the addresses and the demo people once everything runs.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::import::Imported;
use crate::outbox::standing_word;
use crate::people::Person;
use crate::run::{Local, url_of};

/// Writes every address and the logins to try.
///
/// # Errors
/// Those of `out`.
pub fn started(out: &mut impl Write, local: &Local) -> io::Result<()> {
    let Some(product) = local.product else { return services(out, local) };
    let steps = local.parameters.settings.steps;
    let verb = if steps == 1 { "step" } else { "steps" };
    writeln!(out, "Rekey runs on this machine ({steps} verification {verb}).\n")?;
    writeln!(out, "  Get back into your account   {}", url_of(product))?;
    writeln!(out, "  Outbox: where codes arrive   {}", url_of(local.outbox_address))?;
    writeln!(out, "  Try a password               {}/sign-in", url_of(local.outbox_address))?;
    writeln!(out, "  Register what proves you     {}/security-info\n", url_of(product))?;
    people(out, &local.people)?;
    for line in import(local) {
        writeln!(out, "  {line}")?;
    }
    writeln!(
        out,
        "\nMails, texts and calls arrive in the outbox, which also shows everybody's numbers, passwords"
    )?;
    writeln!(out, "and codes of the authenticator app.")?;
    if !product.ip().is_loopback() {
        writeln!(
            out,
            "A browser on another machine needs HTTPS, for the flow's cookie is Secure: put a tunnel between."
        )?;
    }
    writeln!(out, "Ctrl-C ends it all.")?;
    out.flush()
}

fn services(out: &mut impl Write, local: &Local) -> io::Result<()> {
    writeln!(out, "# Rekey's local cloud. Outbox: {}", url_of(local.outbox_address))?;
    writeln!(out, "# Run the functions with these variables: cargo lambda watch --ignore-changes")?;
    for line in import(local) {
        writeln!(out, "# {}", line.replace(char::is_control, " "))?;
    }
    let cloud = local.cloud.environment();
    let cloud = cloud.iter().map(|(name, value)| (name, value));
    for (name, value) in cloud.chain(&local.parameters.pairs) {
        writeln!(out, "export {name}={}", quoted(value))?;
    }
    writeln!(out, "# Ctrl-C ends it.")?;
    out.flush()
}

/// Returns the lines about the import: values left out, and changes of existing people.
fn import(local: &Local) -> impl Iterator<Item = Cow<'_, str>> {
    let Imported { added, changed, unchanged, lines } = &local.imported;
    let is_again = changed + unchanged > 0;
    let people = if *added == 1 { "person" } else { "people" };
    let summary = format!("Imported: {added} {people} added, {changed} changed, {unchanged} unchanged");
    let lines = local.warnings.iter().chain(lines).map(|line| Cow::Borrowed(line.as_str()));
    is_again.then_some(Cow::Owned(summary)).into_iter().chain(lines)
}

/// Quotes a word for a POSIX shell.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@+=".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

fn people(out: &mut impl Write, people: &[Person]) -> io::Result<()> {
    let rows: Vec<[String; 4]> = people.iter().map(row).collect();
    let header = ["Login", "Name", "State", "Registered"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&header]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    for row in [&header].into_iter().chain(&rows) {
        let [login, name, state, registered] = row;
        let [first, second, third] = widths;
        writeln!(out, "  {login:first$}  {name:second$}  {state:third$}  {registered}")?;
    }
    Ok(())
}

fn row(person: &Person) -> [String; 4] {
    let registered = [
        ("alternate e-mail", person.alternate_email.is_some()),
        ("mobile", person.mobile.is_some()),
        ("office phone", person.office_phone.is_some()),
        ("authenticator app", person.totp_secret.is_some()),
    ];
    let registered: Vec<&str> =
        registered.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
    let registered = if registered.is_empty() { "nothing".to_owned() } else { registered.join(", ") };
    [person.login().to_owned(), person.name.clone(), standing_word(person.state).to_owned(), registered]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_the_shell() {
        assert_eq!(quoted("http://127.0.0.1:8025"), "http://127.0.0.1:8025");
        assert_eq!(quoted("Universiti Contoh"), "'Universiti Contoh'");
        assert_eq!(quoted("O'Connor"), r"'O'\''Connor'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn people_are_printed_in_columns_without_passwords() {
        let domains = ["student.contoh.example".to_owned()];
        let demo = crate::people::parse("people.csv", crate::people::DEMO, &domains).unwrap().people;
        let mut out = Vec::new();
        people(&mut out, &demo).unwrap();
        let text = String::from_utf8(out).unwrap();
        let at: Vec<_> =
            text.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).count()).collect();
        assert!(at.iter().all(|cells| *cells == 4), "{text}");
        assert!(!text.contains("Harimau"), "no password on the terminal");
    }
}
