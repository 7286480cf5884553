//! The organisation's own words, which attackers try first.

use thiserror::Error;

use super::skeleton::{Glyph, Skeleton, folded};

/// Words that a password must not consist of: the organisation's name, its campus, its products.
///
/// The rule is the one that Microsoft Entra documents for its custom banned list. A password earns one point
/// for each own word in it and one for each other character, and needs [five](Self::POINTS). So
/// `Contoso-Kancil` passes, and `C0ntos0!` does not. A word is recognised in any case, with look-alikes, and
/// with one character changed, missing or added.
///
/// Entra does not document how overlapping words share their characters. Here the reading with the fewest
/// points counts, and a character next to a word never counts as added to it.
///
/// Cost: for each code point of the password, each word is tried in three lengths, up to the first character
/// that differs on either side. With 128 code points and 1000 words, this takes about a million steps.
#[derive(Clone, Debug, Default)]
pub struct OwnWords(Vec<Word>);

#[derive(Clone)]
struct Word {
    text: String,
    skeleton: Skeleton,
}

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
}

/// The reason why a list of own words is rejected.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum OwnWordsError {
    /// A word has fewer than 4 or more than 16 characters.
    #[error("`{0}` has {1} characters; an own word has 4 to 16")]
    Length(String, usize),
    /// There are more than [`OwnWords::MOST`].
    #[error("there are {0} own words; at most {most} are accepted", most = OwnWords::MOST)]
    TooMany(usize),
}

/// The own words in a password, and the points that it earns.
pub(super) struct Findings<'a> {
    words: Vec<&'a str>,
    points: usize,
}

impl OwnWords {
    /// The most words of a list, as in Entra.
    pub const MOST: usize = 1000;
    /// The points that a password with an own word needs.
    pub const POINTS: usize = 5;
    const LENGTHS: std::ops::RangeInclusive<usize> = 4..=16;

    /// Takes the organisation's name and a list of further words.
    ///
    /// Of the name, only words of 4 to 16 letters and digits are taken. Each entry of the list is taken or an
    /// error. Blank entries are skipped.
    ///
    /// # Errors
    ///
    /// See [`OwnWordsError`].
    pub fn new<W>(organisation: &str, list: W) -> Result<Self, OwnWordsError>
    where
        W: IntoIterator<Item: AsRef<str>>,
    {
        let name: String = folded(organisation).collect();
        let mut words: Vec<String> = name
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| Self::LENGTHS.contains(&word.chars().count()))
            .map(str::to_owned)
            .collect();
        for listed in list {
            let listed = listed.as_ref().trim();
            let word: String = folded(listed).collect();
            let length = word.chars().count();
            if Self::LENGTHS.contains(&length) {
                words.push(word);
            } else if length > 0 {
                return Err(OwnWordsError::Length(listed.to_owned(), length));
            }
        }
        words.sort_unstable();
        words.dedup();
        if words.len() > Self::MOST {
            return Err(OwnWordsError::TooMany(words.len()));
        }
        Ok(Self(words.into_iter().map(|text| Word { skeleton: Skeleton::of(&text), text }).collect()))
    }

    /// Returns whether there is no word, and so no criterion.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Searches for each word at each position.
    pub(super) fn find_in(&self, password: &Skeleton) -> Findings<'_> {
        let text = password.glyphs();
        let mut found = vec![false; self.0.len()];
        // points[i] is the fewest points that the first i characters can earn.
        let mut points: Vec<usize> = (0..=text.len()).collect();
        for start in 0..text.len() {
            points[start + 1] = points[start + 1].min(points[start] + 1);
            for (word, found) in self.0.iter().zip(&mut found) {
                for length in lengths_at(&text[start..], word.skeleton.glyphs()) {
                    points[start + length] = points[start + length].min(points[start] + 1);
                    *found = true;
                }
            }
        }
        let words = self
            .0
            .iter()
            .zip(&found)
            .filter(|(_, found)| **found)
            .map(|(word, _)| word.text.as_str())
            .collect();
        Findings { words, points: points[text.len()] }
    }
}

impl<'a> Findings<'a> {
    /// Returns the words that were found.
    pub(super) fn words(&self) -> &[&'a str] {
        &self.words
    }

