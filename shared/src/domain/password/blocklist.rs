//! A compact set of refused passwords, which fits into a function.

use std::borrow::Cow;
use std::collections::BTreeSet;

use caseless::Caseless;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The first bytes of a file.
const MAGIC: &[u8] = b"rekey-blocklist-1\n";
/// The bits of a place that are stored beside the quotient of its difference.
const REMAINDER_BITS: u32 = 11;
/// The passwords of a chunk, on average. A look-up reads one chunk.
const CHUNK: u64 = 64;

/// A set of passwords as a Golomb-coded set: the sorted places of their hashes, as differences in Rice code.
///
/// A password takes some 13 bits. A listed password is always found; of other passwords, one in
/// [`Self::FALSE_POSITIVES`] is found too. Case and Unicode composition don't matter.
///
/// The file, with numbers in big-endian order, is [`MAGIC`], the number of passwords in 8 bytes, the bit at which each
/// chunk begins and the last one ends in 4 bytes each, and the differences of the chunks: the quotient in ones, a zero, and
/// [`REMAINDER_BITS`] bits.
#[derive(Clone, Debug)]
pub struct Blocklist {
    bytes: Cow<'static, [u8]>,
    count: u64,
}

/// The file is no blocklist, or it is cut.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the file of refused passwords is damaged. Build it again by rekey blocklist build")]
pub struct BlocklistError;

impl Blocklist {
    /// One in so many passwords that are not listed is found nevertheless.
    pub const FALSE_POSITIVES: u64 = 1 << REMAINDER_BITS;
    /// The places of a chunk.
    const SPAN: u64 = CHUNK * Self::FALSE_POSITIVES;

    /// Returns whether the bytes of a file are a blocklist, and not lines of text.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Returns the set of these passwords; `None` for more than a file can hold, some 300 million.
    pub fn build<'a>(passwords: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let hashes: BTreeSet<u64> =
            passwords.into_iter().map(|password| hash(&case_folded(password))).collect();
        let count = hashes.len() as u64;
        let mut bits = BitWriter::default();
        let mut index = Vec::new();
        let (mut chunk, mut last) = (0, 0);
        // Places are in the order of the hashes. Their differences are FALSE_POSITIVES on average.
        for place in hashes.into_iter().map(|hash| place(hash, count)) {
            while chunk <= place / Self::SPAN {
                index.push(bits.len()?);
                last = chunk * Self::SPAN;
                chunk += 1;
            }
            let difference = place - last;
            for _ in 0..difference >> REMAINDER_BITS {
                bits.push(true);
            }
            bits.push(false);
            for bit in (0..REMAINDER_BITS).rev() {
                bits.push((difference >> bit) & 1 == 1);
            }
            last = place;
        }
        index.resize(Self::chunks(count)? + 1, bits.len()?);
        let index = index.into_iter().flat_map(u32::to_be_bytes);
        let bytes = MAGIC.iter().copied().chain(count.to_be_bytes()).chain(index).chain(bits.bytes).collect();
        Some(Self { bytes: Cow::Owned(bytes), count })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`BlocklistError`] when it is no blocklist or is cut.
    pub fn read(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, BlocklistError> {
        let bytes = bytes.into();
        let rest = bytes.strip_prefix(MAGIC).ok_or(BlocklistError)?;
        let count = rest.first_chunk().copied().map(u64::from_be_bytes).ok_or(BlocklistError)?;
        let blocklist = Self { bytes, count };
        let is_whole = || {
            let chunks = Self::chunks(count)?;
            let end = usize::try_from(blocklist.start(chunks)?).ok()?;
            (blocklist.bytes.len() == Self::data(chunks)?.checked_add(end.div_ceil(8))?).then_some(())
        };
        is_whole().ok_or(BlocklistError)?;
        Ok(blocklist)
    }

    /// Returns the bytes of its file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the number of passwords.
    pub const fn len(&self) -> u64 {
        self.count
    }

    /// Returns whether it has no password.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns whether it lists a password, which is [`case_folded`].
    pub(super) fn contains(&self, folded: &str) -> bool {
        self.count > 0 && self.find(place(hash(folded), self.count)).is_some()
    }

    /// Returns whether a place is taken, as `Some`: a damaged file has nothing at a place.
    fn find(&self, wanted: u64) -> Option<()> {
        let chunk = usize::try_from(wanted / Self::SPAN).ok()?;
        let (mut at, end) = (self.start(chunk)?, self.start(chunk + 1)?);
        let bits = self.bytes.get(Self::data(Self::chunks(self.count)?)?..)?;
        let mut next = || {
            let byte = *bits.get(usize::try_from(at / 8).ok()?)?;
            at += 1;
            (at <= end).then_some((byte >> (7 - (at - 1) % 8)) & 1 == 1)
        };
        let mut place = wanted / Self::SPAN * Self::SPAN;
        while place <= wanted {
            while next()? {
                place += Self::FALSE_POSITIVES;
            }
            let mut remainder = 0;
            for _ in 0..REMAINDER_BITS {
                remainder = (remainder << 1) | u64::from(next()?);
            }
            place += remainder;
            if place == wanted {
                return Some(());
            }
        }
        None
    }

    /// Returns the bit at which a chunk begins.
    fn start(&self, chunk: usize) -> Option<u32> {
        let at = MAGIC.len() + 8 + chunk.checked_mul(4)?;
        self.bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
    }

    /// Returns the byte at which the differences of so many chunks begin.
    fn data(chunks: usize) -> Option<usize> {
        chunks.checked_add(1)?.checked_mul(4)?.checked_add(MAGIC.len() + 8)
    }

    fn chunks(count: u64) -> Option<usize> {
        usize::try_from(count.div_ceil(CHUNK)).ok()
    }
}

