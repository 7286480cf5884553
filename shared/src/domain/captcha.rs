//! The CAPTCHA's rules: the form of a challenge, its token, and the check of a solution.
//!
//! A challenge is not stored until it is answered: all its data is in a sealed token that the page sends out
//! and gets back. A person passes with one of two solutions: the six characters, seen or heard, or proof of
//! work, which the browser computes for a person who can use neither picture nor sound (WCAG 2.2 SC 3.3.8).
//! Above a rate limit both are required.
//!
//! No other control relies on the CAPTCHA (OWASP Authentication Cheat Sheet: a CAPTCHA is defence in depth).
//! Every other limit holds even if an attacker solves all challenges.
//!
//! The order of use: [`Solution::parse`] and [`CaptchaChallenge::open`], whose errors leave the token usable; then
//! the caller spends the token under [`CaptchaChallenge::spend_id`], once; only then [`CaptchaChallenge::check`].

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use super::keys::{Keyring, SealError};
use super::name::NameRef;
use super::time::{Seconds, Timestamp};

/// The characters of an answer, chosen for the picture and for the sound.
///
/// No two look alike: one is here of each group 0 O Q D, 1 I L, 2 Z, 4 A, 5 S, 6 G, 7 T, 8 B, E F and M N. A
/// typed twin counts as the character itself (see [`CaptchaChallenge::check`]). No two sound alike over a
/// telephone's bandwidth. Of the names that rhyme with "three" (B C D E G P T V) only 3 is here; of A H J K 8
/// those that differ in a consonant; of M N and F S one each; of 2 Q U the U; Z is "zed". Twenty remain: 25.9
/// bits for six.
pub const ALPHABET: &[u8; 20] = b"3456789FHJKLMORUWXYZ";

/// The length of an answer. One random answer in 64 million is right, and each token allows one answer.
pub const ANSWER_LENGTH: usize = 6;

/// The validity of a challenge. A person can hear it twice and type; an attacker can't collect tokens for a
/// later day.
pub const LIFETIME: Seconds = Seconds(180);

/// Zero bits of proof of work by default: 2¹⁸ hashes on average, half a second to a second on a phone.
pub const DIFFICULTY: u8 = 18;

/// Zero bits above a rate limit: four times as much work, besides the characters.
pub const DIFFICULTY_HARDER: u8 = 20;

/// Additional zero bits without characters where both are required: sixteen times as much work, mostly below
/// a minute on a phone. Nobody is excluded, and a machine gains nothing by skipping the picture.
pub const WITHOUT_CHARACTERS: u8 = 4;

/// The longest nonce of the work: `u64::MAX` has twenty digits.
const WORK_DIGITS: usize = 20;

/// The longest typed answer in octets; a longer text was not read off a picture.
const TYPED_MAX: usize = 64;

/// The longest token, with room for an eight-character key id. Bounds the cost of decoding.
const TOKEN_MAX: usize = 256;

const PURPOSE: &str = "rekey/captcha";
const VERSION: u8 = 1;

/// One challenge. Its nonce is its only secret: answer, picture, sound and work are derived from it, so a
/// token yields the same each time it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct CaptchaChallenge {
    nonce: [u8; 16],
    expires_at: Timestamp,
    difficulty: u8,
    bound_to: Option<NameRef>,
}

impl CaptchaChallenge {
    /// Returns a challenge from random bytes. `bound_to` makes it the harder kind, valid for that name only.
    pub fn generate(entropy: [u8; 16], now: Timestamp, difficulty: u8, bound_to: Option<NameRef>) -> Self {
        Self { nonce: entropy, expires_at: now + LIFETIME, difficulty, bound_to }
    }

    /// Returns the token of this challenge, safe in a URL. `nonce` is the cipher's and must be fresh.
    ///
    /// # Errors
    /// [`SealError`] when the keyring can't seal.
    pub fn seal(&self, keys: &Keyring, nonce: [u8; 24]) -> Result<String, SealError> {
        let mut plain = vec![VERSION, self.difficulty];
        plain.extend_from_slice(&self.expires_at.as_seconds().to_be_bytes());
        plain.extend_from_slice(&self.nonce);
        if let Some(name) = &self.bound_to {
            plain.extend_from_slice(name.as_bytes());
        }
        keys.seal(PURPOSE, &[], &plain, nonce)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`CaptchaError::Malformed`] when this service did not make it or it was changed;
    /// [`CaptchaError::Expired`].
    pub fn open(token: &str, keys: &Keyring, now: Timestamp) -> Result<Self, CaptchaError> {
        if token.len() > TOKEN_MAX {
            return Err(CaptchaError::Malformed);
        }
        let plain = keys.open(PURPOSE, &[], token).map_err(|_| CaptchaError::Malformed)?;
        let challenge = Self::read(&plain).ok_or(CaptchaError::Malformed)?;
        if challenge.expires_at.is_ahead(now, LIFETIME) { Ok(challenge) } else { Err(CaptchaError::Expired) }
    }

