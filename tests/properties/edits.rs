//! Generates almost valid texts: valid ones with one or two changes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A change of a text: position, number of characters to remove, text to insert.
pub type Edit = (Index, usize, String);

/// Generates a few changes.
pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let piece = prop_oneof![
        3 => select(&["", "\u{0}", "\u{feff}", "\u{202e}", "\u{301}", "%00", "\\ud800", ".", "=", "-", "A", "0", "{", "\"", "ﬁ"][..])
            .prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    vec((any::<Index>(), 0_usize..3, piece), 1..3)
}

/// Applies the changes.
pub fn edited(text: &str, edits: &[Edit]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (place, out, piece) in edits {
        let from = place.index(characters.len() + 1);
        let to = (from + out).min(characters.len());
        characters.splice(from..to, piece.chars());
    }
    characters.into_iter().collect()
}

/// Generates one of `known` with one or two changes.
pub fn almost_valid(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(known), edits()).prop_map(|(text, edits)| edited(text, &edits))
}

/// Generates `seed` with a few changes.
pub fn changed(seed: String) -> impl Strategy<Value = String> {
    prop_oneof![
        8 => edits().prop_map(move |edits| edited(&seed, &edits)),
        1 => any::<String>(),
    ]
}

/// Generates the first of `known` in half of the cases, which leads on, else another one or anything.
pub fn mostly(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![10 => Just(known[0].to_owned()), 6 => select(known).prop_map(str::to_owned), 1 => any::<String>(), 1 => almost_valid(known)]
}

/// Byte sequences that matter to CBOR parsers: a break, a 64-bit length, an indefinite array and map, NaN, empty
/// values.
const ENDS: [&[u8]; 8] = [
    &[0xff],
    &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x9f],
    &[0xbf],
    &[0xf9, 0x7e, 0],
    &[0xa0],
    &[0x80],
    &[0],
];

/// Generates the bytes of `seed` with a few changes, each of removed and inserted bytes.
pub fn changed_bytes(seed: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        2 => vec(any::<u8>(), 0..3),
        1 => select(&ENDS[..]).prop_map(<[u8]>::to_vec),
    ];
    vec((any::<Index>(), 0_usize..4, piece), 1..3).prop_map(move |edits| {
        let mut bytes = seed.clone();
        for (place, out, piece) in edits {
            let from = place.index(bytes.len() + 1);
            let to = (from + out).min(bytes.len());
            bytes.splice(from..to, piece);
        }
        bytes
    })
}
