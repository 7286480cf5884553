//! Sends texts through SNS and email through SES.

use shared::adapters::aws::with_region;
use shared::adapters::ses::SesMails;
use shared::adapters::sns::SnsTexts;
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::ports::{Mail, MailSender as _, SendError, TextSender as _};
use shared::process::Process;
use shared::settings::Settings;

use crate::moto::Moto;

#[tokio::test]
async fn sns_accepts_text_in_any_script() {
    let moto = Moto::start().await;
    let texts = SnsTexts::new(&moto.config(), Some("Contoh".into()));
    let number = PhoneNumber::from_stored("+60123456798".into());
    texts.send_text(&number, "示例大学：验证码 1234 5678").await.unwrap();
    let held = moto.data("sns", "SMS");
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["phone_number"], "+60123456798");
    assert_eq!(held[0]["message"], "示例大学：验证码 1234 5678");
}

#[tokio::test]
async fn sns_rejects_invalid_number_permanently() {
    let moto = Moto::start().await;
    let texts = SnsTexts::new(&moto.config(), None);
    let error = texts.send_text(&PhoneNumber::from_stored("+6012no".into()), "x").await.unwrap_err();
    assert!(matches!(error, SendError::Refused(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("+6012no"));
}

#[tokio::test]
async fn ses_accepts_mail_only_from_verified_sender() {
    let moto = Moto::start().await;
    let config = moto.config();
    let from = EmailAddress::from_stored("no-reply@contoh.example".into());
    let to = EmailAddress::from_stored("aisyah@mail.example".into());
    let mails = SesMails::new(&config, "示例大学", &from);
    let mail = Mail { subject: "验证码", text: "1234 5678", html: "<p>1234 5678</p>" };

    let error = mails.send_mail(&to, &mail).await.unwrap_err();
    assert!(matches!(error, SendError::Unavailable(_)), "the sender can still be verified: {error:?}");

    let ses = aws_sdk_ses::Client::new(&config);
    ses.verify_email_identity().email_address(from.expose()).send().await.unwrap();
    mails.send_mail(&to, &mail).await.unwrap();
    let held = moto.data("ses", "Message");
    assert_eq!(held.len(), 1);
    assert!(held[0]["source"].as_str().unwrap().ends_with("<no-reply@contoh.example>"), "{}", held[0]);
    assert_eq!(held[0]["destinations"]["ToAddresses"][0], "aisyah@mail.example");
    assert_eq!(held[0]["subject"], "验证码");
    assert_eq!(held[0]["body"], "<p>1234 5678</p>", "of the two parts moto keeps the last");
}

/// A sender is verified in one region, which need not be that of the functions.
#[tokio::test]
async fn mail_leaves_from_the_message_region() {
    let moto = Moto::start().await;
    let from = "no-reply@contoh.example";
    let elsewhere = aws_sdk_ses::Client::new(&with_region(&moto.config(), "eu-west-1".to_owned()));
    elsewhere.verify_email_identity().email_address(from).send().await.unwrap();
    let to = EmailAddress::from_stored("aisyah@mail.example".into());
    let mail = Mail { subject: "x", text: "x", html: "<p>x</p>" };
    for (region, arrives) in [("", false), ("eu-west-1", true)] {
        let pairs = [("REKEY_MAIL_FROM", from), ("REKEY_MESSAGE_REGION", region)];
        let settings = Settings::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let process = Process::for_operator(settings.unwrap(), moto.config(), Box::new(|_| None)).await;
        let sent = process.unwrap().mails().send_mail(&to, &mail).await;
        assert_eq!(sent.is_ok(), arrives, "{region}: {sent:?}");
    }
}

/// Controls: C-070.
#[tokio::test]
async fn unreachable_provider_is_a_temporary_error() {
    let config = shared::adapters::aws::emulated("http://127.0.0.1:1", "test");
    let number = PhoneNumber::from_stored("+60123456798".into());
    let error = SnsTexts::new(&config, None).send_text(&number, "x").await.unwrap_err();
    assert!(matches!(error, SendError::Unavailable(_)), "{error:?}");
}
