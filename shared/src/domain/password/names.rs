//! Names and logins, which a password must not contain.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::skeleton::{Skeleton, folded};

/// A person's names and logins: the words that their password must not contain.
///
/// A part of a name counts from three letters on, `binti` as well as `Aisyah`. In scripts without case, two
/// letters suffice, since a letter is a syllable or a word (`伟明`, `மணி`). Parts end at any character that is
/// no letter. The pieces of one word also count together (`Ng'a` is `nga`), and so do those of a whole name
/// (`Xi Li` is `xili`). The part of a login before the `@` counts like a name, and also as a whole, with its
/// digits (`s1234567`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Person {
    /// Folded (lower case, no accents) and sorted. A part that contains another is left out: a password with
    /// `oconnor` also contains `connor`.
    parts: Vec<String>,
}

impl Person {
    /// Takes all names and logins of a person, as the directory has them.
    pub fn new<N, L>(names: N, logins: L) -> Self
    where
        N: IntoIterator<Item: AsRef<str>>,
        L: IntoIterator<Item: AsRef<str>>,
    {
        let mut parts = Vec::new();
        for name in names {
            add_name(name.as_ref(), &mut parts);
        }
        for login in logins {
            let login = login.as_ref();
            let local = login.rsplit_once('@').map_or(login, |(local, _domain)| local);
            add_name(local, &mut parts);
            parts.push(folded(local).filter(|c| c.is_alphanumeric() || is_combining_mark(*c)).collect());
        }
        Self { parts: shortest(parts) }
    }

    /// Returns the words, folded: lower case, no accents.
    pub fn words(&self) -> &[String] {
        &self.parts
    }

    /// Returns whether any part is in the text, look-alikes included.
    pub(super) fn is_in(&self, text: &Skeleton) -> bool {
        self.parts.iter().any(|part| text.contains(&Skeleton::of(part)))
    }
}

fn add_name(name: &str, parts: &mut Vec<String>) {
    let name: String = folded(name).collect();
    parts.extend(name.split(|c| !is_of_a_word(c)).map(str::to_owned));
    parts.extend(name.split_whitespace().map(|word| word.chars().filter(|c| is_of_a_word(*c)).collect()));
    parts.push(name.chars().filter(|c| is_of_a_word(*c)).collect());
}

fn shortest(mut parts: Vec<String>) -> Vec<String> {
    parts.retain(|part| is_long_enough(part));
    parts.sort_unstable();
    parts.dedup();
    let is_needless =
        |part: &String| parts.iter().any(|other| other != part && part.contains(other.as_str()));
    parts.iter().filter(|part| !is_needless(part)).cloned().collect()
}

/// Counts written letters: a vowel sign belongs to its letter, and folding decomposed Hangul syllables.
fn is_long_enough(part: &str) -> bool {
    let is_caseless = part.chars().all(|c| is_of_a_word(c) && !c.is_lowercase());
    let letters = part.nfc().filter(|c| !is_combining_mark(*c)).count();
    letters >= if is_caseless { 2 } else { 3 }
}

fn is_of_a_word(character: char) -> bool {
    character.is_alphabetic() || is_combining_mark(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(name: &str) -> Vec<String> {
        Person::new([name], [""; 0]).parts
    }

    #[test]
    fn name_is_split_into_parts() {
        assert_eq!(parts("Nur Aisyah binti Rahman"), ["aisyah", "binti", "nur", "rahman"]);
        assert_eq!(parts("Mohd Hafiz bin Ismail"), ["bin", "hafiz", "ismail", "mohd"]);
        assert_eq!(parts("Tan Wei Ling"), ["ling", "tan", "wei"]);
        assert_eq!(parts("James O'Connor"), ["connor", "james"]);
        assert_eq!(parts("Siti a/p Abdul-Rahman"), ["abdul", "rahman", "siti"]);
        assert_eq!(parts("  Zoë   Müller-Łuczak "), ["muller", "zoe", "łuczak"]);
        assert_eq!(parts("陈伟明 김 민수"), ["\u{1106}\u{1175}\u{11ab}\u{1109}\u{116e}", "陈伟明"]);
        assert_eq!(parts("சுப்ரமணியம் மணி"), ["மணி"], "the longer name holds the shorter");
    }

    #[test]
    fn short_name_parts_are_joined() {
        assert_eq!(parts("Ng'a Li"), ["nga"]);
        assert_eq!(parts("Xi Li"), ["xili"]);
        assert!(parts("Li").is_empty() && parts("李").is_empty() && parts("மு").is_empty());
        assert!(parts(" - ").is_empty() && parts("").is_empty());
    }

    #[test]
    fn login_is_split_without_domain() {
        let of = |login: &str| Person::new([""; 0], [login]).parts;
        assert_eq!(of("aisyah.rahman@student.contoh.example"), ["aisyah", "rahman"]);
        assert_eq!(of("S1234567"), ["s1234567"]);
        assert_eq!(of("ali.2024@contoh.example"), ["ali"]);
        assert_eq!(of("li.2024"), ["li2024"], "a year alone is no name");
        assert!(of("li").is_empty() && of("12@contoh.example").is_empty());
    }

    #[test]
    fn name_part_with_substituted_characters_is_found() {
        let person = Person::new(["Nur Aisyah binti Rahman"], ["aisyah"]);
        for hit in ["Aisyah-2024-abc!", "A1syah-Kucing-77!", "x-R@hm4n-x", "robinTI", "NÜR"] {
            assert!(person.is_in(&Skeleton::of(hit)), "{hit}");
        }
        assert!(!person.is_in(&Skeleton::of("Kancil-Lompat-42!")));
    }
}
