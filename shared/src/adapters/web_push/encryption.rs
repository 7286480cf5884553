//! Message encryption for Web Push (RFC 8291), one record of `aes128gcm` (RFC 8188).

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes128Gcm, Nonce};
use hkdf::Hkdf;
use p256::ecdh::diffie_hellman;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::{PublicKey, SecretKey};
use sha2::Sha256;

/// The record size of RFC 8291 §4; Rekey's payloads are far shorter.
const RECORD_SIZE: u32 = 4_096;
/// The delimiter of the last record (RFC 8188 §2).
const LAST: u8 = 2;

/// Encrypts `plaintext` for the device with the key `device` and the secret `auth`. `salt` and `ephemeral`
/// must be random; the latter becomes the key of this message. `None` where `device` is no point of the
/// curve, and never in practice.
pub(super) fn seal(
    plaintext: &[u8],
    device: &[u8; 65],
    auth: &[u8; 16],
    salt: [u8; 16],
    ephemeral: &[u8; 32],
) -> Option<Vec<u8>> {
    let theirs = PublicKey::from_sec1_bytes(device).ok()?;
    let ours = SecretKey::from_slice(ephemeral).ok()?;
    let public = ours.public_key().to_sec1_point(false);
    let public = public.as_bytes();
    let shared = diffie_hellman(ours.to_nonzero_scalar(), theirs.as_affine());

    let mut input = [0; 32];
    let info = [b"WebPush: info\0", device.as_slice(), public].concat();
    Hkdf::<Sha256>::new(Some(auth), shared.raw_secret_bytes()).expand(&info, &mut input).ok()?;
    let (mut key, mut nonce) = ([0; 16], [0; 12]);
    let expander = Hkdf::<Sha256>::new(Some(&salt), &input);
    expander.expand(b"Content-Encoding: aes128gcm\0", &mut key).ok()?;
    expander.expand(b"Content-Encoding: nonce\0", &mut nonce).ok()?;

    let record = [plaintext, &[LAST]].concat();
    let cipher = Aes128Gcm::new_from_slice(&key).ok()?;
    let sealed = cipher.encrypt(&Nonce::from(nonce), record.as_slice()).ok()?;
    let length = u8::try_from(public.len()).ok()?;
    Some([&salt, RECORD_SIZE.to_be_bytes().as_slice(), &[length], public, &sealed].concat())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    /// The example of RFC 8291 §5 and appendix A.
    /// Controls: C-090, C-093.
    #[test]
    fn encryption_matches_rfc_8291_example() {
        let sealed = seal(
            b"When I grow up, I want to be a watermelon",
            &bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
            &bytes("BTBZMqHH6r4Tts7J_aSIgg"),
            bytes("DGv6ra1nlYgDCS1FRnbzlw"),
            &bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        );
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz\
                        AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(sealed.unwrap()), expected);
    }

    #[test]
    fn invalid_key_is_rejected() {
        assert!(seal(b"x", &[4; 65], &[1; 16], [1; 16], &[1; 32]).is_none());
        let device =
            bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        assert!(seal(b"x", &device, &[1; 16], [1; 16], &[0; 32]).is_none(), "zero is no secret");
    }
}
