//! Parts that several pages and problems share.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::domain::flow::PASSKEY_LIFETIME;
use crate::settings::Settings;

/// A CAPTCHA challenge in all its forms.
#[derive(Clone, Serialize)]
pub struct Captcha {
    /// The value of the field `captcha_token`.
    pub token: String,
    /// The path of the picture (PNG).
    pub picture: String,
    /// The path of the sound (WAV), in the language of the page.
    pub sound: String,
    /// The work that passes without characters.
    pub work: Work,
    /// The rest of the token's validity in seconds, for a script whose clock may be wrong.
    pub expires_in: u32,
    /// Whether only the work passes.
    pub harder: bool,
}

/// Proof of work: for each puzzle i from 0, the browser finds a decimal nonce for which
/// SHA-256(challenge ‖ `.` ‖ i ‖ `.` ‖ nonce) begins with `difficulty` zero bits.
#[derive(Clone, Serialize)]
pub struct Work {
    /// The text that each puzzle begins with.
    pub challenge: String,
    /// Leading zero bits that each hash needs.
    pub difficulty: u8,
    /// The number of puzzles. Their nonces are joined by dots.
    pub puzzles: u8,
}

/// `PublicKeyCredentialRequestOptionsJSON` (Web Authentication Level 3 §5.1.10). It lists no credentials for
/// any account, since a decoy has none to list.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyOptions {
    /// The bytes to sign, base64url.
    pub challenge: String,
    /// The browser's time-out in milliseconds.
    pub timeout: u32,
    /// The site whose passkeys may answer.
    pub rp_id: String,
    /// Always empty: the passkeys are discoverable.
    pub allow_credentials: [(); 0],
    /// Always `required`: a passkey alone counts as a verification.
    pub user_verification: &'static str,
}

impl PasskeyOptions {
    /// Returns the options for any passkey of this site, to sign `challenge`.
    pub fn new(settings: &Settings, challenge: [u8; 32]) -> Self {
        Self {
            challenge: URL_SAFE_NO_PAD.encode(challenge),
            timeout: PASSKEY_LIFETIME.0 * 1_000,
            rp_id: settings.relying_party().id,
            allow_credentials: [],
            user_verification: "required",
        }
    }

    /// Returns the options for the script of the page.
    pub(crate) fn json(&self) -> String {
        // Serializing plain data can't fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A criterion of the password policy, with its sentence.
#[derive(Clone, Serialize)]
pub struct Criterion {
    /// A stable id, for programs and for the page's script.
    pub id: String,
    /// A sentence in the page's language.
    pub text: String,
}
