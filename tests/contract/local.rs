//! The AWS emulator, called by the same adapters as AWS. Sent messages arrive in the dev inbox, and it rejects what
//! AWS would reject.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rekey_local::compose::Parts;
use rekey_local::dev_inbox::{Channel, DevInbox};
use rekey_local::emulator::roles::{ADMINISTRATOR, Call};
use rekey_local::emulator::{CallFault, Emulator, Storage};
use rekey_local::system::System;
use rekey_local::template::Template;
use rekey_tests::world::{PROXY_ARN, PROXY_SECRETS};
use shared::adapters::aws::{SdkConfig, emulated};
use shared::adapters::secrets::{SecretError, keyrings};
use shared::adapters::ses::SesMails;
use shared::adapters::sns::SnsTexts;
use shared::adapters::sqs::SqsQueue;
use shared::adapters::system::SystemClock;
use shared::adapters::voice::VoiceCalls;
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::holder::HolderId;
use shared::domain::keys::Keyring;
use shared::domain::language::Language;
use shared::domain::message::Message;
use shared::domain::time::Seconds;
use shared::ports::{Mail, MailSender as _, MessageQueue as _, SendError, TextSender as _, VoiceSender as _};
use shared::settings::Settings;
use tokio::sync::watch;

struct Local {
    emulator: Emulator,
    dev_inbox: DevInbox,
    config: SdkConfig,
    _stop: watch::Sender<bool>,
}

impl Local {
    async fn start() -> Self {
        let system = System::from_machine();
        let dev_inbox = DevInbox::new(system.clone());
        let (stop, stopped) = watch::channel(false);
        let template = Template::from_project().unwrap();
        let emulator =
            Emulator::start(&system, template, Storage::Process, dev_inbox.clone(), stopped).await.unwrap();
        let config = emulated(emulator.endpoint(), ADMINISTRATOR);
        Self { emulator, dev_inbox, config, _stop: stop }
    }
}

fn number(e164: &str) -> PhoneNumber {
    PhoneNumber::from_stored(e164.to_owned())
}

#[tokio::test]
async fn spoken_call_text_reaches_dev_inbox() {
    let local = Local::start().await;
    let calls = VoiceCalls::new(&local.config, Some("+60300000000".to_owned()));
    let ssml = "<speak>Your code is <say-as interpret-as=\"digits\">1</say-as> &amp; 2</speak>";
    calls.call(&number("+60312345678"), ssml, Language::Chinese).await.unwrap();
    let heard = local.dev_inbox.messages();
    assert_eq!((heard[0].channel, heard[0].to.as_str()), (Channel::Voice, "+60312345678"));
    assert_eq!(heard[0].body, "Your code is 1 & 2");
}

#[tokio::test]
async fn voice_call_is_refused_only_for_its_number() {
    let local = Local::start().await;
    let from = || Some("+60300000000".to_owned());
    for (origin, to, ssml, is_final) in [
        (from(), "0312345678", "<speak>1</speak>", true),
        (None, "+60312345678", "<speak>1</speak>", false),
        (from(), "+60312345678", "<speak>1", false),
        (from(), "+60312345678", "", false),
    ] {
        let error = VoiceCalls::new(&local.config, origin).call(&number(to), ssml, Language::English).await;
        assert_eq!(is_refused(&error.unwrap_err()), is_final, "{to} {ssml}");
    }
    assert!(local.dev_inbox.messages().is_empty());
}

/// Returns whether the error is final.
fn is_refused(error: &SendError) -> bool {
    matches!(error, SendError::Refused(_))
}

