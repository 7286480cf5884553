//! Files of real systems, and the errors in them.

use shared::domain::account::AccountState;
use shared::domain::contact::Country;

use super::*;
use crate::parse;

const DEMO: &str = include_str!("../../../local/people.csv");

/// Returns the rules of the demo university.
fn demo_rules() -> Rules<'static> {
    static DOMAINS: std::sync::LazyLock<Vec<String>> =
        std::sync::LazyLock::new(|| vec!["student.contoh.example".to_owned()]);
    Rules { own_domains: &DOMAINS, home_country: Country::MALAYSIA, countries: &[Country::MALAYSIA] }
}

/// Returns the warnings as lines.
fn lines(people: &People) -> Vec<String> {
    people.warnings.iter().map(|remark| remark.line(&people.file)).collect()
}

fn read(text: &str) -> Result<People, Failure> {
    parse("people.csv", text.as_bytes(), &demo_rules())
}

fn errors(text: &str) -> Vec<String> {
    read(text).err().map(|f| f.lines().to_vec()).unwrap_or_default()
}

#[test]
fn demo_accounts_cover_every_account_state() {
    let read = read(DEMO).unwrap();
    let (warnings, people) = (lines(&read), read.people);
    assert!(warnings.is_empty(), "{warnings:?}");
    let logins: Vec<_> = people.iter().map(Person::login).collect();
    assert!(logins.contains(&"aisyah") && logins.contains(&"registrar"));
    for state in [AccountState::Active, AccountState::Locked, AccountState::Disabled, AccountState::Excluded]
    {
        assert!(people.iter().any(|person| person.state == state), "{state:?}");
    }
}

#[test]
fn two_columns_in_any_order_are_sufficient() {
    let text = "\u{feff}name,login\nNur Aisyah,aisyah;nur@student.contoh.example\n";
    let people = read(text).unwrap().people;
    assert_eq!(people[0].logins, ["aisyah", "nur@student.contoh.example"]);
    assert_eq!(people[0].names[1].as_str(), "nur");
    assert_eq!(people[0].state, AccountState::Active);
    assert!(people[0].password.is_none() && people[0].mobile.is_none());
}

/// The file of `infra/guides/leaving-microsoft.md`, as PowerShell writes it: every field in quotes, a null as an empty
/// field, numbers in the form of Microsoft Graph.
#[test]
fn export_of_microsoft_entra_is_read() {
    let text = "\u{feff}\"login\",\"name\",\"email\",\"alternate_email\",\"mobile\",\"office_phone\",\"state\"\r\n\
        \"s1180231@student.contoh.example\",\"Nur Aisyah binti Rahman\",\"s1180231@student.contoh.example\",\
        \"aisyah@mail.example\",\"+60 123456798\",\"\",\"active\"\r\n\
        \"lim@contoh.example\",\"Lim \"\"Mei\"\" Hua, Dr.\",,\"\",\"+60 162345678\",\"+60 326912345x4321\",\"disabled\"\r\n";
    let read = read(text).unwrap();
    let extension = "people.csv: row 3, column office_phone: the extension is ignored: calls ring at the number before it";
    assert_eq!(lines(&read), [extension]);
    let [aisyah, lim] = &read.people[..] else { panic!("{:?}", read.people.len()) };
    assert_eq!(aisyah.names[0].as_str(), "s1180231", "the domain of RekeyLoginDomains needs no typing");
    assert_eq!(aisyah.mobile.as_ref().unwrap().expose(), "+60123456798");
    assert_eq!(aisyah.alternate_email.as_ref().unwrap().expose(), "aisyah@mail.example");
    assert_eq!(lim.name, "Lim \"Mei\" Hua, Dr.");
    assert_eq!(lim.mobile.as_ref().unwrap().expose(), "+60162345678");
    assert_eq!(lim.state, AccountState::Disabled);
}

#[test]
fn rows_are_counted_the_same_at_every_line_end() {
    for end in ["\n", "\r\n"] {
        let file = ["login,name", "a,A", "", "b,", "c,C", ""].join(end);
        let expected = "people.csv: row 4, column name: the field is empty. Enter the person's full name";
        assert_eq!(errors(&file), [expected], "{end:?}");
    }
}