    fn read(plain: &[u8]) -> Option<Self> {
        let ([VERSION, difficulty], rest) = plain.split_first_chunk()? else { return None };
        let (seconds, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let bound_to = match rest {
            [] => None,
            name => Some(NameRef::from_bytes(name.try_into().ok()?)),
        };
        let expires_at = Timestamp::from_seconds(i64::from_be_bytes(*seconds));
        Some(Self { nonce: *nonce, expires_at, difficulty: *difficulty, bound_to })
    }

    /// Returns the characters to draw and speak. They must not be logged or sent in any other way.
    pub fn answer(&self) -> String {
        let derived = self.derive("answer");
        let mut draw = derived.first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
        // 2⁶⁴ is no multiple of 20⁶; the bias is below one part in 2³⁷.
        let mut character = || {
            let index = usize::try_from(draw % 20).unwrap_or_default();
            draw /= 20;
            char::from(ALPHABET[index])
        };
        (0..ANSWER_LENGTH).map(|_| character()).collect()
    }

    /// Returns the seed of picture and sound, which makes them deterministic.
    pub fn rendering_seed(&self) -> [u8; 32] {
        self.derive("rendering")
    }

    /// Returns the input of the proof of work, which the page shows.
    pub fn work_challenge(&self) -> String {
        hex::encode(self.derive("work"))
    }

    /// Returns the zero bits that the work needs: alone, or besides the characters where
    /// [`CaptchaChallenge::is_harder`].
    pub fn difficulty(&self) -> u8 {
        self.difficulty
    }

    /// Returns the zero bits that pass without characters.
    pub fn difficulty_alone(&self) -> u8 {
        if self.is_harder() { self.difficulty.saturating_add(WITHOUT_CHARACTERS) } else { self.difficulty }
    }

    /// Returns whether characters and work are both required, for one name.
    pub fn is_harder(&self) -> bool {
        self.bound_to.is_some()
    }

    /// Returns the end of the token's validity. The record that it was spent may be deleted from then on.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Returns the id that the token is spent under. It reveals nothing about the answer.
    pub fn spend_id(&self) -> [u8; 32] {
        self.derive("spent")
    }

    /// Checks whether `solution` passes for `name`. The caller must have spent the token before.
    ///
    /// Case, spaces, hyphens and width don't matter. The twin of a character ([`ALPHABET`]) counts as the
    /// character: a person who reads an S where a 5 is drawn has read the picture.
    pub fn check(&self, solution: &Solution, name: &NameRef) -> Verdict {
        let read = solution.characters.as_ref().is_some_and(|typed| self.has_characters(typed));
        let bits = solution.work.as_ref().map_or(0, |nonce| self.zero_bits(nonce));
        let passed = match &self.bound_to {
            None => read || bits >= self.difficulty.into(),
            Some(bound) if bound != name => false,
            Some(_) => (read && bits >= self.difficulty.into()) || bits >= self.difficulty_alone().into(),
        };
        if passed { Verdict::Passed } else { Verdict::Wrong }
    }

    fn has_characters(&self, typed: &str) -> bool {
        self.answer().as_bytes().ct_eq(typed.as_bytes()).into()
    }

    /// Returns the number of leading zero bits of SHA-256(challenge ‖ nonce).
    fn zero_bits(&self, nonce: &str) -> u32 {
        let hash = Sha256::new().chain_update(self.work_challenge()).chain_update(nonce).finalize();
        let zeros = hash.iter().take_while(|byte| **byte == 0).count();
        let partial = hash.get(zeros).map_or(0, |byte| byte.leading_zeros());
        u32::try_from(zeros).unwrap_or_default() * 8 + partial
    }

    fn derive(&self, what: &str) -> [u8; 32] {
        Sha256::new().chain_update(PURPOSE).chain_update(what).chain_update(self.nonce).finalize().into()
    }
}

impl std::fmt::Debug for CaptchaChallenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Challenge(..)")
    }
}

/// A submitted solution: characters, work, or both, in valid form.
pub struct Solution {
    characters: Option<String>,
    work: Option<String>,
}

impl Solution {
    /// Reads the two fields of the form; a blank field counts as absent.
    ///
    /// # Errors
    /// [`CaptchaError::Unanswered`] when both are absent. [`CaptchaError::Malformed`] when the work is no
    /// decimal number of up to twenty digits or the characters are too long. Wrong characters, also in
    /// number, are no error here.
    pub fn parse(answer: Option<&str>, work: Option<&str>) -> Result<Self, CaptchaError> {
        let given =
            |field: Option<&str>| field.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let (answer, work) = (given(answer), given(work));
        if answer.is_none() && work.is_none() {
            return Err(CaptchaError::Unanswered);
        }
        let unfit_work =
            |nonce: &String| nonce.len() > WORK_DIGITS || !nonce.bytes().all(|b| b.is_ascii_digit());
        let too_long = |typed: &String| typed.chars().count() > TYPED_MAX;
        if work.as_ref().is_some_and(unfit_work) || answer.as_ref().is_some_and(too_long) {
            return Err(CaptchaError::Malformed);
        }
        Ok(Self { characters: answer.as_deref().map(fold), work })
    }
}

/// Returns the typed text in characters of the alphabet.
fn fold(typed: &str) -> String {
    typed
        .nfkc()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_uppercase() {
            '0' | 'Q' | 'D' => 'O',
            '1' | 'I' => 'L',
            '2' => 'Z',
            'A' => '4',
            'S' => '5',
            'G' => '6',
            'T' => '7',
            'B' => '8',
            'E' => 'F',
            'N' => 'M',
            other => other,
        })
        .collect()
}

/// The result of a check. The reason is not exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The solution was sufficient.
    Passed,
    /// The solution was wrong or insufficient.
    Wrong,
}

/// Why a challenge can't be answered this way. None of these errors spends a token.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CaptchaError {
    /// The token or the number is not of a form that this service uses.
    #[error("the CAPTCHA's token or answer is not in its form")]
    Malformed,
    /// The token is older than three minutes.
    #[error("the CAPTCHA has expired")]
    Expired,
    /// The request has neither characters nor work.
    #[error("the CAPTCHA was not answered")]
    Unanswered,
}

#[cfg(test)]
mod tests;
