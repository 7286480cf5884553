//! The CAPTCHA's rules: the form of a challenge, its token, and the check of a solution.
//!
//! A challenge is not stored until it is answered: all its data is in a sealed token that the page sends out
//! and gets back. It is passed by proof of work, which the browser computes by itself (WCAG 2.2 SC 3.3.8 and
//! 3.3.9: nothing to read, hear or remember), or by characters: the six of the picture, or the six digits of
//! the sound.
//!
//! Programs read picture and sound as well as people do, so the price of a challenge is its work: the same for
//! everybody, and more of it above a rate limit ([`Effort`]). Characters are never asked for on top of work. The
//! characters' door has small rate limits of its own, since it costs a program nothing.
//!
//! No other control relies on the CAPTCHA (OWASP Authentication Cheat Sheet: a CAPTCHA is defence in depth).
//! Every other limit holds even if an attacker solves all challenges.
//!
//! The order of use: [`Solution::parse`], [`CaptchaChallenge::open`] and [`CaptchaChallenge::fit`], whose errors
//! leave the token usable; then the caller spends the token under [`CaptchaChallenge::spend_id`], once; only
//! then [`CaptchaChallenge::check`].

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use super::keys::{Keyring, SealError};
use super::name::NameRef;
use super::time::{Seconds, Timestamp};
use super::typed::ascii_digit;

/// The characters of a picture.
///
/// No two look alike: one is here of each group 0 O Q D, 1 I L, 2 Z, 4 A, 5 S, 6 G, 7 T, 8 B, E F and M N. A
/// typed twin counts as the character itself (see [`CaptchaChallenge::check`]). C, P and V stand for no other
/// and are left out. Twenty remain: 25.9 bits for six.
pub const ALPHABET: &[u8; 20] = b"3456789FHJKLMORUWXYZ";

/// The length of an answer. Of random answers, one in 64 million is in the picture and one in a million in the
/// sound; each token allows one.
pub const ANSWER_LENGTH: usize = 6;

/// The validity of a challenge (WCAG 2.2 SC 2.2.1): the most work ends well before it on a slow phone, and a
/// person can interrupt the form for a while. An attacker can't collect tokens for a later day.
pub const LIFETIME: Seconds = Seconds(600);

/// The longest nonce of the work: `u64::MAX` has twenty digits.
const WORK_DIGITS: usize = 20;

/// The longest typed answer in octets; a longer text was not read off a picture.
const TYPED_MAX: usize = 64;

/// The longest token, with room for an eight-character key id. Bounds the cost of decoding.
const TOKEN_MAX: usize = 256;

const PURPOSE: &str = "rekey/captcha";
/// Version 1 had one large puzzle.
const VERSION: u8 = 2;

/// The work of a challenge: a number of small puzzles, each of the same zero bits.
///
/// The tries at one puzzle are geometrically distributed, so one large puzzle takes three times its mean for one
/// person in twenty. The sum of 64 small ones has an eighth of that spread: one person in 35 waits 1.25 times the
/// mean, one in 4,600 waits 1.5 times, and twice the mean is beyond one in a thousand million (the tail of the
/// gamma distribution of shape 64). So the longest wait is known beforehand, and progress can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effort {
    difficulty: u8,
    puzzles: u8,
}

impl Effort {
    /// The work of every challenge below the rate limits: 2²⁰ hashes on average, half a second in a browser of a
    /// desktop computer and three on a phone that is six times as slow.
    pub const BASE: Self = Self { difficulty: 14, puzzles: 64 };

    /// The most doublings. Sixteen times the base is half a minute on that phone: an attacker who drives the count
    /// up on purpose can't shut anybody out.
    const DOUBLINGS_MAX: u8 = 4;

    /// Returns the work of the `count`th use of a limit in its window; `None` up to the limit. Above it the work
    /// doubles, and again each time that the count doubles.
    pub fn above(count: u64, limit: u64) -> Option<Self> {
        let over = count.checked_sub(1)?.checked_div(limit)?.checked_ilog2()?;
        let doublings = u8::try_from(over).unwrap_or(u8::MAX).saturating_add(1).min(Self::DOUBLINGS_MAX);
        Some(Self { difficulty: Self::BASE.difficulty + doublings, ..Self::BASE })
    }

    /// Returns the least work above a limit.
    pub const fn harder() -> Self {
        Self { difficulty: Self::BASE.difficulty + 1, ..Self::BASE }
    }

    /// Returns whether this work passes where `required` is asked for. One doubling less is enough: the count may have
    /// risen while the work was done.
    pub const fn suffices(self, required: Self) -> bool {
        self.difficulty + 1 >= required.difficulty && self.puzzles >= required.puzzles
    }

    /// Returns the leading zero bits that the hash of each puzzle needs.
    pub const fn difficulty(self) -> u8 {
        self.difficulty
    }

