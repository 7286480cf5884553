//! Contacts of a person, and the masks that may be shown.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr as _;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::name::fold;
use super::typed::{ascii_digit, is_invisible};

/// A telephone number in E.164 form (`+60123456798`). Shown only as a mask.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PhoneNumber(String);

/// Returns whether people write this character between the digits of a number.
fn is_punctuation(c: char) -> bool {
    matches!(c, '-' | '.' | '(' | ')' | '[' | ']' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// The signs between a number and its extension: of RFC 3966, English, Malay and Chinese cards, and the comma that
/// makes a phone pause.
const EXTENSION_SIGNS: [&str; 9] = [";ext=", "sambungan", "samb", "extension", "ext", "x", "#", ",", "分机"];

/// Returns a number without its extension of one to seven digits, if it has one.
fn without_extension(typed: &str) -> &str {
    let lower = Zeroizing::new(typed.to_ascii_lowercase());
    let signs = EXTENSION_SIGNS.iter().filter_map(|sign| Some((lower.find(sign)?, sign.len())));
    let Some((at, length)) = signs.min_by_key(|(at, length)| (*at, std::cmp::Reverse(*length))) else {
        return typed;
    };
    let rest = lower[at + length..].trim_start_matches(['.', ':', ' ']).trim_end();
    let is_extension =
        (1..=7).contains(&rest.chars().count()) && rest.chars().all(|c| ascii_digit(c).is_some());
    if is_extension { &typed[..at] } else { typed }
}

impl PhoneNumber {
    /// Reads a number as people type it: with spaces, hyphens, dots and brackets, with a leading `00` for
    /// `+`, or in the national form of the home country (`012-345 6798`). Digits of any script are read, and
    /// marks of direction from a copied contact are ignored.
    ///
    /// # Errors
    /// [`ContactError::Phone`] when it is no valid number of any country.
    pub fn parse(typed: &str, home: Country) -> Result<Self, ContactError> {
        if typed.len() > 128 {
            return Err(ContactError::Phone);
        }
        // The library also reads letters (vanity numbers) and skips unknown characters, the stars of a mask
        // too.
        let mut dialled = Zeroizing::new(String::with_capacity(64));
        for c in typed.nfkc() {
            match c {
                '+' => dialled.push('+'),
                c if c.is_whitespace() || is_punctuation(c) || is_invisible(c) => {}
                c => dialled.push(ascii_digit(c).ok_or(ContactError::Phone)?),
            }
        }
        let international = dialled.strip_prefix("00").map(|rest| Zeroizing::new(format!("+{rest}")));
        let number = international.as_ref().unwrap_or(&dialled).as_str();
        let read = |text: &str| {
            let number = phonenumber::parse(Some(home.0), text).map_err(|_| ContactError::Phone)?;
            Ok(number.format().mode(phonenumber::Mode::E164).to_string())
        };
        let number = Self(read(number)?);
        // With more leading zeros than any number has (`+44 000…`), the library reads its own output as
        // another number.
        if read(number.expose())? == number.0 { Ok(number) } else { Err(ContactError::Phone) }
    }

    /// Takes a number that was stored or sealed in E.164 form, without validation.
    pub fn from_stored(e164: String) -> Self {
        Self(e164)
    }

    /// Returns the whole number. Only the provider that calls or texts it may get it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads a number to compare it with an enrolled one: as [`Self::parse`], but without the extension that
    /// stands on a card (`03-8765 4308 ext 12`). The extension is part of no enrolled number.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_without_extension(typed: &str, home: Country) -> Result<Self, ContactError> {
        let typed: Zeroizing<String> = Zeroizing::new(typed.nfkc().collect());
        Self::parse(without_extension(&typed), home)
    }

    /// Compares two numbers by value, in a time that depends on their lengths only.
    pub fn matches(&self, other: &Self) -> bool {
        self == other
    }

    /// Returns the E.164 value that numbers are compared by: country and national number, without the
    /// extension that an earlier version may have stored.
    pub fn canonical(&self) -> Zeroizing<String> {
        let number = self.0.split(';').next().unwrap_or_default();
        // Stored numbers are in E.164 form, so no parser is needed: `password-set` is built without the
        // numbering plan.
        Zeroizing::new(number.chars().filter(|c| *c == '+' || c.is_ascii_digit()).collect())
    }

    /// Returns whether texts and calls may go to it. It must belong to one of `countries` and not be a
    /// premium or automated number (toll fraud: AWS End User Messaging, "artificially inflated traffic"). A
    /// range that the numbering plan's data does not contain is refused, since nobody can say who earns
    /// there. Operators do open new ranges; updates of the crate `phonenumber` bring new data.
    pub fn is_reachable_in(&self, countries: &[Country]) -> bool {
        use phonenumber::Type;
        let Ok(read) = phonenumber::parse(None, &self.0) else { return false };
        let kind = read.number_type(&phonenumber::metadata::DATABASE);
        let ordinary = matches!(kind, Type::FixedLine | Type::Mobile | Type::FixedLineOrMobile | Type::Voip);
        ordinary && countries.iter().any(|country| read.country().id() == Some(country.0))
    }

    /// Returns whether the numbering plan says that it is a fixed line, which gets calls and no texts. In plans that
    /// don't tell fixed from mobile numbers, none is.
    pub fn is_fixed_line(&self) -> bool {
        let read = phonenumber::parse(None, &self.0);
        let kind = read.map(|number| number.number_type(&phonenumber::metadata::DATABASE));
        matches!(kind, Ok(phonenumber::Type::FixedLine))
    }

    /// Returns the number without its last three digits: operators assign numbers, and fraudsters rent them,
    /// in blocks of a thousand.
    pub fn block(&self) -> &str {
        self.0.get(..self.0.len().saturating_sub(3)).unwrap_or_default()
    }

    /// Returns five stars and the last two digits, whatever the length: `*****98`.
    pub fn masked(&self) -> String {
        format!("*****{}", self.last_two())
    }

    /// Returns the number that a mask shows, 0 to 99; `None` for a number without digits.
    pub fn last_digits(&self) -> Option<u8> {
        self.last_two().parse().ok()
    }

    fn last_two(&self) -> String {
        let digits: String = self.0.chars().filter(char::is_ascii_digit).collect();
        digits.get(digits.len().saturating_sub(2)..).unwrap_or_default().to_owned()
    }
}

impl PartialEq for PhoneNumber {
    /// Compares by value: see [`PhoneNumber::canonical`].
    fn eq(&self, other: &Self) -> bool {
        self.canonical().as_bytes().ct_eq(other.canonical().as_bytes()).into()
    }
}

impl Eq for PhoneNumber {}

impl Hash for PhoneNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.masked())
    }
}

