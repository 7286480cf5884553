//! Skeletons of passwords: the text without case, accents, width and look-alikes, as an attacker varies them.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroize;

/// A text without the variations that keep the word the same, as in the skeletons of Unicode UTS #39. Wiped
/// when dropped, since it may come from a password.
#[derive(Clone)]
pub(super) struct Skeleton(Vec<Glyph>);

/// A folded character, and the letters that it can represent.
///
/// An ambiguous look-alike represents all its letters at once (`1` for `i` and `l`). So a text has one
/// skeleton, however many readings there are, and two skeletons are compared position by position.
#[derive(Clone, Copy, Zeroize)]
pub(super) struct Glyph {
    character: char,
    /// One bit for each of `a` to `z`.
    letters: u32,
}

impl Skeleton {
    pub(super) fn of(text: &str) -> Self {
        // A vector that never grows leaves no unwiped copy behind.
        let mut glyphs = Vec::with_capacity(folded(text).count());
        glyphs.extend(folded(text).map(|character| Glyph { character, letters: letters(character) }));
        Self(glyphs)
    }

    pub(super) fn glyphs(&self) -> &[Glyph] {
        &self.0
    }

    /// Returns whether `part` occurs anywhere in it. The cost is at most the product of both lengths.
    pub(super) fn contains(&self, part: &Self) -> bool {
        self.0.windows(part.0.len().max(1)).any(|window| alike(window, &part.0))
    }
}

impl Drop for Skeleton {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Glyph {
    /// Returns whether both are the same character or can be read as the same letter.
    pub(super) fn resembles(self, other: Self) -> bool {
        self.character == other.character || self.letters & other.letters != 0
    }
}

fn alike(a: &[Glyph], b: &[Glyph]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| a.resembles(b))
}

/// Returns the text in compatibility form (full width becomes narrow, a ligature its letters), case-folded
/// and without the accents of the block Combining Diacritical Marks. The vowel signs of Indic scripts are not
/// in that block and stay: they distinguish words.
pub(super) fn folded(text: &str) -> impl Iterator<Item = char> {
    text.nfkd().default_case_fold().nfkd().filter(|character| !('\u{300}'..='\u{36f}').contains(character))
}

/// Returns the letters that a folded character can represent: the usual substitutions, and the Latin letters
/// whose stroke or missing dot is not an accent in Unicode.
fn letters(character: char) -> u32 {
    let read_as = match character {
        'a'..='z' => return 1 << (u32::from(character) - u32::from('a')),
        '4' | '@' => "a",
        '8' => "b",
        '(' | '{' | '[' | '<' => "c",
        'đ' => "d",
        '3' | '€' => "e",
        '6' => "bg",
        '9' => "gq",
        '#' => "h",
        '1' | '!' | '|' => "il",
        'ı' => "i",
        'ł' => "l",
        '0' | 'ø' => "o",
        '5' | '$' => "s",
        '7' => "lt",
        '+' => "t",
        '%' => "x",
        '2' => "z",
        _ => "",
    };
    // No letter occurs twice in the list.
    read_as.bytes().map(|letter| 1_u32 << (letter - b'a')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(text: &str, part: &str) -> bool {
        Skeleton::of(text).contains(&Skeleton::of(part))
    }

    /// Controls: C-018.
    #[test]
    fn word_with_substituted_characters_is_found() {
        for (text, word) in [
            ("xAISYAHx", "aisyah"),
            ("41$y@h", "aisyah"),
            ("a!5yah", "aisyah"),
            ("Pr!ya|a1", "priyaial"),
            ("ａｉｓｙａｈ", "Aisyah"),
            ("JOSÉ", "jose"),
            ("nguyen", "Nguyễn"),
            ("dang", "Đặng"),
            ("weiß", "WEISS"),
            ("s1234567", "S1234567"),
            ("r2d2", "R2D2"),
            ("x陈伟明x", "陈伟明"),
            ("சுப்ரமணியம்1", "சுப்ரமணியம்"),
        ] {
            assert!(contains(text, word), "{word} in {text}");
        }
    }

    #[test]
    fn substituted_character_matches_its_letters_only() {
        for (characters, letters) in [
            ("4@", "a"),
            ("8", "b"),
            ("({[<", "c"),
            ("đ", "d"),
            ("3€", "e"),
            ("6", "bg"),
            ("9", "gq"),
            ("#", "h"),
            ("1!|", "il"),
            ("ı", "i"),
            ("ł", "l"),
            ("0ø", "o"),
            ("5$", "s"),
            ("7", "lt"),
            ("+", "t"),
            ("%", "x"),
            ("2", "z"),
            ("q", "q"),
            ("-_.ж密", ""),
        ] {
            for character in characters.chars() {
                let read: String = ('a'..='z')
                    .filter(|letter| contains(&character.to_string(), &letter.to_string()))
                    .collect();
                assert_eq!(read, letters, "{character}");
            }
        }
    }

    #[test]
    fn different_word_is_not_found() {
        for (text, word) in [("aisya", "aisyah"), ("aixyah", "aisyah"), ("", "a"), ("பால", "பாலா"), ("0", "i")]
        {
            assert!(!contains(text, word), "{word} in {text}");
        }
    }

    #[test]
    fn long_ambiguous_text_is_searched_quickly() {
        assert!(contains(&"1".repeat(8192), &"il".repeat(64)));
    }
}
