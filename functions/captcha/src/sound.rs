//! The sound of a CAPTCHA: the characters of the picture, spoken twice over hiss and a murmur of voices.
//!
//! Every character has its own pitch, volume and pause. The murmur is the recordings themselves, played backwards: it
//! has the voice and spectrum of the speech. So neither silence detection nor a filter separates the characters.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "places in a track of some seconds fit every type here, samples are clamped, and casts from floats saturate"
)]

use std::io::Cursor;

use crate::rng::DeterministicRng;

/// Samples a second. The alphabet was chosen to be understood in the bandwidth of a telephone.
const RATE: u16 = 8_000;

/// One recording per character of the alphabet; `recordings/README.md` says how they were made.
const RECORDINGS: [(char, &[u8]); 20] = [
    ('3', include_bytes!("../recordings/3.wav")),
    ('4', include_bytes!("../recordings/4.wav")),
    ('5', include_bytes!("../recordings/5.wav")),
    ('6', include_bytes!("../recordings/6.wav")),
    ('7', include_bytes!("../recordings/7.wav")),
    ('8', include_bytes!("../recordings/8.wav")),
    ('9', include_bytes!("../recordings/9.wav")),
    ('F', include_bytes!("../recordings/F.wav")),
    ('H', include_bytes!("../recordings/H.wav")),
    ('J', include_bytes!("../recordings/J.wav")),
    ('K', include_bytes!("../recordings/K.wav")),
    ('L', include_bytes!("../recordings/L.wav")),
    ('M', include_bytes!("../recordings/M.wav")),
    ('O', include_bytes!("../recordings/O.wav")),
    ('R', include_bytes!("../recordings/R.wav")),
    ('U', include_bytes!("../recordings/U.wav")),
    ('W', include_bytes!("../recordings/W.wav")),
    ('X', include_bytes!("../recordings/X.wav")),
    ('Y', include_bytes!("../recordings/Y.wav")),
    ('Z', include_bytes!("../recordings/Z.wav")),
];

/// Speaks `answer` twice, as a WAV of one channel, 8 kHz and 8 bits. It takes 7 to 15 seconds and at most about 120
/// KB. The same seed gives the same bytes.
///
/// A character outside the alphabet is silent.
pub fn render(answer: &str, seed: &[u8; 32]) -> Vec<u8> {
    let mut rng = DeterministicRng::new(seed, "sound");
    let mut track = Vec::new();
    pause(&mut track, 0.3);
    for round in 0..2 {
        if round > 0 {
            pause(&mut track, 0.7);
        }
        for character in answer.chars() {
            let voice = samples(recording(character));
            let volume = rng.between(0.5, 0.8);
            track.extend(at_pitch(&voice, rng.between(0.94, 1.06)).map(|sample| sample * volume));
            pause(&mut track, rng.between(0.3, 0.55));
        }
    }
    for _ in 0..3 {
        murmur(&mut track, &mut rng);
    }
    for sample in &mut track {
        *sample += rng.between(-0.02, 0.02);
    }
    wav(&track)
}

/// Returns the recording of a character; empty outside the alphabet.
fn recording(character: char) -> &'static [u8] {
    RECORDINGS.iter().find(|(of, _)| *of == character).map_or(&[], |(_, file)| file)
}

/// Appends silence.
fn pause(track: &mut Vec<f32>, seconds: f32) {
    track.resize(track.len() + (seconds * f32::from(RATE)) as usize, 0.0);
}

/// Decodes the samples of a recording to the range -1 to 1.
fn samples(file: &[u8]) -> Vec<f32> {
    hound::WavReader::new(file)
        .into_iter()
        .flat_map(hound::WavReader::into_samples::<i16>)
        .map_while(Result::ok)
        .map(|sample| f32::from(sample) / 128.0)
        .collect()
}

/// Resamples the voice to play at `pitch` times its speed.
fn at_pitch(voice: &[f32], pitch: f32) -> impl Iterator<Item = f32> {
    let length = (voice.len().saturating_sub(1) as f32 / pitch) as usize;
    (0..length).map(move |index| {
        let place = index as f32 * pitch;
        let (before, part) = (place as usize, place.fract());
        voice[before] + (voice[before + 1] - voice[before]) * part
    })
}

/// Mixes in one quiet voice that speaks backwards through the whole track.
fn murmur(track: &mut [f32], rng: &mut DeterministicRng) {
    let mut at = rng.below(RATE / 4);
    while at < track.len() {
        let (_, file) = RECORDINGS[rng.below(20)];
        let mut voice = samples(file);
        voice.reverse();
        let volume = rng.between(0.05, 0.14);
        let pitch = rng.between(0.8, 1.3);
        let from = at;
        for (sample, sound) in track[from..].iter_mut().zip(at_pitch(&voice, pitch)) {
            *sample += sound * volume;
            at += 1;
        }
        at += rng.below(RATE / 8);
    }
}

/// Encodes 8 bits a sample. The quantisation noise is quieter than the murmur.
fn wav(track: &[f32]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE.into(),
        bits_per_sample: 8,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let written = hound::WavWriter::new(&mut file, spec).and_then(|mut writer| {
        for sample in track {
            writer.write_sample((sample.clamp(-1.0, 1.0) * 127.0) as i8)?;
        }
        writer.finalize()
    });
    #[expect(clippy::expect_used, reason = "a Vec takes every write, and hound knows 8 bits")]
    written.expect("a track is written into memory");
    file.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::domain::captcha::ALPHABET;

    fn seconds(file: &[u8]) -> f32 {
        let reader = hound::WavReader::new(file).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate), (1, RATE.into()));
        reader.duration() as f32 / f32::from(RATE)
    }

    #[test]
    fn sound_has_bounded_duration_and_file_size() {
        for seed in 0..20 {
            for answer in ["FFLLOO", "WWWWWW", "37Y9H4"] {
                let file = render(answer, &[seed; 32]);
                assert!((7.0..15.5).contains(&seconds(&file)), "{} s", seconds(&file));
                assert!(file.len() < 124_000, "{} bytes", file.len());
            }
        }
    }

    #[test]
    fn sound_depends_only_on_answer_and_seed() {
        assert_eq!(render("345678", &[1; 32]), render("345678", &[1; 32]));
        assert_ne!(render("345678", &[1; 32]), render("345678", &[2; 32]));
        assert_ne!(render("345678", &[1; 32]), render("345679", &[1; 32]));
    }

    #[test]
    fn speech_is_twice_as_loud_as_background_voices() {
        let loudest = |answer: &str| {
            let file = render(answer, &[3; 32]);
            let samples = hound::WavReader::new(&*file).unwrap().into_samples::<i16>();
            samples.map(|sample| sample.unwrap().unsigned_abs()).max().unwrap()
        };
        let murmur_alone = loudest("......");
        for character in ALPHABET {
            let spoken = char::from(*character).to_string().repeat(6);
            assert!(loudest(&spoken) > murmur_alone * 2, "{spoken}");
        }
    }

    #[test]
    fn each_alphabet_character_has_a_recording() {
        assert_eq!(RECORDINGS.map(|(character, _)| character), ALPHABET.map(char::from));
        for (character, file) in RECORDINGS {
            let samples = samples(file).len();
            assert!((2_000..6_000).contains(&samples), "{character}: {samples} samples");
        }
    }
}
