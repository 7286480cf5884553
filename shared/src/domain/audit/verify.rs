//! Anchors, and the verification of a trail by its chains and anchors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Fields;
use super::chain::{PREVIOUS, SEQUENCE, STREAM, began_at, hash, start};
use crate::domain::time::{Seconds, Timestamp};

/// A line must be in an anchor after this time: the hour between two anchors, and another one for a run that failed.
pub const ANCHORED_WITHIN: Seconds = Seconds(2 * 3_600);

/// The state of all streams that grew since the anchor before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The number of the anchor, from 1.
    pub number: u64,
    /// The time at which the trail was read.
    pub at: Timestamp,
    /// The hash of the anchor before.
    pub previous: String,
    /// The last known line of each stream, by the stream's name.
    pub streams: BTreeMap<String, Head>,
}

/// The last known line of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of lines.
    pub count: u64,
    /// The hash of the last one.
    pub hash: String,
}

impl Anchor {
    /// Returns the anchor after `last`, with the heads of these lines.
    pub fn after<'a>(
        last: Option<&Self>,
        lines: impl IntoIterator<Item = &'a Fields>,
        at: Timestamp,
    ) -> Self {
        let mut streams: BTreeMap<String, Head> = BTreeMap::new();
        for (line, link) in lines.into_iter().filter_map(|line| Some((line, Link::of(line)?))) {
            let is_later = streams.get(link.stream).is_none_or(|head| head.count < link.sequence);
            if is_later {
                streams.insert(link.stream.to_owned(), Head { count: link.sequence, hash: hash(line) });
            }
        }
        if let Some(last) = last {
            streams
                .retain(|stream, head| last.streams.get(stream).is_none_or(|known| known.count < head.count));
        }
        let number = last.map_or(1, |last| last.number + 1);
        Self { number, at, previous: last.map_or_else(start, Self::hash), streams }
    }

    /// Returns the hash of the anchor. It covers everything before, so who notes it elsewhere can prove all of it.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(serde_json::to_string(self).unwrap_or_default()))
    }
}

/// The place of a line in its chain.
struct Link<'a> {
    stream: &'a str,
    sequence: u64,
    previous: &'a str,
}

impl<'a> Link<'a> {
    fn of(line: &'a Fields) -> Option<Self> {
        Some(Self {
            stream: line.get(STREAM)?.as_str()?,
            sequence: line.get(SEQUENCE)?.as_u64()?,
            previous: line.get(PREVIOUS)?.as_str()?,
        })
    }
}

/// The kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A line has another hash than the line after it, or an anchor, names.
    LineChanged,
    /// Lines between two others, or before the first one, are missing.
    LinesRemoved,
    /// Lines at the end of a stream are missing.
    TailCut,
    /// A stream is missing.
    StreamMissing,
    /// Lines are in no anchor, though they are old enough.
    NotAnchored,
    /// An anchor has another hash than the one after it names.
    AnchorChanged,
    /// Anchors are missing.
    AnchorsRemoved,
}

impl FindingKind {
    /// Returns the name for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LineChanged => "line changed",
            Self::LinesRemoved => "lines removed",
            Self::TailCut => "tail cut",
            Self::StreamMissing => "stream missing",
            Self::NotAnchored => "not anchored",
            Self::AnchorChanged => "anchor changed",
            Self::AnchorsRemoved => "anchors removed",
        }
    }
}

/// Something that is wrong with a trail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The stream, or `anchors`.
    pub stream: String,
    /// The first line that is wrong, or the first anchor.
    pub sequence: u64,
    /// The last one.
    pub until: u64,
    /// What is wrong.
    pub kind: FindingKind,
}

/// The result of a verification.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Everything that is wrong, by stream and sequence.
    pub findings: Vec<Finding>,
    /// The number of streams.
    pub streams: usize,
    /// The number of lines.
    pub lines: usize,
    /// The newest anchor: its number, its time and its hash.
    pub last_anchor: Option<(u64, Timestamp, String)>,
}

