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
    /// A notification on the authenticator app, approved by typing the number that the page shows.
    Push,
    /// A code from the authenticator app (RFC 6238).
    Totp,
    /// A passkey, with user verification (Web Authentication Level 3).
    Passkey,
    /// One of the recovery codes that were shown once (NIST 800-63B-4 §4.2.1.1).
    RecoveryCode,
    /// A pass that the help desk gave in person. Nobody enrols it and no policy offers it: it is accepted wherever a flow
    /// awaits a step.
    Pass,
}

impl Method {
    /// Every method that can be enrolled and that policy can offer, in the order of the page.
    pub const ALL: [Self; 8] = [
        Self::Email,
        Self::Sms,
        Self::MobileCall,
        Self::OfficeCall,
        Self::Push,
        Self::Totp,
        Self::Passkey,
        Self::RecoveryCode,
    ];

    /// The contract's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::MobileCall => "mobile_call",
            Self::OfficeCall => "office_call",
            Self::Push => "push",
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::RecoveryCode => "recovery_code",
            Self::Pass => "pass",
        }
    }

    /// Reads the contract's name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Pass]).find(|method| method.as_str() == text)
    }

    /// What the method proves possession of. Text and call to the mobile are one factor: whoever holds the
    /// phone has both (NIST 800-63B-4 §3.1.3.3 knows them as one kind of out-of-band authenticator). So are the
    /// authenticator app's approval and its code.
    pub const fn factor(self) -> Factor {
        match self {
            Self::Email => Factor::AlternateEmail,
            Self::Sms | Self::MobileCall => Factor::MobilePhone,
            Self::OfficeCall => Factor::OfficePhone,
            Self::Push | Self::Totp => Factor::AuthenticatorApp,
            Self::Passkey => Factor::Passkey,
            Self::RecoveryCode => Factor::RecoveryCodes,
            Self::Pass => Factor::Pass,
        }
    }

    /// Whether a code is sent, rather than read off something that the person holds.
    pub const fn is_sent(self) -> bool {
        matches!(self, Self::Email | Self::Sms | Self::MobileCall | Self::OfficeCall)
    }

    /// Whether a device is asked, and answers itself instead of showing a code.
    pub const fn is_asked(self) -> bool {
        matches!(self, Self::Push | Self::Passkey)
    }

    /// Whether its code is typed beside the choice, with nothing sent or asked before.
    pub const fn is_typed(self) -> bool {
        !self.is_sent() && !self.is_asked()
    }

    /// Whether its codes are made of digits only. Recovery codes and passes have letters too.
    pub const fn has_digits_only(self) -> bool {
        !matches!(self, Self::RecoveryCode | Self::Pass)
    }

    /// Whether it can vouch for what is newly enrolled. A sheet of paper is found more easily than a phone.
    pub const fn vouches(self) -> bool {
        !matches!(self, Self::RecoveryCode | Self::Pass)
    }

    /// Whether what verified by it is used up by that, so that it can't be looked for afterwards.
    pub const fn is_used_up(self) -> bool {
        matches!(self, Self::RecoveryCode | Self::Pass)
    }

    /// Whether one verification by it serves every step of a flow.
    pub const fn serves_every_step(self) -> bool {
        matches!(self, Self::Pass)
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
    /// A passkey.
    Passkey,
    /// The sheet of recovery codes.
    RecoveryCodes,
    /// A pass of the help desk.
    Pass,
}

impl Factor {
    /// Whether it is an address or a number that messages go to.
    pub const fn is_contact(self) -> bool {
        matches!(self, Self::AlternateEmail | Self::MobilePhone | Self::OfficePhone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_names_round_trip() {
        for method in Method::ALL.into_iter().chain([Method::Pass]) {
            assert_eq!(Method::parse(method.as_str()), Some(method));
        }
        assert_eq!(Method::parse("Email"), None);
    }

    #[test]
    fn text_and_call_to_mobile_are_one_factor() {
        assert_eq!(Method::Sms.factor(), Method::MobileCall.factor());
        assert_ne!(Method::MobileCall.factor(), Method::OfficeCall.factor());
    }

    #[test]
    fn app_approval_and_code_are_one_factor() {
        assert_eq!(Method::Push.factor(), Method::Totp.factor());
        assert_ne!(Method::Passkey.factor(), Method::Totp.factor());
    }
}
