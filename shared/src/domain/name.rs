//! The typed login and its canonical form.

use caseless::Caseless as _;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use super::keys::Keyring;
use super::typed::is_invisible;

/// The longest login in code points: an email address has at most 254 octets (RFC 5321 §4.5.3.1.3).
pub const LOGIN_MAX: usize = 254;

/// A login in canonical form: NFKC, case-folded, without what can't be seen, without surrounding space and without
/// an own domain of the organisation. `Aisyah`, `aisyah`, `CONTOH\aisyah` and `aisyah@student.contoh.example` are
/// one name, with or without an account. Rate limits and decoys use this name, never the typed text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalName(String);

impl CanonicalName {
    /// Canonicalises a typed login. `domains` are in canonical form themselves ([`fold`]).
    ///
    /// # Errors
    /// [`NameError`] when nothing is left, it is too long or has a control character.
    pub fn parse(typed: &str, domains: &[String]) -> Result<Self, NameError> {
        if typed.chars().count() > LOGIN_MAX {
            return Err(NameError::TooLong);
        }
        if typed.trim().chars().any(char::is_control) {
            return Err(NameError::ControlCharacter);
        }
        let folded = fold(typed);
        let folded = unwrapped(&folded);
        let name = match folded.split_once('@') {
            Some((local, domain)) if domains.iter().any(|own| own == domain) => unwrapped(local.trim_end()),
            _ => folded,
        };
        // Folding can make one character eighteen (U+FDFA), and the name is a table's key of at most 2048 octets.
        if name.chars().count() > LOGIN_MAX {
            return Err(NameError::TooLong);
        }
        if name.is_empty() { Err(NameError::Empty) } else { Ok(Self(name.to_owned())) }
    }

    /// Returns the name as text, for look-ups in the directory.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether a text is this name by itself or with a domain, in any case. Another system's login may differ from
    /// ours in what [`CanonicalName::parse`] forgives a person who types, and then be another person's.
    pub fn is_spelled(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        lower.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
    }

    /// Returns the keyed reference that rate limits, decoys and CAPTCHA thresholds use. It is keyed because
    /// people may type anything as their name, even a password.
    pub fn reference(&self, flows: &Keyring) -> NameRef {
        let tag = flows.tag(flows.oldest(), "rekey/name", &[self.0.as_bytes()]);
        NameRef(tag.map_or([0; 32], |tag| *tag.as_bytes()))
    }
}

impl std::fmt::Debug for CanonicalName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CanonicalName(..)")
    }
}

/// A keyed reference to a canonical name. It uses the oldest key, so key rotation doesn't change it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameRef([u8; 32]);

impl NameRef {
    /// Returns the reference with these stored bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, as keys of tables contain them.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for NameRef {
    /// Writes sixteen hexadecimal digits: enough to find a name's events in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.0[..8]))
    }
}

/// Applies NFKC and case folding until the text no longer changes, and removes surrounding space. Word processors
/// and phones write typographic signs and invisible ones, which nobody tells from ASCII or sees: an apostrophe,
/// quote or hyphen becomes that of ASCII, and what can't be seen is dropped.
pub fn fold(text: &str) -> String {
    // Nearly all of a directory's texts, of which a sync folds hundreds of thousands.
    if text.is_ascii() { text.trim().to_ascii_lowercase() } else { fold_unicode(text) }
}

fn fold_unicode(text: &str) -> String {
    let once = |text: &str| {
        let seen = text.nfkc().filter(|c| !is_invisible(*c)).map(ascii_twin);
        seen.default_case_fold().nfkc().collect::<String>()
    };
    let first = once(text);
    let second = once(first.trim());
    second.trim().to_owned()
}

/// Returns the sign of ASCII that a typographic sign stands for.
const fn ascii_twin(c: char) -> char {
    match c {
        '\u{2018}'..='\u{201b}' | '\u{2b9}' | '\u{2bb}'..='\u{2bd}' | '\u{2032}' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{2033}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        other => other,
    }
}

/// Removes what mail programs (`Aisyah <aisyah@…>`, `mailto:`) and Windows (`CONTOH\aisyah`) put around a login.
fn unwrapped(folded: &str) -> &str {
    let mut text = folded;
    loop {
        let inside = text.strip_suffix('>').and_then(|text| text.rsplit_once('<'));
        let login = inside.map_or(text, |(_, inside)| inside);
        let login = login.strip_prefix("mailto:").unwrap_or(login);
        let login = login.rsplit_once('\\').map_or(login, |(_, login)| login).trim();
        if login == text {
            return text;
        }
        text = login;
    }
}

