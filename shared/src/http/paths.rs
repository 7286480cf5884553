//! Where the pages are.

use crate::domain::flow::Stage;

/// The page where people register.
pub const HOME: &str = "/security-info";
/// Where its second step is shown.
pub const VERIFY: &str = "/security-info/verify";
/// Where what is about to be registered is shown.
pub const CONFIRM: &str = "/security-info/confirm";

/// The path of the page that shows a stage.
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

/// The page on which the form of a POST stands, for links that reload it.
pub(super) fn page_of(path: &str) -> &str {
    match path {
        "/code/send" => "/method",
        "/cancel" => "/",
        "/security-info/sign-in"
        | "/security-info/add"
        | "/security-info/remove"
        | "/security-info/reconfirm"
        | "/security-info/sign-out" => "/security-info",
        other => other,
    }
}
