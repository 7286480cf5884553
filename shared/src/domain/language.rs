//! The languages of pages and messages.

use serde::{Deserialize, Serialize};

/// A language of Rekey's pages and messages, by its BCP 47 tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Language {
    /// English, the default where no preference is known.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Bahasa Melayu.
    #[serde(rename = "ms")]
    Malay,
    /// Chinese in simplified characters.
    #[serde(rename = "zh-Hans")]
    Chinese,
    /// Tamil.
    #[serde(rename = "ta")]
    Tamil,
}

impl Language {
    /// All languages, in the order of the language picker.
    pub const ALL: [Self; 4] = [Self::English, Self::Malay, Self::Chinese, Self::Tamil];

    /// Returns the BCP 47 tag, as `lang` attributes carry it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Malay => "ms",
            Self::Chinese => "zh-Hans",
            Self::Tamil => "ta",
        }
    }

    /// Returns the direction of its script, as `dir` attributes carry it. None is written from right to left so far.
    pub const fn direction(self) -> &'static str {
        match self {
            Self::English | Self::Malay | Self::Chinese | Self::Tamil => "ltr",
        }
    }

    /// Returns what stands between two sentences, and after the colon of a label. The punctuation of Chinese is full-width
    /// and needs nothing.
    pub const fn gap(self) -> &'static str {
        if matches!(self, Self::Chinese) { "" } else { " " }
    }

    /// Returns the full stop, for a sentence that ends with a value.
    pub const fn full_stop(self) -> &'static str {
        if matches!(self, Self::Chinese) { "。" } else { "." }
    }

    /// Returns the language's own name for itself, as the picker shows it.
    pub const fn endonym(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Malay => "Bahasa Melayu",
            Self::Chinese => "中文",
            Self::Tamil => "தமிழ்",
        }
    }

    /// Returns the language of a BCP 47 tag or range, by its primary subtag: `zh-CN` and `zh` are Chinese
    /// here.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|known| {
            known.tag().split('-').next().is_some_and(|own| own.eq_ignore_ascii_case(primary.trim()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_is_parsed_from_browser_tag() {
        assert_eq!(Language::from_tag("en-MY"), Some(Language::English));
        assert_eq!(Language::from_tag("zh-CN"), Some(Language::Chinese));
        assert_eq!(Language::from_tag("TA"), Some(Language::Tamil));
        assert_eq!(Language::from_tag("fr"), None);
        assert_eq!(Language::from_tag(""), None);
    }
}
