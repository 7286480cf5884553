//! The verification methods, the factor of each, and the kinds of entries that people enrol.

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
    /// A code spoken to the office phone, which can't receive texts.
    OfficeCall,
    /// A notification on the authenticator app, approved by typing the number that the page shows.
    Push,
    /// A code from the authenticator app (RFC 6238).
    Totp,
    /// A passkey, with user verification (Web Authentication Level 3).
    Passkey,
    /// One of the recovery codes that were shown once (NIST 800-63B-4 §4.2.1.1).
    RecoveryCode,
    /// A pass that the help desk gave in person, or sent in a letter. It can't be enrolled and no policy offers it;
    /// every awaited step accepts it.
    Pass,
}

impl Method {
    /// All methods that can be enrolled and offered, in the order of the page. A pass is not among them.
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

    /// Returns the name in the HTTP contract.
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

    /// Reads the name in the HTTP contract; `None` for an unknown one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Pass]).find(|method| method.as_str() == text)
    }

    /// Returns the factor that the method verifies. Text and call to the mobile are one factor
    /// (NIST 800-63B-4 §3.1.3.3 treats them as one kind of out-of-band authenticator). So are the app's
    /// approval and its code.
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

    /// Returns whether Rekey sends the code, instead of the person reading it off something they possess.
    pub const fn is_sent(self) -> bool {
        matches!(self, Self::Email | Self::Sms | Self::MobileCall | Self::OfficeCall)
    }

    /// Returns whether a device receives a request and answers it itself, without a code.
    pub const fn is_asked(self) -> bool {
        matches!(self, Self::Push | Self::Passkey)
    }

    /// Returns whether its code is typed beside the choice, with nothing sent before.
    pub const fn is_typed(self) -> bool {
        !self.is_sent() && !self.is_asked()
    }

    /// Returns whether its codes consist of digits. Recovery codes and passes also have letters.
    pub const fn has_digits_only(self) -> bool {
        !matches!(self, Self::RecoveryCode | Self::Pass)
    }

    /// Returns whether it can authorise an enrolment. A sheet of paper is stolen more easily than a phone.
    pub const fn vouches(self) -> bool {
        !matches!(self, Self::RecoveryCode | Self::Pass)
    }

    /// Returns whether a verification consumes its factor, so that it can't be checked again afterwards.
    pub const fn is_single_use(self) -> bool {
        matches!(self, Self::RecoveryCode | Self::Pass)
    }

    /// Returns whether one verification by it counts for every step of a flow. The pass of a letter counts for one.
    pub const fn serves_every_step(self) -> bool {
        matches!(self, Self::Pass)
    }

    /// Returns the chance that one random attempt equals a code which a device generates; 0 for any other
    /// method. An app's code has six digits, and three time steps are valid.
    pub const fn generated_code_chance(self) -> f64 {
        match self {
            Self::Totp => 3.0 / 1e6,
            _ => 0.0,
        }
    }

    /// Returns whether the code is spoken in a call.
    pub const fn is_call(self) -> bool {
        matches!(self, Self::MobileCall | Self::OfficeCall)
    }

    /// Returns whether the message goes over the telephone network. The person must then type the complete
    /// number first.
    pub const fn is_phone(self) -> bool {
        matches!(self, Self::Sms | Self::MobileCall | Self::OfficeCall)
    }
}

/// Something that a person possesses; it serves one verification step only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// The mailbox outside the organisation.
    AlternateEmail,
    /// The phone that receives texts and calls; one factor for both.
    MobilePhone,
    /// A phone that receives calls only.
    OfficePhone,
    /// The app, for codes and approvals: one factor for both.
    AuthenticatorApp,
    /// An authenticator with user verification.
    Passkey,
    /// The sheet with the codes; consumed one by one.
    RecoveryCodes,
    /// A help desk's pass.
    Pass,
}

impl Factor {
    /// Returns whether messages can go to it: a mailbox or a phone.
    pub const fn is_contact(self) -> bool {
        matches!(self, Self::AlternateEmail | Self::MobilePhone | Self::OfficePhone)
    }
}

/// A kind of entry, as the HTTP contract names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A mailbox that the password does not protect.
    AlternateEmail,
    /// A phone for texts and calls.
    Mobile,
    /// A phone for calls only.
    OfficePhone,
    /// An app that shows codes (RFC 6238).
    Totp,
    /// A device with the authenticator app, which approves.
    Authenticator,
    /// A passkey, by Web Authentication Level 3.
    Passkey,
    /// Ten codes on one sheet; a new sheet replaces it.
    RecoveryCodes,
}

impl Kind {
    /// All kinds, in the order of the page.
    pub const ALL: [Self; 7] = [
        Self::AlternateEmail,
        Self::Mobile,
        Self::OfficePhone,
        Self::Totp,
        Self::Authenticator,
        Self::Passkey,
        Self::RecoveryCodes,
    ];

    /// Returns the name in the HTTP contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlternateEmail => "alternate_email",
            Self::Mobile => "mobile",
            Self::OfficePhone => "office_phone",
            Self::Totp => "totp",
            Self::Authenticator => "authenticator",
            Self::Passkey => "passkey",
            Self::RecoveryCodes => "recovery_codes",
        }
    }

    /// Reads the name in the HTTP contract; `None` for an unknown one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the factor that it verifies, which is one for all its methods.
    pub const fn factor(self) -> Factor {
        self.methods()[0].factor()
    }

    /// Returns the methods that an entry makes available.
    pub const fn methods(self) -> &'static [Method] {
        match self {
            Self::AlternateEmail => &[Method::Email],
            Self::Mobile => &[Method::Sms, Method::MobileCall],
            Self::OfficePhone => &[Method::OfficeCall],
            Self::Totp => &[Method::Totp],
            Self::Authenticator => &[Method::Push],
            Self::Passkey => &[Method::Passkey],
            Self::RecoveryCodes => &[Method::RecoveryCode],
        }
    }

    /// Returns how many entries of the kind an account may have: devices and passkeys as many as Microsoft's
    /// service allows (5 and 10), one of any other kind. This keeps an account's items within one read unit,
    /// and bounds the entries that a stolen session can add.
    pub const fn limit(self) -> usize {
        match self {
            Self::Authenticator => 5,
            Self::Passkey => 10,
            _ => 1,
        }
    }

    /// Returns whether messages can go to it: a mailbox or a phone.
    pub const fn is_contact(self) -> bool {
        self.factor().is_contact()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_its_methods_have_one_factor() {
        for kind in Kind::ALL {
            assert!(kind.methods().iter().all(|method| method.factor() == kind.factor()), "{kind:?}");
        }
        let methods: Vec<_> = Kind::ALL.iter().flat_map(|kind| kind.methods()).collect();
        assert!(Method::ALL.iter().all(|method| methods.contains(&method)), "{methods:?}");
    }

    #[test]
    fn method_names_round_trip() {
        for method in Method::ALL.into_iter().chain([Method::Pass]) {
            assert_eq!(Method::parse(method.as_str()), Some(method));
        }
        assert_eq!(Method::parse("Email"), None);
    }

    /// Controls: C-043.
    #[test]
    fn text_and_call_to_mobile_are_one_factor() {
        assert_eq!(Method::Sms.factor(), Method::MobileCall.factor());
        assert_ne!(Method::MobileCall.factor(), Method::OfficeCall.factor());
    }

    /// Controls: C-043.
    #[test]
    fn app_approval_and_code_are_one_factor() {
        assert_eq!(Method::Push.factor(), Method::Totp.factor());
        assert_ne!(Method::Passkey.factor(), Method::Totp.factor());
    }
}
