//! What sign-in and page have in common.

use shared::domain::desk_session::DeskSession;
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::view::help_desk::{HELP_DESK_START, HelpDesk, HelpDeskSignIn};
use shared::ports::IdentityProvider;

use crate::Ports;

/// Returns the provider; without one the deployment has no page for agents.
pub(crate) fn provider(ports: &Ports) -> Result<&dyn IdentityProvider, Problem> {
    ports.identity_provider.as_deref().ok_or(Problem::NotFound)
}

/// Returns the page that leads to the provider.
pub(crate) const fn sign_in_page() -> View {
    View::HelpDeskSignIn(HelpDeskSignIn { start: HELP_DESK_START })
}

/// Returns the page with an empty search.
pub(crate) fn searching(session: &DeskSession) -> HelpDesk {
    HelpDesk {
        agent: session.name.clone(),
        done: None,
        person: None,
        typed: String::new(),
        act: String::new(),
    }
}