#[test]
fn every_error_names_its_row_and_column() {
    let text = "login,name,mobile,totp_secret,language,state,email\n\
                a,A,by pigeon,,,,\n\
                b,,+60123456798,ABC,xx,gone,nobody\n\
                A@student.contoh.example,Again,,,,,\n\
                c,C\n";
    let found = errors(text);
    for expected in [
        "people.csv: row 2, column mobile: not a phone number. Use one such as +60123456789",
        "people.csv: row 3, column name: the field is empty. Enter the person's full name",
        "people.csv: row 3, column totp_secret: too short for a TOTP secret. Use at least 16 base32 characters (80 bits)",
        "people.csv: row 3, column language: not a language of Rekey. Use en, ms, zh-Hans or ta",
        "people.csv: row 3, column state: not a state. Use active, locked, disabled or excluded",
        "people.csv: row 3, column email: not an email address. Use one such as aisyah@mail.example",
        "people.csv: row 4, column login: `a` is a login in row 2 too. Remove one",
        "people.csv: row 5: 2 fields instead of 7. Quote a field that contains the separator",
    ] {
        assert!(found.iter().any(|line| line == expected), "{expected}\n{found:#?}");
    }
    assert_eq!(found.len(), 8, "{found:#?}");
}

#[test]
fn protected_mailbox_and_duplicate_number_are_skipped() {
    let text = "login,name,email,alternate_email,mobile,office_phone\n\
                a,A,a@mail.contoh.example,a@mail.example,+60123456798,+60327317272\n\
                b,B,b@mail.contoh.example,B@Mail\u{3002}Contoh.example,+60123456799,+60123456799\n\
                c,C,,c@lab.student.contoh.example,,+60327317272\n\
                d;d@club.example,D,,D@club.example,,\n";
    let read = read(text).unwrap();
    let (warnings, people) = (lines(&read), read.people);
    assert!(people[0].alternate_email.is_some() && people[0].office_phone.is_some());
    assert!(people[1..].iter().all(|person| person.alternate_email.is_none()));
    assert!(people[1].mobile.is_some() && people[1].office_phone.is_none());
    assert!(people[2].office_phone.is_some(), "another person's number is another matter");
    assert_eq!(
        warnings,
        [
            "people.csv: row 3, column alternate_email: ignored: the password itself protects this mailbox",
            "people.csv: row 3, column office_phone: ignored: the number equals the mobile number",
            "people.csv: row 4, column alternate_email: ignored: the password itself protects this mailbox",
            "people.csv: row 5, column alternate_email: ignored: the password itself protects this mailbox",
        ]
    );
}

#[test]
fn own_address_is_a_login() {
    let text = "login,name,email\na21ec0001,Siti,siti.rahmah@student.contoh.example\n\
                b,B,b@student.contoh.example\nc,C,c@elsewhere.example\n";
    let people = read(text).unwrap().people;
    let names = |at: usize| people[at].names.iter().map(CanonicalName::as_str).collect::<Vec<_>>();
    assert_eq!(names(0), ["a21ec0001", "siti.rahmah"]);
    assert_eq!((names(1), names(2)), (vec!["b"], vec!["c", "c@elsewhere.example"]));
    assert_eq!(
        errors("login,name,email\na,A,\nb,B,a@student.contoh.example\n"),
        ["people.csv: row 3, column email: `a` is a login in row 2 too. Remove one"]
    );
}

#[test]
fn files_of_spreadsheets_are_read() {
    let plain = "login,name,password\na,René, x y \n,,\nb,B,\n";
    let wide: Vec<u8> = format!("\u{feff}{plain}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin: Vec<u8> = plain.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for bytes in [
        plain.as_bytes(),
        plain.replace(',', ";").as_bytes(),
        plain.replace(',', "\t").replace('\n', "\r\n").as_bytes(),
        format!("sep=;\n{}", plain.replace(',', ";")).as_bytes(),
        plain.replace("login,name", "Login, NAME ").as_bytes(),
        &wide,
        &latin,
    ] {
        let people = parse("people.csv", bytes, &demo_rules()).unwrap().people;
        assert_eq!((people.len(), people[0].name.as_str()), (2, "René"), "{bytes:?}");
        assert_eq!(people[0].password.as_deref(), Some(" x y "), "a password is taken to the letter");
    }
    let warnings = lines(&parse("people.csv", &latin, &demo_rules()).unwrap());
    let expected =
        "people.csv: row 2: not UTF-8, so the file was read as Windows-1252. Check the names in it";
    assert_eq!(warnings, [expected]);
    let row = errors("sep=,\nlogin,name\na,\n");
    assert_eq!(row, ["people.csv: row 3, column name: the field is empty. Enter the person's full name"]);
}