/// Verifies a trail. `lines` and `anchors` are those from `since` to `now`, in any order; a line may come twice.
pub fn verify(lines: &[Fields], anchors: &[Anchor], since: Timestamp, now: Timestamp) -> Verified {
    let mut streams: BTreeMap<&str, Vec<(Link<'_>, String)>> = BTreeMap::new();
    for (line, link) in lines.iter().filter_map(|line| Some((line, Link::of(line)?))) {
        streams.entry(link.stream).or_default().push((link, hash(line)));
    }
    let mut findings = Findings::default();
    let mut anchors: Vec<&Anchor> = anchors.iter().collect();
    anchors.sort_by_key(|anchor| anchor.number);
    findings.add_anchors(&anchors);
    let mut count = 0;
    for (stream, lines) in &mut streams {
        lines.sort_by(|(a, at), (b, bt)| (a.sequence, at).cmp(&(b.sequence, bt)));
        lines.dedup_by(|(a, at), (b, bt)| a.sequence == b.sequence && at == bt);
        count += lines.len();
        findings.add_chain(stream, lines, since);
    }
    // The lines of the first hours may be older than the first one that was read.
    let settled = since + ANCHORED_WITHIN;
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for anchor in anchors.iter().filter(|anchor| anchor.at > settled) {
        for (stream, head) in &anchor.streams {
            findings.add_anchored(stream, head, streams.get(stream.as_str()).map(Vec::as_slice));
            newest.insert(stream, head.count);
        }
    }
    findings.add_not_anchored(lines, &newest, since, now);
    let last_anchor = anchors.last().map(|anchor| (anchor.number, anchor.at, anchor.hash()));
    Verified { findings: findings.merged(), streams: streams.len(), lines: count, last_anchor }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, stream: &str, sequence: u64, until: u64, kind: FindingKind) {
        self.0.push(Finding { stream: stream.to_owned(), sequence, until, kind });
    }

    fn add_anchors(&mut self, anchors: &[&Anchor]) {
        for pair in anchors.windows(2) {
            let [earlier, later] = pair else { continue };
            if later.number != earlier.number + 1 {
                self.add(
                    "anchors",
                    earlier.number + 1,
                    later.number.saturating_sub(1),
                    FindingKind::AnchorsRemoved,
                );
            } else if later.previous != earlier.hash() {
                self.add("anchors", earlier.number, earlier.number, FindingKind::AnchorChanged);
            }
        }
    }

    /// Checks the lines of a stream, which are in order.
    fn add_chain(&mut self, stream: &str, lines: &[(Link<'_>, String)], since: Timestamp) {
        if let Some((first, _)) = lines.first() {
            let has_begun_since = began_at(stream).is_none_or(|began| began >= since);
            if has_begun_since && first.sequence > 1 {
                self.add(stream, 1, first.sequence - 1, FindingKind::LinesRemoved);
            }
            if first.sequence == 1 && first.previous != start() {
                self.add(stream, 1, 1, FindingKind::LineChanged);
            }
        }
        for pair in lines.windows(2) {
            let [(before, hash), (after, _)] = pair else { continue };
            match after.sequence - before.sequence {
                // Two lines of one number: at most one of them is true.
                0 => self.add(stream, after.sequence, after.sequence, FindingKind::LineChanged),
                1 if after.previous != hash => {
                    self.add(stream, before.sequence, before.sequence, FindingKind::LineChanged);
                }
                1 => {}
                _ => self.add(stream, before.sequence + 1, after.sequence - 1, FindingKind::LinesRemoved),
            }
        }
    }

    /// Compares a stream with the head that an anchor has of it.
    fn add_anchored(&mut self, stream: &str, head: &Head, lines: Option<&[(Link<'_>, String)]>) {
        let Some((last, _)) = lines.and_then(<[_]>::last) else {
            return self.add(stream, 1, head.count, FindingKind::StreamMissing);
        };
        if last.sequence < head.count {
            return self.add(stream, last.sequence + 1, head.count, FindingKind::TailCut);
        }
        let mut of_head = lines.into_iter().flatten().filter(|(link, _)| link.sequence == head.count);
        // A line that is missing in between is a gap of the chain.
        if of_head.any(|(_, hash)| *hash != head.hash) {
            self.add(stream, head.count, head.count, FindingKind::LineChanged);
        }
    }

    fn add_not_anchored(
        &mut self,
        lines: &[Fields],
        newest: &BTreeMap<&str, u64>,
        since: Timestamp,
        now: Timestamp,
    ) {
        let is_old = |at: Timestamp| at + ANCHORED_WITHIN < now && since + ANCHORED_WITHIN < at;
        let old = lines.iter().filter(|line| super::time_of(line).is_some_and(is_old));
        for link in old.filter_map(Link::of) {
            if newest.get(link.stream).is_none_or(|count| *count < link.sequence) {
                self.add(link.stream, link.sequence, link.sequence, FindingKind::NotAnchored);
            }
        }
    }

    /// Returns the findings in order, with those of one kind that follow each other as one.
    fn merged(mut self) -> Vec<Finding> {
        self.0.sort_by(|a, b| {
            (&a.stream, a.kind, a.sequence, a.until).cmp(&(&b.stream, b.kind, b.sequence, b.until))
        });
        let mut merged: Vec<Finding> = Vec::new();
        for finding in self.0 {
            match merged.last_mut() {
                Some(last)
                    if (&last.stream, last.kind) == (&finding.stream, finding.kind)
                        && finding.sequence <= last.until + 1 =>
                {
                    last.until = last.until.max(finding.until);
                }
                _ => merged.push(finding),
            }
        }
        merged.sort();
        merged
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::audit::chain::Chain;
    use FindingKind::{
        AnchorChanged, AnchorsRemoved, LineChanged, LinesRemoved, NotAnchored, StreamMissing, TailCut,
    };

    const SINCE: i64 = 1_790_000_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_seconds(SINCE + hours * 3_600)
    }

    /// Three streams of five lines, written in the hours 3 to 7, and an anchor after each hour.
    struct Trail {
        lines: Vec<Fields>,
        anchors: Vec<Anchor>,
    }

    impl Trail {
        fn new() -> Self {
            let names = ["captcha", "code-send", "delivery"];
            let mut chains: Vec<Chain> = names.iter().map(|name| Chain::new(name, at(3), [7; 8])).collect();
            let (mut lines, mut anchors) = (Vec::new(), Vec::<Anchor>::new());
            for hour in 3..8 {
                for chain in &mut chains {
                    let line =
                        json!({ "event": "code.sent", "timestamp": at(hour).to_string(), "hour": hour });
                    lines.push(serde_json::from_str(&chain.link(line.as_object().unwrap().clone())).unwrap());
                }
                anchors.push(Anchor::after(anchors.last(), &lines, at(hour + 1)));
            }
            Self { lines, anchors }
        }

        fn without(mut self, stream: &str, sequences: impl Fn(u64) -> bool) -> Self {
            self.lines.retain(|line| {
                let link = Link::of(line).unwrap();
                !link.stream.starts_with(stream) || !sequences(link.sequence)
            });
            self
        }

        fn findings(&self) -> Vec<(String, u64, u64, FindingKind)> {
            let verified = verify(&self.lines, &self.anchors, at(0), at(9));
            let short = |stream: &str| stream.split('/').next().unwrap().to_owned();
            let found = verified.findings.iter();
            found.map(|found| (short(&found.stream), found.sequence, found.until, found.kind)).collect()
        }
    }

    /// Controls: C-230.
    #[test]
    fn untouched_trail_is_sound() {
        let mut trail = Trail::new();
        assert_eq!(trail.findings(), []);
        trail.lines.reverse();
        let twice = trail.lines.clone();
        trail.lines.extend(twice);
        assert_eq!(trail.findings(), [], "order and repetition of exports do not matter");
        let verified = verify(&trail.lines, &trail.anchors, at(0), at(9));
        assert_eq!((verified.streams, verified.lines), (3, 15));
        assert_eq!(verified.last_anchor.unwrap().0, 5);
    }

    /// Controls: C-230.
    #[test]
    fn removed_lines_are_named() {
        let found = |trail: Trail| trail.findings();
        assert_eq!(
            found(Trail::new().without("captcha", |n| n == 3)),
            [("captcha".to_owned(), 3, 3, LinesRemoved)]
        );
        assert_eq!(
            found(Trail::new().without("captcha", |n| n < 3)),
            [("captcha".to_owned(), 1, 2, LinesRemoved)]
        );
    }

    /// Controls: C-230.
    #[test]
    fn changed_line_is_named_wherever_it_stands() {
        for sequence in 1..=5 {
            let mut trail = Trail::new();
            let line = trail.lines.iter_mut().find(|line| {
                line[STREAM].as_str().unwrap().starts_with("code-send") && line[SEQUENCE] == sequence
            });
            line.unwrap().insert("hour".to_owned(), 99.into());
            assert_eq!(trail.findings(), [("code-send".to_owned(), sequence, sequence, LineChanged)]);
        }
    }

    /// An insider who can compute hashes writes the rest of a stream again.
    ///
    /// Controls: C-231.
    #[test]
    fn rewritten_chain_differs_from_its_anchors() {
        let mut trail = Trail::new();
        trail.lines.retain(|line| !line[STREAM].as_str().unwrap().starts_with("delivery"));
        let mut chain = Chain::new("delivery", at(3), [7; 8]);
        for hour in 3..8 {
            let line = json!({ "event": "code.sent", "timestamp": at(hour).to_string(), "hour": 99 });
            trail.lines.push(serde_json::from_str(&chain.link(line.as_object().unwrap().clone())).unwrap());
        }
        assert_eq!(trail.findings(), [("delivery".to_owned(), 1, 5, LineChanged)]);
    }

    /// Controls: C-231.
    #[test]
    fn cut_tail_and_missing_stream_are_named() {
        let cut = Trail::new().without("captcha", |n| n > 3);
        assert_eq!(cut.findings(), [("captcha".to_owned(), 4, 5, TailCut)]);
        let missing = Trail::new().without("code-send", |_| true);
        assert_eq!(missing.findings(), [("code-send".to_owned(), 1, 5, StreamMissing)]);
    }

    /// Controls: C-231.
    #[test]
    fn changed_or_missing_anchors_are_named() {
        let mut trail = Trail::new();
        trail.anchors.remove(2);
        assert_eq!(trail.findings(), [("anchors".to_owned(), 3, 3, AnchorsRemoved)]);
        let mut trail = Trail::new();
        trail.anchors[1].at = at(6);
        assert_eq!(trail.findings(), [("anchors".to_owned(), 2, 2, AnchorChanged)]);
        let mut trail = Trail::new();
        trail.anchors.truncate(2);
        let found = trail.findings();
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], ("captcha".to_owned(), 3, 4, NotAnchored), "the last line is too young");
    }

    #[test]
    fn stream_that_began_earlier_may_begin_anywhere() {
        let trail = Trail::new().without("captcha", |n| n < 3);
        let verified = verify(&trail.lines, &trail.anchors, at(4), at(9));
        assert_eq!(verified.findings, []);
    }
}
