//! What pages and problems say, in every language.
//!
//! One file of `locales/` per language, read into one type: a key too many, too few or misspelt is an error, and the
//! templates name keys as fields, so a sentence can't be missing from a page.

use std::fmt::{self, Display};
use std::sync::LazyLock;

use serde::Deserialize;

use super::problem::Code;
use crate::domain::language::Language;
use crate::domain::method::Method;
use crate::domain::security_info::Kind;

/// A sentence or label, perhaps with `{placeholders}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text(String);

impl Text {
    /// The text with a placeholder filled in.
    pub(crate) fn with(&self, placeholder: &str, value: impl Display) -> Self {
        Self(self.0.replace(&format!("{{{placeholder}}}"), &value.to_string()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The texts of one language, grouped by page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Texts {
    pub(crate) title: Text,
    pub(crate) shell: Shell,
    pub(crate) trail: Trail,
    pub(crate) identify: Identify,
    pub(crate) reason: Reason,
    pub(crate) method: MethodChoice,
    pub(crate) methods: Methods,
    pub(crate) code: CodeEntry,
    pub(crate) approval: Approval,
    pub(crate) authenticator: AuthenticatorApp,
    pub(crate) passkey: PasskeyEntry,
    pub(crate) password: PasswordEntry,
    pub(crate) criteria: Criteria,
    pub(crate) unlock: Unlock,
    pub(crate) done: Done,
    pub(crate) ended: Ended,
    pub(crate) security_info: SecurityInfo,
    pub(crate) fields: Fields,
    pub(crate) problems: Problems,
}

/// What surrounds every page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shell {
    pub(crate) skip: Text,
    pub(crate) error: Text,
    pub(crate) problem: Text,
    pub(crate) languages: Text,
    pub(crate) help: Text,
    pub(crate) help_desk: Text,
    pub(crate) next: Text,
    pub(crate) cancel: Text,
    pub(crate) start_again: Text,
    pub(crate) required: Text,
}

/// The trail of steps.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trail {
    pub(crate) label: Text,
    pub(crate) step: Text,
    pub(crate) password: Text,
    pub(crate) unlock: Text,
    pub(crate) done: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identify {
    pub(crate) heading: Text,
    pub(crate) lead: Text,
    pub(crate) login: Text,
    pub(crate) login_hint: Text,
    pub(crate) captcha: Text,
    pub(crate) answer: Text,
    pub(crate) answer_hint: Text,
    pub(crate) picture: Text,
    pub(crate) sound: Text,
    pub(crate) sound_link: Text,
    pub(crate) refresh: Text,
    pub(crate) refreshed: Text,
    pub(crate) refresh_failed: Text,
    pub(crate) work: Text,
    pub(crate) work_hint: Text,
    pub(crate) work_start: Text,
    pub(crate) work_running: Text,
    pub(crate) work_done: Text,
    pub(crate) work_failed: Text,
    pub(crate) work_scripts: Text,
    pub(crate) harder: Text,
    pub(crate) harder_done: Text,
    pub(crate) harder_scripts: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    pub(crate) heading: Text,
    pub(crate) forgotten: Text,
    pub(crate) forgotten_hint: Text,
    pub(crate) locked: Text,
    pub(crate) locked_hint: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MethodChoice {
    pub(crate) heading: Text,
    pub(crate) heading_only: Text,
    pub(crate) first: Text,
    pub(crate) second: Text,
    pub(crate) only: Text,
    pub(crate) none: Text,
    pub(crate) contact: Text,
    pub(crate) contact_hint: Text,
}

/// One entry per verification method.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Methods {
    email: SentMethod,
    sms: SentMethod,
    mobile_call: SentMethod,
    office_call: SentMethod,
    push: AskedMethod,
    totp: TypedMethod,
    pub(crate) passkey: AskedMethod,
    recovery_code: TypedMethod,
}

/// What the panel of a method asks for.
pub(crate) enum Panel {
    /// Have a code sent.
    Sent(&'static SentMethod),
    /// Have a device asked.
    Asked(&'static AskedMethod),
    /// Type a code that the person has.
    Typed(&'static TypedMethod),
}

/// A method by which a code is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SentMethod {
    pub(crate) choice: Text,
    pub(crate) panel: Text,
    pub(crate) button: Text,
    pub(crate) sent: Text,
    pub(crate) late: Text,
}

/// A method by which a device is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedMethod {
    pub(crate) choice: Text,
    pub(crate) panel: Text,
    pub(crate) button: Text,
}

/// A method whose code the person has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedMethod {
    pub(crate) choice: Text,
    pub(crate) panel: Text,
    pub(crate) code: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeEntry {
    pub(crate) heading: Text,
    pub(crate) life: Text,
    pub(crate) secret: Text,
    pub(crate) code: Text,
    pub(crate) code_hint: Text,
    pub(crate) nothing: Text,
    pub(crate) mistyped: Text,
    pub(crate) newest: Text,
    pub(crate) wait: Text,
    pub(crate) resend: Text,
    pub(crate) no_more: Text,
    pub(crate) another: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approval {
    pub(crate) heading: Text,
    pub(crate) lead: Text,
    pub(crate) number: Text,
    pub(crate) left: Text,
    pub(crate) waiting: Text,
    pub(crate) approved: Text,
    pub(crate) ended: Text,
    pub(crate) ended_next: Text,
    pub(crate) go_on: Text,
    pub(crate) look: Text,
    pub(crate) again: Text,
    pub(crate) nothing: Text,
    pub(crate) open_app: Text,
    pub(crate) mistyped: Text,
    pub(crate) another: Text,
}

/// The authenticator app.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthenticatorApp {
    pub(crate) name: Text,
    pub(crate) heading: Text,
    pub(crate) scripts: Text,
    pub(crate) unsupported: Text,
    pub(crate) lost: Text,
    pub(crate) offline: Text,
    pub(crate) failed: Text,
    pub(crate) busy: Text,
    pub(crate) none: Text,
    pub(crate) check: Text,
    pub(crate) request: Text,
    pub(crate) organisation: Text,
    pub(crate) account: Text,
    pub(crate) time: Text,
    pub(crate) network: Text,
    pub(crate) browser: Text,
    pub(crate) unknown: Text,
    pub(crate) left: Text,
    pub(crate) question: Text,
    pub(crate) number: Text,
    pub(crate) number_hint: Text,
    pub(crate) number_form: Text,
    pub(crate) approve: Text,
    pub(crate) deny: Text,
    pub(crate) approved: Text,
    pub(crate) denied: Text,
    pub(crate) wrong: Text,
    pub(crate) ended: Text,
    pub(crate) accounts: Text,
    pub(crate) usable_from: Text,
    pub(crate) removed: Text,
    pub(crate) forget: Text,
    pub(crate) forget_hint: Text,
    pub(crate) forgotten: Text,
    pub(crate) pair: Text,
    pub(crate) pair_lead: Text,
    pub(crate) pair_code: Text,
    pub(crate) pair_hint: Text,
    pub(crate) pair_button: Text,
    pub(crate) pair_spent: Text,
    pub(crate) pair_form: Text,
    pub(crate) pair_another: Text,
    pub(crate) confirm: Text,
    pub(crate) confirm_lead: Text,
    pub(crate) confirmed: Text,
    pub(crate) notify: Text,
    pub(crate) notify_hint: Text,
    pub(crate) notify_on: Text,
    pub(crate) notify_off: Text,
    pub(crate) notification: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyEntry {
    pub(crate) heading: Text,
    pub(crate) lead: Text,
    pub(crate) waiting: Text,
    pub(crate) cancelled: Text,
    pub(crate) unsupported: Text,
    pub(crate) elsewhere: Text,
    pub(crate) scripts: Text,
    pub(crate) wrong: Text,
    pub(crate) expired: Text,
    pub(crate) unread: Text,
    pub(crate) trouble: Text,
    pub(crate) device: Text,
    pub(crate) mistyped: Text,
    pub(crate) anew: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordEntry {
    pub(crate) heading: Text,
    pub(crate) lead: Text,
    pub(crate) password: Text,
    pub(crate) confirmation: Text,
    pub(crate) criteria: Text,
    pub(crate) show: Text,
    pub(crate) hide: Text,
    pub(crate) shown: Text,
    pub(crate) hidden: Text,
    pub(crate) met: Text,
    pub(crate) summary: Text,
    pub(crate) same: Text,
    pub(crate) differs: Text,
    pub(crate) finish: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Criteria {
    length: Text,
    upper: Text,
    lower: Text,
    digit: Text,
    symbol: Text,
    name: Text,
    common: Text,
    organisation: Text,
    previous: Text,
    too_long: Text,
    control_character: Text,
    empty: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unlock {
    pub(crate) heading: Text,
    pub(crate) lead: Text,
    pub(crate) button: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Done {
    pub(crate) reset: Text,
    pub(crate) reset_next: Text,
    pub(crate) unlocked: Text,
    pub(crate) unlocked_next: Text,
    pub(crate) when: Text,
    pub(crate) notice: Text,
    pub(crate) devices: Text,
    pub(crate) security_info: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ended {
    pub(crate) cancelled: Text,
    pub(crate) cancelled_next: Text,
}

/// The page where people register.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecurityInfo {
    pub(crate) title: Text,
    pub(crate) sign_in: SignIn,
    pub(crate) second_step: SecondStep,
    pub(crate) list: RegisteredList,
    pub(crate) kinds: Kinds,
    pub(crate) confirm: Confirm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    pub(crate) heading: Text,
    pub(crate) lead: Text,
    pub(crate) login: Text,
    pub(crate) password: Text,
    pub(crate) button: Text,
    pub(crate) forgotten: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondStep {
    pub(crate) heading: Text,
    pub(crate) lead: Text,
    pub(crate) again: Text,
    pub(crate) send: Text,
    pub(crate) sent: Text,
    pub(crate) called: Text,
    pub(crate) other: Text,
    pub(crate) resend: Text,
    pub(crate) number: Text,
    pub(crate) approved: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisteredList {
    pub(crate) heading: Text,
    pub(crate) nothing: Text,
    pub(crate) missing: Text,
    pub(crate) enough: Text,
    pub(crate) one_more: Text,
    pub(crate) capable_not: Text,
    pub(crate) due: Text,
    pub(crate) reconfirm: Text,
    pub(crate) registered: Text,
    pub(crate) added: Text,
    pub(crate) used: Text,
    pub(crate) unused: Text,
    pub(crate) waits: Text,
    pub(crate) until_then: Text,
    pub(crate) lift_lead: Text,
    pub(crate) lift: Text,
    pub(crate) remove: Text,
    pub(crate) remove_sure: Text,
    pub(crate) remove_button: Text,
    pub(crate) add: Text,
    pub(crate) change: Text,
    pub(crate) left: Text,
    pub(crate) back: Text,
    pub(crate) sign_out: Text,
}

/// One entry per kind that can be registered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kinds {
    alternate_email: KindTexts,
    mobile: KindTexts,
    office_phone: KindTexts,
    totp: KindTexts,
    authenticator: KindTexts,
    passkey: KindTexts,
    recovery_codes: KindTexts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KindTexts {
    pub(crate) name: Text,
    pub(crate) hint: Text,
    pub(crate) label: Text,
    pub(crate) button: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirm {
    pub(crate) heading: Text,
    pub(crate) call: Text,
    pub(crate) totp_lead: Text,
    pub(crate) qr: Text,
    pub(crate) secret: Text,
    pub(crate) open: Text,
    pub(crate) authenticator_lead: Text,
    pub(crate) pairing: Text,
    pub(crate) authenticator_code: Text,
    pub(crate) passkey_lead: Text,
    pub(crate) passkey_button: Text,
    pub(crate) passkey_known: Text,
    pub(crate) passkey_scripts: Text,
    pub(crate) codes_lead: Text,
    pub(crate) codes_kept: Text,
    pub(crate) codes_copy: Text,
    pub(crate) cancel: Text,
}

/// What a malformed field should have held.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    pub(crate) login: Text,
    pub(crate) captcha_answer: Text,
    pub(crate) reason: Text,
    pub(crate) method: Text,
    pub(crate) contact: Text,
    pub(crate) code: Text,
    pub(crate) recovery_code: Text,
    pub(crate) password: Text,
    pub(crate) confirmation: Text,
    pub(crate) value: Text,
}

/// One entry per [`Code`], and what is added to some.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Problems {
    malformed: ProblemText,
    cross_site: ProblemText,
    not_found: ProblemText,
    method_not_allowed: ProblemText,
    out_of_step: ProblemText,
    flow_ended: ProblemText,
    too_large: ProblemText,
    unsupported_media_type: ProblemText,
    captcha_wrong: ProblemText,
    captcha_harder: ProblemText,
    contact_mismatch: ProblemText,
    method_unavailable: ProblemText,
    sign_in_wrong: ProblemText,
    contact_refused: ProblemText,
    limit_reached: ProblemText,
    code_wrong: ProblemText,
    code_spent: ProblemText,
    password_rejected: ProblemText,
    confirmation_differs: ProblemText,
    slow_down: ProblemText,
    nonce_stale: ProblemText,
    device_unknown: ProblemText,
    unavailable: ProblemText,
    #[serde(rename = "tries_left")]
    pub(crate) tries_left: Text,
    pub(crate) wait: Text,
}

/// A kind of problem: its name, and what to do about it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProblemText {
    pub(crate) title: Text,
    pub(crate) detail: Text,
}

impl Texts {
    /// The texts of a language, read when they are first asked for.
    pub(crate) fn of(language: Language) -> &'static Self {
        macro_rules! locale {
            ($tag:literal) => {{
                static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
                    serde_json::from_str(include_str!(concat!("../../locales/", $tag, ".json")))
                        .expect("a complete locale")
                });
                &TEXTS
            }};
        }
        match language {
            Language::English => locale!("en"),
            Language::Malay => locale!("ms"),
            Language::Chinese => locale!("zh-Hans"),
            Language::Tamil => locale!("ta"),
        }
    }
}

impl Methods {
    /// The texts of a method's panel.
    pub(crate) fn panel(&'static self, method: Method) -> Panel {
        match method {
            Method::Email => Panel::Sent(&self.email),
            Method::Sms => Panel::Sent(&self.sms),
            Method::MobileCall => Panel::Sent(&self.mobile_call),
            Method::OfficeCall => Panel::Sent(&self.office_call),
            Method::Push => Panel::Asked(&self.push),
            Method::Totp => Panel::Typed(&self.totp),
            Method::Passkey => Panel::Asked(&self.passkey),
            Method::RecoveryCode => Panel::Typed(&self.recovery_code),
        }
    }

    /// The texts of a method by which a code is sent.
    pub(crate) fn sent(&'static self, method: Method) -> Option<&'static SentMethod> {
        match self.panel(method) {
            Panel::Sent(texts) => Some(texts),
            Panel::Asked(_) | Panel::Typed(_) => None,
        }
    }

    /// The method as a choice.
    pub(crate) fn choice(&'static self, method: Method) -> &'static Text {
        match self.panel(method) {
            Panel::Sent(texts) => &texts.choice,
            Panel::Asked(texts) => &texts.choice,
            Panel::Typed(texts) => &texts.choice,
        }
    }
}

impl Kinds {
    /// The texts of a kind.
    pub(crate) fn of(&self, kind: Kind) -> &KindTexts {
        match kind {
            Kind::AlternateEmail => &self.alternate_email,
            Kind::Mobile => &self.mobile,
            Kind::OfficePhone => &self.office_phone,
            Kind::Totp => &self.totp,
            Kind::Authenticator => &self.authenticator,
            Kind::Passkey => &self.passkey,
            Kind::RecoveryCodes => &self.recovery_codes,
        }
    }
}

impl Criteria {
    fn of(&self, id: &str) -> Option<&Text> {
        Some(match id {
            "length" => &self.length,
            "upper" => &self.upper,
            "lower" => &self.lower,
            "digit" => &self.digit,
            "symbol" => &self.symbol,
            "name" => &self.name,
            "common" => &self.common,
            "organisation" => &self.organisation,
            "previous" => &self.previous,
            "too-long" => &self.too_long,
            "control-character" => &self.control_character,
            "empty" => &self.empty,
            _ => return None,
        })
    }
}

impl Problems {
    pub(crate) fn of(&self, code: Code) -> &ProblemText {
        match code {
            Code::Malformed => &self.malformed,
            Code::CrossSite => &self.cross_site,
            Code::NotFound => &self.not_found,
            Code::MethodNotAllowed => &self.method_not_allowed,
            Code::OutOfStep => &self.out_of_step,
            Code::FlowEnded => &self.flow_ended,
            Code::TooLarge => &self.too_large,
            Code::UnsupportedMediaType => &self.unsupported_media_type,
            Code::CaptchaWrong => &self.captcha_wrong,
            Code::CaptchaHarder => &self.captcha_harder,
            Code::ContactMismatch => &self.contact_mismatch,
            Code::MethodUnavailable => &self.method_unavailable,
            Code::SignInWrong => &self.sign_in_wrong,
            Code::ContactRefused => &self.contact_refused,
            Code::LimitReached => &self.limit_reached,
            Code::CodeWrong => &self.code_wrong,
            Code::CodeSpent => &self.code_spent,
            Code::PasswordRejected => &self.password_rejected,
            Code::ConfirmationDiffers => &self.confirmation_differs,
            Code::SlowDown => &self.slow_down,
            Code::NonceStale => &self.nonce_stale,
            Code::DeviceUnknown => &self.device_unknown,
            Code::Unavailable => &self.unavailable,
        }
    }
}

/// The sentence for a criterion or violation of the password policy, by its id. An id that no locale knows is its own
/// sentence: better than none.
pub fn criterion_text(language: Language, id: &str, min: u16, max: u16) -> String {
    let text = Texts::of(language).criteria.of(id);
    text.map_or_else(|| id.to_owned(), |text| text.with("min", min).with("max", max).0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    /// Every sentence by its path, with its placeholders in order of the alphabet.
    fn placeholders(language: Language) -> BTreeMap<String, Vec<String>> {
        fn walk(path: &str, value: &Value, found: &mut BTreeMap<String, Vec<String>>) {
            match value {
                Value::Object(map) => {
                    map.iter().for_each(|(key, value)| walk(&format!("{path}.{key}"), value, found));
                }
                Value::String(text) => {
                    assert!(!text.trim().is_empty(), "{path} is empty");
                    let mut names: Vec<String> = text
                        .split('{')
                        .skip(1)
                        .map(|rest| rest.split_once('}').expect("a closed placeholder").0.to_owned())
                        .collect();
                    names.sort_unstable();
                    found.insert(path.to_owned(), names);
                }
                other => panic!("{path} is no text: {other}"),
            }
        }
        let file = format!("{}/locales/{}.json", env!("CARGO_MANIFEST_DIR"), language.tag());
        let value: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let mut found = BTreeMap::new();
        walk("", &value, &mut found);
        found
    }

    #[test]
    fn every_language_is_complete_with_the_same_placeholders() {
        for language in Language::ALL {
            let _ = Texts::of(language);
            assert_eq!(placeholders(language), placeholders(Language::English), "{}", language.tag());
        }
    }

    #[test]
    fn criteria_have_sentences_with_their_numbers() {
        assert!(criterion_text(Language::English, "length", 12, 128).contains("12"));
        assert!(criterion_text(Language::Tamil, "too-long", 12, 128).contains("128"));
        assert_eq!(criterion_text(Language::English, "horoscope", 1, 2), "horoscope");
    }
}
