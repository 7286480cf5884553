//! A sentence that the next page says once: what a request has changed, or why it led elsewhere.

use crate::domain::event::Event;
use crate::domain::security_info::Kind;

/// The cookie that carries it across a redirect. It holds one of the words below, so it reveals nothing, and the
/// next page removes it.
pub const SAID_COOKIE: &str = "__Host-rekey-said";

/// What the next page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// An entry of this kind was enrolled.
    Added(Kind),
    /// An entry of this kind was enrolled in place of another.
    Replaced(Kind),
    /// An entry of this kind was removed.
    Removed(Kind),
    /// The list was confirmed.
    Reconfirmed,
    /// The flow was at another step than the request.
    OutOfStep,
}

impl Said {
    /// Returns what a change of the list says.
    pub const fn of(event: Event) -> Option<Self> {
        match event {
            Event::Added(kind) => Some(Self::Added(kind)),
            Event::Replaced(kind) => Some(Self::Replaced(kind)),
            Event::Removed(kind) => Some(Self::Removed(kind)),
            _ => None,
        }
    }

    /// Returns the cookie's value.
    pub(super) fn value(self) -> String {
        match self {
            Self::Added(kind) => format!("added.{}", kind.as_str()),
            Self::Replaced(kind) => format!("replaced.{}", kind.as_str()),
            Self::Removed(kind) => format!("removed.{}", kind.as_str()),
            Self::Reconfirmed => "reconfirmed".to_owned(),
            Self::OutOfStep => "out-of-step".to_owned(),
        }
    }

    /// Reads the cookie's value; `None` for any other text.
    pub(super) fn parse(value: &str) -> Option<Self> {
        match value.split_once('.') {
            Some(("added", kind)) => Kind::parse(kind).map(Self::Added),
            Some(("replaced", kind)) => Kind::parse(kind).map(Self::Replaced),
            Some(("removed", kind)) => Kind::parse(kind).map(Self::Removed),
            None if value == "reconfirmed" => Some(Self::Reconfirmed),
            None if value == "out-of-step" => Some(Self::OutOfStep),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_value_round_trips() {
        let of_kind = |kind| [Said::Added(kind), Said::Replaced(kind), Said::Removed(kind)];
        let all = Kind::ALL.into_iter().flat_map(of_kind).chain([Said::Reconfirmed, Said::OutOfStep]);
        for said in all {
            assert_eq!(Said::parse(&said.value()), Some(said));
        }
        for other in ["", "added", "added.fax", "moved.mobile", "reconfirmed.mobile", "<b>"] {
            assert_eq!(Said::parse(other), None, "{other}");
        }
    }
}