/// An email address in a deliverable form. Shown only as a mask, compared by its canonical form.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct EmailAddress(String);

/// Returns whether a person's address never has this character. Some servers give it a meaning: quotes,
/// comments, literals, lists and routes (RFC 5321 §4.1.2; `%` and `!` of older mail).
fn is_mail_syntax(c: char) -> bool {
    matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\\' | ',' | ';' | ':' | '%' | '!')
}

/// Returns the domain of a mailbox as A-labels (UTS #46), in lower case, without a trailing dot.
pub(super) fn canonical_domain(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let (deny, hyphens, length) = (AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Verify);
    Uts46::new().to_ascii(text.as_bytes(), deny, hyphens, length).ok().map(std::borrow::Cow::into_owned)
}

impl EmailAddress {
    /// Reads an address in any of its spellings: one `@` with text on both sides, at most 254 octets, no
    /// space or control character. Invisible characters are dropped, full-width forms and other full stops
    /// become ASCII, and the domain becomes its DNS form. Only a mail shows whether the address exists.
    ///
    /// # Errors
    /// [`ContactError::Email`] when it is not of that form.
    pub fn parse(text: &str) -> Result<Self, ContactError> {
        if text.len() > 1_024 {
            return Err(ContactError::Email);
        }
        let seen = |c: &char| !is_invisible(*c);
        let dot = |c| if matches!(c, '\u{3002}' | '\u{ff61}') { '.' } else { c };
        let text = Zeroizing::new(if text.is_ascii() {
            text.to_owned()
        } else {
            text.chars().filter(seen).nfkc().filter(seen).map(dot).collect()
        });
        let text = text.trim();
        let (local, domain) = text.split_once('@').ok_or(ContactError::Email)?;
        let is_plain = !local.is_empty()
            && !text.chars().any(|c| c.is_whitespace() || c.is_control() || is_mail_syntax(c));
        let domain = canonical_domain(domain).filter(|_| is_plain).ok_or(ContactError::Email)?;
        let address = Self(format!("{local}@{domain}"));
        if address.0.len() <= 254 { Ok(address) } else { Err(ContactError::Email) }
    }

