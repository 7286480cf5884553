//! The sentences of one language, as its file has them.

use serde::Deserialize;

use super::WordingError;
use crate::domain::language::Language;
use crate::domain::method::Method;
use crate::domain::notice::Event;
use crate::domain::security_info::Kind;
use crate::domain::time::Timestamp;

/// Reads the sentences of `language`.
pub(super) fn read(language: Language) -> Result<Texts, WordingError> {
    serde_json::from_str(source(language)).map_err(|_| WordingError(language))
}

const fn source(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("../../../locales/messages/en.json"),
        Language::Malay => include_str!("../../../locales/messages/ms.json"),
        Language::Chinese => include_str!("../../../locales/messages/zh-Hans.json"),
        Language::Tamil => include_str!("../../../locales/messages/ta.json"),
    }
}

/// A sentence with places (`{code}`) to be filled.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Template(String);

impl Template {
    /// The sentence with its places filled, in one pass: a brace in a value is a brace.
    pub(super) fn fill(&self, values: &[(&str, &str)]) -> String {
        let mut filled = String::with_capacity(self.0.len() + 64);
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((name, after)) = after.split_once('}') else { break };
            filled.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// Everything that is said in a language.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Texts {
    /// The months as dates name them.
    months: [String; 12],
    /// A moment in UTC.
    moment: Template,
    /// What stands between two methods.
    and: String,
    methods: Methods,
    /// Messages with a code.
    pub(super) code: Code,
    kinds: Kinds,
    reset: Change,
    unlocked: Change,
    added: Change,
    removed: Change,
    refused: Change,
    /// What every mail about a change says.
    pub(super) change: EveryChange,
    /// How every mail ends.
    pub(super) footer: Footer,
    /// Calls, where the language has a voice.
    #[serde(default)]
    pub(super) speech: Option<Speech>,
}

/// The methods as a notice names them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Methods {
    email: String,
    sms: String,
    mobile_call: String,
    office_call: String,
    push: String,
    totp: String,
    passkey: String,
    recovery_code: String,
}

/// What can be registered, as a notice names it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kinds {
    alternate_email: String,
    mobile: String,
    office_phone: String,
    totp: String,
    authenticator: String,
    passkey: String,
    recovery_codes: String,
}

/// Messages with a code.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    /// The text, longest form first.
    pub(super) text: Vec<Template>,
    pub(super) subject: Template,
    pub(super) lead: Template,
    pub(super) lead_security_info: Template,
    pub(super) validity: Template,
    pub(super) warning: Template,
    pub(super) unasked: Template,
    pub(super) unasked_security_info: Template,
    pub(super) unasked_second_step: Template,
}

/// Messages about one kind of change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// The text, longest form first.
    pub(super) text: Vec<Template>,
    pub(super) subject: Template,
    pub(super) what: Template,
}

/// What every mail about a change says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EveryChange {
    pub(super) how: Template,
    pub(super) was_you: Template,
    pub(super) was_not_you: Template,
}

/// How every mail ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Footer {
    pub(super) help_desk: Template,
    pub(super) automatic: Template,
}

/// Calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Speech {
    pub(super) hello: Template,
    pub(super) code: Template,
    pub(super) again: Template,
    pub(super) validity: Template,
    pub(super) reset: Template,
    pub(super) unlocked: Template,
    pub(super) added: Template,
    pub(super) removed: Template,
    pub(super) refused: Template,
    pub(super) was_not_you: Template,
    pub(super) goodbye: Template,
}