/// Writes bits, the highest of a byte first.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    /// The free bits of the last byte.
    free: u32,
}

impl BitWriter {
    /// Returns the number of bits, if an index can hold it.
    fn len(&self) -> Option<u32> {
        u32::try_from(self.bytes.len()).ok()?.checked_mul(8)?.checked_sub(self.free)
    }

    fn push(&mut self, bit: bool) {
        if self.free == 0 {
            self.bytes.push(0);
            self.free = 8;
        }
        self.free -= 1;
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << self.free;
        }
    }
}

/// Returns the place of a hash among `count` of them: evenly spread below `count` × [`Blocklist::FALSE_POSITIVES`].
fn place(hash: u64, count: u64) -> u64 {
    let places = u128::from(count) * u128::from(Blocklist::FALSE_POSITIVES);
    u64::try_from((u128::from(hash) * places) >> 64).unwrap_or(u64::MAX)
}

fn hash(folded: &str) -> u64 {
    let digest: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(folded).into());
    digest.first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()
}

/// Returns the canonical caseless form (Unicode §3.13, D145). Spellings that differ in case or composition
/// have the same form.
pub(super) fn case_folded(text: &str) -> String {
    text.nfd().default_case_fold().nfd().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(from: u32, to: u32) -> Vec<String> {
        (from..to).map(|number| format!("Password number {number}")).collect()
    }

    fn of(passwords: &[String]) -> Blocklist {
        Blocklist::build(passwords.iter().map(String::as_str)).unwrap()
    }

    /// Controls: C-018.
    #[test]
    fn every_listed_password_is_found_in_any_case() {
        let listed = passwords(0, 500);
        let blocklist = Blocklist::read(of(&listed).bytes().to_vec()).unwrap();
        assert_eq!(blocklist.len(), 500);
        for password in &listed {
            assert!(blocklist.contains(&case_folded(&password.to_uppercase())), "{password}");
        }
    }

    #[test]
    fn other_passwords_are_rarely_found() {
        let blocklist = of(&passwords(0, 500));
        let found =
            passwords(1_000, 3_048).iter().filter(|other| blocklist.contains(&case_folded(other))).count();
        assert!(found <= 5, "{found} of 2 048, where one is expected");
    }

    #[test]
    fn one_password_takes_less_than_two_bytes() {
        assert!(of(&passwords(0, 4_000)).bytes().len() < 4_000 * 14 / 8);
    }

    #[test]
    fn damaged_file_is_refused() {
        let whole = of(&passwords(0, 50)).bytes().to_vec();
        for damaged in [&whole[..whole.len() - 20], &whole[1..], &whole[..20], b""] {
            assert_eq!(Blocklist::read(damaged.to_vec()).unwrap_err(), BlocklistError);
        }
        assert!(Blocklist::is_one(&whole) && !Blocklist::is_one(b"Password number 1\n"));
    }

    #[test]
    fn empty_list_finds_nothing() {
        let empty = of(&[]);
        assert!(empty.is_empty() && !empty.contains("password number 1"));
    }
}
