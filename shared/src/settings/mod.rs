//! The only reader of the environment: all parameters, typed and validated at start, with all errors at once.
//!
//! Names and meanings are those of template.yaml's parameters (`RekeySteps` is `REKEY_STEPS`).

mod forms;
mod reader;

use thiserror::Error;

pub use self::reader::RESOURCES;
use self::reader::Reader;
use crate::domain::account::{Account, Offer, Registration, suffices};
use crate::domain::account_limits::{SendLimits, TieredLimit};
use crate::domain::contact::{Country, EmailAddress};
use crate::domain::flow::{CODE_LONGEST, FLOW_LONGEST, FlowLimits};
use crate::domain::help_desk::Helpers;
use crate::domain::language::Language;
use crate::domain::method::Method;
use crate::domain::name::fold;
use crate::domain::oidc::{self, OidcClient};
use crate::domain::passkey::RelyingParty;
use crate::domain::password::{PasswordPolicy, PasswordRules};
use crate::domain::policy::{self, BruteForceRisk, Readiness, YEARLY_CHANCE_MAX};
use crate::domain::push::PushHosts;
use crate::domain::return_url::ReturnUrls;
use crate::domain::time::Seconds;
use crate::domain::time_zone::TimeZone;

/// Unredeemed codes in a row before a factor closes for a day; three fifths of them to one network, like
/// other messages.
const UNREDEEMED_MAX: TieredLimit = TieredLimit::of_messages(20);

/// Wrong numbers per account, step and day, a third of them to one network.
const CONTACTS_PER_DAY: TieredLimit = TieredLimit::new(30, 10);

/// Wrong passwords at `/security-info` per account and day, a third of them to one network. NIST SP 800-63B-4
/// §3.2.2 allows 100 in a row.
const PASSWORDS_PER_DAY: TieredLimit = TieredLimit::new(30, 10);

/// The setting with the origin of links.
pub const PUBLIC_URL: &str = "REKEY_PUBLIC_URL";

