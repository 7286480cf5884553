//! The organisation's colour as a style sheet, since the content security policy forbids inline styles.
//!
//! The colour is darkened for the light scheme and lightened for the dark one until text in it can be read.

use sha2::{Digest as _, Sha256};

use crate::domain::colour::Colour;

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
    let colour = Colour::parse(&format!("#{hex}"))?;
    let (day, night) = (colour.by_day().hex(), colour.by_night().hex());
    Some(format!(
        ":root{{--brand:#{hex};--accent:{day}}}@media (prefers-color-scheme:dark){{:root{{--accent:{night}}}}}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
