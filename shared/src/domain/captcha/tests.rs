//! Tests of the CAPTCHA through its public interface: seal, open, right and wrong answers.

use std::collections::BTreeSet;

use proptest::option;
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// Work that a test can do at once.
const LIGHT: Effort = Effort { difficulty: 6, puzzles: 4 };

fn keyring(passphrase: char) -> Keyring {
    let passphrase = passphrase.to_string().repeat(40);
    Keyring::from_secret(&format!(r#"{{"current": "1", "1": "{passphrase}"}}"#)).unwrap()
}

fn name(byte: u8) -> NameRef {
    NameRef::from_bytes([byte; 32])
}

fn normal() -> CaptchaChallenge {
    CaptchaChallenge::generate([7; 16], NOW, LIGHT, None)
}

fn harder() -> CaptchaChallenge {
    CaptchaChallenge::generate([7; 16], NOW, LIGHT, Some(name(1)))
}

/// Returns the first nonce of each puzzle whose hash has exactly `bits` zero bits. Computes it as the contract says.
fn work(challenge: &CaptchaChallenge, bits: u32) -> String {
    let begins = challenge.work_challenge();
    let solve = |puzzle: u8| {
        let has_bits = |nonce: &u64| {
            let hash = Sha256::digest(format!("{begins}.{puzzle}.{nonce}"));
            hash.first_chunk().is_some_and(|head| u32::from_be_bytes(*head).leading_zeros() == bits)
        };
        (0..u64::MAX).find(has_bits).unwrap().to_string()
    };
    (0..challenge.effort().puzzles()).map(solve).collect::<Vec<_>>().join(".")
}

fn verdict(challenge: &CaptchaChallenge, answer: Option<&str>, work: Option<&str>) -> Verdict {
    let solution = Solution::parse(answer, work).unwrap();
    challenge.check(challenge.fit(&solution).unwrap(), &name(1))
}

fn misfit(challenge: &CaptchaChallenge, answer: Option<&str>, work: Option<&str>) -> Option<CaptchaError> {
    challenge.fit(&Solution::parse(answer, work).unwrap()).err()
}

#[test]
fn normal_challenge_accepts_characters_digits_or_work() {
    let challenge = normal();
    let worked = work(&challenge, 6);
    let digits = challenge.digits();
    assert_eq!(verdict(&challenge, Some(&challenge.answer()), None), Verdict::Passed);
    assert_eq!(verdict(&challenge, Some(&digits), None), Verdict::Passed);
    assert_eq!(verdict(&challenge, None, Some(&worked)), Verdict::Passed);
    assert_eq!(verdict(&challenge, Some("333333"), Some(&worked)), Verdict::Passed);
    assert_eq!(verdict(&challenge, Some(&challenge.answer()), Some("0.0.0.0")), Verdict::Passed);
    assert_eq!(verdict(&challenge, Some("333333"), None), Verdict::Wrong);
    assert_eq!(verdict(&challenge, None, Some("0.0.0.0")), Verdict::Wrong);
    assert_eq!(verdict(&challenge, Some(&challenge.answer()[1..]), None), Verdict::Wrong);
    let mixed = format!("{}{}", &challenge.answer()[..3], &digits[3..]);
    assert_eq!(verdict(&challenge, Some(&mixed), None), Verdict::Wrong);
}

/// Controls: C-007.
#[test]
fn work_below_required_difficulty_is_rejected() {
    let challenge = normal();
    assert_eq!(verdict(&challenge, None, Some(&work(&challenge, 5))), Verdict::Wrong);
    assert_eq!(verdict(&challenge, None, Some(&work(&challenge, 7))), Verdict::Passed);
    let worked = work(&challenge, 6);
    let nonces: Vec<&str> = worked.split('.').collect();
    let swapped = [nonces[1], nonces[0], nonces[2], nonces[3]].join(".");
    let repeated = [nonces[0]; 4].join(".");
    for other in [swapped, repeated] {
        assert_eq!(verdict(&challenge, None, Some(&other)), Verdict::Wrong, "each puzzle has its own nonce");
    }
}

/// Controls: C-007.
#[test]
fn harder_challenge_accepts_work_alone() {
    let challenge = harder();
    let worked = work(&challenge, 6);
    assert_eq!(verdict(&challenge, None, Some(&worked)), Verdict::Passed);
    assert_eq!(
        verdict(&challenge, Some("333333"), Some(&worked)),
        Verdict::Passed,
        "characters don't matter"
    );
    assert_eq!(misfit(&challenge, Some(&challenge.answer()), None), Some(CaptchaError::WorkRequired));
    assert_eq!(
        misfit(&challenge, Some(&challenge.digits()), Some("0.0.0.0")),
        Some(CaptchaError::WorkRequired)
    );
    let typed = challenge.answer();
    assert_eq!(challenge.check(Answer::Characters(&typed), &name(1)), Verdict::Wrong);
}

/// Controls: C-007.
#[test]
fn harder_challenge_is_bound_to_name() {
    let challenge = harder();
    let solution = Solution::parse(None, Some(&work(&challenge, 6))).unwrap();
    let answer = challenge.fit(&solution).unwrap();
    assert_eq!(challenge.check(answer, &name(1)), Verdict::Passed);
    assert_eq!(challenge.check(answer, &name(2)), Verdict::Wrong);
}

/// The work doubles with the count, up to sixteen times the base.
/// Controls: C-007.
#[test]
fn effort_doubles_with_count_and_is_capped() {
    let bits = |count| Effort::above(count, 30).map(|effort| effort.difficulty() - Effort::BASE.difficulty());
    for (count, doublings) in [
        (0, None),
        (1, None),
        (30, None),
        (31, Some(1)),
        (60, Some(1)),
        (61, Some(2)),
        (121, Some(3)),
        (241, Some(4)),
        (481, Some(4)),
        (u64::MAX, Some(4)),
    ] {
        assert_eq!(bits(count), doublings, "{count}");
    }
    assert_eq!(Effort::above(31, 30), Some(Effort::harder()));
    assert!(Effort::above(u64::MAX, 1).is_some_and(|most| most.puzzles() == Effort::BASE.puzzles()));
    assert!(Effort::BASE.puzzles() <= 64, "the contract's maximum");
}

/// Controls: C-007.
#[test]
fn work_with_other_number_of_puzzles_is_malformed() {
    let challenge = normal();
    let worked = work(&challenge, 6);
    for other in ["7".to_owned(), worked.rsplit_once('.').unwrap().0.to_owned(), format!("{worked}.0")] {
        assert_eq!(misfit(&challenge, None, Some(&other)), Some(CaptchaError::Malformed), "{other}");
        assert_eq!(
            misfit(&challenge, Some("333333"), Some(&other)),
            Some(CaptchaError::Malformed),
            "{other}"
        );
    }
}

/// A letter that folds into no other was misread. Other signs are wrong answers.
#[test]
fn letters_in_no_picture_are_told_apart_from_wrong_ones() {
    let challenge = normal();
    for typed in ["C33333", "33333p", "ｖ33333", "3é3333", "中33333"] {
        assert_eq!(misfit(&challenge, Some(typed), None), Some(CaptchaError::NotDrawn), "{typed}");
    }
    for typed in ["######", "33", "ABDEGI", "NQST01"] {
        assert_eq!(verdict(&challenge, Some(typed), None), Verdict::Wrong, "{typed}");
    }
    let letters =
        (b'A'..=b'Z').map(char::from).filter(|letter| fold(&letter.to_string()).chars().any(is_never_drawn));
    assert_eq!(letters.collect::<String>(), "CPV", "the page names them");
    let digits = "0123456789";
    assert!(!fold(digits).chars().any(is_never_drawn));
    let folded: BTreeSet<char> = fold(digits).chars().collect();
    assert_eq!(folded.len(), 10, "no two digits are twins");
}

#[test]
fn answer_ignores_case_spacing_and_width() {
    let challenge = normal();
    let answer = challenge.answer();
    let spaced = format!(" {} - {} ", &answer[..3].to_lowercase(), &answer[3..]);
    let wide: String = answer.bytes().map(|b| char::from_u32(u32::from(b) + 0xFEE0).unwrap()).collect();
    assert_eq!(verdict(&challenge, Some(&spaced), None), Verdict::Passed);
    assert_eq!(verdict(&challenge, Some(&wide), None), Verdict::Passed);
    let tamil = |digit: u8| char::from_u32(0xBE6 + u32::from(digit - b'0')).unwrap();
    let digits: String = challenge.digits().bytes().map(tamil).collect();
    assert_eq!(verdict(&challenge, Some(&digits), None), Verdict::Passed);
}

#[test]
fn ambiguous_characters_fold_into_alphabet() {
    assert_eq!(fold("qd0 i1 2 a s g t b e n"), "OOOLLZ45678FM");
    for character in ALPHABET {
        let character = char::from(*character).to_string();
        assert_eq!(fold(&character), character, "a character of the alphabet stands for itself");
    }
}

#[test]
fn malformed_solution_is_distinguished_from_wrong_solution() {
    let parse = |answer: Option<&str>, work: Option<&str>| Solution::parse(answer, work).err();
    assert_eq!(parse(None, None), Some(CaptchaError::Unanswered));
    assert_eq!(parse(Some("  "), Some("")), Some(CaptchaError::Unanswered));
    for unfit in ["-1", "+1", "1..5", ".1", "1.", "1,5", "0x10", "１", "1 .2", "123456789012345678901"] {
        assert_eq!(parse(None, Some(unfit)), Some(CaptchaError::Malformed), "{unfit}");
    }
    assert_eq!(parse(Some(&"3".repeat(65)), None), Some(CaptchaError::Malformed));
    assert_eq!(parse(Some("x"), Some("18446744073709551615.0")), None);
}

/// Controls: C-007.
#[test]
fn token_expires_at_expiry_time() {
    let keys = keyring('k');
    let token = normal().seal(&keys, [0; 24]).unwrap();
    let open =
        |seconds| CaptchaChallenge::open(&token, &keys, Timestamp::from_seconds(NOW.as_seconds() + seconds));
    assert_eq!(open(599).unwrap(), normal());
    assert_eq!(open(600), Err(CaptchaError::Expired));
}

/// Controls: C-007.
#[test]
fn token_with_expiry_in_milliseconds_is_expired() {
    let keys = keyring('k');
    let late = Timestamp::from_seconds(NOW.as_seconds() * 1_000);
    let token = CaptchaChallenge { expires_at: late, ..normal() }.seal(&keys, [0; 24]).unwrap();
    assert_eq!(CaptchaChallenge::open(&token, &keys, NOW), Err(CaptchaError::Expired));
}

/// Controls: C-090.
#[test]
fn token_opens_under_its_own_key_only() {
    let token = harder().seal(&keyring('k'), [0; 24]).unwrap();
    assert_eq!(CaptchaChallenge::open(&token, &keyring('k'), NOW).unwrap(), harder());
    assert_eq!(CaptchaChallenge::open(&token, &keyring('l'), NOW), Err(CaptchaError::Malformed));
}

/// Controls: C-090.
#[test]
fn token_with_other_purpose_or_format_is_malformed() {
    let keys = keyring('k');
    let other = keys.seal("rekey/other", &[], &[1; 27], [0; 24]).unwrap();
    let short = keys.seal(PURPOSE, &[], &[VERSION; 26], [0; 24]).unwrap();
    let newer = keys.seal(PURPOSE, &[], &[VERSION + 1; 27], [0; 24]).unwrap();
    let older = keys.seal(PURPOSE, &[], &[VERSION - 1; 26], [0; 24]).unwrap();
    for token in [other, short, newer, older, String::new(), ".".repeat(10_000)] {
        assert_eq!(CaptchaChallenge::open(&token, &keys, NOW), Err(CaptchaError::Malformed));
    }
}

/// Controls: C-007.
#[test]
fn token_with_changed_character_is_malformed() {
    let keys = keyring('k');
    let token = harder().seal(&keys, [9; 24]).unwrap();
    for at in 0..token.len() {
        for other in ["A", "-", "7", ".", "=", ""] {
            let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            if changed != token {
                assert_eq!(
                    CaptchaChallenge::open(&changed, &keys, NOW),
                    Err(CaptchaError::Malformed),
                    "{at} {other}"
                );
            }
        }
    }
}

/// Controls: C-020.
#[test]
fn values_derived_from_entropy_are_distinct() {
    let challenge = normal();
    let all = ["work", "answer", "digits"].map(|what| challenge.derive(what));
    let all: BTreeSet<_> =
        all.into_iter().chain([challenge.spend_id(), challenge.rendering_seed()]).collect();
    assert_eq!(all.len(), 5);
    assert_ne!(challenge.spend_id(), CaptchaChallenge::generate([8; 16], NOW, LIGHT, None).spend_id());
}

/// Controls: C-020.
#[test]
fn generated_answers_cover_whole_alphabet() {
    let answers = (0..=255).map(|byte| CaptchaChallenge::generate([byte; 16], NOW, LIGHT, None).answer());
    let drawn: BTreeSet<char> = answers.flat_map(|answer| answer.chars().collect::<Vec<_>>()).collect();
    assert_eq!(drawn, ALPHABET.iter().map(|b| char::from(*b)).collect());
    let digits = (0..=255).map(|byte| CaptchaChallenge::generate([byte; 16], NOW, LIGHT, None).digits());
    let drawn: BTreeSet<char> = digits.flat_map(|digits| digits.chars().collect::<Vec<_>>()).collect();
    assert_eq!(drawn, ('0'..='9').collect());
}

proptest! {
    #[test]
    fn sealed_token_round_trips(
        entropy: [u8; 16], nonce: [u8; 24], difficulty: u8, puzzles: u8, bound: Option<[u8; 32]>,
        seconds in 0..4_000_000_000_i64,
    ) {
        let now = Timestamp::from_seconds(seconds);
        let effort = Effort { difficulty, puzzles };
        let challenge = CaptchaChallenge::generate(entropy, now, effort, bound.map(NameRef::from_bytes));
        let keys = keyring('k');
        let token = challenge.seal(&keys, nonce).unwrap();
        prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
        let opened = CaptchaChallenge::open(&token, &keys, now).unwrap();
        prop_assert_eq!(opened.answer(), challenge.answer());
        prop_assert_eq!(opened, challenge);
    }

    /// Controls: C-078.
    #[test]
    fn arbitrary_input_never_panics(answer: Option<String>, work in option::of("[0-9.]{0,90}"), token: String) {
        if let Ok(solution) = Solution::parse(answer.as_deref(), work.as_deref())
            && let Ok(answer) = normal().fit(&solution)
        {
            let _ = normal().check(answer, &name(1));
        }
        prop_assert_eq!(CaptchaChallenge::open(&token, &keyring('k'), NOW), Err(CaptchaError::Malformed));
    }
}

/// Controls: C-007.
#[test]
fn work_of_one_doubling_less_suffices() {
    let doubled = |times: u32| Effort::above(u64::from(2_u32.pow(times)) + 1, 1).unwrap();
    for times in 0..4 {
        let (less, required) = (doubled(times), doubled(times + 1));
        assert!(less < required || (less == required && times == 3), "{times}");
        assert!(less.suffices(required) && required.suffices(less), "{times}");
    }
    assert!(!doubled(0).suffices(doubled(2)) && !Effort::BASE.suffices(doubled(1)));
}
