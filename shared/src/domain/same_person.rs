//! Whether a login that comes again belongs to the person who had it.

use std::collections::BTreeSet;

use super::name::fold;

/// Words between the names of many people, which tell nobody apart: Malay, Tamil, Sikh, Arabic and European ones.
const COMMON: [&str; 24] = [
    "a", "al", "ap", "bin", "binte", "binti", "bt", "bte", "d", "da", "de", "der", "do", "dr", "ibn", "kaur",
    "l", "o", "p", "s", "singh", "so", "van", "von",
];

/// Returns whether the names may be those of one person. Words count as a set, without common ones and whatever their
/// case and order. Of a person who was here all the time, one word in common is enough, since people marry and
/// clerks abbreviate. A login that comes back, with `has_left`, needs the same words: universities give logins again.
pub fn is_same_person(stored: &str, given: &str, has_left: bool) -> bool {
    let (before, after) = (words(stored), words(given));
    before == after || (!has_left && !before.is_disjoint(&after))
}

fn words(name: &str) -> BTreeSet<String> {
    let folded = fold(name);
    let all: BTreeSet<String> = folded
        .split(|c: char| !c.is_alphanumeric() && !is_joined(c))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let telling: BTreeSet<String> =
        all.iter().filter(|word| !COMMON.contains(&word.as_str())).cloned().collect();
    if telling.is_empty() { all } else { telling }
}

/// Returns whether the character belongs to the word around it: an apostrophe, or a vowel sign of Tamil.
fn is_joined(c: char) -> bool {
    c == '\'' || ('\u{b80}'..='\u{bff}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_name_of_a_present_person_is_the_same_person() {
        for (stored, given) in [
            ("Mohd Hafiz", "Hafiz Ismail"),
            ("NUR AISYAH BINTI RAHMAN", "Nur Aisyah bt Rahman"),
            ("Tan, Wei Ling", "Wei Ling TAN"),
            ("ப்ரியா தேவி", "ப்ரியா"),
            ("James O\u{2019}Connor", "O'Connor James"),
        ] {
            assert!(is_same_person(stored, given, false), "{stored} {given}");
        }
    }

    #[test]
    fn other_name_is_another_person() {
        for (stored, given) in [
            ("Nur Aisyah binti Rahman", "Tan Wei Ling"),
            ("Ali bin Abu", "Siti binti Musa"),
            ("陈美玲", "林伟明"),
            ("Kumar a/l Raju", "Devi a/p Samy"),
        ] {
            assert!(!is_same_person(stored, given, false), "{stored} {given}");
        }
    }

    #[test]
    fn login_that_comes_back_needs_the_same_name() {
        assert!(is_same_person("Tan Wei Ling", "Wei-Ling Tan", true));
        assert!(!is_same_person("Tan Wei Ling", "Tan Mei Hua", true));
        assert!(is_same_person("Tan Wei Ling", "Tan Mei Hua", false), "a surname is enough to stay");
    }
}
