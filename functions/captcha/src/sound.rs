//! The sound of a CAPTCHA: six digits, spoken in the language of the page.
//!
//! Nothing is mixed in. Programs understand the digits through any noise that people understand them through.

use shared::domain::language::Language;

/// Samples a second. Consonants stay clear up to 6 kHz.
const RATE: u16 = 12_000;

/// Ten recordings of one language, of 0 to 9.
type Digits = [&'static [u8]; 10];

/// Compiles the recordings of a language in. `recordings/README.md` says how they were made.
macro_rules! recordings {
    ($language:literal) => {
        [
            include_bytes!(concat!("../recordings/", $language, "-0.wav")),
            include_bytes!(concat!("../recordings/", $language, "-1.wav")),
            include_bytes!(concat!("../recordings/", $language, "-2.wav")),
            include_bytes!(concat!("../recordings/", $language, "-3.wav")),
            include_bytes!(concat!("../recordings/", $language, "-4.wav")),
            include_bytes!(concat!("../recordings/", $language, "-5.wav")),
            include_bytes!(concat!("../recordings/", $language, "-6.wav")),
            include_bytes!(concat!("../recordings/", $language, "-7.wav")),
            include_bytes!(concat!("../recordings/", $language, "-8.wav")),
            include_bytes!(concat!("../recordings/", $language, "-9.wav")),
        ]
    };
}

const ENGLISH: Digits = recordings!("en");
const MALAY: Digits = recordings!("ms");
const CHINESE: Digits = recordings!("zh-Hans");
const TAMIL: Digits = recordings!("ta");

/// Speaks `digits` once, as a WAV of one channel, 12 kHz and 16 bits. It takes 4 to 8 seconds and at most 190 KB.
///
/// Other characters are silent.
pub fn render(digits: &str, language: Language) -> Vec<u8> {
    let voice = match language {
        Language::English => &ENGLISH,
        Language::Malay => &MALAY,
        Language::Chinese => &CHINESE,
        Language::Tamil => &TAMIL,
    };
    let mut samples = Vec::new();
    pause(&mut samples, 300);
    for digit in digits.chars().filter_map(|digit| digit.to_digit(10)) {
        let recording = usize::try_from(digit).ok().and_then(|digit| voice.get(digit));
        samples.extend(recording.into_iter().flat_map(|file| data(file)).map(|byte| linear(*byte)));
        pause(&mut samples, 400);
    }
    wav(&samples)
}

/// Appends silence.
fn pause(samples: &mut Vec<i16>, milliseconds: usize) {
    samples.resize(samples.len() + milliseconds * usize::from(RATE) / 1_000, 0);
}

/// Returns the content of a WAV's chunk `data`, which is its last one and not padded.
fn data(file: &[u8]) -> &[u8] {
    let at = file.windows(4).position(|id| id == b"data");
    let body = at.and_then(|at| file.get(at + 8..)).unwrap_or_default();
    let length =
        at.and_then(|at| file.get(at + 4..)?.first_chunk()).map(|length| u32::from_le_bytes(*length));
    let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    body.get(..length).unwrap_or(body)
}

/// Decodes an octet of µ-law (ITU-T G.711), which holds 14 bits of speech in 8.
fn linear(octet: u8) -> i16 {
    let octet = !octet;
    let magnitude = ((i16::from(octet & 0x0F) << 3) + 0x84) << ((octet & 0x70) >> 4);
    if octet & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude }
}

/// Encodes PCM, which every browser plays.
fn wav(samples: &[i16]) -> Vec<u8> {
    const HEADER: u32 = 44;
    let length = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX - HEADER);
    let mut file = Vec::with_capacity(samples.len() * 2 + 44);
    file.extend(b"RIFF");
    file.extend((HEADER - 8 + length).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    // PCM, one channel, samples and octets a second, octets and bits a sample.
    for word in [1_u16, 1, RATE, 0, RATE * 2, 0, 2, 16] {
        file.extend(word.to_le_bytes());
    }
    file.extend(b"data");
    file.extend(length.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOICES: [(Language, &Digits); 4] = [
        (Language::English, &ENGLISH),
        (Language::Malay, &MALAY),
        (Language::Chinese, &CHINESE),
        (Language::Tamil, &TAMIL),
    ];

    /// Returns the samples of a rendered file, whose header is checked.
    fn samples(file: &[u8]) -> Vec<f64> {
        let word = |at: usize| u32::from_le_bytes(*file[at..].first_chunk().unwrap());
        assert_eq!((&file[..4], &file[8..16], &file[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
        assert_eq!((word(4), word(40)), (u32::try_from(file.len()).unwrap() - 8, word(4) - 36));
        assert_eq!(
            (word(16), word(20), word(24), word(28), word(32)),
            (16, 0x1_0001, 12_000, 24_000, 0x10_0002)
        );
        file[44..]
            .chunks_exact(2)
            .map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0)
            .collect()
    }

    fn level(samples: &[f64]) -> f64 {
        let squares: f64 = samples.iter().map(|sample| sample * sample).sum();
        10.0 * (squares / f64::from(u32::try_from(samples.len()).unwrap())).log10()
    }

    #[test]
    fn sound_has_bounded_duration_and_file_size() {
        for (language, _) in VOICES {
            for digits in ["000000", "222222", "999999", "123456", "789012"] {
                let file = render(digits, language);
                let seconds = samples(&file).len() / usize::from(RATE);
                assert!((3..8).contains(&seconds), "{seconds} s");
                assert!(file.len() < 190_000, "{} bytes", file.len());
            }
        }
    }

    #[test]
    fn sound_depends_on_digits_and_language() {
        assert_eq!(render("345678", Language::Tamil), render("345678", Language::Tamil));
        assert_ne!(render("345678", Language::Tamil), render("345678", Language::Malay));
        assert_ne!(render("345678", Language::Tamil), render("345679", Language::Tamil));
    }

    /// Every digit is as loud as the others, near -16 dBFS (RMS), and no sample is clipped.
    #[test]
    fn each_recording_has_the_same_level() {
        for (language, voice) in VOICES {
            for (digit, file) in voice.iter().enumerate() {
                let decoded: Vec<f64> =
                    data(file).iter().map(|byte| f64::from(linear(*byte)) / 32_768.0).collect();
                let level = level(&decoded);
                assert!((-16.5..-15.5).contains(&level), "{} {digit}: {level} dBFS", language.tag());
                assert!(decoded.iter().all(|sample| sample.abs() < 0.98), "{} {digit}", language.tag());
                assert!((2_500..11_000).contains(&decoded.len()), "{} {digit}", language.tag());
            }
        }
    }

    #[test]
    fn pauses_have_no_background() {
        let track = samples(&render("11", Language::English));
        let (quiet, spoken) = track.split_at(3_600);
        assert!(quiet.iter().all(|sample| *sample == 0.0));
        assert!(level(&spoken[..4_000]) > -20.0);
    }

    #[test]
    fn all_recordings_differ() {
        let files: std::collections::BTreeSet<_> =
            VOICES.iter().flat_map(|(_, voice)| voice.iter()).collect();
        assert_eq!(files.len(), 40);
    }
}
