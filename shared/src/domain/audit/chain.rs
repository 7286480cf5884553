//! The hash chain of a stream: every line of a running instance names its stream, its number and the hash of the line
//! before it, so that no line can be changed, removed or added unseen.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Fields, complete};
use crate::domain::time::Timestamp;

/// The field with the name of the stream.
pub const STREAM: &str = "stream";
/// The field with the number of the line in its stream, from 1.
pub const SEQUENCE: &str = "sequence";
/// The field with the hash of the line before, in hexadecimal digits.
pub const PREVIOUS: &str = "previous";

/// The chain of one running instance.
#[derive(Debug)]
pub struct Chain {
    stream: String,
    sequence: u64,
    head: String,
}

impl Chain {
    /// Begins the chain of an instance of a function. The time stands in the name, so that a reader knows whether the
    /// first line must still be there. `id` must be random.
    pub fn new(function: &str, started: Timestamp, id: [u8; 8]) -> Self {
        let stream = format!("{function}/{}/{}", started.as_seconds(), hex::encode(id));
        Self { stream, sequence: 0, head: start() }
    }

    /// Completes a line and makes it the chain's next one.
    pub fn link(&mut self, line: Fields) -> String {
        let mut line = complete(line);
        self.sequence += 1;
        line.insert(STREAM.to_owned(), self.stream.as_str().into());
        line.insert(SEQUENCE.to_owned(), self.sequence.into());
        line.insert(PREVIOUS.to_owned(), self.head.as_str().into());
        self.head = hash(&line);
        Value::Object(line).to_string()
    }
}

/// Returns what the first line of a stream has in the place of a hash.
pub fn start() -> String {
    "0".repeat(64)
}

/// Returns the hash of a line: SHA-256 over its fields in the order of their names, without white space. So it does not
/// depend on the form in which a log was exported.
pub fn hash(line: &Fields) -> String {
    let sorted: std::collections::BTreeMap<&String, &Value> = line.iter().collect();
    let text = serde_json::to_string(&sorted).unwrap_or_default();
    hex::encode(Sha256::digest(text))
}

/// Returns the time at which a stream began, by its name.
pub fn began_at(stream: &str) -> Option<Timestamp> {
    let mut parts = stream.rsplit('/');
    parts.next()?;
    parts.next()?.parse().ok().map(Timestamp::from_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line written by this version must be verifiable by every later one.
    ///
    /// Controls: C-230.
    #[test]
    fn hash_of_line_never_changes() {
        let mut chain = Chain::new("captcha", Timestamp::from_seconds(1_790_000_000), [7; 8]);
        let fields = |text: &str| serde_json::from_str::<Fields>(text).unwrap();
        let first = chain.link(fields(r#"{"event":"flow.started","flow":"0102"}"#));
        let expected = format!(
            r#"{{"actor":"system","event":"flow.started","flow":"0102","outcome":"done","previous":"{}","sequence":1,"stream":"captcha/1790000000/0707070707070707"}}"#,
            start()
        );
        assert_eq!(first, expected);
        let second = fields(&chain.link(fields(r#"{"event":"flow.ended"}"#)));
        assert_eq!(second[PREVIOUS], hash(&fields(&first)));
        assert_eq!(hash(&fields(&first)), "ff21e0da7fc452089ac3601be183ce9d76b0f3407e126b153406f01882cd5d4d");
        assert_eq!(
            began_at("captcha/1790000000/0707070707070707"),
            Some(Timestamp::from_seconds(1_790_000_000))
        );
        assert_eq!(began_at("captcha"), None);
    }
}
