//! The pages of the dev inbox.

use askama::Template;
use shared::domain::code::OneTimeCode;

use super::people::PersonView;
use super::{Channel, Message, SignInOutcome};

/// The page of messages, the newest first.
#[derive(Template)]
#[template(path = "messages.html")]
pub(super) struct MessagesPage<'a> {
    pub(super) product: Option<&'a str>,
    pub(super) messages: Vec<Message>,
}

/// The page of the people in the CSV file.
#[derive(Template)]
#[template(path = "people.html")]
pub(super) struct PeoplePage<'a> {
    pub(super) product: Option<&'a str>,
    pub(super) file: &'a str,
    pub(super) people: Vec<PersonView>,
}

/// The page to try a password.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage<'a> {
    pub(super) product: Option<&'a str>,
    pub(super) login: String,
    pub(super) outcome: Option<SignInOutcome>,
}

impl Channel {
    fn word(self) -> &'static str {
        match self {
            Self::Email => "Email",
            Self::Sms => "Text message",
            Self::Voice => "Call",
            Self::Push => "Notification",
        }
    }

    /// The outline of an icon, in a viewBox of 24 × 24.
    fn icon(self) -> &'static str {
        match self {
            Self::Email => "M3 5h18v14H3zM3 6l9 7 9-7",
            Self::Sms => "M4 4h16v12H10l-5 4v-4H4zM8 9h8M8 12h5",
            Self::Voice => {
                "M6 3h4l1.5 5-2.5 2a12 12 0 0 0 5 5l2-2.5 5 1.5v4a2 2 0 0 1-2 2A17 17 0 0 1 4 5a2 2 0 0 1 2-2z"
            }
            Self::Push => "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4",
        }
    }
}

/// Groups the digits of a code as messages print them.
fn grouped(code: &str) -> String {
    OneTimeCode::parse(code).map_or_else(|_| code.to_owned(), |code| code.grouped())
}
