//! The AWS emulator, called by the same adapters as AWS. Sent messages arrive in the dev inbox, and it rejects what
//! AWS would reject.

use rekey_local::dev_inbox::{Channel, DevInbox};
use rekey_local::emulator::roles::ADMINISTRATOR;
use rekey_local::emulator::{Emulator, Storage};
use rekey_local::system::System;
use rekey_local::template::Template;
use shared::adapters::aws::{SdkConfig, emulated};
use shared::adapters::secrets::{SecretError, keyrings};
use shared::adapters::ses::SesMails;
use shared::adapters::sns::SnsTexts;
use shared::adapters::sqs::SqsQueue;
use shared::adapters::voice::VoiceCalls;
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::holder::HolderId;
use shared::domain::keys::Keyring;
use shared::domain::language::Language;
use shared::domain::message::Message;
use shared::domain::time::Seconds;
use shared::ports::{Mail, MailSender as _, MessageQueue as _, SendError, TextSender as _, VoiceSender as _};
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
async fn invalid_voice_call_is_rejected_permanently() {
    let local = Local::start().await;
    let from = || Some("+60300000000".to_owned());
    for (origin, to, ssml) in [
        (None, "+60312345678", "<speak>1</speak>"),
        (from(), "0312345678", "<speak>1</speak>"),
        (from(), "+60312345678", "<speak>1"),
        (from(), "+60312345678", ""),
    ] {
        let error = VoiceCalls::new(&local.config, origin).call(&number(to), ssml, Language::English).await;
        assert!(matches!(error, Err(SendError::Refused(_))), "{to} {ssml}: {error:?}");
    }
    assert!(local.dev_inbox.messages().is_empty());
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
    let queue = SqsQueue::new(&local.config, url);
    let keys = Keyring::from_secret(&local.emulator.secret("REKEY_SECRET_MESSAGES").unwrap()).unwrap();
    let seal = |n| Message::Decoy.seal(&keys, HolderId::from_bytes([n; 32]), [n; 24]).unwrap();
    queue.send(&[seal(1)], Seconds(45)).await.unwrap();
    queue.send(&[seal(2), seal(3)], Seconds(0)).await.unwrap();
    let queued = local.emulator.queues().contents("MessagesQueue").unwrap();
    let delays: Vec<u32> = queued.iter().map(|(_, delay)| delay.0).collect();
    assert_eq!(delays, [45, 0, 0]);
    assert!(queue.send(&[seal(4)], Seconds(901)).await.is_err(), "SQS delays by 15 minutes at most");
}

/// Controls: C-091.
#[tokio::test]
async fn keyrings_are_read_from_secrets_endpoint() {
    let local = Local::start().await;
    let secret = |variable| (variable, local.emulator.any_resource(variable).unwrap());
    let both = ["REKEY_SECRET_FLOWS", "REKEY_SECRET_SEEDS"].map(secret);
    let found = keyrings(&local.config, &both).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found["REKEY_SECRET_SEEDS"].current().as_str(), "1");
    let [flows, _] = both;
    let missing = keyrings(&local.config, &[flows, ("GONE", "none".into())]).await.unwrap_err();
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
    assert_eq!(keyrings(&captcha, std::slice::from_ref(&flows)).await.unwrap().len(), 1);
    let refused = keyrings(&captcha, &[flows, seeds]).await.unwrap_err();
    assert!(matches!(refused, SecretError::Refused("REKEY_SECRET_SEEDS", _)), "{refused:?}");
    let why = refused.to_string();
    assert!(
        why.starts_with("REKEY_SECRET_SEEDS can't be read from Secrets Manager: AccessDeniedException. "),
        "{why}"
    );
    let text = SnsTexts::new(&captcha, None).send_text(&number("+60123456798"), "x").await;
    assert!(text.is_err() && local.dev_inbox.messages().is_empty());
}
