//! The organisation's colour on pages and in mails.
//!
//! Text needs a contrast of 4.5 to 1 with its background (WCAG 2.2, 1.4.3).

use std::fmt::Write as _;

/// Slightly above WCAG's minimum, since the colour is also used on tinted backgrounds.
const CONTRAST: f64 = 5.0;
const WHITE: Colour = Colour([255.0; 3]);
const BLACK: Colour = Colour([0.0; 3]);
/// The background of panels in the dark scheme, as in `app.css`.
const NIGHT: Colour = Colour([26.0, 33.0, 43.0]);

/// A colour in sRGB, each component from 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Colour([f64; 3]);

impl Colour {
    /// The accent of pages and mails without a colour of their own, as in `app.css`.
    pub const DEFAULT: Self = Self([29.0, 79.0, 145.0]);

    /// Reads a colour of the form `#rrggbb`, in small letters.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix('#')?;
        let is_plain =
            hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let part =
            |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok()).map(f64::from);
        if is_plain { Some(Self([part(0)?, part(2)?, part(4)?])) } else { None }
    }

    /// Returns the colour in the form `#rrggbb`.
    pub fn hex(self) -> String {
        self.0.iter().fold(String::from("#"), |mut text, part| {
            let _ = write!(text, "{part:02x}", part = to_byte(*part));
            text
        })
    }

    /// Returns the colour of text and buttons in the light scheme: darkened until it stands out from white.
    #[must_use]
    pub fn by_day(self) -> Self {
        self.until_it_stands_out(WHITE, BLACK)
    }

    /// Returns the colour of text and buttons in the dark scheme: lightened until it stands out from its panels.
    #[must_use]
    pub fn by_night(self) -> Self {
        self.until_it_stands_out(NIGHT, WHITE)
    }

    /// Returns the colour of text on this background: white or black. One of them has a contrast of 4.5 at least.
    #[must_use]
    pub fn of_text_on_it(self) -> Self {
        if self.contrast(WHITE) >= self.contrast(BLACK) { WHITE } else { BLACK }
    }

    /// Mixes the colour with `toward`, a twentieth at a time, until the contrast with `ground` suffices.
    fn until_it_stands_out(self, ground: Self, toward: Self) -> Self {
        (0..=20)
            .map(|twentieths| self.mixed(toward, f64::from(twentieths) / 20.0))
            .find(|mixed| mixed.contrast(ground) >= CONTRAST)
            .unwrap_or(toward)
    }

    fn mixed(self, other: Self, share: f64) -> Self {
        let mut parts = self.0;
        for (part, other) in parts.iter_mut().zip(other.0) {
            *part += (other - *part) * share;
        }
        Self(parts)
    }

    /// Returns the contrast ratio (WCAG 2.2), from 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Returns the relative luminance (WCAG 2.2), from 0 to 1.
    fn luminance(self) -> f64 {
        let linear = |part: f64| match part / 255.0 {
            dark if dark <= 0.040_45 => dark / 12.92,
            light => ((light + 0.055) / 1.055).powf(2.4),
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a byte holds")]
fn to_byte(part: f64) -> u8 {
    part.round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_colour_is_adjusted_to_readable_contrast() {
        for hex in ["ffffff", "000000", "ffee00", "00ff00", "0055aa", "7f7f7f", "c8102e"] {
            let colour = Colour::parse(&format!("#{hex}")).unwrap();
            for (shown, ground) in
                [(colour.by_day(), WHITE), (colour.by_night(), NIGHT), (colour.of_text_on_it(), colour)]
            {
                let shown = Colour::parse(&shown.hex()).unwrap();
                assert!(shown.contrast(ground) >= 4.5, "{hex}");
            }
        }
    }
}
