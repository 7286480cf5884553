//! The ways to prove who one is, and which of them are one factor.

use serde::{Deserialize, Serialize};

/// A verification method, as the HTTP contract names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A code mailed to the alternate address.
    Email,
    /// A code texted to the mobile phone.
    Sms,
    /// A code spoken to the mobile phone.
    MobileCall,
    /// A code spoken to the office phone.
    OfficeCall,
    /// A code from the authenticator app (RFC 6238).
    Totp,
}

impl Method {
    /// Every method, in the order of the page.
    pub const ALL: [Self; 5] = [Self::Email, Self::Sms, Self::MobileCall, Self::OfficeCall, Self::Totp];

    /// The contract's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::MobileCall => "mobile_call",
            Self::OfficeCall => "office_call",
            Self::Totp => "totp",
        }
    }

    /// Reads the contract's name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// What the method proves possession of. Text and call to the mobile are one factor: whoever holds the
    /// phone has both (NIST 800-63B-4 §3.1.3.3 knows them as one kind of out-of-band authenticator).
    pub const fn factor(self) -> Factor {
        match self {
            Self::Email => Factor::AlternateEmail,
            Self::Sms | Self::MobileCall => Factor::MobilePhone,
            Self::OfficeCall => Factor::OfficePhone,
            Self::Totp => Factor::AuthenticatorApp,
        }
    }

    /// Whether a code is sent, rather than read off a device that the person holds.
    pub const fn is_sent(self) -> bool {
        !matches!(self, Self::Totp)
    }

    /// Whether the message goes over the telephone network, and the complete number must be typed first.
    pub const fn is_phone(self) -> bool {
        matches!(self, Self::Sms | Self::MobileCall | Self::OfficeCall)
    }
}

/// One thing that a person possesses; it serves one verification step only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// The mailbox of the alternate address.
    AlternateEmail,
    /// The mobile phone.
    MobilePhone,
    /// The phone in the office.
    OfficePhone,
    /// The authenticator app.
    AuthenticatorApp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Some(method));
        }
        assert_eq!(Method::parse("Email"), None);
    }

    #[test]
    fn text_and_call_to_the_mobile_are_one_factor() {
        assert_eq!(Method::Sms.factor(), Method::MobileCall.factor());
        assert_ne!(Method::MobileCall.factor(), Method::OfficeCall.factor());
    }
}
