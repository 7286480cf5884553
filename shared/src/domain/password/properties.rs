//! Property tests of the password rules, over all typed texts.

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::{CharacterClass, CommonPasswords, NewPassword, OwnWords, PasswordPolicy, Person, Violation};

fn policy() -> PasswordPolicy {
    let words = OwnWords::new("Universiti Contoh", ["tasik", "kampus"]).unwrap();
    PasswordPolicy::new(12, 128, CharacterClass::ALL, 1, CommonPasswords::new(), words).unwrap()
}

fn person() -> Person {
    Person::new(["Nur Aisyah binti Rahman", "陈伟明"], ["aisyah@student.contoh.example"])
}

fn violations(typed: &str) -> Option<Vec<Violation>> {
    NewPassword::parse(typed).ok().map(|password| policy().violations(&password, &person()))
}

/// Returns texts close to the rules: look-alikes, keyboard walks, words, letters of every script.
fn typed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("password".to_owned()),
        Just("Aisyah".to_owned()),
        Just("contoh".to_owned()),
        Just("K4mpus".to_owned()),
        "[0-9]{1,12}",
        "[qwertyuiopQWERTYUIOP!@#$%]{1,12}",
        "[48(\\{\\[<3691!|70$52%+@]{1,20}",
        "[ -~]{1,12}",
        "\\PC{1,6}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn violations_are_ordered_and_unique(typed in prop_oneof![typed(), any::<String>()]) {
        if let Some(violations) = violations(&typed) {
            let order: Vec<_> = policy().criteria().iter().map(|criterion| criterion.id()).collect();
            let place = |violation: &Violation| match violation.id() {
                "too-long" => Some(0),
                id => order.iter().position(|known| *known == id),
            };
            let places: Option<Vec<_>> = violations.iter().map(place).collect();
            prop_assert!(places.is_some_and(|places| places.is_sorted_by(|a, b| a < b)), "{violations:?}");
        }
    }

    #[test]
    fn length_and_class_violations_match_naive_count(typed in typed()) {
        prop_assume!(violations(&typed).is_some());
        let violations = violations(&typed).unwrap();
        let characters: Vec<char> = typed.nfc().collect();
        let says = |id: &str| violations.iter().any(|violation| violation.id() == id);
        prop_assert_eq!(says("length"), characters.len() < 12);
        prop_assert_eq!(says("too-long"), characters.len() > 128);
        prop_assert_eq!(says("upper"), !characters.iter().any(|c| c.is_uppercase()));
        prop_assert_eq!(says("lower"), !characters.iter().any(|c| c.is_lowercase()));
        prop_assert_eq!(says("digit"), !characters.iter().any(|c| "0123456789".contains(*c)));
    }

    #[test]
    fn symbol_and_name_violations_match_naive_search(typed in prop_oneof!["[ -~]{1,30}", "[A-Za-z0-9]{1,30}"], part in 0_usize..5) {
        let typed = typed + ["", "NUR", "aisyah", "binTi", "Rahma"][part];
        let violations = violations(&typed).unwrap();
        let says = |id: &str| violations.iter().any(|violation| violation.id() == id);
        prop_assert_eq!(says("symbol"), typed.chars().all(|c| c.is_ascii_alphanumeric()));
        // Without look-alikes, a name is found exactly when the text contains it.
        let plain = typed.to_lowercase();
        let has_look_alikes = plain.contains(|c: char| !c.is_ascii_alphabetic());
        let has_a_name = ["nur", "aisyah", "binti", "rahman"].iter().any(|part| plain.contains(part));
        prop_assert!(says("name") == has_a_name || has_look_alikes && says("name"), "{typed}");
    }

    #[test]
    fn violations_ignore_unicode_composition(typed in typed()) {
        prop_assert_eq!(violations(&typed), violations(&typed.nfd().to_string()));
    }

    /// Controls: C-018.
    #[test]
    fn name_part_is_found_at_any_position(
        before in "\\PC{0,20}",
        part in prop::sample::select(vec!["Nur", "AISYAH", "4isyah", "a!$y@h", "b1nt|", "R4hm@n", "Ráhmán", "陈伟明"]),
        after in "[ -~\\p{Lu}\\p{Han}]{0,20}",
    ) {
        let typed = format!("{before}{part}{after}");
        prop_assume!(NewPassword::parse(&typed).is_ok());
        prop_assert!(violations(&typed).unwrap().contains(&Violation::Name), "{typed}");
    }

    #[test]
    fn longer_password_gains_only_content_violations(typed in "[ -~]{1,100}", more in "[ -~]{0,20}") {
        let before = violations(&typed).unwrap();
        let after = violations(&(typed + &more)).unwrap();
        for gained in after {
            let may_be_gained = matches!(gained, Violation::Name | Violation::Common | Violation::Organisation);
            prop_assert!(may_be_gained || before.contains(&gained), "{gained:?}");
        }
    }

    /// Controls: C-018.
    #[test]
    fn common_password_file_rejects_only_listed_passwords(typed in "[ -~]{11}[!-~]", other in "[ -~]{11}[!-~]") {
        let refuses = |listed: &str| {
            let common = CommonPasswords::with_file(listed.as_bytes()).unwrap();
            common.contain(&NewPassword::parse(&typed).unwrap(), 12, &[])
        };
        prop_assert!(refuses(&typed.to_uppercase()));
        prop_assume!(!typed.eq_ignore_ascii_case(&other));
        prop_assert_eq!(refuses(&other), CommonPasswords::new().contain(&NewPassword::parse(&typed).unwrap(), 12, &[]));
    }
}

/// Passwords of a password manager must never be rejected as common. The sequence is fixed, so that each run
/// tests the same ones.
#[test]
fn random_passwords_are_accepted() {
    let alphabet: Vec<char> = ('!'..='~').collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..500 {
        let mut password: String =
            (0..8).map(|_| alphabet[usize::try_from(random() % 94).unwrap()]).collect();
        for class in CharacterClass::ALL {
            let members: Vec<_> = alphabet.iter().filter(|c| class.contains(**c)).collect();
            password.push(*members[usize::try_from(random()).unwrap() % members.len()]);
        }
        assert_eq!(violations(&password), Some(vec![]), "{password}");
    }
}