    /// Returns the form that mailboxes are compared by, also case-folded. A stored address of an earlier
    /// version that is no longer valid is only folded.
    pub fn canonical(&self) -> Zeroizing<String> {
        Zeroizing::new(fold(Self::parse(&self.0).as_ref().unwrap_or(self).expose()))
    }

    /// Takes an address that was stored or sealed, without validation.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the whole address. Only the mail that goes to it may use it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the first letter and stars: `a*****@*****`, or `******@*****` for an address that begins with
    /// anything but an ASCII letter. Such an initial is rare, so it could name its owner, and decoys have none.
    /// The domain is hidden for the same reason.
    pub fn masked(&self) -> String {
        format!("{}*****@*****", self.initial().unwrap_or('*'))
    }

    /// Returns the letter that a mask shows, in lower case; `None` unless the address begins with an ASCII letter.
    pub fn initial(&self) -> Option<char> {
        self.0.chars().next().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase())
    }
}

impl PartialEq for EmailAddress {
    /// Compares by value: see [`EmailAddress::canonical`].
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for EmailAddress {}

impl Hash for EmailAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({})", self.masked())
    }
}

/// A country by its two-letter code in ISO 3166-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country(phonenumber::country::Id);

impl Country {
    /// Malaysia, the default home country.
    pub const MALAYSIA: Self = Self(phonenumber::country::Id::MY);

    /// Reads a two-letter code.
    ///
    /// # Errors
    /// [`ContactError::Country`] when no country with telephones has this code.
    pub fn parse(code: &str) -> Result<Self, ContactError> {
        phonenumber::country::Id::from_str(code).map(Self).map_err(|_| ContactError::Country)
    }
}

