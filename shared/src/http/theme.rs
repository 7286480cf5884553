//! The organisation's colour as a style sheet, since the content security policy forbids inline styles.
//!
//! Text needs a contrast of 4.5 to 1 with its background (WCAG 2.2, 1.4.3). The colour is therefore darkened
//! for the light scheme and lightened for the dark one until the contrast suffices.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Slightly above WCAG's minimum, since the colour is also used on the tinted page.
const CONTRAST: f64 = 5.0;
const WHITE: Rgb = Rgb([255.0; 3]);
/// The background of panels in the dark scheme, as in `app.css`.
const NIGHT: Rgb = Rgb([26.0, 33.0, 43.0]);

/// Returns the path of the style sheet for a colour `#rrggbb`; `None` for another form.
pub fn path(colour: &str) -> Option<String> {
    let hex = colour.strip_prefix('#')?;
    Some(format!("/assets/{}", name(hex, &style(hex)?)))
}

/// Returns the style sheet by its name from [`path`].
pub(super) fn find(file: &str) -> Option<String> {
    let hex = file.strip_prefix("theme-")?.get(..6)?;
    let style = style(hex)?;
    (name(hex, &style) == file).then_some(style)
}

fn name(colour: &str, style: &str) -> String {
    format!("theme-{colour}.{}.css", hex::encode(&Sha256::digest(style)[..8]))
}

fn style(hex: &str) -> Option<String> {
    let colour = Rgb::parse(hex)?;
    let day = colour.until_it_stands_out(WHITE, Rgb([0.0; 3])).hex();
    let night = colour.until_it_stands_out(NIGHT, WHITE).hex();
    Some(format!(
        ":root{{--brand:#{hex};--accent:{day}}}@media (prefers-color-scheme:dark){{:root{{--accent:{night}}}}}\n"
    ))
}

/// A colour in sRGB, each component from 0 to 255.
#[derive(Clone, Copy)]
struct Rgb([f64; 3]);

impl Rgb {
    fn parse(hex: &str) -> Option<Self> {
        let is_plain =
            hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let part =
            |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok()).map(f64::from);
        if is_plain { Some(Self([part(0)?, part(2)?, part(4)?])) } else { None }
    }

    fn hex(self) -> String {
        self.0.iter().fold(String::from("#"), |mut text, part| {
            let _ = write!(text, "{part:02x}", part = to_byte(*part));
            text
        })
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
            let colour = Rgb::parse(hex).unwrap();
            for (ground, toward) in [(WHITE, Rgb([0.0; 3])), (NIGHT, WHITE)] {
                let shown = colour.until_it_stands_out(ground, toward).hex();
                let shown = Rgb::parse(shown.strip_prefix('#').unwrap()).unwrap();
                assert!(shown.contrast(ground) >= 4.5, "{hex}");
            }
        }
    }

    #[test]
    fn readable_colour_is_unchanged() {
        assert!(style("0055aa").unwrap().contains("--accent:#0055aa"));
    }

    #[test]
    fn malformed_colour_is_rejected() {
        for bad in ["red", "#fff", "0055AA", "#0055a", "#0055aag", "#0055a}", ""] {
            assert!(path(bad).is_none(), "{bad}");
        }
    }
}
