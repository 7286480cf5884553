//! Common passwords and their variations.

use std::collections::HashSet;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;
use zxcvbn::zxcvbn;

use super::NewPassword;

/// Detects passwords that are common or derived from something common.
///
/// There are two sources, both offline, so that an outage does not weaken the check. The first is zxcvbn: its
/// lists (8 500 leaked passwords, English words, names) and its rules for keyboard walks, dates, repetitions
/// and look-alikes. The second is an organisation's own file of whole passwords (NIST SP 800-63B-4 §3.1.1.2).
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
    /// Case-folded lines of the organisation's file.
    listed: HashSet<String>,
}

const WINDOW: usize = 20;
const STEP: usize = 10;
const MOST_DIGITS_OF_GUESSES: u16 = 10;

impl CommonPasswords {
    /// Returns the check with zxcvbn's lists only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the check that also rejects each line of an organisation's file, in any case. Blank lines and
    /// line ends of either kind are skipped; spaces belong to the password.
    pub fn with_file_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let lines = lines
            .into_iter()
            .map(|line| line.trim_end_matches(['\r', '\n']))
            .filter(|line| !line.trim().is_empty());
        Self { listed: lines.map(case_folded).collect() }
    }

    /// Returns whether the password is listed, or too easily guessed by an attacker who knows the `context`:
    /// the person's name and login, the organisation's words. `min` is the policy's minimum length.
    pub(super) fn contain(&self, password: &NewPassword, min: u16, context: &[&str]) -> bool {
        let is_listed = !self.listed.is_empty()
            && self.listed.contains(Zeroizing::new(case_folded(password.expose())).as_str());
        is_listed || !is_hard_to_guess(password, min, context)
    }
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

/// Returns the canonical caseless form (Unicode §3.13, D145). Spellings that differ in case or composition
/// have the same form.
fn case_folded(text: &str) -> String {
    text.nfd().default_case_fold().nfd().collect()
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
        let common = CommonPasswords::with_file_lines("Kancil-Lompat-42!\r\n\r\nmENTERI-Beş-ÄÖÜ 9\n".lines());
        let passwords =
            ["kancil-LOMPAT-42!", "Menteri-BEŞ-a\u{308}öü 9", "Kancil-Lompat-42!!", "Kancil-Lompat-42"];
        assert_eq!(are_common(&common, &passwords), [true, true, false, false]);
    }
}