impl Texts {
    /// A moment, to the minute, in UTC: the one zone that is the same for every reader and both ends of a dispute.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        let moment = jiff::Timestamp::from_second(at.as_seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let moment = jiff::tz::Offset::UTC.to_datetime(moment);
        let month = usize::try_from(moment.month() - 1).ok().and_then(|number| self.months.get(number));
        self.moment.fill(&[
            ("year", &moment.year().to_string()),
            ("month", month.map_or("", String::as_str)),
            ("day", &moment.day().to_string()),
            ("time", &format!("{:02}:{:02}", moment.hour(), moment.minute())),
        ])
    }

    /// The methods in words.
    pub(super) fn methods(&self, methods: &[Method]) -> String {
        let word = |method: &Method| match method {
            Method::Email => self.methods.email.as_str(),
            Method::Sms => &self.methods.sms,
            Method::MobileCall => &self.methods.mobile_call,
            Method::OfficeCall => &self.methods.office_call,
            Method::Push => &self.methods.push,
            Method::Totp => &self.methods.totp,
            Method::Passkey => &self.methods.passkey,
            Method::RecoveryCode => &self.methods.recovery_code,
        };
        methods.iter().map(word).collect::<Vec<_>>().join(&self.and)
    }

    /// The messages about a change.
    pub(super) const fn change(&self, event: Event) -> &Change {
        match event {
            Event::Reset => &self.reset,
            Event::Unlocked => &self.unlocked,
            Event::Added(_) => &self.added,
            Event::Removed(_) => &self.removed,
            Event::Refused => &self.refused,
        }
    }

    /// What was added or removed, in words; nothing for other events.
    pub(super) fn kind(&self, event: Event) -> &str {
        let (Event::Added(kind) | Event::Removed(kind)) = event else { return "" };
        match kind {
            Kind::AlternateEmail => &self.kinds.alternate_email,
            Kind::Mobile => &self.kinds.mobile,
            Kind::OfficePhone => &self.kinds.office_phone,
            Kind::Totp => &self.kinds.totp,
            Kind::Authenticator => &self.kinds.authenticator,
            Kind::Passkey => &self.kinds.passkey,
            Kind::RecoveryCodes => &self.kinds.recovery_codes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;

    /// The places of every sentence by its path; a list of forms counts as one sentence, the places of its last
    /// form being those that it can't do without.
    fn places(value: &Value, path: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, v)| places(v, &format!("{path}/{name}"), found));
            }
            Value::Array(forms) => places(forms.last().unwrap(), path, found),
            Value::String(text) => {
                let names = text.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0.to_owned());
                found.insert(path.to_owned(), names.collect());
            }
            other => panic!("{path}: {other}"),
        }
    }

    fn places_of(language: Language) -> BTreeMap<String, BTreeSet<String>> {
        let mut found = BTreeMap::new();
        places(&serde_json::from_str(source(language)).unwrap(), "", &mut found);
        found.retain(|path, _| !path.starts_with("/speech"));
        found
    }

    #[test]
    fn every_language_says_everything_with_the_same_places() {
        let english = places_of(Language::English);
        for language in Language::ALL {
            assert!(read(language).is_ok(), "{language:?}");
            assert_eq!(places_of(language), english, "{language:?}");
        }
        assert!(read(Language::English).unwrap().speech.is_some());
        assert!(read(Language::Chinese).unwrap().speech.is_some());
    }

    #[test]
    fn no_sentence_is_empty_or_left_in_english() {
        fn sentences(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => fields.values().for_each(|v| sentences(v, found)),
                Value::Array(items) => items.iter().for_each(|v| sentences(v, found)),
                Value::String(text) => found.push(text.clone()),
                _ => {}
            }
        }
        let all = |language| {
            let mut found = Vec::new();
            sentences(&serde_json::from_str(source(language)).unwrap(), &mut found);
            found
        };
        let english = all(Language::English);
        for language in [Language::Malay, Language::Chinese, Language::Tamil] {
            for sentence in all(language) {
                // A sentence of placeholders (a date) may well be the same.
                let words = sentence.split(|c: char| c.is_whitespace()).filter(|word| !word.starts_with('{'));
                let long = words.map(|word| word.chars().count()).sum::<usize>() > 22;
                let untranslated = long && english.contains(&sentence);
                assert!(!sentence.is_empty() && !untranslated, "{language:?}: {sentence}");
            }
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_place() {
        let template = Template("{a} and {b}".into());
        assert_eq!(template.fill(&[("a", "{b}"), ("b", "{")]), "{b} and {");
    }

    #[test]
    fn moments_are_unambiguous() {
        let at = Timestamp::from_seconds(1_795_493_940);
        let moment = |language| read(language).unwrap().moment(at);
        assert_eq!(moment(Language::English), "24 Nov 2026, 04:19 UTC");
        assert_eq!(moment(Language::Malay), "24 Nov 2026, 04:19 UTC");
        assert_eq!(moment(Language::Chinese), "2026年11月24日 04:19 UTC");
    }
}