/// All parameters of Rekey.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `REKEY_STEPS`: verification steps before the password, 1 or 2.
    pub steps: u8,
    /// `REKEY_METHODS`: the methods that policy allows in a reset. Push is removed where one step suffices:
    /// people approve repeated requests out of fatigue. Calls are removed without `REKEY_VOICE_ORIGIN`.
    pub methods: Vec<Method>,
    /// `REKEY_METHODS` with push: the methods for the step-up at `/security-info`.
    pub second_steps: Vec<Method>,
    /// `REKEY_RECONFIRM_DAYS`: days after which people are asked to confirm their enrolled entries; 0 never.
    pub reconfirm_days: u16,
    /// `REKEY_COOL_DOWN_HOURS`: the waiting period of an entry that joins or replaces others.
    pub waiting_period: Seconds,
    /// `REKEY_RETURN_URLS`: the allow-list of addresses to return to from `/security-info`. Each is an
    /// `https:` address; one with a trailing slash allows all addresses below it.
    pub return_urls: ReturnUrls,
    /// Limits within a flow: `REKEY_FLOW_TTL_SECS`, `REKEY_CODE_TTL_SECS`, `REKEY_CODE_TRIES`,
    /// `REKEY_FLOW_TRIES`, `REKEY_SENDS_PER_STEP`.
    pub flow: FlowLimits,
    /// `REKEY_CODE_DIGITS`: 6 to 10.
    pub code_digits: u8,
    /// Limits over all flows: `REKEY_SENDS_PER_HOUR`, `REKEY_SENDS_PER_DAY`, `REKEY_PUSH_PER_HOUR`,
    /// `REKEY_CONTACT_TRIES`.
    pub sends: SendLimits,
    /// `REKEY_TOTP_TRIES_PER_DAY`: attempts at the authenticator app's codes per account, day and step.
    pub totp_attempts_per_day: u8,
    /// `REKEY_PUSH_HOSTS`: the allowed hosts of push services.
    pub push_hosts: PushHosts,
    /// `REKEY_OPENS_PER_HOUR`: flows per canonical name before the CAPTCHA gets harder.
    pub opens_per_name: u32,
    /// `REKEY_OPENS_PER_IP`: flows per network (/24, /48) and hour before the CAPTCHA gets harder; a lecture hall behind
    /// one address stays below it.
    pub opens_per_network: u32,
    /// `REKEY_CHARACTERS_PER_IP`: CAPTCHAs answered by characters alone per network and hour, before only work
    /// passes. Characters cost a program nothing.
    pub characters_per_network: u32,
    /// `REKEY_CHARACTERS_PER_HOUR`: the same for the whole deployment.
    pub characters_per_hour: u32,
    /// `REKEY_SMS_COUNTRIES`: the countries that texts and calls may go to.
    pub sms_countries: Vec<Country>,
    /// `REKEY_HOME_COUNTRY`: the country whose national number form is understood.
    pub home_country: Country,
    /// `REKEY_SENDS_PER_BLOCK`: codes to a thousand neighbouring numbers per hour. Fraudsters rent numbers in
    /// blocks; an office's telephones share one too.
    pub sends_per_block: u32,
    /// `REKEY_SMS_PER_DAY`: texts and calls of the whole deployment per day. Bounds the cost.
    pub sms_per_day: u32,
    /// `REKEY_FORGET_DAYS`: how long the registration of a person is kept after the directory no longer has them.
    pub forget_after: Seconds,
    /// `REKEY_DIRECTORY`: the authority for accounts and passwords.
    pub directory: DirectoryKind,
    /// The rules for passwords: `REKEY_PASSWORD_MIN`, `REKEY_PASSWORD_MAX`, `REKEY_PASSWORD_CLASSES`
    /// (`upper,lower,digit,symbol`, or nothing), `REKEY_PASSWORD_HISTORY`, `REKEY_PASSWORD_WORDS`.
    pub password: PasswordRules,
    /// `REKEY_PASSWORD_BLOCKLIST`: a file of further rejected passwords, from a Lambda layer, one per line or
    /// as `rekey blocklist build` writes them.
    pub password_blocklist: Option<String>,
    /// `REKEY_PUBLIC_URL`: the base of links, without a trailing slash.
    pub public_url: String,
    /// `REKEY_LOGIN_DOMAINS`: the organisation's own domains, in canonical form.
    pub login_domains: Vec<String>,
    /// `REKEY_ORGANISATION`: the name on pages and in messages.
    pub organisation: String,
    /// `REKEY_LOGO_URL`: the address of a logo, if there is one.
    pub logo_url: Option<String>,
    /// `REKEY_COLOUR`: the accent colour, `#rrggbb`.
    pub colour: Option<String>,
    /// `REKEY_HELP_DESK_URL`: `https:`, `mailto:` or `tel:`, if there is one.
    pub help_desk_url: Option<String>,
    /// `REKEY_HELP_DESK_PHONE`: its telephone number as people read it, if there is one.
    pub help_desk_phone: Option<String>,
    /// `REKEY_HELP_DESK_HOURS`: when somebody answers, as people read it.
    pub help_desk_hours: Option<String>,
    /// `REKEY_HELP_DESK_AGENTS`: which groups of the identity provider help which people on the page `/help-desk`; empty
    /// for no such page.
    pub desk_agents: Helpers,
    /// `REKEY_HELPERS`: which agents of the help desk may help which people.
    pub helpers: Helpers,
    /// `REKEY_SIGN_IN_URL`: where people sign in after a reset, if there is one address for all.
    pub sign_in_url: Option<String>,
    /// `REKEY_TIME_ZONE`: the zone of all times that pages and messages show. The default is the home country's,
    /// if it has one only.
    pub time_zone: TimeZone,
    /// `REKEY_LANGUAGES`: offered languages; the first is the fallback.
    pub languages: Vec<Language>,
    /// `REKEY_MAIL_FROM`: the sender address of mail.
    pub mail_from: EmailAddress,
    /// `REKEY_MESSAGE_REGION`: the AWS region of mail, texts and calls, where it is not the functions' own.
    pub message_region: Option<String>,
    /// `REKEY_SMS_SENDER_ID`: the alphanumeric sender of texts, if there is one.
    pub sms_sender_id: Option<String>,
    /// `REKEY_VOICE_ORIGIN`: the origin of calls: a telephone number of the AWS account, its id or ARN, or a
    /// pool's. AWS rejects calls without one, so calls are then no method.
    pub voice_origin: Option<String>,
    /// The methods of `REKEY_METHODS` that are not offered, since `REKEY_VOICE_ORIGIN` is not set.
    pub without_origin: Vec<Method>,
    /// `REKEY_TRUSTED_PROXY`: the ARN of the secret that the proxy in front of the API sends, if there is one.
    pub trusted_proxy: Option<String>,
    /// `REKEY_SIGN_IN`: how people sign in to `/security-info`.
    pub sign_in: SignInBy,
    /// Rekey at the identity provider: `REKEY_OIDC_ISSUER`, `REKEY_OIDC_CLIENT_ID`, `REKEY_OIDC_CLAIM`,
    /// `REKEY_OIDC_STEP_UP_AMR`, `REKEY_OIDC_MAX_AGE_SECS`. Used only with [`SignInBy::Oidc`].
    pub oidc: OidcClient,
    /// `REKEY_OIDC_SECRET`: the ARN of the secret that authenticates Rekey at the provider, if it has one.
    pub oidc_secret: Option<String>,
}