/// The reason why a typed login is rejected.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// It has only space, or nothing before an own domain.
    #[error("the name is empty")]
    Empty,
    /// More than [`LOGIN_MAX`] code points.
    #[error("the name is longer than {LOGIN_MAX} characters")]
    TooLong,
    /// It has a line break, NUL or another control character.
    #[error("the name has a control character")]
    ControlCharacter,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(typed: &str) -> Result<CanonicalName, NameError> {
        CanonicalName::parse(typed, &["student.contoh.example".to_owned()])
    }

    /// Controls: C-004.
    #[test]
    fn name_as_typed_is_canonicalised() {
        for typed in [
            "aisyah",
            " AISYAH ",
            "Aisyah@Student.Contoh.Example",
            "aisyah @student.contoh.example",
            "ａｉｓｙａｈ",
            "\u{200b}ai\u{ad}syah\u{2060}",
            "\u{2066}aisyah\u{2069}",
            "CONTOH\\aisyah",
            "contoh.example\\Aisyah",
            "Nur Aisyah <aisyah@student.contoh.example>",
            "mailto:aisyah@student.contoh.example",
        ] {
            assert_eq!(name(typed).unwrap().as_str(), "aisyah", "{typed}");
        }
        for typed in ["o\u{2019}brien", "O\u{2bc}Brien", "o\u{2018}brien@student.contoh.example"] {
            assert_eq!(name(typed).unwrap().as_str(), "o'brien", "{typed}");
        }
        assert_eq!(name("nur\u{2011}aisyah").unwrap().as_str(), "nur-aisyah");
        assert_eq!(name("aisyah@mail.example").unwrap().as_str(), "aisyah@mail.example");
    }

    /// Controls: C-078.
    #[test]
    fn invalid_name_is_rejected() {
        assert_eq!(name("  "), Err(NameError::Empty));
        assert_eq!(name("@student.contoh.example"), Err(NameError::Empty));
        assert_eq!(name("CONTOH\\"), Err(NameError::Empty));
        assert_eq!(name("<>"), Err(NameError::Empty));
        assert_eq!(name("\u{200b}\u{feff}"), Err(NameError::Empty), "nothing that can be seen");
        assert_eq!(name("a\nb"), Err(NameError::ControlCharacter));
        assert_eq!(name(&"a".repeat(255)), Err(NameError::TooLong));
        assert_eq!(name(&"ß".repeat(128)), Err(NameError::TooLong), "256 of them once folded");
    }

    /// Controls: C-197.
    #[test]
    fn other_systems_login_needs_exact_spelling() {
        let aisyah = name("aisyah").unwrap();
        for same in ["aisyah", "Aisyah", "AISYAH@student.contoh.example"] {
            assert!(aisyah.is_spelled(same) && name(same).unwrap() == aisyah, "{same}");
        }
        for other in
            ["CONTOH\\aisyah", "x <aisyah>", " aisyah", "\u{ff41}isyah", "aisyah\u{200b}", "aisyah2", ""]
        {
            assert!(!aisyah.is_spelled(other), "{other}");
        }
    }

    proptest! {
        /// Controls: C-004.
        #[test]
        fn fold_is_idempotent(text in "\\PC{0,60}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        /// Controls: C-004.
        #[test]
        fn ascii_folds_as_unicode_does(text in "[\\x00-\\x7f]{0,60}") {
            prop_assert_eq!(fold(&text), fold_unicode(&text));
        }

        /// Controls: C-004.
        #[test]
        fn canonicalising_name_is_idempotent(text in "\\PC{0,60}", at_home: bool) {
            let text = if at_home { format!("{text}@student.contoh.example") } else { text };
            if let Ok(once) = name(&text) {
                prop_assert_eq!(name(once.as_str()), Ok(once));
            }
        }

        /// Controls: C-004.
        #[test]
        fn name_spellings_are_equal(
            local in "[a-z][a-z0-9._-]{0,20}", capitals in prop::collection::vec(any::<bool>(), 21),
            wide in prop::collection::vec(any::<bool>(), 21), around in prop::sample::select(vec!["", " ", "\u{3000}"]),
            domain in prop::sample::select(vec!["", "@student.contoh.example", "@STUDENT.contoh.Example"]),
        ) {
            let letters = local.chars().zip(capitals).zip(wide).map(|((c, capital), wide)| {
                let c = if capital { c.to_ascii_uppercase() } else { c };
                if wide { char::from_u32(u32::from(c) + 0xFEE0).unwrap() } else { c }
            });
            let typed = format!("{around}{}{domain}{around}", letters.collect::<String>());
            prop_assert_eq!(name(&typed), name(&local));
            prop_assert_eq!(name(&typed).map(|name| name.as_str().to_owned()), Ok(local));
        }
    }
}
