//! The texts of messages, and the words for their placeholders.

use crate::domain::language::Language;
use crate::domain::message::Notice;
use crate::domain::method::Method;
use crate::domain::notice::{Change, Event};
use crate::domain::time::Timestamp;
use crate::domain::time_zone::{TimeZone, WallTime};
use crate::text::Text;

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

/// The words for the placeholders of a notification.
pub(super) struct Facts {
    when: String,
    how: String,
    kind: &'static str,
    count: String,
}

impl Facts {
    /// Returns the values of all placeholders but the organisation.
    pub(super) fn values(&self) -> [(&str, &str); 4] {
        [("when", &self.when), ("how", &self.how), ("kind", self.kind), ("count", &self.count)]
    }

    /// Returns the values of all placeholders.
    pub(super) fn values_for<'a>(&'a self, organisation: &'a str) -> [(&'a str, &'a str); 5] {
        let [when, how, kind, count] = self.values();
        [("organisation", organisation), when, how, kind, count]
    }
}

/// The texts of a language, and the zone of their times.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) texts: &'static Texts,
    pub(super) time_zone: &'a TimeZone,
}

impl Words<'_> {
    /// Returns the words for the placeholders of a notification. Of several changes, `when` is the time of the last.
    pub(super) fn facts(&self, notice: &Notice) -> Facts {
        let last = notice.further.last().map_or(notice.at, |last| last.at);
        Facts {
            when: self.moment(last),
            how: self.texts.methods(&notice.methods),
            kind: self.texts.kind(notice.event),
            count: (notice.further.len() + 1).to_string(),
        }
    }

    /// Returns one of several changes in a line.
    pub(super) fn line(&self, change: Change) -> String {
        let texts = &self.texts.change;
        let line = match change.event {
            Event::Replaced(_) => &texts.line_replaced,
            Event::Removed(_) => &texts.line_removed,
            _ => &texts.line_added,
        };
        line.fill(&[("when", &self.moment(change.at)), ("kind", self.texts.kind(change.event))])
    }

    /// Returns a time, to the minute, on the clocks of the zone. People compare it with what they did then.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        let WallTime { year, month, day, hour, minute } = self.time_zone.wall_time(at);
        let months = self.texts.months;
        let month = usize::try_from(month - 1).ok().and_then(|number| months.get(number));
        self.texts.moment.fill(&[
            ("year", &year.to_string()),
            ("month", month.map_or("", Text::as_str)),
            ("day", &day.to_string()),
            ("time", &format!("{hour:02}:{minute:02}")),
        ])
    }
}

impl Texts {
    /// Returns the texts of what a notification reports: its change, or several.
    pub(super) const fn reported(&self, notice: &Notice) -> &AddedTexts {
        if notice.further.is_empty() { self.change(notice.event) } else { &self.several }
    }

    /// Returns the spoken language for a reader of `language`, and its texts. No available voice speaks Malay
    /// or Tamil, so their readers get English.
    pub(super) fn speech(language: Language) -> (Language, &'static SpeechTexts) {
        match Self::of(language).speech {
            Some(speech) => (language, speech),
            None => (Language::English, &EN_SPEECH),
        }
    }

    /// Returns the methods in words.
    pub(super) fn methods(&self, methods: &[Method]) -> String {
        let word = |method: &Method| self.methods.of(method.as_str()).as_str();
        methods.iter().map(word).collect::<Vec<_>>().join(self.and.as_str())
    }

    /// Returns the texts of a change.
    const fn change(&self, event: Event) -> &AddedTexts {
        match event {
            Event::Reset => &self.reset,
            Event::Unlocked => &self.unlocked,
            Event::Unconfirmed => &self.unconfirmed,
            Event::Added(_) => &self.added,
            Event::Replaced(_) => &self.replaced,
            Event::Removed(_) => &self.removed,
            Event::ApprovalDenied => &self.refused,
            Event::PassIssued => &self.pass_issued,
            Event::PasswordExpiring => &self.expiring,
        }
    }

    /// Returns the added, replaced or removed kind in words; empty for other events.
    fn kind(&self, event: Event) -> &'static str {
        let (Event::Added(kind) | Event::Replaced(kind) | Event::Removed(kind)) = event else { return "" };
        self.kinds.of(kind.as_str()).as_str()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::contact::Country;
    use crate::domain::security_info::Kind;

    #[test]
    fn every_language_names_months_methods_and_kinds() {
        for language in Language::ALL {
            let texts = Texts::of(language);
            assert_eq!(texts.months.len(), 12, "{language:?}");
            assert!(
                Method::ALL.into_iter().all(|method| !texts.methods(&[method]).is_empty()),
                "{language:?}"
            );
            assert!(
                Kind::ALL.into_iter().all(|kind| !texts.kind(Event::Added(kind)).is_empty()),
                "{language:?}"
            );
        }
    }

    #[test]
    fn every_sentence_is_translated() {
        fn sentences(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => fields.values().for_each(|v| sentences(v, found)),
                Value::Array(items) => items.iter().for_each(|v| sentences(v, found)),
                Value::String(text) => found.push(text.clone()),
                _ => {}
            }
        }
        let all = |language: Language| {
            let mut found = Vec::new();
            let file = format!("{}/locales/{}.json", env!("CARGO_MANIFEST_DIR"), language.tag());
            let locale: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            sentences(&locale["messages"], &mut found);
            found
        };
        let english = all(Language::English);
        for language in [Language::Malay, Language::Chinese, Language::Tamil] {
            for sentence in all(language) {
                // A sentence of placeholders only (a date) may be the same in two languages.
                let words = sentence.split(|c: char| c.is_whitespace()).filter(|word| !word.starts_with('{'));
                let long = words.map(|word| word.chars().count()).sum::<usize>() > 22;
                let untranslated = long && english.contains(&sentence);
                assert!(!sentence.is_empty() && !untranslated, "{language:?}: {sentence}");
            }
        }
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let at = Timestamp::from_seconds(1_795_493_940);
        let zone = TimeZone::of(Country::MALAYSIA);
        let moment = |language| Words { texts: Texts::of(language), time_zone: &zone }.moment(at);
        assert_eq!(moment(Language::English), "24 Nov 2026, 12:19");
        assert_eq!(moment(Language::Malay), "24 Nov 2026, 12:19");
        assert_eq!(moment(Language::Chinese), "2026年11月24日 12:19");
    }
}