/// The reason why a text is rejected.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ContactError {
    /// It is no valid telephone number.
    #[error("not a telephone number")]
    Phone,
    /// It is no valid email address.
    #[error("not an e-mail address")]
    Email,
    /// It is no two-letter code of a country with telephones.
    #[error("not a two-letter country code")]
    Country,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Controls: C-078.
    #[test]
    fn phone_number_in_common_formats_parses() {
        for typed in [
            "+60123456798",
            "+60 12-345 6798",
            "0060 12 345 6798",
            "012-3456798",
            "(012) 345.6798",
            " 0123456798 ",
            "[012] 345 6798",
            "０１２－３４５　６７９８",
            "＋６０１２３４５６７９８",
            "௦௧௨௩௪௫௬௭௯௮",
            "\u{202a}+60 12\u{2011}345\u{2011}6798\u{202c}",
        ] {
            let number = PhoneNumber::parse(typed, Country::MALAYSIA).unwrap();
            assert_eq!(number.expose(), "+60123456798", "{typed}");
        }
        for typed in ["+60111222333", "0111222333"] {
            assert_eq!(
                PhoneNumber::parse(typed, Country::MALAYSIA).unwrap().expose(),
                "+60111222333",
                "{typed}"
            );
        }
        let no_numbers =
            ["", "abc", "+999999999999999999", "*****98", "---", "+", "tel:0123456798", "+44000123456"];
        for typed in no_numbers {
            assert!(PhoneNumber::parse(typed, Country::MALAYSIA).is_err(), "{typed}");
        }
    }

    #[test]
    fn extension_is_ignored_in_comparison_only() {
        for typed in [
            "+60387654308 ext 12",
            "03-8765 4308 x12",
            "03-8765 4308 samb. 12",
            "03-87654308,12",
            "03-8765 4308 Extension: 0012",
            "+60387654308;ext=12",
            "03-8765 4308 分机１２",
            "03-8765 4308",
        ] {
            let number = PhoneNumber::parse_without_extension(typed, Country::MALAYSIA).unwrap();
            assert_eq!(number.expose(), "+60387654308", "{typed}");
        }
        for typed in
            ["03-8765 4308 ext", "03-8765 4308 ext twelve", "03-8765 4308 ext 12345678", "ext 12", "x"]
        {
            assert!(PhoneNumber::parse_without_extension(typed, Country::MALAYSIA).is_err(), "{typed}");
        }
        assert!(
            PhoneNumber::parse("03-8765 4308 ext 12", Country::MALAYSIA).is_err(),
            "where it is enrolled"
        );
    }

    /// Controls: C-075.
    #[test]
    fn only_ordinary_numbers_in_allowed_countries_are_reachable() {
        let number = |e164: &str| PhoneNumber::from_stored(e164.to_owned());
        let malaysia = [Country::MALAYSIA];
        for reached in ["+60123456798", "+60327317272", "+601112223334"] {
            assert!(number(reached).is_reachable_in(&malaysia), "{reached}");
        }
        let singapore = Country::parse("SG").unwrap();
        assert!(!number("+6591234567").is_reachable_in(&malaysia));
        assert!(number("+6591234567").is_reachable_in(&[Country::MALAYSIA, singapore]));
        for (kind, special) in [
            ("premium rate", "+601600123456"),
            ("toll free", "+601800123456"),
            ("a decoy's", "+000000000042"),
            ("satellite", "+881612345678"),
            ("personal, forwarded at the caller's cost", "+447012345678"),
            ("of a range that nobody has given out", "+60111222333"),
            ("premium rate abroad", "+449012345678"),
            ("nothing", ""),
        ] {
            assert!(!number(special).is_reachable_in(&[Country::MALAYSIA, singapore]), "{kind}");
        }
        let britain = [Country::parse("GB").unwrap()];
        assert!(number("+447400123456").is_reachable_in(&britain));
        for special in ["+449012345678", "+447012345678"] {
            assert!(!number(special).is_reachable_in(&britain), "{special}");
        }
    }

    #[test]
    fn fixed_line_is_known_by_numbering_plan() {
        let is_fixed = |e164: &str| PhoneNumber::from_stored(e164.to_owned()).is_fixed_line();
        assert!(is_fixed("+60327317272") && is_fixed("+442079460000"));
        for other in ["+60123456798", "+601112223334", "+12015550123", "+000000000042", ""] {
            assert!(!is_fixed(other), "{other}");
        }
    }

    /// Controls: C-006.
    #[test]
    fn mask_reveals_two_digits_or_one_letter() {
        let number = PhoneNumber::parse("+60123456798", Country::MALAYSIA).unwrap();
        assert_eq!(number.masked(), "*****98");
        assert_eq!(format!("{number:?}"), "PhoneNumber(*****98)");
        let address = EmailAddress::parse("Aisyah.Rahman@mail.example").unwrap();
        assert_eq!(address.masked(), "a*****@*****");
        assert_eq!(format!("{address:?}"), "EmailAddress(a*****@*****)");
    }

    /// Controls: C-006.
    #[test]
    fn initial_other_than_ascii_letter_is_masked() {
        for text in
            ["2021100001@mail.example", "\u{f6}dd@mail.example", "李明@mail.example", "_a@mail.example"]
        {
            let address = EmailAddress::parse(text).unwrap();
            assert_eq!((address.initial(), address.masked().as_str()), (None, "******@*****"), "{text}");
        }
        assert_eq!(EmailAddress::from_stored(String::new()).masked(), "******@*****");
        assert_eq!(EmailAddress::parse("Zed@mail.example").unwrap().initial(), Some('z'));
    }

    #[test]
    fn last_digits_are_those_of_the_mask() {
        let digits = |text: &str| PhoneNumber::from_stored(text.to_owned()).last_digits();
        assert_eq!((digits("+60123456798"), digits("+60123456705"), digits("")), (Some(98), Some(5), None));
    }

    /// Controls: C-078.
    #[test]
    fn malformed_email_address_is_rejected() {
        for text in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nBcc: x", "a@b,c@d"] {
            assert!(EmailAddress::parse(text).is_err(), "{text}");
        }
        for text in [
            "a@[192.0.2.1]",
            "a@[IPv6:::1]",
            "a(of b)@mail.example",
            "a@mail.example(of b)",
            "\"a b\"@mail.example",
            "a%mail.example@relay.example",
            "relay.example!a@mail.example",
            "@relay.example:a@mail.example",
            "a@mail..example",
            "a@mail.example..",
            "a@.",
            "a\u{0}@mail.example",
            "a\u{85}@mail.example",
            "\u{200b}@mail.example",
            "a@\u{ad}",
            "a＠b＠c",
        ] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?}");
        }
        let longest = format!("{}@mail.example", "a".repeat(241));
        assert!(
            EmailAddress::parse(&longest).is_ok() && EmailAddress::parse(&format!("a{longest}")).is_err()
        );
    }

    #[test]
    fn mailbox_spellings_compare_equal() {
        let plain = EmailAddress::parse("aisyah@mail.example").unwrap();
        for spelt in [
            "AISYAH@MAIL.EXAMPLE",
            " aisyah@mail.example. ",
            "aisyah@mail\u{3002}example",
            "aisyah@mail\u{ff0e}example",
            "aisyah@mail\u{ff61}example\u{3002}",
            "ai\u{ad}syah@ma\u{ad}il.example",
            "aisyah\u{200b}@mail\u{2060}.exam\u{200d}ple\u{feff}",
            "\u{202e}aisyah\u{202c}@\u{200f}mail.example",
            "ａｉｓｙａｈ＠ｍａｉｌ．ｅｘａｍｐｌｅ",
            "ai\u{17f}yah@mail.example",
            "ais\u{fe0f}yah@mail.example\u{e0061}",
        ] {
            let address = EmailAddress::parse(spelt).unwrap();
            assert_eq!(address.canonical(), plain.canonical(), "{spelt:?}");
            assert!(address == plain && address.expose().is_ascii(), "{spelt:?}: {}", address.expose());
            assert!(EmailAddress::from_stored(spelt.to_owned()) == plain, "stored as {spelt:?}");
        }
        for other in ["aisya@mail.example", "aisyah@mail.example.org", "aisyah@sub.mail.example"] {
            assert!(EmailAddress::parse(other).unwrap() != plain, "{other}");
        }
        let mixed = EmailAddress::parse("Aisyah.Rahman@Mail.Example").unwrap();
        assert_eq!(mixed.expose(), "Aisyah.Rahman@mail.example", "what mail is sent to keeps its case");
        let wide = EmailAddress::parse("aisyah@b\u{fc}cher.example").unwrap();
        assert_eq!(wide.expose(), "aisyah@xn--bcher-kva.example");
        assert!(wide == EmailAddress::parse("aisyah@XN--BCHER-KVA.example").unwrap());
        assert!(wide == EmailAddress::parse("aisyah@bu\u{308}cher.example").unwrap());
    }

    #[test]
    fn stored_malformed_addresses_compare_ignoring_case() {
        let stored = |text: &str| EmailAddress::from_stored(text.to_owned());
        assert!(stored("\"A B\"@mail.example") == stored("\"a b\"@MAIL.example"));
        assert!(stored("\"a b\"@mail.example") != stored("\"a c\"@mail.example"));
    }

    #[test]
    fn phone_numbers_compare_by_value() {
        let stored = |text: &str| PhoneNumber::from_stored(text.to_owned());
        let typed = PhoneNumber::parse("012-345 6798", Country::MALAYSIA).unwrap();
        assert!(typed == stored("+60123456798") && typed == stored("+60 12-345 6798"));
        assert!(typed == stored("+60123456798;ext=12") && typed != stored("+60123456799"));
        assert!(
            stored("+390612345678") == stored("+39 06 1234 5678")
                && stored("+390612345678") != stored("+39612345678")
        );
        assert!(
            stored("+000000000042") == stored("+000000000042")
                && stored("+000000000042") != stored("+000000000043")
        );
    }

    /// Returns separators that people write between two digits.
    fn between() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(&["", "", " ", "-", ".", "\u{2011}", "\u{200b}"][..]), 12)
    }

    proptest! {
        #[test]
        fn phone_number_spellings_match(
            subscriber in "1[0-9]{8}", between in between(), zero in prop::sample::select(vec!['0', '０', '௦', '٠']),
        ) {
            let plain = format!("+60{subscriber}");
            let Ok(number) = PhoneNumber::parse(&plain, Country::MALAYSIA) else { return Ok(()) };
            prop_assert_eq!(number.expose(), &plain);
            for start in ["+60", "0060", "0"] {
                let (sign, digits) = start.strip_prefix('+').map_or(("", start), |digits| ("+", digits));
                let mut spelt = sign.to_owned();
                for (digit, after) in format!("{digits}{subscriber}").chars().zip(between.iter().cycle()) {
                    spelt.extend(char::from_u32(u32::from(zero) + digit.to_digit(10).unwrap()));
                    spelt.push_str(after);
                }
                let read = PhoneNumber::parse(&spelt, Country::MALAYSIA).unwrap();
                prop_assert!(read.matches(&number), "{spelt}: {}", read.expose());
            }
        }

        #[test]
        fn phone_numbers_differing_in_one_digit_differ(subscriber in "1[2-9][2-9]{7}", at in 2_usize..9, by in 1_u8..8) {
            let parse = |text: &str| PhoneNumber::parse(&format!("+60{text}"), Country::MALAYSIA);
            let mut other = subscriber.clone().into_bytes();
            other[at] = b'2' + (other[at] - b'2' + by) % 8;
            let other = String::from_utf8(other).unwrap();
            if let (Ok(one), Ok(other)) = (parse(&subscriber), parse(&other)) {
                prop_assert!(!one.matches(&other));
            }
        }

        /// A mask depends on two digits or on one letter, and so reveals nothing else.
        /// Controls: C-006.
        #[test]
        fn mask_depends_only_on_revealed_characters(
            one in "[0-9]{4,12}", other in "[0-9]{4,12}", last in "[0-9]{2}",
            initial in "[A-Za-z0-9À-ÿ李]", rests in ("[a-z.]{0,20}@[a-z.]{1,20}", "[a-z.]{0,20}@[a-z.]{1,20}"),
        ) {
            let mask = |digits: &str| PhoneNumber::from_stored(format!("+{digits}{last}")).masked();
            prop_assert_eq!(mask(&one), format!("*****{last}"));
            prop_assert_eq!(mask(&one), mask(&other));
            let mask = |rest: &str| EmailAddress::from_stored(format!("{initial}{rest}")).masked();
            prop_assert_eq!(mask(&rests.0), mask(&rests.1));
            let is_letter = initial.chars().all(|c| c.is_ascii_alphabetic());
            let shown = if is_letter { initial.to_ascii_lowercase() } else { "*".to_owned() };
            prop_assert_eq!(mask(&rests.0), format!("{shown}*****@*****"));
        }
    }
}