/// An error of a service: its code, message and further members as JSON.
type Answer = (&'static str, &'static str, &'static str);

impl Local {
    /// Makes the emulator answer every call with this error.
    fn answer(&self, (code, message, members): Answer) {
        let fault = CallFault::Refused { code, message, members };
        self.emulator.inject_faults(Some(Arc::new(move |_: &Call| fault)));
    }
}

/// The errors of SES's `SendEmail`, with the ones that all its actions share.
/// Controls: C-072, C-092.
#[tokio::test]
async fn mail_is_refused_only_for_its_address() {
    let local = Local::start().await;
    let from = EmailAddress::from_stored("no-reply@contoh.example".to_owned());
    let to = EmailAddress::from_stored("aisyah@mail.example".to_owned());
    let mail = Mail { subject: "x", text: "x", html: "x" };
    let mails = SesMails::new(&local.config, "Contoh", &from);
    for (code, message, is_final) in [
        ("InvalidParameterValue", "Local address contains control or whitespace", true),
        ("InvalidParameterValue", "Missing domain", true),
        ("MessageRejected", "Email address is not verified. aisyah@mail.example", false),
        ("MessageRejected", "Address blacklisted.", false),
        ("MailFromDomainNotVerifiedException", "", false),
        ("AccountSendingPausedException", "", false),
        ("ConfigurationSetDoesNotExist", "", false),
        ("ConfigurationSetSendingPausedException", "", false),
        ("Throttling", "Daily message quota exceeded.", false),
        ("AccessDenied", "not authorized to perform ses:SendEmail", false),
        ("ValidationError", "1 validation error detected", false),
        ("MissingParameter", "", false),
        ("InvalidClientTokenId", "", false),
        ("OptInRequired", "", false),
        ("ServiceUnavailable", "", false),
    ] {
        local.answer((code, message, ""));
        let error = mails.send_mail(&to, &mail).await.unwrap_err();
        assert_eq!(is_refused(&error), is_final, "{code} {message}");
        assert!(!format!("{error:?}").contains("aisyah"), "{error:?}");
    }
    assert!(local.dev_inbox.messages().is_empty());
}

/// The errors of SNS's `Publish`. One code blames the number or our own parameters, and only its message says which.
/// Controls: C-072, C-092.
#[tokio::test]
async fn text_is_refused_only_for_its_number() {
    let local = Local::start().await;
    let texts = SnsTexts::new(&local.config, Some("Contoh".to_owned()));
    let no_number = "Invalid parameter: PhoneNumber Reason: +60123456798 is not valid to publish to";
    for (code, message, is_final) in [
        ("InvalidParameter", no_number, true),
        ("ParameterValueInvalid", "Phone number does not meet the E164 format", true),
        ("OptedOut", "", true),
        ("InvalidParameter", "Invalid parameter: Message too long", false),
        ("InvalidParameter", "Invalid parameter: SenderID Reason: is not valid", false),
        ("ParameterValueInvalid", "The message attribute AWS.SNS.SMS.SenderID is invalid", false),
        ("ValidationException", "1 validation error detected", false),
        ("AuthorizationError", "no permission to publish", false),
        ("InternalError", "", false),
        ("Throttled", "", false),
        ("UserError", "monthly spend limit", false),
        ("KMSOptInRequired", "", false),
        ("NotFound", "", false),
        ("InvalidSecurity", "", false),
    ] {
        local.answer((code, message, ""));
        let error = texts.send_text(&number("+60123456798"), "x").await.unwrap_err();
        assert_eq!(is_refused(&error), is_final, "{code} {message}");
        assert!(!format!("{error:?}").contains("60123456798"), "{error:?}");
    }
    assert!(local.dev_inbox.messages().is_empty());
}

/// The errors of `SendVoiceMessage`, by their reasons and fields.
/// Controls: C-072, C-092.
#[tokio::test]
async fn call_is_refused_only_for_its_number() {
    let local = Local::start().await;
    let calls = VoiceCalls::new(&local.config, Some("+60300000000".to_owned()));
    let of_field = |reason: &str, field: &str| {
        let fields = serde_json::json!([{ "Name": field, "Message": "+60312345678 is invalid" }]);
        serde_json::json!({ "Reason": reason, "Fields": fields }).to_string()
    };
    let of = |reason: &str| serde_json::json!({ "Reason": reason }).to_string();
    let invalid = "FIELD_VALIDATION_FAILED";
    for (code, members, is_final) in [
        ("ValidationException", of_field(invalid, "destinationPhoneNumber"), true),
        ("ValidationException", of_field(invalid, "DestinationPhoneNumber"), true),
        ("ValidationException", of_field("INVALID_PARAMETER", "destinationPhoneNumber"), true),
        ("ConflictException", of("DESTINATION_PHONE_NUMBER_OPTED_OUT"), true),
        ("ValidationException", of_field(invalid, "originationIdentity"), false),
        ("ValidationException", of_field("MISSING_PARAMETER", "originationIdentity"), false),
        ("ValidationException", of_field(invalid, "messageBody"), false),
        (
            "ValidationException",
            of_field("INVALID_IDENTITY_FOR_DESTINATION_COUNTRY", "destinationPhoneNumber"),
            false,
        ),
        ("ValidationException", of("DESTINATION_COUNTRY_BLOCKED"), false),
        ("ValidationException", of("VOICE_CAPABILITY_NOT_AVAILABLE"), false),
        ("ValidationException", "{}".to_owned(), false),
        ("ConflictException", of("DESTINATION_PHONE_NUMBER_NOT_VERIFIED"), false),
        ("ConflictException", of("DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"), false),
        ("ConflictException", of("NO_ORIGINATION_IDENTITIES_FOUND"), false),
        ("ConflictException", "{}".to_owned(), false),
        ("ResourceNotFoundException", "{}".to_owned(), false),
        ("ServiceQuotaExceededException", of("MONTHLY_SPEND_LIMIT_REACHED_FOR_VOICE"), false),
        ("ServiceQuotaExceededException", of("DAILY_DESTINATION_CALL_LIMIT"), false),
        ("AccessDeniedException", of("ACCOUNT_DISABLED"), false),
        ("ThrottlingException", "{}".to_owned(), false),
        ("InternalServerException", "{}".to_owned(), false),
    ] {
        let members: &'static str = members.leak();
        local.answer((code, "+60312345678 is invalid", members));
        let error =
            calls.call(&number("+60312345678"), "<speak>1</speak>", Language::English).await.unwrap_err();
        assert_eq!(is_refused(&error), is_final, "{code} {members}");
        let told = format!("{error:?}");
        assert!(!told.contains("60312345678"), "{told}");
        let reason = serde_json::from_str::<serde_json::Value>(members).unwrap()["Reason"].clone();
        assert!(reason.as_str().is_none_or(|reason| told.contains(reason)), "{told}");
    }
    assert!(local.dev_inbox.messages().is_empty());
}

/// A secret of another form stops the start. The error names the setting and never the value.
/// Controls: C-100.
#[tokio::test]
async fn malformed_proxy_secret_stops_the_start() {
    let local = Local::start().await;
    let pairs = [("REKEY_TRUSTED_PROXY".to_owned(), PROXY_ARN.to_owned())];
    let settings = Arc::new(Settings::from_pairs(pairs).unwrap());
    let system = System::from_machine();
    let parts = Parts {
        emulator: &local.emulator,
        settings,
        system,
        memory: None,
        live_directory: None,
        directory_people: None,
    };
    let start =
        async |function: &str| parts.process(function).await.map(|_| ()).map_err(|error| error.to_string());
    let gone = start("captcha").await.unwrap_err();
    assert!(
        gone.contains("REKEY_TRUSTED_PROXY can't be read") && gone.contains("ResourceNotFound"),
        "{gone}"
    );
    local.emulator.put_secret_by_arn(PROXY_ARN, r#"{"current":"guessable"}"#.to_owned());
    let weak = start("captcha").await.unwrap_err();
    assert!(weak.contains("REKEY_TRUSTED_PROXY names a secret") && !weak.contains("guessable"), "{weak}");
    let good = format!(r#"{{"current":"{}"}}"#, PROXY_SECRETS[0]);
    local.emulator.put_secret_by_arn(PROXY_ARN, good);
    start("captcha").await.unwrap();
    start("delivery").await.unwrap();
    let calls = local.emulator.calls();
    let batches = calls.iter().filter(|(call, _)| {
        call.principal == "captcha" && call.action == "secretsmanager:BatchGetSecretValue"
    });
    assert_eq!(batches.map(|(_, count)| count).sum::<u64>(), 3, "one call reads all secrets of a start");
    let reads = |function: &str| {
        calls
            .keys()
            .any(|call| call.principal == function && call.resource.as_deref() == Some("RekeyTrustedProxy"))
    };
    assert!(reads("captcha") && !reads("delivery"), "delivery has no pages");
}

#[tokio::test]
async fn text_and_mail_reach_dev_inbox_unchanged() {
    let local = Local::start().await;
    let texts = SnsTexts::new(&local.config, Some("Contoh".to_owned()));
    texts.send_text(&number("+60123456798"), "示例大学：1234 5678").await.unwrap();
    let error = texts.send_text(&number("+6012no"), "x").await.unwrap_err();
    assert!(matches!(error, SendError::Refused(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("+6012no"));

    let from = EmailAddress::from_stored("no-reply@contoh.example".to_owned());
    let to = EmailAddress::from_stored("aisyah@mail.example".to_owned());
    let mail = Mail { subject: "验证码", text: "1234 5678", html: "<p>1234 5678</p>" };
    SesMails::new(&local.config, "示例大学", &from).send_mail(&to, &mail).await.unwrap();

    let arrived = local.dev_inbox.messages();
    assert_eq!(arrived[0].subject.as_deref(), Some("验证码"));
    assert_eq!(
        (arrived[0].body.as_str(), arrived[0].html.as_deref()),
        ("1234 5678", Some("<p>1234 5678</p>"))
    );
    assert_eq!(
        (arrived[1].body.as_str(), arrived[1].code.as_deref()),
        ("示例大学：1234 5678", Some("12345678"))
    );
}

#[tokio::test]
async fn queue_accepts_single_and_batched_messages() {
    let local = Local::start().await;
    let url = local.emulator.any_resource("REKEY_QUEUE_MESSAGES").unwrap();
    let queue = SqsQueue::new(&local.config, url, Arc::new(SystemClock));
    let keys = Keyring::from_secret(&local.emulator.secret("REKEY_SECRET_MESSAGES").unwrap()).unwrap();
    let seal = |n| Message::Decoy.seal(&keys, HolderId::from_bytes([n; 32]), [n; 24]).unwrap();
    queue.send(&[seal(1)], Seconds(45)).await.unwrap();
    queue.send(&[seal(2), seal(3)], Seconds(0)).await.unwrap();
    let queued = local.emulator.queues().contents("MessagesQueue").unwrap();
    let delays: Vec<u32> = queued.iter().map(|(_, delay)| delay.0).collect();
    assert_eq!(delays, [45, 0, 0]);
    assert!(queue.send(&[seal(4)], Seconds(901)).await.is_err(), "SQS delays by 15 minutes at most");
}

#[tokio::test]
async fn queue_call_is_repeated_only_after_transient_failures() {
    let local = Local::start().await;
    let url = local.emulator.any_resource("REKEY_QUEUE_MESSAGES").unwrap();
    let queue = SqsQueue::new(&local.config, url, Arc::new(SystemClock));
    let keys = Keyring::from_secret(&local.emulator.secret("REKEY_SECRET_MESSAGES").unwrap()).unwrap();
    let refused = CallFault::Refused { code: "InvalidMessageContents", message: "", members: "{}" };
    for (fault, failures, attempts, arrives) in [
        (CallFault::Unavailable, 2, 3, true),
        (CallFault::Throttled, 2, 3, true),
        (CallFault::Unavailable, 3, 3, false),
        (refused, 1, 1, false),
    ] {
        let made = Arc::new(AtomicU32::new(0));
        let counted = made.clone();
        local.emulator.inject_faults(Some(Arc::new(move |_: &Call| {
            if counted.fetch_add(1, Ordering::SeqCst) < failures { fault } else { CallFault::None }
        })));
        let before = local.emulator.queues().contents("MessagesQueue").unwrap().len();
        let message = Message::Decoy.seal(&keys, HolderId::from_bytes([1; 32]), [1; 24]).unwrap();
        assert_eq!(queue.send(&[message], Seconds(0)).await.is_ok(), arrives, "{fault:?}");
        assert_eq!(made.load(Ordering::SeqCst), attempts, "{fault:?}");
        let arrived = local.emulator.queues().contents("MessagesQueue").unwrap().len() - before;
        assert_eq!(arrived == 1, arrives, "{fault:?}");
    }
}

/// Controls: C-091.
#[tokio::test]
async fn keyrings_are_read_from_secrets_endpoint() {
    let local = Local::start().await;
    let secret = |variable| (variable, local.emulator.any_resource(variable).unwrap());
    let both = ["REKEY_SECRET_FLOWS", "REKEY_SECRET_SEEDS"].map(secret);
    let found = keyrings(&local.config, Arc::new(SystemClock), &both).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found["REKEY_SECRET_SEEDS"].current().as_str(), "1");
    let [flows, _] = both;
    let missing =
        keyrings(&local.config, Arc::new(SystemClock), &[flows, ("GONE", "none".into())]).await.unwrap_err();
    let text = missing.to_string();
    assert!(
        text.starts_with("GONE can't be read from Secrets Manager: ResourceNotFoundException. Check "),
        "{text}"
    );
}

#[tokio::test]
async fn function_without_permission_is_denied() {
    let local = Local::start().await;
    let captcha = emulated(local.emulator.endpoint(), "captcha");
    let secret = |variable| (variable, local.emulator.any_resource(variable).unwrap());
    let [flows, seeds] = ["REKEY_SECRET_FLOWS", "REKEY_SECRET_SEEDS"].map(secret);
    assert_eq!(
        keyrings(&captcha, Arc::new(SystemClock), std::slice::from_ref(&flows)).await.unwrap().len(),
        1
    );
    let refused = keyrings(&captcha, Arc::new(SystemClock), &[flows, seeds]).await.unwrap_err();
    assert!(matches!(refused, SecretError::Refused("REKEY_SECRET_SEEDS", _)), "{refused:?}");
    let why = refused.to_string();
    assert!(
        why.starts_with("REKEY_SECRET_SEEDS can't be read from Secrets Manager: AccessDeniedException. "),
        "{why}"
    );
    let text = SnsTexts::new(&captcha, None).send_text(&number("+60123456798"), "x").await;
    assert!(text.is_err() && local.dev_inbox.messages().is_empty());
}
