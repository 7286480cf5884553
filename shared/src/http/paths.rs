//! Paths of the pages.

use crate::domain::flow::Stage;
pub use crate::domain::oidc::{CALLBACK, HELP_DESK_CALLBACK};

/// The page of the help desk.
pub const HELP_DESK: &str = "/help-desk";
/// The start of an agent's sign-in with the identity provider.
pub const HELP_DESK_START: &str = "/help-desk/oidc/start";

/// Page 1, where a flow begins.
pub(super) const START_PAGE: &str = "/";
/// The list of enrolled entries, where a session begins and ends.
pub const HOME: &str = "/security-info";
/// The step-up of a session.
pub const VERIFY: &str = "/security-info/verify";
/// The start of a sign-in with the identity provider.
pub const START: &str = "/security-info/oidc/start";
/// The confirmation of a new entry.
pub const CONFIRM: &str = "/security-info/confirm";
/// The change of a known password.
pub const CHANGE_PASSWORD: &str = "/change-password";

/// Returns whether the path is of a session, and not of a flow.
pub(super) fn is_of_a_session(path: &str) -> bool {
    path.starts_with(HOME) || path == CHANGE_PASSWORD
}

/// Returns whether the path is of the authenticator app.
pub(super) fn is_of_the_app(path: &str) -> bool {
    path.starts_with("/authenticator")
}

/// Returns whether the path is of the help desk.
pub(super) fn is_of_the_help_desk(path: &str) -> bool {
    path.starts_with(HELP_DESK)
}

/// Returns the path of a stage's page.
pub const fn location(stage: Stage) -> &'static str {
    match stage {
        Stage::Reason => "/reason",
        Stage::Method => "/method",
        Stage::Code | Stage::Approval | Stage::Passkey => "/code",
        Stage::Password => "/password",
        Stage::Unlock => "/unlock",
        Stage::Done => "/done",
        Stage::Ended => "/",
    }
}

/// Returns the page with the form of a POST, for links that reload it.
pub(super) fn page_of(path: &str) -> &str {
    match path {
        "/code/send" => "/method",
        "/cancel" => "/",
        "/security-info/sign-in"
        | "/security-info/add"
        | "/security-info/remove"
        | "/security-info/reconfirm"
        | "/security-info/remember"
        | "/security-info/sign-out"
        | CALLBACK
        | START => "/security-info",
        "/help-desk/oidc" | "/help-desk/oidc/start" | "/help-desk/sign-out" => HELP_DESK,
        other => other,
    }
}
