//! Common passwords and their variations.

use std::collections::HashSet;
use std::sync::LazyLock;

use thiserror::Error;
use zeroize::Zeroizing;
use zxcvbn::zxcvbn;

use super::NewPassword;
use super::blocklist::{Blocklist, BlocklistError, case_folded};

/// Detects passwords that are common or derived from something common.
///
/// There are three sources, all offline, so that an outage does not weaken the check. The first is zxcvbn: its
/// lists (8 500 leaked passwords, English words, names) and its rules for keyboard walks, dates, repetitions
/// and look-alikes. The second are 103 000 leaked passwords of twelve characters and more, which zxcvbn's lists lack:
/// see `shared/data/README.md`. The third is an organisation's own file of whole passwords (NIST SP 800-63B-4 §3.1.1.2).
///
/// # Threshold
///
/// The threshold is 10^10 guesses by zxcvbn's estimate, the bound of its best score. zxcvbn's bound for
/// "safely unguessable", 10^8, is too low here: a listed word beside six characters of any kind is always
/// just above it, and `Password-1234!` would pass. zxcvbn counts ten guesses for a character without a
/// pattern. A policy with a minimum below twelve characters therefore has its threshold at 10^(minimum - 2),
/// so that random characters pass.
///
/// # Long passwords
///
/// A pure repetition is checked once. Otherwise a password is at least as hard to guess as any part of it. A
/// window of twenty characters therefore advances by ten, and the password passes at the first part that is
/// hard enough. (A word cut by the window's edge seems harder than it is; a password longer than a window has
/// enough margin.) zxcvbn gets no more at once for two reasons. Its estimates overflow, which panics in a
/// debug build: the factorial of the number of words beyond 20, keyboard walks beyond 27 characters. It also
/// tries combinations of look-alikes: a hundred such characters took most of a second. Twenty took 30 ms, and
/// such a password is hard to guess and so ends the search.
///
/// zxcvbn reads the clock for the current year, once, to rate years in passwords; nothing else in it depends
/// on time.
#[derive(Clone, Debug, Default)]
pub struct CommonPasswords {
    /// The organisation's file.
    own: Own,
}

/// An organisation's own passwords.
#[derive(Clone, Debug)]
enum Own {
    /// Case-folded lines of text.
    Lines(HashSet<String>),
    /// What `rekey blocklist build` made of them.
    Built(Blocklist),
}

impl Default for Own {
    fn default() -> Self {
        Self::Lines(HashSet::new())
    }
}

/// Leaked passwords of twelve characters and more. `shared/data/README.md` says where they come from.
#[expect(clippy::expect_used, reason = "a test reads the same bytes")]
static LEAKED: LazyLock<Blocklist> = LazyLock::new(|| {
    let file = include_bytes!("../../../data/long-passwords.blocklist");
    Blocklist::read(&file[..]).expect("a complete blocklist")
});

/// The shortest phrase of [`LEAKED`]. Digits and signs before or after a phrase hardly make it harder to guess.
const PHRASE: usize = 15;

const WINDOW: usize = 20;
const STEP: usize = 10;
const MOST_DIGITS_OF_GUESSES: u16 = 10;

impl CommonPasswords {
    /// Returns the check without an organisation's file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the check that also rejects the passwords of an organisation's file, in any case: one in each line, or a
    /// [`Blocklist`].
    ///
    /// # Errors
    /// [`BlocklistFileError`] when the file is damaged.
    pub fn with_file(file: &[u8]) -> Result<Self, BlocklistFileError> {
        let own = if Blocklist::is_one(file) {
            Own::Built(Blocklist::read(file.to_vec())?)
        } else {
            let text = str::from_utf8(file).map_err(|_| BlocklistFileError::NotUtf8)?;
            Own::Lines(passwords_of(text).map(case_folded).collect())
        };
        Ok(Self { own })
    }

    /// Returns whether the password is listed, or too easily guessed by an attacker who knows the `context`:
    /// the person's name and login, the organisation's words. `min` is the policy's minimum length.
    pub(super) fn contain(&self, password: &NewPassword, min: u16, context: &[&str]) -> bool {
        let folded = Zeroizing::new(case_folded(password.expose()));
        let is_own = match &self.own {
            Own::Lines(lines) => lines.contains(folded.as_str()),
            Own::Built(blocklist) => blocklist.contains(&folded),
        };
        is_own || is_leaked(&folded) || !is_hard_to_guess(password, min, context)
    }
}

/// Why an organisation's file can't be used.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BlocklistFileError {
    /// See [`BlocklistError`].
    #[error(transparent)]
    Damaged(#[from] BlocklistError),
    /// It is neither text nor a blocklist.
    #[error("the file of refused passwords is not in UTF-8")]
    NotUtf8,
}

/// Returns the passwords of a text, one in each line. Blank lines and line ends of either kind are skipped; spaces
/// belong to the password.
pub fn passwords_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty())
}

fn is_leaked(folded: &str) -> bool {
    let phrase = folded.trim_matches(|c: char| !c.is_alphabetic());
    let is_decorated = phrase.len() < folded.len() && phrase.chars().count() >= PHRASE;
    LEAKED.contains(folded) || (is_decorated && LEAKED.contains(phrase))
}

