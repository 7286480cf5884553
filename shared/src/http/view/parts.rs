//! What several pages show, and problems carry.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::domain::flow::PASSKEY_LIFETIME;
use crate::settings::Settings;

/// A CAPTCHA in all its forms.
#[derive(Clone, Serialize)]
pub struct Captcha {
    /// What goes back as `captcha_token`.
    pub token: String,
    /// The path of the picture (PNG).
    pub picture: String,
    /// The path of the sound (WAV).
    pub sound: String,
    /// The way without a puzzle.
    pub work: Work,
    /// Whether the work is asked for besides the characters.
    pub harder: bool,
}

/// Proof of work: find the decimal nonce for which SHA-256(challenge ‖ nonce) begins with so many zero bits.
#[derive(Clone, Serialize)]
pub struct Work {
    /// The text before the nonce.
    pub challenge: String,
    /// Leading zero bits.
    pub difficulty: u8,
    /// Leading zero bits that suffice without the characters. The same as `difficulty` unless it is harder.
    pub alone: u8,
}

/// `PublicKeyCredentialRequestOptionsJSON` (Web Authentication Level 3 §5.1.10). It lists no credentials: a decoy has
/// none to list, so nobody's are.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyOptions {
    /// What is signed, base64url.
    pub challenge: String,
    /// Milliseconds that the browser waits for the person.
    pub timeout: u32,
    /// Whose credentials may answer.
    pub rp_id: String,
    /// Always empty: the authenticator finds its own.
    pub allow_credentials: [(); 0],
    /// Always `required`.
    pub user_verification: &'static str,
}

impl PasskeyOptions {
    /// Asks for any passkey of this site, to sign `challenge`.
    pub fn of(settings: &Settings, challenge: [u8; 32]) -> Self {
        Self {
            challenge: URL_SAFE_NO_PAD.encode(challenge),
            timeout: PASSKEY_LIFETIME.0 * 1_000,
            rp_id: settings.relying_party().id,
            allow_credentials: [],
            user_verification: "required",
        }
    }

    /// The options for the script of the page.
    pub(crate) fn json(&self) -> String {
        // Plain data has no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// One rule about passwords, with its sentence.
#[derive(Clone, Serialize)]
pub struct Criterion {
    /// A stable id.
    pub id: String,
    /// A sentence in the page's language.
    pub text: String,
}