    /// Returns whether the password has an own word and too few points.
    pub(super) fn are_too_much(&self) -> bool {
        !self.words.is_empty() && self.points < OwnWords::POINTS
    }
}

/// Returns the lengths that a word may have at the start of the text: its own, one less, one more.
fn lengths_at(text: &[Glyph], word: &[Glyph]) -> impl Iterator<Item = usize> {
    (word.len() - 1..=word.len() + 1)
        .filter(|length| text.get(..*length).is_some_and(|text| is_within_one_edit(text, word)))
}

/// Returns whether the text equals the word with at most one character changed, missing or added. All other
/// characters must agree from the left or from the right.
fn is_within_one_edit(text: &[Glyph], word: &[Glyph]) -> bool {
    let alike_from_left = text.iter().zip(word).take_while(|(a, b)| a.resembles(**b)).count();
    let alike_from_right =
        text.iter().rev().zip(word.iter().rev()).take_while(|(a, b)| a.resembles(**b)).count();
    let is_whole_beside_another =
        text.len() > word.len() && (alike_from_left == word.len() || alike_from_right == word.len());
    alike_from_left + alike_from_right + 1 >= text.len().max(word.len()) && !is_whole_beside_another
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(words: &[&str], password: &str) -> usize {
        OwnWords::new("", words).unwrap().find_in(&Skeleton::of(password)).points
    }

    fn refuses(words: &[&str], password: &str) -> bool {
        OwnWords::new("", words).unwrap().find_in(&Skeleton::of(password)).are_too_much()
    }

    #[test]
    fn entra_examples_match_documented_results() {
        assert!(refuses(&["blank"], "Bl@nK"));
        assert_eq!(points(&["contoso", "blank"], "C0ntos0Blank12"), 4);
        assert!(refuses(&["contoso", "blank"], "C0ntos0Blank12"));
        assert_eq!(points(&["contoso", "blank"], "ContoS0Bl@nkf9!"), 5);
        assert!(!refuses(&["contoso", "blank"], "ContoS0Bl@nkf9!"));
        for near in ["abcdeg", "abcdefg", "abcde"] {
            assert!(refuses(&["abcdef"], near), "{near}");
        }
    }

    #[test]
    fn own_word_with_one_edit_is_recognised() {
        for near in ["mardeka", "merdekka", "merdka", "erdeka", "m3rd3k4", "nerdeka", "MERDEK4", "me-rdeka"] {
            assert_eq!(points(&["merdeka"], near), 1, "{near}");
        }
        for far in ["mardika", "merkeda", "merka", "me--rdeka"] {
            assert!(!refuses(&["merdeka"], &format!("{far}1234")), "{far}");
        }
    }

    #[test]
    fn overlapping_own_words_share_no_character() {
        assert_eq!(points(&["kampus", "pusat"], "kampusat"), 3, "kampus, a, t");
        assert_eq!(points(&["kampus"], "kampuskampuskampus"), 3);
        assert_eq!(points(&["kampus"], "1kampus2"), 3);
    }

    #[test]
    fn short_password_without_own_words_is_accepted() {
        assert!(!refuses(&["kampus"], "abc"));
        assert!(!refuses(&[], "abc"));
        assert!(!refuses(&["kampus"], ""));
    }

    /// Controls: C-018.
    #[test]
    fn organisation_name_is_split_into_words() {
        let words = OwnWords::new("Universiti Contoh (UC), est. 1962", ["", " Tasik "]).unwrap();
        assert_eq!(format!("{words:?}"), r#"OwnWords(["1962", "contoh", "tasik", "universiti"])"#);
        assert!(OwnWords::new("UC", [""; 0]).unwrap().is_empty());
    }

    #[test]
    fn own_words_with_invalid_size_are_rejected() {
        let error = |list: &[String]| OwnWords::new("", list).unwrap_err().to_string();
        assert_eq!(error(&["UTM".into()]), "`UTM` has 3 characters; an own word has 4 to 16");
        assert_eq!(
            error(&["x".repeat(17)]),
            format!("`{}` has 17 characters; an own word has 4 to 16", "x".repeat(17))
        );
        let many: Vec<String> = (1000..2001).map(|number| number.to_string()).collect();
        assert_eq!(error(&many), "there are 1001 own words; at most 1000 are accepted");
        assert!(OwnWords::new("", &many[1..]).is_ok());
    }
}
