//! The texts of pages and problems, as fields for the templates.

use super::Text;
use crate::domain::language::Language;

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Returns the sentence for a criterion or violation of the password policy, by its id. For an id without a
/// text it returns the id, which is better than nothing.
pub fn criterion_text(language: Language, id: &str, min: u16, max: u16) -> String {
    let text = Texts::of(language).criteria.of(id);
    if text.as_str().is_empty() { id.to_owned() } else { text.with("min", min).with("max", max).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::method::Method;
    use crate::domain::security_info::Kind;

    #[test]
    fn page_texts_differ_by_language() {
        let mut titles: Vec<_> =
            Language::ALL.into_iter().map(|language| Texts::of(language).reason.heading.as_str()).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), Language::ALL.len());
    }

    #[test]
    fn every_method_has_its_panel_texts() {
        for method in Method::ALL.into_iter().chain([Method::Pass]) {
            let texts = Texts::of(Language::English).methods.of(method.as_str());
            let has = |text: Text| !text.as_str().is_empty();
            assert!(has(texts.choice) && has(texts.panel), "{method:?}");
            assert_eq!(has(texts.button), method.is_sent() || method.is_asked(), "{method:?}");
            assert_eq!(has(texts.sent) && has(texts.late), method.is_sent(), "{method:?}");
            assert_eq!(has(texts.code), !method.is_sent() && !method.is_asked(), "{method:?}");
        }
    }

    #[test]
    fn every_kind_has_its_texts() {
        for kind in Kind::ALL {
            let texts = Texts::of(Language::English).security_info.kinds.of(kind.as_str());
            let has = |text: Text| !text.as_str().is_empty();
            assert!(has(texts.name) && has(texts.hint) && has(texts.label) && has(texts.button), "{kind:?}");
            assert_eq!(has(texts.lead), !kind.is_contact(), "{kind:?}");
        }
    }

    #[test]
    fn criterion_texts_contain_their_numbers() {
        assert!(criterion_text(Language::English, "length", 12, 128).contains("12"));
        assert!(criterion_text(Language::Tamil, "too-long", 12, 128).contains("128"));
        assert_eq!(criterion_text(Language::English, "horoscope", 1, 2), "horoscope");
    }
}
