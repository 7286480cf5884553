//! Tests of the CAPTCHA through its public interface: seal, open, right and wrong answers.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// Zero bits that a test can compute at once.
const LIGHT: u8 = 6;

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

/// Returns the first nonce with exactly `bits` zero bits.
fn work(challenge: &CaptchaChallenge, bits: u8) -> String {
    let shows = |nonce: &String| challenge.zero_bits(nonce) == u32::from(bits);
    (0..u64::MAX).map(|nonce| nonce.to_string()).find(shows).unwrap()
}

fn verdict(challenge: &CaptchaChallenge, answer: Option<&str>, work: Option<&str>) -> Verdict {
    challenge.check(&Solution::parse(answer, work).unwrap(), &name(1))
}

#[test]
fn normal_challenge_accepts_characters_or_work() {
    let challenge = normal();
    assert_eq!(verdict(&challenge, Some(&challenge.answer()), None), Verdict::Passed);
    assert_eq!(verdict(&challenge, None, Some(&work(&challenge, LIGHT))), Verdict::Passed);
    assert_eq!(verdict(&challenge, Some("333333"), Some(&work(&challenge, LIGHT))), Verdict::Passed);
    assert_eq!(verdict(&challenge, Some(&challenge.answer()), Some("0")), Verdict::Passed);
    assert_eq!(verdict(&challenge, Some("333333"), None), Verdict::Wrong);
    assert_eq!(verdict(&challenge, Some(&challenge.answer()[1..]), None), Verdict::Wrong);
}

/// Controls: C-007.
#[test]
fn work_below_required_difficulty_is_rejected() {
    let challenge = normal();
    assert_eq!(verdict(&challenge, None, Some(&work(&challenge, LIGHT - 1))), Verdict::Wrong);
    assert_eq!(verdict(&challenge, None, Some(&work(&challenge, LIGHT + 1))), Verdict::Passed);
}

#[test]
fn work_hash_follows_contract() {
    let challenge = normal();
    let nonce = work(&challenge, 9);
    let hash = Sha256::digest(format!("{}{nonce}", challenge.work_challenge()));
    assert_eq!((hash[0], hash[1] >> 6), (0, 1));
}

/// Controls: C-007.
#[test]
fn harder_challenge_requires_both_or_more_work() {
    let challenge = harder();
    let (answer, enough) = (challenge.answer(), work(&challenge, LIGHT));
    assert_eq!(verdict(&challenge, Some(&answer), Some(&enough)), Verdict::Passed);
    assert_eq!(verdict(&challenge, Some(&answer), None), Verdict::Wrong);
    assert_eq!(verdict(&challenge, Some(&answer), Some(&work(&challenge, LIGHT - 1))), Verdict::Wrong);
    assert_eq!(verdict(&challenge, None, Some(&enough)), Verdict::Wrong);
    assert_eq!(verdict(&challenge, None, Some(&work(&challenge, LIGHT + 3))), Verdict::Wrong);
    assert_eq!(verdict(&challenge, None, Some(&work(&challenge, LIGHT + 4))), Verdict::Passed);
    assert_eq!(challenge.difficulty_alone(), LIGHT + 4);
}

/// Controls: C-007.
#[test]
fn harder_challenge_is_bound_to_name() {
    let challenge = harder();
    let solution = Solution::parse(Some(&challenge.answer()), Some(&work(&challenge, LIGHT + 4))).unwrap();
    assert_eq!(challenge.check(&solution, &name(1)), Verdict::Passed);
    assert_eq!(challenge.check(&solution, &name(2)), Verdict::Wrong);
}

#[test]
fn answer_ignores_case_spacing_and_width() {
    let challenge = normal();
    let answer = challenge.answer();
    let spaced = format!(" {} - {} ", &answer[..3].to_lowercase(), &answer[3..]);
    let wide: String = answer.bytes().map(|b| char::from_u32(u32::from(b) + 0xFEE0).unwrap()).collect();
    assert_eq!(verdict(&challenge, Some(&spaced), None), Verdict::Passed);
    assert_eq!(verdict(&challenge, Some(&wide), None), Verdict::Passed);
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
    for unfit in ["-1", "+1", "1.5", "0x10", "１", "123456789012345678901"] {
        assert_eq!(parse(None, Some(unfit)), Some(CaptchaError::Malformed), "{unfit}");
    }
    assert_eq!(parse(Some(&"3".repeat(65)), None), Some(CaptchaError::Malformed));
    assert_eq!(parse(Some("x"), Some("18446744073709551615")), None);
}

/// Controls: C-007.
#[test]
fn token_expires_at_expiry_time() {
    let keys = keyring('k');
    let token = normal().seal(&keys, [0; 24]).unwrap();
    let open =
        |seconds| CaptchaChallenge::open(&token, &keys, Timestamp::from_seconds(NOW.as_seconds() + seconds));
    assert_eq!(open(179).unwrap(), normal());
    assert_eq!(open(180), Err(CaptchaError::Expired));
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
    let other = keys.seal("rekey/other", &[], &[1; 26], [0; 24]).unwrap();
    let short = keys.seal(PURPOSE, &[], &[VERSION; 25], [0; 24]).unwrap();
    let newer = keys.seal(PURPOSE, &[], &[VERSION + 1; 26], [0; 24]).unwrap();
    for token in [other, short, newer, String::new(), ".".repeat(10_000)] {
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
    let all = BTreeSet::from([challenge.spend_id(), challenge.rendering_seed(), challenge.derive("work")]);
    assert_eq!(all.len(), 3);
    assert_ne!(challenge.spend_id(), CaptchaChallenge::generate([8; 16], NOW, LIGHT, None).spend_id());
}

/// Controls: C-020.
#[test]
fn generated_answers_cover_whole_alphabet() {
    let answers = (0..=255).map(|byte| CaptchaChallenge::generate([byte; 16], NOW, LIGHT, None).answer());
    let drawn: BTreeSet<char> = answers.flat_map(|answer| answer.chars().collect::<Vec<_>>()).collect();
    assert_eq!(drawn, ALPHABET.iter().map(|b| char::from(*b)).collect());
}

proptest! {
    #[test]
    fn sealed_token_round_trips(
        entropy: [u8; 16], nonce: [u8; 24], difficulty: u8, bound: Option<[u8; 32]>, seconds in 0..4_000_000_000_i64,
    ) {
        let now = Timestamp::from_seconds(seconds);
        let challenge = CaptchaChallenge::generate(entropy, now, difficulty, bound.map(NameRef::from_bytes));
        let keys = keyring('k');
        let token = challenge.seal(&keys, nonce).unwrap();
        prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
        let opened = CaptchaChallenge::open(&token, &keys, now).unwrap();
        prop_assert_eq!(opened.answer(), challenge.answer());
        prop_assert_eq!(opened, challenge);
    }

    /// Controls: C-078.
    #[test]
    fn arbitrary_input_never_panics(answer: Option<String>, work: Option<String>, token: String) {
        if let Ok(solution) = Solution::parse(answer.as_deref(), work.as_deref()) {
            let _ = normal().check(&solution, &name(1));
        }
        prop_assert_eq!(CaptchaChallenge::open(&token, &keyring('k'), NOW), Err(CaptchaError::Malformed));
    }
}
