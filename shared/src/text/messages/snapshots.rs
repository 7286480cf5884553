//! Snapshots of every message in every language. `snapshots` has one file for each channel and language.

use super::*;
use crate::domain::approval::Requester;
use crate::domain::code::OneTimeCode;
use crate::domain::contact::{Country, PhoneNumber};
use crate::domain::message::{Purpose, Requested, SmsShare};
use crate::domain::method::Method;
use crate::domain::notice::{Change, Event};
use crate::domain::security_info::Kind;
use crate::domain::time::{Seconds, Timestamp};

/// Compares a text with `snapshots/{name}.snap`.
fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::new();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn renderer() -> MessageRenderer {
    let help_desk = HelpDesk {
        url: Some("mailto:helpdesk@contoh.example".to_owned()),
        phone: Some("03-8921 5555".to_owned()),
        hours: Some("8:30-17:00".to_owned()),
    };
    let zone = TimeZone::of(Country::MALAYSIA);
    let colour = Colour::parse("#8a1538").unwrap();
    MessageRenderer::new("Universiti Contoh", help_desk, zone, "https://reset.contoh.example")
        .in_colour(colour)
}

fn to() -> Recipient {
    Recipient::Sms(PhoneNumber::from_stored("+60123456798".into()))
}

fn login() -> String {
    "aisyah".to_owned()
}

fn code(language: Language, purpose: Purpose) -> CodeMessage {
    CodeMessage {
        to: to(),
        purpose,
        share: SmsShare::Rest,
        code: OneTimeCode::parse("12345678").unwrap(),
        language,
        expires_at: Timestamp::from_seconds(1_795_494_540),
        minutes: 10,
        // A code for a new contact names no account.
        login: (purpose != Purpose::SecurityInfo).then(login),
        requested: (purpose != Purpose::SecurityInfo).then(|| Requested {
            at: Timestamp::from_seconds(1_795_493_940),
            from: Requester {
                network: "203.0.113.x".into(),
                browser: "Chrome, Android".into(),
                known_device: false,
            },
        }),
    }
}

fn notice(language: Language, event: Event) -> Notice {
    // Nobody was verified before a refusal, a pass or an expiry.
    let methods = match event {
        Event::ApprovalDenied | Event::PassIssued | Event::PasswordExpiring => Vec::new(),
        _ => vec![Method::Sms, Method::Totp],
    };
    let at = Timestamp::from_seconds(1_795_493_940);
    Notice { to: to(), event, at, further: Vec::new(), methods, language, login: Some(login()) }
}

/// Returns a notice of four changes of one session.
fn gathered(language: Language) -> Notice {
    let at = |minutes: u32| Timestamp::from_seconds(1_795_493_940) + Seconds(60 * minutes);
    let further = vec![
        Change { event: Event::Replaced(Kind::Mobile), at: at(1) },
        Change { event: Event::Removed(Kind::OfficePhone), at: at(2) },
        Change { event: Event::Added(Kind::RecoveryCodes), at: at(4) },
    ];
    Notice { further, ..notice(language, Event::Added(Kind::Passkey)) }
}

/// Returns one section for each message, as `compose` writes it.
fn sections(language: Language, compose: impl Fn(Content<'_>) -> String) -> String {
    let purposes = [
        ("Code for a reset or an unlock", Purpose::Reset),
        ("Code for a new contact", Purpose::SecurityInfo),
        ("Code for the second step of a sign-in", Purpose::SecondStep),
        ("Code for a call to the help desk", Purpose::HelpDesk),
    ];
    let codes =
        purposes.map(|(title, purpose)| (title.to_owned(), compose(Content::Code(&code(language, purpose)))));
    let added = Kind::ALL.map(|kind| (format!("Notice: added {}", kind.as_str()), Event::Added(kind)));
    let events = [
        ("Notice: password reset", Event::Reset),
        ("Notice: account unlocked", Event::Unlocked),
        ("Notice: unconfirmed change", Event::Unconfirmed),
        ("Notice: refused request", Event::ApprovalDenied),
        ("Notice: pass issued", Event::PassIssued),
        ("Notice: password expires soon", Event::PasswordExpiring),
        ("Notice: removed mobile", Event::Removed(Kind::Mobile)),
        ("Notice: replaced mobile", Event::Replaced(Kind::Mobile)),
    ];
    let events = events.map(|(title, event)| (title.to_owned(), event)).into_iter().chain(added);
    let notices = events.map(|(title, event)| (title, compose(Content::Notice(&notice(language, event)))));
    let several = compose(Content::Notice(&gathered(language)));
    let several = ("Notice: several changes".to_owned(), several);
    let all = codes.into_iter().chain(notices).chain([several]);
    all.map(|(title, text)| format!("## {title}\n\n{text}\n\n")).collect::<Vec<_>>().concat()
}

#[test]
fn mails_match_snapshots() {
    for language in Language::ALL {
        let text = sections(language, |content| {
            let mail = renderer().mail(content);
            format!("Subject: {}\n\n{}", mail.subject, mail.text.expose())
        });
        assert_snapshot(&format!("mail_{}", language.tag()), &text);
    }
}

/// The paragraphs are the same as in the text, so one language shows the markup.
#[test]
fn mail_html_matches_snapshot() {
    let text = sections(Language::English, |content| renderer().mail(content).html.expose().to_owned());
    assert_snapshot("mail_html", &text);
}

#[test]
fn text_messages_match_snapshots() {
    for language in Language::ALL {
        let text = sections(language, |content| renderer().text(content).expose().to_owned());
        assert_snapshot(&format!("text_{}", language.tag()), &text);
    }
}

/// Only these languages have a voice.
#[test]
fn calls_match_snapshots() {
    for language in [Language::English, Language::Chinese] {
        let text = sections(language, |content| {
            let call = renderer().call(content);
            let pause = "<break time=\"1s\"/>";
            // One sentence in each line.
            let ssml = call.ssml.expose().replace(pause, &format!("{pause}\n"));
            format!("Language: {}\n\n{ssml}", call.language.tag())
        });
        assert_snapshot(&format!("call_{}", language.tag()), &text);
    }
}