/// The ways to sign in to `/security-info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInBy {
    /// With the password of the directory.
    Password,
    /// With the university's identity provider, over OpenID Connect.
    Oidc,
}

/// The directories that this build supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryKind {
    /// The built-in directory, in a DynamoDB table of Rekey.
    Builtin,
    /// The organisation's own directory with this name, behind `functions/directory`.
    Remote(String),
}

impl Settings {
    /// Reads the process's environment. `public_url` is the one that a parameter of Systems Manager has, if the
    /// environment names one.
    ///
    /// # Errors
    /// [`SettingsError`] with one line per invalid parameter.
    pub fn from_environment(public_url: Option<String>) -> Result<Self, SettingsError> {
        let public_url = public_url.map(|url| (PUBLIC_URL.to_owned(), url));
        Self::from_pairs(std::env::vars().chain(public_url))
    }

    /// Reads parameters; empty ones count as absent.
    ///
    /// # Errors
    /// [`SettingsError`] with one line per invalid parameter, unknown `REKEY_` names included.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(pairs);
        let home_country =
            reader.one("REKEY_HOME_COUNTRY", "MY", forms::country).unwrap_or(Country::MALAYSIA);
        let mut settings = Self {
            steps: reader.number("REKEY_STEPS", 2, 1..=2),
            methods: reader.list(
                "REKEY_METHODS",
                &Method::ALL.map(Method::as_str).join(","),
                forms::method,
            ),
            second_steps: Vec::new(),
            reconfirm_days: reader.number("REKEY_RECONFIRM_DAYS", 180, 0..=730),
            waiting_period: Seconds(reader.number("REKEY_COOL_DOWN_HOURS", 72, 0..=720) * Seconds::HOUR.0),
            return_urls: ReturnUrls::new(reader.list("REKEY_RETURN_URLS", "", forms::return_url)),
            flow: flow_limits(&mut reader),
            code_digits: reader.number("REKEY_CODE_DIGITS", 8, 6..=10),
            sends: send_limits(&mut reader),
            totp_attempts_per_day: reader.number("REKEY_TOTP_TRIES_PER_DAY", 10, 1..=50),
            push_hosts: PushHosts::new(reader.list(
                "REKEY_PUSH_HOSTS",
                "fcm.googleapis.com,updates.push.services.mozilla.com,web.push.apple.com,*.notify.windows.com",
                forms::push_host,
            )),
            opens_per_name: reader.number("REKEY_OPENS_PER_HOUR", 30, 1..=100_000),
            opens_per_network: reader.number("REKEY_OPENS_PER_IP", 300, 1..=1_000_000),
            characters_per_network: reader.number("REKEY_CHARACTERS_PER_IP", 20, 0..=1_000_000),
            characters_per_hour: reader.number("REKEY_CHARACTERS_PER_HOUR", 300, 0..=1_000_000),
            sms_countries: reader.list("REKEY_SMS_COUNTRIES", "MY", forms::country),
            home_country,
            sends_per_block: reader.number("REKEY_SENDS_PER_BLOCK", 30, 1..=1_000),
            sms_per_day: reader.number("REKEY_SMS_PER_DAY", 1_000, 0..=10_000_000),
            forget_after: Seconds(reader.number("REKEY_FORGET_DAYS", 90, 1..=730) * Seconds::DAY.0),
            directory: reader
                .one("REKEY_DIRECTORY", "builtin", forms::directory)
                .unwrap_or(DirectoryKind::Builtin),
            password: password_rules(&mut reader),
            password_blocklist: reader.one("REKEY_PASSWORD_BLOCKLIST", "", |path| Ok(path.to_owned())),
            public_url: reader
                .one(PUBLIC_URL, "http://127.0.0.1:8080", forms::public_url)
                .unwrap_or_default(),
            login_domains: reader.list("REKEY_LOGIN_DOMAINS", "", |word| Ok(fold(word))),
            organisation: reader
                .one("REKEY_ORGANISATION", "Rekey", forms::organisation)
                .unwrap_or_default(),
            logo_url: reader.one("REKEY_LOGO_URL", "", forms::logo_url),
            colour: reader.one("REKEY_COLOUR", "", forms::colour),
            help_desk_url: reader.one("REKEY_HELP_DESK_URL", "", forms::help_desk_url),
            help_desk_phone: reader.one("REKEY_HELP_DESK_PHONE", "", forms::shown),
            help_desk_hours: reader.one("REKEY_HELP_DESK_HOURS", "", forms::shown),
            desk_agents: Helpers::new(reader.list("REKEY_HELP_DESK_AGENTS", "", forms::desk_agent)),
            helpers: Helpers::new(reader.list("REKEY_HELPERS", "", forms::helper)),
            sign_in_url: reader.one("REKEY_SIGN_IN_URL", "", forms::sign_in_url),
            time_zone: reader
                .one("REKEY_TIME_ZONE", "", forms::time_zone)
                .unwrap_or_else(|| TimeZone::of(home_country)),
            languages: reader.list("REKEY_LANGUAGES", "en,ms,zh-Hans,ta", forms::language),
            mail_from: reader
                .one("REKEY_MAIL_FROM", "no-reply@rekey.example", forms::mail_from)
                .unwrap_or_else(|| EmailAddress::from_stored(String::new())),
            message_region: reader.one("REKEY_MESSAGE_REGION", "", forms::region),
            sms_sender_id: reader.one("REKEY_SMS_SENDER_ID", "", forms::sms_sender_id),
            voice_origin: reader.one("REKEY_VOICE_ORIGIN", "", forms::voice_origin),
            without_origin: Vec::new(),
            trusted_proxy: reader.one("REKEY_TRUSTED_PROXY", "", forms::secret_arn),
            sign_in: reader.one("REKEY_SIGN_IN", "password", forms::sign_in).unwrap_or(SignInBy::Password),
            oidc: oidc_client(&mut reader),
            oidc_secret: reader.one("REKEY_OIDC_SECRET", "", forms::secret_arn),
        };
        if settings.voice_origin.is_none() {
            settings.without_origin = settings.methods.extract_if(.., |method| method.is_call()).collect();
        }
        settings.second_steps.clone_from(&settings.methods);
        if settings.steps == 1 {
            settings.methods.retain(|method| *method != Method::Push);
        }
        settings.check_together(&mut reader);
        reader.finish(settings)
    }

    /// Returns the attempts at an account's codes of the authenticator app, per day and step.
    pub const fn totp_attempts(&self) -> TieredLimit {
        TieredLimit::of_generated_codes(self.totp_attempts_per_day)
    }

    /// Returns the wrong passwords that an account's sign-in allows per day.
    pub const fn wrong_passwords(&self) -> TieredLimit {
        PASSWORDS_PER_DAY
    }

    /// Returns the requested address to return to, if the allow-list has it.
    pub fn return_to<'a>(&self, asked: &'a str) -> Option<&'a str> {
        self.return_urls.allowed(asked)
    }

    /// Returns whether people sign in with the identity provider.
    pub fn signs_in_by_oidc(&self) -> bool {
        self.sign_in == SignInBy::Oidc
    }

    /// Returns the site that passkeys are bound to.
    pub fn relying_party(&self) -> RelyingParty {
        RelyingParty::of_site(&self.public_url)
    }

    /// Returns the password policy, with the file of the organisation's own refused passwords.
    ///
    /// # Errors
    /// A sentence that names the invalid setting.
    pub fn password_policy(&self, blocklist: &[u8]) -> Result<PasswordPolicy, String> {
        self.password.policy(&self.organisation, blocklist)
    }

    /// Returns the methods that a reset offers for a registration.
    pub fn offers(&self, registration: &Registration) -> Vec<Offer> {
        policy::offers(registration, &self.methods, &self.sms_countries)
    }

    /// Returns whether a person can reset, by the same check as page 1 of a reset.
    pub fn readiness(&self, account: &Account, registration: &Registration) -> Readiness {
        let evidence = registration.clone().as_evidence_for(account, &self.login_domains);
        let offers = self.offers(&evidence);
        if !account.state.may_reset() || offers.is_empty() {
            Readiness::None
        } else if suffices(&offers, self.steps) {
            Readiness::Capable
        } else {
            Readiness::Partly
        }
    }

    /// Returns whether the policy allows a code to the enrolled contact of `method`.
    pub fn reaches(&self, registration: &Registration, method: Method) -> bool {
        policy::reaches(registration, method, &self.sms_countries)
    }

    fn check_together(&self, reader: &mut Reader) {
        if !self.password.is_long_enough() {
            let reason = format!(
                "{} is too short without character classes (NIST SP 800-63B-4 §3.1.1.2). Use at least {}, or \
                 set REKEY_PASSWORD_CLASSES to classes such as upper,lower,digit",
                self.password.min,
                PasswordRules::MIN_WITHOUT_CLASSES
            );
            reader.error("REKEY_PASSWORD_MIN", &reason);
        }
        if self.methods.is_empty() && !self.without_origin.is_empty() {
            let reason = "calls alone need REKEY_VOICE_ORIGIN. Set it, or add another method such as email";
            reader.error("REKEY_METHODS", reason);
        }
        if self.flow.code_attempts > self.flow.flow_attempts {
            let FlowLimits { code_attempts, flow_attempts, .. } = self.flow;
            let reason = format!(
                "{code_attempts} is more than the {flow_attempts} of REKEY_FLOW_TRIES. Lower it, or raise \
                 REKEY_FLOW_TRIES"
            );
            reader.error("REKEY_CODE_TRIES", &reason);
        }
        if self.push_hosts.have_loopback() && self.public_url.starts_with("https:") {
            let reason = "a loopback address is accepted only while REKEY_PUBLIC_URL is an http: address. Use \
                          the names of push services, such as fcm.googleapis.com";
            reader.error("REKEY_PUSH_HOSTS", reason);
        }
        let needed_by = if self.signs_in_by_oidc() {
            Some("the sign-in by oidc")
        } else {
            (!self.desk_agents.is_empty()).then_some("REKEY_HELP_DESK_AGENTS")
        };
        if let Some(needed_by) = needed_by {
            for (name, value, example) in [
                ("REKEY_OIDC_ISSUER", &self.oidc.issuer, "https://login.contoh.example/realms/university"),
                ("REKEY_OIDC_CLIENT_ID", &self.oidc.client_id, "rekey"),
            ] {
                if value.is_empty() && !reader.has_error(name) {
                    let reason = format!("{needed_by} needs it. Use a value such as {example}");
                    reader.error(name, &reason);
                }
            }
        }
        if oidc::is_loopback(&self.oidc.issuer) && self.public_url.starts_with("https:") {
            let reason = "a loopback address is accepted only while REKEY_PUBLIC_URL is an http: address. Use the \
                          https: address of the provider, such as https://login.contoh.example/realms/university";
            reader.error("REKEY_OIDC_ISSUER", reason);
        }
        if self.sends.per_hour > self.sends.per_day {
            let SendLimits { per_hour, per_day, .. } = self.sends;
            let reason = format!(
                "{per_hour} is more than the {per_day} of REKEY_SENDS_PER_DAY. Lower it, or raise \
                 REKEY_SENDS_PER_DAY"
            );
            reader.error("REKEY_SENDS_PER_HOUR", &reason);
        }
        if let Err(reason) = self.password_policy(&[]) {
            let reason = format!("{reason}. Use words such as contoh,kampus");
            reader.error("REKEY_PASSWORD_WORDS", &reason);
        }
        let guesses = BruteForceRisk {
            steps: self.steps,
            methods: &self.methods,
            code_digits: self.code_digits,
            flow: &self.flow,
            sends: &self.sends,
            totp_attempts_per_day: self.totp_attempts(),
        };
        let chance = guesses.yearly_chance();
        if chance > YEARLY_CHANCE_MAX {
            let reason = format!(
                "with these settings, brute force opens one account with a chance of {:.1} % a year; at most \
                 {:.1} % is accepted. Raise REKEY_CODE_DIGITS or REKEY_STEPS, or lower REKEY_CODE_TRIES, \
                 REKEY_FLOW_TRIES, REKEY_SENDS_PER_DAY or REKEY_TOTP_TRIES_PER_DAY",
                chance * 100.0,
                YEARLY_CHANCE_MAX * 100.0
            );
            reader.error("REKEY_CODE_DIGITS", &reason);
        }
    }
}

