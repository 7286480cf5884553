//! QR codes (ISO/IEC 18004) as inline SVG.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// Returns the QR code of a text; empty if the text is too long, which an address never is.
pub(crate) fn qr(text: &str) -> String {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::M) else { return String::new() };
    let picture = code
        .render::<svg::Color>()
        .min_dimensions(240, 240)
        .dark_color(svg::Color("#000"))
        .light_color(svg::Color("#fff"))
        .build();
    // The XML declaration isn't allowed inside an HTML page.
    picture.find("<svg").map(|at| picture[at..].to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-079.
    #[test]
    fn qr_svg_contains_no_script_or_style() {
        let picture = qr("otpauth://totp/Rekey:aisyah?secret=JBSWY3DPEHPK3PXP&issuer=Rekey");
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"), "{picture}");
        for word in ["<script", "style=", "JBSWY3DPEHPK3PXP", "href"] {
            assert!(!picture.contains(word), "{word}");
        }
    }
}