#[test]
fn unusable_characters_are_reported() {
    for (text, column) in [
        ("login,name\na\u{200b}1,A\n", "login"),
        ("login,name,email\na,A,a@mail.exam\u{200b}ple\n", "email"),
        ("login,name,alternate_email\na,A,a@mail.example.\n", "alternate_email"),
        ("login,name\na,A\0B\n", "name"),
    ] {
        let found = errors(text);
        assert!(found[0].starts_with(&format!("people.csv: row 2, column {column}: ")), "{found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
    }
    assert!(errors("login,name\na,ப\u{200d}ரியா\n").is_empty(), "a joiner is part of a name");
}

#[test]
fn numbers_are_read_in_any_form_and_unreachable_ones_reported() {
    let text = "login,name,mobile,office_phone\n\
                a,A,012-345 6798,03-2731 7272 ext 12\n\
                b,B,+6591234567,+60111222333\n\
                c,C,03-2731 7272,\n";
    let read = read(text).unwrap();
    let (warnings, people) = (lines(&read), read.people);
    assert_eq!(people[0].mobile.as_ref().unwrap().expose(), "+60123456798");
    assert_eq!(people[0].office_phone.as_ref().unwrap().expose(), "+60327317272");
    let starts = [
        "people.csv: row 2, column office_phone: the extension is ignored",
        "people.csv: row 3, column mobile: the number can't be reached",
        "people.csv: row 3, column office_phone: the number can't be reached",
        "people.csv: row 4, column mobile: the number is a fixed line",
    ];
    assert_eq!(warnings.len(), starts.len(), "{warnings:#?}");
    for (warning, start) in warnings.iter().zip(starts) {
        assert!(warning.starts_with(start), "{warning}");
    }
}

#[test]
fn short_seed_is_imported_with_warning() {
    let read = read("login,name,totp_secret\na,A,jbsw y3dp ehpk 3pxp\n").unwrap();
    assert_eq!(read.people[0].totp_secret.as_deref(), Some("JBSWY3DPEHPK3PXP"));
    assert!(lines(&read)[0].contains("column totp_secret: the secret has fewer"), "{:?}", read.warnings);
}

#[test]
fn invalid_header_is_reported_before_rows() {
    assert_eq!(errors("login,name,fax\na,A,1\n").len(), 1);
    assert!(!errors("login,name,\"f\nax\"\na,A,1\n")[0].contains('\n'));
    assert!(errors("login,name,login\n")[0].contains("twice"));
    assert!(errors("login\na\n")[0].contains("`name` is missing"));
    assert!(errors("").len() == 1);
    assert!(errors("login,name\n")[0].contains("no people"));
}

#[test]
fn row_with_error_is_refused_and_others_are_read() {
    let text = "login,name,mobile,password\na,A,+60123456798,x y z\nb,B,by pigeon,secret\nc,C,,\n";
    let people = super::read("people.csv", text.as_bytes(), &demo_rules()).unwrap();
    let logins: Vec<&str> = people.people.iter().map(Person::login).collect();
    assert_eq!(logins, ["a", "c"]);
    let [refused] = &people.refused[..] else { panic!("one row is refused") };
    assert_eq!((refused.row, refused.cells.len(), refused.remarks[0].column), (3, 4, Some("mobile")));
    assert!(people.has("password") && !people.has("email"));
}

#[test]
fn formulas_are_refused() {
    for (text, column) in [
        ("login,name\n=1+1,A\n", "login"),
        ("login,name\na,@SUM(A1)\n", "name"),
        ("login,name,email\na,A,+a@mail.example\n", "email"),
        ("login,name,mobile\na,A,=+60123456798\n", "mobile"),
        ("login,name,group\na,A,-2\n", "group"),
    ] {
        let found = errors(text);
        assert!(
            found[0].starts_with(&format!("people.csv: row 2, column {column}: the field begins as")),
            "{found:?}"
        );
    }
    assert!(errors("login,name,mobile,password\na,A,+60123456798,=x-42 y\n").is_empty());
}

#[test]
fn numbers_without_leading_zero_or_plus_are_read() {
    let people = read("login,name,mobile\na,A,123456798\nb,B,60123456798\n").unwrap().people;
    for person in people {
        assert_eq!(person.mobile.unwrap().expose(), "+60123456798");
    }
}

#[test]
fn password_that_nobody_can_type_is_refused() {
    let found = errors("login,name,password\na,A,x\0y\n");
    assert!(found[0].starts_with("people.csv: row 2, column password: "), "{found:?}");
    assert!(!found[0].contains('x'), "no password is shown");
}

#[test]
fn reason_of_an_earlier_run_is_skipped() {
    assert!(errors("login,name,reason\na,A,row 2: something\n").is_empty());
}