/// All invalid parameters, one line each.
#[derive(Debug, Error)]
#[error("{}", .0.join("\n"))]
pub struct SettingsError(pub Vec<String>);

/// Returns a resource's name or address (`REKEY_TABLE_…`, `REKEY_QUEUE_…`, `REKEY_SECRET_…`), which
/// template.yaml gives only to the functions that may use it.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn resource(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns one of AWS's own variables (`AWS_REGION`), which Lambda and emulators set.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn aws(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| name.starts_with("AWS_") && !value.is_empty())
}

fn flow_limits(reader: &mut Reader) -> FlowLimits {
    FlowLimits {
        lifetime: Seconds(reader.number("REKEY_FLOW_TTL_SECS", 900, 300..=FLOW_LONGEST.0)),
        code_lifetime: Seconds(reader.number("REKEY_CODE_TTL_SECS", 600, 120..=CODE_LONGEST.0)),
        code_attempts: reader.number("REKEY_CODE_TRIES", 5, 1..=10),
        flow_attempts: reader.number("REKEY_FLOW_TRIES", 10, 1..=20),
        sends_per_step: reader.number("REKEY_SENDS_PER_STEP", 3, 1..=10),
    }
}

fn send_limits(reader: &mut Reader) -> SendLimits {
    SendLimits {
        per_hour: reader.number("REKEY_SENDS_PER_HOUR", 5, 1..=20),
        per_day: reader.number("REKEY_SENDS_PER_DAY", 10, 1..=50),
        contacts_per_flow: reader.number("REKEY_CONTACT_TRIES", 5, 1..=10),
        pushes_per_hour: reader.number("REKEY_PUSH_PER_HOUR", 3, 1..=10),
        contacts_per_day: CONTACTS_PER_DAY,
        unredeemed: UNREDEEMED_MAX,
    }
}