fn is_hard_to_guess(password: &NewPassword, min: u16, context: &[&str]) -> bool {
    let enough = 10_u64.pow(min.saturating_sub(2).min(MOST_DIGITS_OF_GUESSES).into());
    let characters: Zeroizing<Vec<char>> = Zeroizing::new(password.expose().chars().collect());
    let unrepeated = &characters[..period(&characters)];
    let last = unrepeated.len().saturating_sub(WINDOW);
    (0..last).step_by(STEP).chain([last]).any(|start| {
        let window: Zeroizing<String> = Zeroizing::new(unrepeated[start..].iter().take(WINDOW).collect());
        zxcvbn(&window, context).guesses() >= enough
    })
}

/// Returns the period of a text: the smallest shift by which it equals itself.
fn period(characters: &[char]) -> usize {
    let length = characters.len();
    (1..length).find(|shift| characters[*shift..] == characters[..length - shift]).unwrap_or(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_common(common: &CommonPasswords, passwords: &[&str]) -> Vec<bool> {
        let is_common =
            |typed: &&str| common.contain(&NewPassword::parse(typed).unwrap(), 12, &["contoh", "aisyah"]);
        passwords.iter().map(is_common).collect()
    }

    /// Controls: C-018.
    #[test]
    fn decorated_common_words_are_common() {
        let refused = [
            "Password123!",
            "Password-1234!",
            "P@ssw0rd2024",
            "drowssaP-4321",
            "Qwertyuiop123!",
            "1qaz@WSX3edc",
            "Welcome2024!!",
            "Admin@123456",
            "Iloveyou2024!",
            "Trustno1-Trustno1",
            "Password-1234!Password-1234!",
            "Contoh-123456",
            "Haysia-123456",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz",
            "Abcd1234!@#$",
        ];
        assert_eq!(are_common(&CommonPasswords::new(), &refused), [true; 16]);
    }

    #[test]
    fn uncommon_passwords_are_not_common() {
        let passing = [
            "Kancil-Lompat-42!",
            "Merdeka-Wau-Bulan-57",
            "kR7#vPq2&xLm",
            "correct horse battery staple",
            "kucing duduk atas tikar",
            "密码应该很长但是容易记住",
            "கடவுச்சொல்லை மறந்துவிட்டேன்",
        ];
        assert_eq!(are_common(&CommonPasswords::new(), &passing), [false; 7]);
    }

    #[test]
    fn password_needs_one_hard_part_at_any_length() {
        let common = CommonPasswords::new();
        let walk = "12".repeat(16) + &"1".repeat(96);
        let passwords = [walk.clone(), "password".repeat(16), format!("{}kR7#vPq2&xLm", &walk[..116])];
        assert_eq!(are_common(&common, &passwords.each_ref().map(String::as_str)), [true, true, false]);
    }

    #[test]
    fn short_minimum_length_still_accepts_random_password() {
        let is_common = |typed| CommonPasswords::new().contain(&NewPassword::parse(typed).unwrap(), 8, &[]);
        assert!(!is_common("kR7#vPq2"));
        assert!(is_common("Pa$$w0rd") && is_common("Summer24"));
    }

    #[test]
    fn common_password_file_matches_whole_password_ignoring_case() {
        let text = "Kancil-Lompat-42!\r\n\r\nmENTERI-Beş-ÄÖÜ 9\n";
        let built = Blocklist::build(passwords_of(text)).unwrap();
        for file in [text.as_bytes(), built.bytes()] {
            let common = CommonPasswords::with_file(file).unwrap();
            let passwords =
                ["kancil-LOMPAT-42!", "Menteri-BEŞ-a\u{308}öü 9", "Kancil-Lompat-42!!", "Kancil-Lompat-42"];
            assert_eq!(are_common(&common, &passwords), [true, true, false, false]);
        }
    }

    #[test]
    fn unreadable_common_password_file_is_refused() {
        let built = Blocklist::build(["Kancil-Lompat-42!"]).unwrap();
        let cut = &built.bytes()[..built.bytes().len() - 1];
        for (file, error) in [
            (cut, BlocklistFileError::Damaged(BlocklistError)),
            (&b"Kancil\xff"[..], BlocklistFileError::NotUtf8),
        ] {
            assert_eq!(CommonPasswords::with_file(file).unwrap_err(), error);
        }
    }

    /// zxcvbn alone takes these for hard to guess.
    /// Controls: C-018.
    #[test]
    fn leaked_long_passwords_are_common() {
        let leaked = ["SpaceIsThePlace", "Spaceistheplace-1!", "42 assalamualeikum!", "KINDERSCHOKOLADE1!"];
        for typed in leaked {
            let password = NewPassword::parse(typed).unwrap();
            assert!(CommonPasswords::new().contain(&password, 12, &[]), "{typed}");
            assert!(is_hard_to_guess(&password, 12, &[]), "{typed}: the list is not needed for it");
        }
    }
}
