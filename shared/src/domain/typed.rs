//! Characters as people type and paste them.

/// Returns the ASCII digit of a decimal digit, for the scripts of Rekey's languages.
pub(super) fn ascii_digit(c: char) -> Option<char> {
    const ZEROS: [char; 7] = ['0', '０', '௦', '०', '٠', '۰', '০'];
    ZEROS.into_iter().find_map(|zero| {
        let value = u32::from(c).checked_sub(u32::from(zero))?;
        char::from_digit(value, 10)
    })
}

/// Returns whether a character is invisible: soft hyphens, marks of direction, joiners, variation selectors,
/// tags (Unicode, `Default_Ignorable_Code_Point`). Some are copied along with a contact.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