fn oidc_client(reader: &mut Reader) -> OidcClient {
    let max_age = reader.number("REKEY_OIDC_MAX_AGE_SECS", 300, 0..=86_400);
    OidcClient {
        issuer: reader.one("REKEY_OIDC_ISSUER", "", forms::oidc_issuer).unwrap_or_default(),
        client_id: reader.one("REKEY_OIDC_CLIENT_ID", "", forms::oidc_client_id).unwrap_or_default(),
        claim: reader.one("REKEY_OIDC_CLAIM", "preferred_username", forms::oidc_claim).unwrap_or_default(),
        step_up_amr: reader.list("REKEY_OIDC_STEP_UP_AMR", "", forms::oidc_amr),
        max_age: (max_age > 0).then_some(Seconds(max_age)),
    }
}

fn password_rules(reader: &mut Reader) -> PasswordRules {
    PasswordRules {
        min: reader.number("REKEY_PASSWORD_MIN", 12, 8..=64),
        max: reader.number("REKEY_PASSWORD_MAX", 128, 64..=128),
        classes: reader.list_or_none(
            "REKEY_PASSWORD_CLASSES",
            "upper,lower,digit,symbol",
            forms::character_class,
        ),
        history: reader.number("REKEY_PASSWORD_HISTORY", 1, 0..=3),
        words: reader.list("REKEY_PASSWORD_WORDS", "", |word| Ok(word.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn missing_settings_use_defaults() {
        let settings =
            read(&[("PATH", "/bin"), ("REKEY_STEPS", ""), ("REKEY_VOICE_ORIGIN", "+60300000000")]).unwrap();
        assert_eq!((settings.steps, settings.code_digits, settings.flow.code_attempts), (2, 8, 5));
        assert_eq!(settings.methods, Method::ALL);
        assert_eq!(settings.languages, Language::ALL);
    }

    /// Controls: C-019.
    #[test]
    fn all_setting_errors_are_reported_together() {
        let error = read(&[
            ("REKEY_STEPS", "3"),
            ("REKEY_METHODS", "email,fax"),
            ("REKEY_COLOUR", "red"),
            ("REKEY_STEP", "1"),
            ("REKEY_PUBLIC_URL", "http://reset.contoh.example"),
        ])
        .unwrap_err();
        let methods = Method::ALL.map(Method::as_str);
        let methods =
            format!("{} and {}", methods[..methods.len() - 1].join(", "), methods[methods.len() - 1]);
        assert_eq!(
            error.0,
            [
                "REKEY_STEPS: `3` is not a whole number from 1 to 2. Use one such as 2",
                &format!("REKEY_METHODS: `fax` is not a method. Use some of {methods}, separated by commas"),
                "REKEY_PUBLIC_URL: `http://reset.contoh.example` is not an https: address without a query and a \
                 fragment. Use the address that people open, such as https://reset.contoh.example; http: is \
                 only for 127.0.0.1 and localhost",
                "REKEY_COLOUR: `red` is not a colour of the form #rrggbb. Use one such as #0a5c36",
                "REKEY_STEP: no setting has this name. Correct the spelling, or unset it; template.yaml lists \
                 the settings",
            ]
        );
    }

    /// AWS refuses a call without an origin, so that its code would never arrive.
    #[test]
    fn calls_need_an_origin() {
        let calls = [Method::MobileCall, Method::OfficeCall];
        let none = read(&[]).unwrap();
        assert!(none.methods.iter().chain(&none.second_steps).all(|method| !calls.contains(method)));
        assert_eq!(none.without_origin, calls);
        let some = read(&[("REKEY_VOICE_ORIGIN", "+60300000000")]).unwrap();
        assert!(calls.iter().all(|call| some.methods.contains(call) && some.second_steps.contains(call)));
        assert!(some.without_origin.is_empty());
        let never = read(&[("REKEY_METHODS", "email,sms,totp")]).unwrap();
        assert!(never.without_origin.is_empty(), "calls were not wanted");
    }

    /// Without any method no reset could succeed.
    #[test]
    fn calls_alone_without_origin_are_rejected() {
        let error = read(&[("REKEY_METHODS", "mobile_call,office_call")]).unwrap_err();
        assert!(error.to_string().starts_with("REKEY_METHODS: "), "{error}");
        let origin = ("REKEY_VOICE_ORIGIN", "+60300000000");
        assert!(read(&[("REKEY_METHODS", "mobile_call,office_call"), origin]).is_ok());
    }

    #[test]
    fn message_region_is_a_region_or_none() {
        let read = |name| read(&[("REKEY_MESSAGE_REGION", name)]).map(|settings| settings.message_region);
        for region in ["ap-southeast-1", "us-gov-west-1"] {
            assert_eq!(read(region).unwrap().as_deref(), Some(region));
        }
        assert_eq!(read("").unwrap(), None);
        for other in
            ["Singapore", "ap-southeast", "ap--1", "ap-1", "AP-southeast-1", "ap-southeast-1.example"]
        {
            assert!(read(other).is_err(), "{other}");
        }
    }

    #[test]
    fn trusted_proxy_names_a_secret_by_arn() {
        let read = |arn| read(&[("REKEY_TRUSTED_PROXY", arn)]).map(|settings| settings.trusted_proxy);
        let arn = "arn:aws:secretsmanager:ap-southeast-1:000000000000:secret:proxy-a1b2c3";
        assert_eq!(read(arn).unwrap().as_deref(), Some(arn));
        assert_eq!(read("").unwrap(), None);
        for other in
            ["proxy", "true", "arn:aws:ssm:ap-southeast-1:000000000000:parameter/proxy", &format!("{arn} x")]
        {
            assert!(read(other).is_err(), "{other}");
        }
    }

    #[test]
    fn time_zone_defaults_to_home_country() {
        let zone = |pairs: &[(&str, &str)]| read(pairs).map(|settings| Some(settings.time_zone));
        assert_eq!(zone(&[]).unwrap(), TimeZone::parse("Asia/Kuala_Lumpur"));
        assert_eq!(zone(&[("REKEY_HOME_COUNTRY", "GB")]).unwrap(), TimeZone::parse("Europe/London"));
        let berlin = ("REKEY_TIME_ZONE", "Europe/Berlin");
        assert_eq!(zone(&[berlin, ("REKEY_HOME_COUNTRY", "GB")]).unwrap(), TimeZone::parse("Europe/Berlin"));
        assert!(zone(&[("REKEY_TIME_ZONE", "Kuala Lumpur")]).is_err());
    }

    #[test]
    fn sign_in_page_has_https_address() {
        let read = |url| read(&[("REKEY_SIGN_IN_URL", url)]).map(|settings| settings.sign_in_url);
        let url = "https://portal.contoh.example/login";
        assert_eq!(read(url).unwrap().as_deref(), Some(url));
        for other in ["http://portal.contoh.example", "javascript:alert(1)", "mailto:a@b.example"] {
            assert!(read(other).is_err(), "{other}");
        }
    }

    #[test]
    fn resource_parameters_are_accepted() {
        assert!(read(&[("REKEY_TABLE_FLOWS", "flows")]).is_ok());
    }

    /// Controls: C-010.
    #[test]
    fn settings_open_to_brute_force_are_rejected() {
        assert!(read(&[("REKEY_STEPS", "1")]).is_ok());
        assert!(read(&[("REKEY_CODE_DIGITS", "6")]).is_ok(), "two steps carry six digits");
        let error = read(&[("REKEY_STEPS", "1"), ("REKEY_CODE_DIGITS", "6")]).unwrap_err();
        assert!(error.to_string().contains("brute force opens"), "{error}");
        assert!(read(&[("REKEY_STEPS", "1"), ("REKEY_TOTP_TRIES_PER_DAY", "50")]).is_err());
    }

    /// Controls: C-087.
    #[test]
    fn loopback_push_host_is_accepted_only_locally() {
        assert!(read(&[("REKEY_PUSH_HOSTS", "127.0.0.1")]).is_ok());
        let deployed = ("REKEY_PUBLIC_URL", "https://reset.contoh.example");
        assert!(read(&[deployed]).is_ok());
        for host in ["127.0.0.1", "10.0.0.1", "localhost", "https://fcm.googleapis.com"] {
            assert!(read(&[("REKEY_PUSH_HOSTS", host), deployed]).is_err(), "{host}");
        }
    }

    /// Controls: C-243.
    #[test]
    fn page_of_the_help_desk_needs_issuer_and_client() {
        assert!(read(&[]).unwrap().desk_agents.is_empty());
        let error = read(&[("REKEY_HELP_DESK_AGENTS", "helpdesk=students")]).unwrap_err().to_string();
        for name in ["REKEY_OIDC_ISSUER", "REKEY_OIDC_CLIENT_ID"] {
            assert!(error.contains(&format!("{name}: REKEY_HELP_DESK_AGENTS needs it")), "{error}");
        }
        assert!(read(&[("REKEY_HELP_DESK_AGENTS", "helpdesk")]).is_err());
    }

    #[test]
    fn oidc_needs_issuer_and_client() {
        assert!(!read(&[]).unwrap().signs_in_by_oidc());
        let error = read(&[("REKEY_SIGN_IN", "oidc"), ("REKEY_OIDC_MAX_AGE_SECS", "x")]).unwrap_err();
        let names: Vec<&str> = error.0.iter().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(names, ["REKEY_OIDC_MAX_AGE_SECS", "REKEY_OIDC_ISSUER", "REKEY_OIDC_CLIENT_ID"]);
        let error =
            read(&[("REKEY_SIGN_IN", "oidc"), ("REKEY_OIDC_ISSUER", "x"), ("REKEY_OIDC_CLIENT_ID", "a")]);
        assert_eq!(error.unwrap_err().0.len(), 1);
        assert!(read(&[("REKEY_SIGN_IN", "saml")]).is_err());
    }

    /// Controls: C-194.
    #[test]
    fn issuer_is_https_or_local() {
        let with = |issuer, public_url| {
            let own = [("REKEY_SIGN_IN", "oidc"), ("REKEY_OIDC_CLIENT_ID", "rekey")];
            read(&[&own[..], &[("REKEY_OIDC_ISSUER", issuer), ("REKEY_PUBLIC_URL", public_url)]].concat())
        };
        let (local, deployed) = ("http://127.0.0.1:8080", "https://reset.contoh.example");
        for (issuer, public_url, fits) in [
            ("https://login.contoh.example/realms/uni", deployed, true),
            ("http://127.0.0.1:8081", local, true),
            ("http://127.0.0.1:8081", deployed, false),
            ("http://login.contoh.example", local, false),
            ("http://login.contoh.example", deployed, false),
            ("https://login.contoh.example/?x=1", deployed, false),
        ] {
            assert_eq!(with(issuer, public_url).is_ok(), fits, "{issuer} {public_url}");
        }
    }

    /// Controls: C-196.
    #[test]
    fn recent_sign_in_at_provider_is_required_by_default() {
        let max_age = |pairs: &[(&str, &str)]| read(pairs).unwrap().oidc.max_age;
        assert_eq!(max_age(&[]), Some(Seconds(300)));
        assert_eq!(max_age(&[("REKEY_OIDC_MAX_AGE_SECS", "0")]), None);
        assert!(read(&[]).unwrap().oidc.step_up_amr.is_empty());
    }

    /// Controls: C-085.
    #[test]
    fn relying_party_is_derived_from_public_url() {
        let of = |url| {
            let party = read(&[("REKEY_PUBLIC_URL", url)]).unwrap().relying_party();
            (party.id, party.origins.join(" "))
        };
        assert_eq!(
            of("https://Reset.Contoh.example/Hilfe/"),
            ("reset.contoh.example".into(), "https://reset.contoh.example".into())
        );
        assert_eq!(of("https://a.example:8443").1, "https://a.example:8443");
        assert_eq!(
            of("http://127.0.0.1:8080"),
            ("localhost".into(), "http://127.0.0.1:8080 http://localhost:8080".into())
        );
    }

    /// Controls: C-019.
    #[test]
    fn password_without_classes_requires_minimum_length_15() {
        assert!(read(&[("REKEY_PASSWORD_CLASSES", "none")]).is_err());
        let settings = read(&[("REKEY_PASSWORD_CLASSES", "none"), ("REKEY_PASSWORD_MIN", "15")]).unwrap();
        assert!(settings.password.classes.is_empty());
    }
}
