//! The reader of parameters: reads each once, and reports all errors at the end.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use super::SettingsError;

/// Prefixes of names that are read elsewhere: template.yaml's tables, queue, secrets, parameters, functions and log that
/// a function may use.
pub const RESOURCES: [&str; 6] =
    ["REKEY_TABLE_", "REKEY_QUEUE_", "REKEY_SECRET_", "REKEY_PARAMETER_", "REKEY_FUNCTION_", "REKEY_LOG_"];

/// Takes parameters one by one, and collects their errors.
pub(super) struct Reader {
    given: BTreeMap<String, String>,
    errors: Vec<String>,
}

impl Reader {
    pub(super) fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let given = pairs
            .into_iter()
            .filter(|(name, _)| name.starts_with("REKEY_") && !RESOURCES.iter().any(|r| name.starts_with(r)))
            .collect();
        Self { given, errors: Vec::new() }
    }

    /// Adds an error. `reason` says which value is wrong, and which one is accepted.
    pub(super) fn error(&mut self, name: &str, reason: &str) {
        self.errors.push(format!("{name}: {reason}"));
    }

    /// Returns whether a setting has an error already.
    pub(super) fn has_error(&self, name: &str) -> bool {
        self.errors.iter().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.given.remove(name).map(|text| text.trim().to_owned())
    }

    pub(super) fn number<T>(&mut self, name: &str, default: T, range: std::ops::RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let Some(text) = self.take(name).filter(|text| !text.is_empty()) else { return default };
        match text.parse::<T>() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (least, most) = (range.start(), range.end());
                self.error(
                    name,
                    &format!(
                        "`{text}` is not a whole number from {least} to {most}. Use one such as {default}"
                    ),
                );
                default
            }
        }
    }

    /// Reads one value. An error of `read` continues the sentence "`value` …" and names an accepted value.
    pub(super) fn one<T>(
        &mut self,
        name: &str,
        default: &str,
        read: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let text = self.take(name).filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned());
        if text.is_empty() {
            return None;
        }
        match read(&text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.error(name, &format!("`{text}` {reason}"));
                None
            }
        }
    }

    /// Reads values that commas separate. An error of `read` is worded as for [`Reader::one`].
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        default: &str,
        read: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Vec<T> {
        let given = self.take(name).filter(|text| !text.is_empty());
        self.words(name, given.as_deref().unwrap_or(default), read)
    }

    /// Like [`Reader::list`], but `none` or an empty text gives an empty list, not the default.
    pub(super) fn list_or_none<T>(
        &mut self,
        name: &str,
        default: &str,
        read: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Vec<T> {
        let text = self.take(name).unwrap_or_else(|| default.to_owned());
        if text == "none" { Vec::new() } else { self.words(name, &text, read) }
    }

    fn words<T>(&mut self, name: &str, text: &str, read: impl Fn(&str) -> Result<T, &'static str>) -> Vec<T> {
        let mut values = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match read(word) {
                Ok(value) => values.push(value),
                Err(reason) => self.error(name, &format!("`{word}` {reason}")),
            }
        }
        values
    }

    pub(super) fn finish<T>(mut self, settings: T) -> Result<T, SettingsError> {
        for name in std::mem::take(&mut self.given).into_keys() {
            let reason = "no setting has this name. Correct the spelling, or unset it; template.yaml lists the \
                          settings";
            self.error(&name, reason);
        }
        if self.errors.is_empty() { Ok(settings) } else { Err(SettingsError(self.errors)) }
    }
}
