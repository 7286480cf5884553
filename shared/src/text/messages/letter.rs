//! The letter to a new person, for paper.

use std::fmt::Write as _;

use super::mail::escape;
use super::texts::Texts;
use super::{MessageRenderer, RenderedMessage};
use crate::domain::language::Language;
use crate::domain::time::Timestamp;

/// What a letter says to one person. It has no `Debug`: the pass is a secret.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    /// The language of the person.
    pub language: Language,
    /// Their name.
    pub name: &'a str,
    /// A login, as they type it on page 1.
    pub login: &'a str,
    /// The pass, as it is typed.
    pub pass: &'a str,
    /// Where page 1 is.
    pub address: &'a str,
    /// The pass is invalid from this time on.
    pub expires_at: Timestamp,
}

impl MessageRenderer {
    /// Returns a letter as a section of an HTML page.
    pub fn letter(&self, letter: &Letter<'_>) -> RenderedMessage {
        let texts = &Texts::of(letter.language).letter;
        let until = self.words(Texts::of(letter.language)).moment(letter.expires_at);
        let values = [("organisation", self.organisation.as_str()), ("name", letter.name)];
        let mut html = format!("<section lang=\"{}\">\n", letter.language.tag());
        let mut line = |tag: &str, text: &str| {
            let _ = writeln!(html, "<{tag}>{}</{tag}>", escape(text));
        };
        line("h1", &texts.title.fill(&values));
        line("p", &texts.greeting.fill(&values));
        line("p", &texts.lead.fill(&values));
        html.push_str("<dl>\n");
        for (label, value) in [
            (texts.address, letter.address),
            (texts.login, letter.login),
            (texts.pass, letter.pass),
            (texts.until, &until),
        ] {
            let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(label.as_str()), escape(value));
        }
        html.push_str("</dl>\n<ol>\n");
        for step in [texts.open, texts.new, texts.enter, texts.contact, texts.password] {
            let _ = writeln!(html, "<li>{}</li>", escape(&step.fill(&values)));
        }
        let _ = writeln!(html, "</ol>\n<p>{}</p>", escape(&texts.keep.fill(&values)));
        let reached = [self.help_desk.line(), self.help_desk.url.clone()];
        let reached: Vec<String> = reached.into_iter().flatten().collect();
        if !reached.is_empty() {
            let _ = writeln!(
                html,
                "<p>{}: {}</p>",
                escape(texts.help_desk.as_str()),
                escape(&reached.join(" · "))
            );
        }
        html.push_str("</section>\n");
        RenderedMessage(html)
    }
}

#[cfg(test)]
mod tests {
    use super::super::HelpDesk;
    use super::*;
    use crate::domain::contact::Country;
    use crate::domain::time_zone::TimeZone;

    fn letter(language: Language) -> String {
        let help_desk = HelpDesk { phone: Some("03-1234 5678".into()), ..HelpDesk::default() };
        let renderer =
            MessageRenderer::new("Universiti Contoh", help_desk, TimeZone::of(Country::MALAYSIA), "");
        let letter = Letter {
            language,
            name: "Ali <b>",
            login: "ali",
            pass: "0123-4567-89AB-CDEF",
            address: "https://reset.contoh.example",
            expires_at: Timestamp::from_seconds(1_790_000_000),
        };
        renderer.letter(&letter).expose().to_owned()
    }

    /// Controls: C-079.
    #[test]
    fn letter_has_login_pass_address_and_end() {
        for language in Language::ALL {
            let html = letter(language);
            for part in
                ["Ali &lt;b&gt;", "<dd>ali</dd>", "<dd>0123-4567-89AB-CDEF</dd>", "2026", "03-1234 5678"]
            {
                assert!(html.contains(part), "{part}: {html}");
            }
            assert!(html.contains("<dd>https://reset.contoh.example</dd>"), "{html}");
            assert!(!html.contains('{') && !html.contains('}'), "{html}");
        }
    }

    /// The reader looks for these words on page 2.
    #[cfg(feature = "http")]
    #[test]
    fn letter_quotes_the_choice_of_the_page() {
        for language in Language::ALL {
            let choice = crate::text::pages::Texts::of(language).reason.forgotten.as_str();
            assert!(letter(language).contains(choice), "{choice}");
        }
    }
}
