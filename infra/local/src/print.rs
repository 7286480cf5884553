//! Prints the addresses and the people of the file once everything runs.

use std::borrow::Cow;
use std::io::{self, Write};

use shared::domain::account::AccountState;

use crate::dev_inbox::state_name;
use crate::import::Imported;
use crate::people::Person;
use crate::run::{Local, url_of};

/// Maximum people in the list; the dev inbox shows all of them.
const PEOPLE_MAX: usize = 20;

/// Writes the addresses, the people of the file, what to try, and how to stop.
///
/// # Errors
/// Those of `out`.
pub fn started(out: &mut impl Write, local: &Local) -> io::Result<()> {
    let Some(product) = local.product else { return services(out, local) };
    let steps = local.parameters.settings.steps;
    let noun = if steps == 1 { "step" } else { "steps" };
    let (product_url, inbox) = (url_of(product), url_of(local.dev_inbox_address));
    writeln!(out, "Rekey runs on this machine, with {steps} verification {noun}.\n")?;
    writeln!(out, "  Reset or unlock  {product_url}")?;
    writeln!(out, "  Dev inbox        {inbox}  (emails, texts, calls and their codes)")?;
    writeln!(out, "  People           {inbox}/people  (passwords, contacts, authenticator codes)")?;
    writeln!(out, "  Test sign-in     {inbox}/sign-in")?;
    writeln!(out, "  Security info    {product_url}/security-info\n")?;
    let file = &local.people_file;
    if local.keeps_state() {
        writeln!(out, "People in {file} (the folder of --data may have more, and other states):\n")?;
    } else {
        writeln!(out, "People in {file}:\n")?;
    }
    if local.people.is_empty() {
        writeln!(
            out,
            "  They are found by their logins, and their contacts come from the directory or by enrolment."
        )?;
    } else {
        people(out, &local.people)?;
    }
    for (number, line) in import(local).enumerate() {
        let separator = if number == 0 { "\n" } else { "" };
        writeln!(out, "{separator}  {line}")?;
    }
    if let Some(person) = local.people.iter().find(|person| is_example(person)) {
        writeln!(out, "\nTry a reset as `{}`: the codes arrive in the dev inbox.", person.login())?;
    }
    if !product.ip().is_loopback() {
        writeln!(
            out,
            "Browsers on other machines need HTTPS, because the cookies are Secure: use a tunnel."
        )?;
    }
    writeln!(out, "Press Ctrl-C to stop.")?;
    out.flush()
}

fn services(out: &mut impl Write, local: &Local) -> io::Result<()> {
    writeln!(out, "# The AWS emulator runs. Dev inbox: {}", url_of(local.dev_inbox_address))?;
    writeln!(
        out,
        "# Export these variables in a second terminal, and run: cargo lambda watch --ignore-changes"
    )?;
    for line in import(local) {
        writeln!(out, "# {}", line.replace(char::is_control, " "))?;
    }
    let emulator = local.emulator.environment();
    let emulator = emulator.iter().map(|(name, value)| (name, value));
    for (name, value) in emulator.chain(&local.parameters.pairs) {
        writeln!(out, "export {name}={}", quoted(value))?;
    }
    writeln!(out, "# Press Ctrl-C to stop.")?;
    out.flush()
}

/// Returns the lines about the import: values that were ignored, and changes of existing people.
fn import(local: &Local) -> impl Iterator<Item = Cow<'_, str>> {
    let Imported { summary, lines } = &local.imported;
    let (added, changed, unchanged) =
        (summary.new + summary.another_person, summary.changed, summary.unchanged);
    let is_again = changed + unchanged + summary.another_person > 0;
    let people = if added == 1 { "person" } else { "people" };
    let summary = format!("Imported: {added} {people} added, {changed} changed, {unchanged} unchanged");
    let warnings = local.warnings.iter().map(|warning| Cow::Owned(warning.line(&local.people_file)));
    let lines = warnings.chain(lines.iter().map(|line| Cow::Borrowed(line.as_str())));
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

/// Returns whether a reset of this person is possible with the default settings.
fn is_example(person: &Person) -> bool {
    person.state == AccountState::Active && person.alternate_email.is_some() && person.mobile.is_some()
}

fn people(out: &mut impl Write, people: &[Person]) -> io::Result<()> {
    let rows: Vec<[String; 4]> = people.iter().take(PEOPLE_MAX).map(row).collect();
    let header = ["Login", "Name", "State", "Contacts and authenticator app"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&header]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    for row in [&header].into_iter().chain(&rows) {
        let [login, name, state, methods] = row;
        let [first, second, third] = widths;
        writeln!(out, "  {login:first$}  {name:second$}  {state:third$}  {methods}")?;
    }
    match people.len().saturating_sub(rows.len()) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more, which the dev inbox shows"),
    }
}

fn row(person: &Person) -> [String; 4] {
    let methods = [
        ("alternate email", person.alternate_email.is_some()),
        ("mobile", person.mobile.is_some()),
        ("office phone", person.office_phone.is_some()),
        ("authenticator app", person.totp_secret.is_some()),
    ];
    let methods: Vec<&str> = methods.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
    let methods = if methods.is_empty() { "none".to_owned() } else { methods.join(", ") };
    [person.login().to_owned(), person.name.clone(), state_name(person.state).to_owned(), methods]
}

#[cfg(test)]
mod tests {
    use shared::domain::contact::Country;

    use super::*;
    use crate::people::Rules;

    fn demo_rules() -> Rules<'static> {
        Rules { own_domains: &[], home_country: Country::MALAYSIA, countries: &[Country::MALAYSIA] }
    }

    #[test]
    fn values_are_quoted_for_the_shell() {
        assert_eq!(quoted("http://127.0.0.1:8025"), "http://127.0.0.1:8025");
        assert_eq!(quoted("Universiti Contoh"), "'Universiti Contoh'");
        assert_eq!(quoted("O'Connor"), r"'O'\''Connor'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn people_are_printed_in_columns_without_passwords() {
        let demo = crate::people::DEMO.as_bytes();
        let demo = crate::people::parse("people.csv", demo, &demo_rules()).unwrap().people;
        let mut out = Vec::new();
        people(&mut out, &demo).unwrap();
        let text = String::from_utf8(out).unwrap();
        let at: Vec<_> =
            text.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).count()).collect();
        assert!(at.iter().all(|cells| *cells == 4), "{text}");
        assert!(!text.contains("Harimau"), "no password on the terminal");
    }

    #[test]
    fn long_list_of_people_is_cut() {
        let rows: Vec<String> = (0..PEOPLE_MAX + 3).map(|number| format!("p{number},Person\n")).collect();
        let file = format!("login,name\n{}", rows.concat());
        let many = crate::people::parse("people.csv", file.as_bytes(), &demo_rules()).unwrap().people;
        let mut out = Vec::new();
        people(&mut out, &many).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), PEOPLE_MAX + 2, "{text}");
        assert!(text.ends_with("  and 3 more, which the dev inbox shows\n"), "{text}");
    }
}
