//! Passwords that everybody has thought of before.

use std::collections::HashSet;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;
use zxcvbn::zxcvbn;

use super::NewPassword;

/// Tells passwords that are common or easily made from something common.
///
/// Two sources, both of them offline, so that no outage opens a hole: the lists in zxcvbn (8 500 leaked passwords, English
/// words, names) with its rules for keyboard walks, dates, repetitions and look-alikes, and, if an organisation has one, a
/// file of whole passwords (NIST SP 800-63B-4 §3.1.1.2).
///
/// # Where the line is
///
/// At 10^10 guesses by zxcvbn's estimate, the bound of its best score. Its line for "safely unguessable", 10^8, is too low
/// here: a listed word beside six characters of any kind is always just above it, and `Password-1234!` would pass. As zxcvbn
/// reckons ten guesses for a character without a pattern, a policy that is content with fewer than twelve characters has its
/// line at 10^(minimum - 2), so that random characters pass.
///
/// # Long passwords
///
/// What is only a repetition is looked at once. Beyond that, a password is at least as hard to guess as any part of it, so it
/// is looked at through a window of twenty characters that advances by ten, and passes at the first part that is hard enough.
/// (A word cut by the window's edge seems harder than it is; a password that is longer than a window can afford that.)
/// zxcvbn gets no more at once for two reasons. Its estimates overflow, which panics in a debug build: the factorial of the
/// number of words beyond 20, keyboard walks beyond 27 characters. And it tries combinations of look-alikes, which took most
/// of a second on a hundred characters made of nothing else; twenty took 30 ms, and a password like that is hard to guess
/// and so ends the search.
///
/// zxcvbn asks the clock for the current year, once, to rate years in passwords; nothing else of it depends on time.
#[derive(Clone, Debug, Default)]
pub struct CommonPasswords {
    /// Case-folded.
    listed: HashSet<String>,
}

const WINDOW: usize = 20;
const STEP: usize = 10;
const MOST_DIGITS_OF_GUESSES: u16 = 10;

impl CommonPasswords {
    /// Only what zxcvbn knows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also refuses each line of an organisation's file, in any case. Line ends of either kind and blank lines are skipped;
    /// spaces belong to the password.
    pub fn with_file_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let lines = lines
            .into_iter()
            .map(|line| line.trim_end_matches(['\r', '\n']))
            .filter(|line| !line.trim().is_empty());
        Self { listed: lines.map(case_folded).collect() }
    }

    /// Whether the password is listed or too easily guessed by somebody who knows the `context`: the person's name and login,
    /// the organisation's words. `min` is the least length of the policy.
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

/// The length of what a text repeats: the least by which it can be shifted so that it agrees with itself.
fn period(characters: &[char]) -> usize {
    let length = characters.len();
    (1..length).find(|shift| characters[*shift..] == characters[..length - shift]).unwrap_or(length)
}

/// Canonical caseless form (Unicode §3.13, D145): the same for all spellings of a text that differ in case or composition.
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
