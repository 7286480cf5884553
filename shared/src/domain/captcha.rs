//! The CAPTCHA's rules: what a challenge asks, how it travels, and what passes it.
//!
//! A challenge lives nowhere until it is answered: everything about it is in a sealed token that the page hands out
//! and gets back. To pass, one of two things is enough: the six characters, seen or heard, or proof of work, which the
//! browser does for whoever can do neither (WCAG 2.2 SC 3.3.8). Over a budget both are asked for.
//!
//! Nothing else relies on it (OWASP Authentication Cheat Sheet: a CAPTCHA is defence in depth): every other limit holds
//! although all challenges were solved.
//!
//! The order of use: [`Solution::parse`] and [`Challenge::open`], which cost the token nothing when they refuse; then
//! the token is spent under [`Challenge::spend_id`], once; only then [`Challenge::check`].

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use super::keys::{Keyring, SealError};
use super::name::NameRef;
use super::time::{Seconds, Timestamp};

/// The characters of an answer, for the eye and the ear at once.
///
/// No two look alike: of 0 O Q D, 1 I L, 2 Z, 4 A, 5 S, 6 G, 7 T, 8 B, E F and M N one each is here, and what is typed
/// for its twin counts as it (see [`Challenge::check`]). No two sound alike over a telephone's bandwidth: of the names
/// that rhyme with "three" (B C D E G P T V) there is 3 alone, of A H J K 8 those that differ in a consonant, of M N
/// and F S one each, of 2 Q U the one that is no 2; Z is "zed". Twenty are left: 25.9 bits for six.
pub const ALPHABET: &[u8; 20] = b"3456789FHJKLMORUWXYZ";

/// How many characters an answer has. One guess in 64 million is right, and a token takes one guess.
pub const ANSWER_LENGTH: usize = 6;

/// How long a challenge can be answered: long enough to hear it twice and type, short enough that a stock of tokens
/// can't be gathered for a later day.
pub const LIFETIME: Seconds = Seconds(180);

/// Zero bits of proof of work at first: 2¹⁸ hashes on average, half a second to a second on a phone.
pub const DIFFICULTY: u8 = 18;

/// Zero bits over a budget: four times as much, besides the characters.
pub const DIFFICULTY_HARDER: u8 = 20;

/// Zero bits more for whoever brings no characters where both are asked for: sixteen times as much work, below a minute
/// on a phone in most cases, so that nobody is shut out and a machine gains nothing by skipping the picture.
pub const WITHOUT_CHARACTERS: u8 = 4;

/// The longest nonce: `u64::MAX` has twenty digits.
const WORK_DIGITS: usize = 20;

/// What is longer was not read off a picture, however it is spaced.
const TYPED_MAX: usize = 64;

/// Longer than any token with an eight-character key id, so that nothing huge is decoded.
const TOKEN_MAX: usize = 256;

const PURPOSE: &str = "rekey/captcha";
const VERSION: u8 = 1;

/// One challenge. Its nonce is its only secret: answer, picture, sound and work all follow from it, so that a token
/// means the same whenever it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    nonce: [u8; 16],
    expires_at: Timestamp,
    difficulty: u8,
    bound_to: Option<NameRef>,
}

impl Challenge {
    /// A challenge from fresh randomness. `bound_to` makes it the harder kind, good for that name alone.
    pub fn generate(entropy: [u8; 16], now: Timestamp, difficulty: u8, bound_to: Option<NameRef>) -> Self {
        Self { nonce: entropy, expires_at: now + LIFETIME, difficulty, bound_to }
    }

    /// The token that stands for this challenge, safe in a URL. `nonce` is the cipher's and must be fresh.
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

    /// Reads a token back.
    ///
    /// # Errors
    /// [`CaptchaError::Malformed`] when it is no token of ours or was changed; [`CaptchaError::Expired`].
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

    /// The characters to be drawn and spoken. Never to be logged, or sent in any other way.
    pub fn answer(&self) -> String {
        let derived = self.derive("answer");
        let mut draw = derived.first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
        // 2⁶⁴ is no multiple of 20⁶; what that favours is below one part in 2³⁷.
        let mut character = || {
            let index = usize::try_from(draw % 20).unwrap_or_default();
            draw /= 20;
            char::from(ALPHABET[index])
        };
        (0..ANSWER_LENGTH).map(|_| character()).collect()
    }

    /// The seed of picture and sound: every bend and pause follows from it.
    pub fn rendering_seed(&self) -> [u8; 32] {
        self.derive("rendering")
    }

    /// What the proof of work is about; the page shows it.
    pub fn work_challenge(&self) -> String {
        hex::encode(self.derive("work"))
    }

    /// Zero bits that the work must show: alone, or, where [`Challenge::is_harder`], besides the characters.
    pub fn difficulty(&self) -> u8 {
        self.difficulty
    }

    /// Zero bits that pass without characters.
    pub fn difficulty_alone(&self) -> u8 {
        if self.is_harder() { self.difficulty.saturating_add(WITHOUT_CHARACTERS) } else { self.difficulty }
    }

    /// Whether characters and work are both asked for, for one name.
    pub fn is_harder(&self) -> bool {
        self.bound_to.is_some()
    }

    /// When the token stops counting, which is also when the mark that it was spent may be deleted.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// What the token is spent under. It tells nothing about the answer.
    pub fn spend_id(&self) -> [u8; 32] {
        self.derive("spent")
    }

    /// Whether `solution` passes for `name`; to be asked only after the token was spent.
    ///
    /// Characters count without their case, spaces and hyphens, in any width; the twin of a character
    /// ([`ALPHABET`]) counts as it, since who reads an S where a 5 is drawn has read what is there.
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

    /// Zero bits that SHA-256(challenge ‖ nonce) begins with.
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

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Challenge(..)")
    }
}

/// What somebody brings for a challenge: characters, work, or both, in readable form.
pub struct Solution {
    characters: Option<String>,
    work: Option<String>,
}

impl Solution {
    /// Reads the two fields of the form; a blank one counts as absent.
    ///
    /// # Errors
    /// [`CaptchaError::Unanswered`] when there is neither; [`CaptchaError::Malformed`] when the work is no decimal
    /// number of up to twenty digits or the characters are beyond all measure. Characters that are merely wrong, also
    /// in number, are no error here.
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

/// What was typed, as the alphabet writes it.
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

/// Whether a challenge was passed. Why not is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Enough was shown.
    Passed,
    /// It was not.
    Wrong,
}

/// Why a challenge can't be answered this way. None of these spends a token.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CaptchaError {
    /// No token, or no number, that this service could have asked for.
    #[error("the CAPTCHA's token or answer is not in its form")]
    Malformed,
    /// Three minutes are over.
    #[error("the CAPTCHA has expired")]
    Expired,
    /// Neither characters nor work.
    #[error("the CAPTCHA was not answered")]
    Unanswered,
}

#[cfg(test)]
mod tests;
