//! All texts of pages and messages, in every language.
//!
//! The texts are in `locales`, one file per language, with a section for messages. The build script converts
//! them to constants (`build/texts.rs`), so a function reads nothing at start, and no text can be missing.

pub mod messages;
#[cfg(feature = "http")]
pub mod pages;

use std::fmt::{self, Display};

/// A sentence or label, with or without `{placeholders}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(&'static str);

impl Text {
    /// Returns the text of the locale, placeholders unfilled.
    pub const fn as_str(&self) -> &'static str {
        self.0
    }

    /// Returns the text with its placeholders filled in one pass: a value is never read as a placeholder. A
    /// placeholder without a value is removed.
    pub fn fill(&self, values: &[(&str, &str)]) -> String {
        let mut filled = String::with_capacity(self.0.len() + 64);
        let mut rest = self.0;
        while let Some((before, after)) = rest.split_once('{')
            && let Some((name, after)) = after.split_once('}')
        {
            filled.push_str(before);
            filled.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    /// Returns the text with one placeholder's value; further ones can follow.
    pub fn with(&self, placeholder: &'static str, value: impl Display) -> Filled {
        Filled { text: *self, values: Vec::new() }.with(placeholder, value)
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A text with values of its placeholders.
pub struct Filled {
    text: Text,
    values: Vec<(&'static str, String)>,
}

impl Filled {
    /// Adds the value of a further placeholder.
    #[must_use]
    pub fn with(mut self, placeholder: &'static str, value: impl Display) -> Self {
        self.values.push((placeholder, value.to_string()));
        self
    }
}

impl Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<_> = self.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        f.write_str(&self.text.fill(&values))
    }
}

#[cfg(test)]
#[path = "../../build/texts.rs"]
mod generator;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    /// Controls: C-079.
    #[test]
    fn value_with_braces_is_not_a_placeholder() {
        let text = Text("{a} and {b}");
        assert_eq!(text.fill(&[("a", "{b}"), ("b", "{")]), "{b} and {");
        assert_eq!(text.with("a", "{b}").with("b", 2).to_string(), "{b} and 2");
    }

    #[test]
    fn placeholder_without_value_is_left_out() {
        assert_eq!(Text("a {b}c").fill(&[]), "a c");
    }

    /// `terms.md` has a table of words that mislead, each with its language and what to say instead.
    #[test]
    fn no_text_has_a_word_that_the_terms_rule_out() {
        let read = |name: &str| {
            std::fs::read_to_string(format!("{}/locales/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
        };
        let terms = read("terms.md");
        let (_, table) = terms.split_once("| language | never | instead | because |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let mut ruled_out = 0;
        for row in rows {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let (language, word) = (cells[1].trim_matches('`'), cells[2].to_lowercase());
            let texts = read(&format!("{language}.json")).to_lowercase();
            let found: Vec<&str> = texts.lines().filter(|line| line.contains(&word)).collect();
            assert!(!word.is_empty() && found.is_empty(), "{language}, {word}: {found:?}");
            ruled_out += 1;
        }
        assert!(ruled_out > 5, "{ruled_out}");
    }

    /// A sentence that quotes a button spells it as the button does.
    #[test]
    fn quoted_text_is_spelt_as_on_its_button() {
        fn texts(value: &Value, all: &mut Vec<String>) {
            match value {
                Value::Object(fields) => fields.values().for_each(|value| texts(value, all)),
                Value::String(text) => all.push(text.clone()),
                _ => {}
            }
        }
        let mut quotes = 0;
        for language in ["en", "ms", "zh-Hans", "ta"] {
            let file = format!("{}/locales/{language}.json", env!("CARGO_MANIFEST_DIR"));
            let mut all = Vec::new();
            texts(&serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap(), &mut all);
            for sentence in &all {
                for rest in sentence.split('\u{201c}').skip(1) {
                    let (name, _) = rest.split_once('\u{201d}').unwrap();
                    let is_button = all.iter().any(|text| text == name);
                    assert!(name.contains('{') || is_button, "{language}: {sentence}");
                    quotes += 1;
                }
            }
        }
        assert!(quotes > 10, "{quotes}");
    }

    fn generated(english: Value, malay: Value) -> Result<String, String> {
        generator::generate(&BTreeMap::from([("en".to_owned(), english), ("ms".to_owned(), malay)]))
    }

    #[test]
    fn locales_with_the_same_texts_are_accepted() {
        let english = json!({ "title": "Hello {name}", "methods": { "sms": { "choice": "Text", "code": "Code" },
            "call": { "choice": "Call" } }, "forms": ["{a} {b}", "{a}"], "speech": { "hello": "Hello" } });
        let malay = json!({ "title": "{name}, helo", "methods": { "sms": { "choice": "Teks", "code": "Kod" },
            "call": { "choice": "Panggil" } }, "forms": ["{a}"] });
        let source = generated(english, malay).unwrap();
        assert!(source.contains("\"ms\" => &MS"), "{source}");
        assert!(
            source.contains("call: MethodsEntry { choice: Text(\"Panggil\"), code: Text(\"\"), }"),
            "{source}"
        );
        assert!(source.contains("speech: None") && source.contains("speech: Some(&EN_SPEECH)"), "{source}");
    }

    #[test]
    fn locale_with_other_texts_stops_the_build() {
        let english = || json!({ "shell": { "next": "Wait {seconds}" }, "forms": ["{a} {b}", "{a}"] });
        for malay in [
            json!({ "shell": {}, "forms": ["{a}"] }),
            json!({ "shell": { "next": "Tunggu {seconds}", "more": "Lagi" }, "forms": ["{a}"] }),
            json!({ "shell": { "next": "Tunggu" }, "forms": ["{a}"] }),
            json!({ "shell": { "next": "Tunggu {saat}" }, "forms": ["{a}"] }),
            json!({ "shell": { "next": "Tunggu {seconds" }, "forms": ["{a}"] }),
            json!({ "shell": { "next": " " }, "forms": ["{a}"] }),
            json!({ "shell": { "next": "Tunggu {seconds}" }, "forms": ["{b}"] }),
            json!({ "shell": { "next": "Tunggu {seconds}" }, "forms": ["{c}", "{a}"] }),
            json!({ "shell": { "next": "Tunggu {seconds}" }, "forms": "{a}" }),
        ] {
            assert!(generated(english(), malay.clone()).is_err(), "{malay}");
        }
        assert!(generated(english(), english()).is_ok());
    }
}
