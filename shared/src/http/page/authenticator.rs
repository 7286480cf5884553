//! The page of the authenticator app: one page with many states, of which its script shows the current ones.
//! The page contains all sentences, so that the script has none.

use askama::Template;

use super::{PageContext, html_of};
use crate::domain::language::Language;
use crate::http::{assets, theme};
use crate::text::pages::{AuthenticatorTexts, Texts};

/// Returns the page as HTML.
pub fn authenticator(page: &PageContext, push_key: &str) -> String {
    html_of(&Shell {
        t: Texts::of(page.language),
        app: &Texts::of(page.language).authenticator,
        page,
        push_key,
    })
}

/// Returns the app's name.
pub fn authenticator_name(language: Language) -> &'static str {
    Texts::of(language).authenticator.name.as_str()
}

#[derive(Template)]
#[template(path = "authenticator.html")]
struct Shell<'a> {
    t: &'static Texts,
    app: &'static AuthenticatorTexts,
    page: &'a PageContext<'a>,
    push_key: &'a str,
}

impl Shell<'_> {
    #[expect(clippy::unused_self, reason = "a template calls it on its page")]
    fn asset(&self, name: &str) -> &'static str {
        assets::path(name)
    }

    fn theme(&self) -> Option<String> {
        self.page.colour.and_then(theme::path)
    }
}