    /// Returns the number of puzzles.
    pub const fn puzzles(self) -> u8 {
        self.puzzles
    }
}

/// One challenge. Its nonce is its only secret: answers, picture, sound and work are derived from it, so a
/// token yields the same each time it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct CaptchaChallenge {
    nonce: [u8; 16],
    expires_at: Timestamp,
    effort: Effort,
    bound_to: Option<NameRef>,
}

impl CaptchaChallenge {
    /// Returns a challenge from random bytes. `bound_to` makes it the harder kind: valid for that name only, and
    /// passed by work only.
    pub fn generate(entropy: [u8; 16], now: Timestamp, effort: Effort, bound_to: Option<NameRef>) -> Self {
        Self { nonce: entropy, expires_at: now + LIFETIME, effort, bound_to }
    }

    /// Returns the token of this challenge, safe in a URL. `nonce` is the cipher's and must be fresh.
    ///
    /// # Errors
    /// [`SealError`] when the keyring can't seal.
    pub fn seal(&self, keys: &Keyring, nonce: [u8; 24]) -> Result<String, SealError> {
        let mut plain = vec![VERSION, self.effort.difficulty, self.effort.puzzles];
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
        let ([VERSION, difficulty, puzzles], rest) = plain.split_first_chunk()? else { return None };
        let (seconds, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let bound_to = match rest {
            [] => None,
            name => Some(NameRef::from_bytes(name.try_into().ok()?)),
        };
        let expires_at = Timestamp::from_seconds(i64::from_be_bytes(*seconds));
        let effort = Effort { difficulty: *difficulty, puzzles: *puzzles };
        Some(Self { nonce: *nonce, expires_at, effort, bound_to })
    }

    /// Returns the characters to draw. They must not be logged or sent in any other way.
    pub fn answer(&self) -> String {
        self.draw("answer", ALPHABET)
    }

    /// Returns the digits to speak, an answer of its own: every language tells digits apart, and hardly any the
    /// letters of the picture. They must not be logged or sent in any other way.
    pub fn digits(&self) -> String {
        self.draw("digits", b"0123456789")
    }

    /// Returns six random characters of an alphabet. 2⁶⁴ is no multiple of 20⁶ or 10⁶; the bias is below one part
    /// in 2³⁷.
    fn draw(&self, what: &str, alphabet: &[u8]) -> String {
        let mut drawn = self.derive(what).first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
        let size = u64::try_from(alphabet.len()).unwrap_or(u64::MAX);
        let mut character = || {
            let index = usize::try_from(drawn % size).unwrap_or_default();
            drawn /= size;
            char::from(alphabet[index])
        };
        (0..ANSWER_LENGTH).map(|_| character()).collect()
    }

    /// Returns the seed of the picture, which makes it deterministic.
    pub fn rendering_seed(&self) -> [u8; 32] {
        self.derive("rendering")
    }

    /// Returns the text that each puzzle begins with, which the page shows.
    pub fn work_challenge(&self) -> String {
        hex::encode(self.derive("work"))
    }

    /// Returns the work that passes.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// Returns whether only work passes, for one name.
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

    /// Checks whether a solution may be compared, and how. The work is checked here: it is no secret, so anybody
    /// can check it without spending a token.
    ///
    /// # Errors
    /// [`CaptchaError::Malformed`] when the work has another number of puzzles. [`CaptchaError::WorkRequired`] when
    /// only work passes and there is none. [`CaptchaError::NotDrawn`] when a typed letter is in no picture and no
    /// sound: the person misread it, and saying so reveals only what is published.
    pub fn fit<'a>(&self, solution: &'a Solution) -> Result<Answer<'a>, CaptchaError> {
        if let Some(nonces) = &solution.work {
            if nonces.split('.').count() != usize::from(self.effort.puzzles) {
                return Err(CaptchaError::Malformed);
            }
            if self.is_worked(nonces) {
                return Ok(Answer::Work);
            }
        }
        match &solution.characters {
            None => Ok(Answer::Wrong),
            Some(_) if self.is_harder() => Err(CaptchaError::WorkRequired),
            Some(typed) if typed.chars().any(is_never_drawn) => Err(CaptchaError::NotDrawn),
            Some(typed) => Ok(Answer::Characters(typed)),
        }
    }

    /// Checks whether an answer passes for `name`. The caller must have spent the token before.
    ///
    /// Case, spaces, hyphens and width don't matter. The twin of a character ([`ALPHABET`]) counts as the
    /// character: a person who reads an S where a 5 is drawn has read the picture.
    pub fn check(&self, answer: Answer<'_>, name: &NameRef) -> Verdict {
        let is_right = match answer {
            Answer::Work => true,
            Answer::Characters(typed) => self.has_characters(typed) && !self.is_harder(),
            Answer::Wrong => false,
        };
        if is_right && self.is_for(name) { Verdict::Passed } else { Verdict::Wrong }
    }

    /// Returns whether it may be answered for `name`. A challenge of the harder kind belongs to one name.
    pub fn is_for(&self, name: &NameRef) -> bool {
        self.bound_to.as_ref().is_none_or(|bound| bound == name)
    }

    fn has_characters(&self, typed: &str) -> bool {
        let is = |answer: String| answer.as_bytes().ct_eq(typed.as_bytes());
        (is(self.answer()) | is(fold(&self.digits()))).into()
    }

    /// Returns whether SHA-256(challenge ‖ `.` ‖ i ‖ `.` ‖ nonce) begins with the zero bits for each puzzle i.
    fn is_worked(&self, nonces: &str) -> bool {
        let begins = Sha256::new().chain_update(self.work_challenge());
        nonces.split('.').enumerate().all(|(puzzle, nonce)| {
            let hash = begins.clone().chain_update(format!(".{puzzle}.{nonce}")).finalize();
            leading_zeros(&hash) >= self.effort.difficulty.into()
        })
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

/// Returns the number of leading zero bits.
fn leading_zeros(hash: &[u8]) -> u32 {
    let zeros = hash.iter().take_while(|byte| **byte == 0).count();
    let partial = hash.get(zeros).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(zeros).unwrap_or_default() * 8 + partial
}

/// Does the work of a challenge, as the page's script does: finds the first nonce of each puzzle, and joins them by dots.
/// It takes 2^`difficulty` hashes for each puzzle, on average.
pub fn solve(challenge: &str, difficulty: u8, puzzles: u8) -> String {
    let solved = (0..puzzles).map(|puzzle| {
        let begins = Sha256::new().chain_update(format!("{challenge}.{puzzle}."));
        let is_solved = |nonce: &String| {
            leading_zeros(&begins.clone().chain_update(nonce).finalize()) >= u32::from(difficulty)
        };
        (0..=u64::MAX).map(|nonce| nonce.to_string()).find(is_solved).unwrap_or_default()
    });
    solved.collect::<Vec<_>>().join(".")
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
    /// [`CaptchaError::Unanswered`] when both are absent. [`CaptchaError::Malformed`] when the work is no list of
    /// decimal numbers of up to twenty digits, joined by dots, or the characters are too long. Wrong characters,
    /// also in number, are no error here.
    pub fn parse(answer: Option<&str>, work: Option<&str>) -> Result<Self, CaptchaError> {
        let given =
            |field: Option<&str>| field.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let (answer, work) = (given(answer), given(work));
        if answer.is_none() && work.is_none() {
            return Err(CaptchaError::Unanswered);
        }
        let is_number = |nonce: &str| {
            (1..=WORK_DIGITS).contains(&nonce.len()) && nonce.bytes().all(|b| b.is_ascii_digit())
        };
        let unfit_work = |nonces: &String| !nonces.split('.').all(is_number);
        let too_long = |typed: &String| typed.chars().count() > TYPED_MAX;
        if work.as_ref().is_some_and(unfit_work) || answer.as_ref().is_some_and(too_long) {
            return Err(CaptchaError::Malformed);
        }
        Ok(Self { characters: answer.as_deref().map(fold), work })
    }

    /// Returns whether it has characters.
    pub const fn has_characters(&self) -> bool {
        self.characters.is_some()
    }
}

/// A solution that may be compared with a challenge.
#[derive(Clone, Copy)]
#[must_use]
pub enum Answer<'a> {
    /// The work is done.
    Work,
    /// Characters to compare, folded into the alphabet.
    Characters(&'a str),
    /// Neither.
    Wrong,
}

/// Returns the typed text in characters of the alphabet.
fn fold(typed: &str) -> String {
    typed
        .nfkc()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| ascii_digit(c).unwrap_or(c))
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

/// Returns whether a folded character is a letter or digit that no picture and no sound contains. Other signs were
/// not read off a picture at all.
fn is_never_drawn(folded: char) -> bool {
    folded.is_alphanumeric() && !ALPHABET.iter().any(|drawn| char::from(*drawn) == folded)
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
    /// The token or the work is not of a form that this service uses.
    #[error("the CAPTCHA's token or answer is not in its form")]
    Malformed,
    /// The token is older than ten minutes.
    #[error("the CAPTCHA has expired")]
    Expired,
    /// The request has neither characters nor work.
    #[error("the CAPTCHA was not answered")]
    Unanswered,
    /// The characters contain a letter that is in no picture.
    #[error("the CAPTCHA never contains one of the characters")]
    NotDrawn,
    /// The request has characters where only work passes.
    #[error("the CAPTCHA requires work")]
    WorkRequired,
}

#[cfg(test)]
mod tests;
