//! Parsers of single parameters. An error continues the sentence "`value` …", and ends with an accepted value.

use std::sync::LazyLock;

use super::{DirectoryKind, SignInBy};
use crate::domain::contact::{Country, EmailAddress};
use crate::domain::help_desk::HelperPair;
use crate::domain::language::Language;
use crate::domain::method::Method;
use crate::domain::oidc;
use crate::domain::password::CharacterClass;
use crate::domain::push::PushHosts;
use crate::domain::return_url::ReturnUrls;
use crate::domain::time_zone::TimeZone;

/// A parsed parameter, or the reason why it is invalid.
type Parsed<T> = Result<T, &'static str>;

pub(super) fn method(word: &str) -> Parsed<Method> {
    static UNKNOWN: LazyLock<String> = LazyLock::new(|| {
        let names = Method::ALL.map(Method::as_str).join(", ");
        let (others, last) = names.rsplit_once(", ").unwrap_or_default();
        format!("is not a method. Use some of {others} and {last}, separated by commas")
    });
    Method::parse(word).filter(|method| Method::ALL.contains(method)).ok_or(UNKNOWN.as_str())
}

pub(super) fn push_host(host: &str) -> Parsed<String> {
    PushHosts::is_host(host).then(|| host.to_owned()).ok_or(
        "is not the name of a push service's host. Use names such as fcm.googleapis.com or \
         *.notify.windows.com, separated by commas",
    )
}

pub(super) fn country(code: &str) -> Parsed<Country> {
    Country::parse(code).map_err(|_| "is not a two-letter country code (ISO 3166-1). Use one such as MY")
}

pub(super) fn directory(name: &str) -> Parsed<DirectoryKind> {
    if name == "builtin" {
        return Ok(DirectoryKind::Builtin);
    }
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = (1..=32).contains(&name.len()) && name.chars().all(is_letter);
    is_name.then(|| DirectoryKind::Remote(name.to_owned())).ok_or(
        "is not the name of a directory. Use builtin, or the name in the directory's document: lower-case letters, \
         digits and hyphens, such as ad",
    )
}

pub(super) fn sign_in(name: &str) -> Parsed<SignInBy> {
    match name {
        "password" => Ok(SignInBy::Password),
        "oidc" => Ok(SignInBy::Oidc),
        _ => Err("is not a way to sign in. Use password or oidc"),
    }
}

pub(super) fn oidc_issuer(url: &str) -> Parsed<String> {
    oidc::is_issuer(url).then(|| url.to_owned()).ok_or(
        "is not an https: address without a query and a fragment. Use the issuer that the provider's discovery \
         document names, such as https://login.contoh.example/realms/university",
    )
}

pub(super) fn oidc_client_id(id: &str) -> Parsed<String> {
    let fits = id.len() <= 256 && id.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| id.to_owned()).ok_or(
        "is longer than 256 characters, or has other than printable ASCII characters. Use the client ID of the \
         provider's registration",
    )
}

pub(super) fn oidc_claim(claim: &str) -> Parsed<String> {
    let fits = claim.len() <= 64 && claim.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b));
    fits.then(|| claim.to_owned())
        .ok_or("is not the name of a claim. Use one such as preferred_username, upn, email or sub")
}

pub(super) fn oidc_amr(value: &str) -> Parsed<String> {
    let fits = value.len() <= 64 && value.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| value.to_owned())
        .ok_or("is not a value of the claim amr. Use values such as mfa, separated by commas")
}

pub(super) fn public_url(url: &str) -> Parsed<String> {
    let bare = url.trim_end_matches('/');
    // Browsers compare origins byte by byte, with the host in lower case.
    let host = bare.split_inclusive('/').take(3).map(str::len).sum();
    let bare = &format!("{}{}", bare[..host].to_ascii_lowercase(), &bare[host..]);
    let local = bare.starts_with("http://127.0.0.1") || bare.starts_with("http://localhost");
    if (bare.starts_with("https://") || local) && !bare.contains(['?', '#', '"', '<', ' ']) {
        Ok(bare.to_owned())
    } else {
        Err(
            "is not an https: address without a query and a fragment. Use the address that people open, such \
             as https://reset.contoh.example; http: is only for 127.0.0.1 and localhost",
        )
    }
}

pub(super) fn return_url(url: &str) -> Parsed<String> {
    ReturnUrls::is_fit(url)
        .then(|| url.to_owned())
        .ok_or("is not an https: address with a path. Use one such as https://portal.contoh.example/")
}

pub(super) fn organisation(name: &str) -> Parsed<String> {
    let fits = name.chars().count() <= 100 && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned()).ok_or(
        "is longer than 100 characters, or has a control character. Use a name such as Universiti Contoh",
    )
}

pub(super) fn logo_url(url: &str) -> Parsed<String> {
    let fits = is_link(url, &["https:"]);
    fits.then(|| url.to_owned())
        .ok_or("is not an https: address. Use one such as https://www.contoh.example/logo.svg")
}

pub(super) fn help_desk_url(url: &str) -> Parsed<String> {
    let fits = is_link(url, &["https:", "mailto:", "tel:"]);
    fits.then(|| url.to_owned())
        .ok_or("is not an https:, mailto: or tel: address. Use one such as mailto:helpdesk@contoh.example")
}

pub(super) fn sign_in_url(url: &str) -> Parsed<String> {
    let fits = is_link(url, &["https://"]);
    fits.then(|| url.to_owned())
        .ok_or("is not an https: address. Use one such as https://portal.contoh.example/login")
}

pub(super) fn shown(text: &str) -> Parsed<String> {
    let fits = text.chars().count() <= 100 && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or(
        "is longer than 100 characters, or has a control character. Use a short text, such as 03-8921 5555",
    )
}

pub(super) fn time_zone(name: &str) -> Parsed<TimeZone> {
    TimeZone::parse(name).ok_or("is not a time zone of the IANA database. Use one such as Asia/Kuala_Lumpur")
}

pub(super) fn colour(text: &str) -> Parsed<String> {
    let fits = text.len() == 7 && text.starts_with('#') && text[1..].bytes().all(|b| b.is_ascii_hexdigit());
    fits.then(|| text.to_ascii_lowercase())
        .ok_or("is not a colour of the form #rrggbb. Use one such as #0a5c36")
}

pub(super) fn language(tag: &str) -> Parsed<Language> {
    Language::ALL
        .into_iter()
        .find(|known| known.tag() == tag)
        .ok_or("is not a language of Rekey. Use some of en, ms, zh-Hans and ta, separated by commas")
}

pub(super) fn mail_from(text: &str) -> Parsed<EmailAddress> {
    EmailAddress::parse(text).map_err(|_| "is not an email address. Use one such as no-reply@contoh.example")
}

pub(super) fn region(name: &str) -> Parsed<String> {
    let parts: Vec<&str> = name.split('-').collect();
    let fits = matches!(&parts[..], [area, middle @ .., number]
        if area.len() == 2 && !middle.is_empty() && number.parse::<u8>().is_ok())
        && parts[..parts.len() - 1]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()));
    fits.then(|| name.to_owned()).ok_or("is not an AWS region. Use its name, such as ap-southeast-1")
}

pub(super) fn sms_sender_id(id: &str) -> Parsed<String> {
    let fits = (1..=11).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| id.to_owned())
        .ok_or("is not a sender ID. Use 1 to 11 ASCII letters and digits, such as CONTOH")
}

pub(super) fn voice_origin(origin: &str) -> Parsed<String> {
    let fits =
        origin.len() <= 256 && origin.bytes().all(|b| b.is_ascii_alphanumeric() || b"+:/_-".contains(&b));
    fits.then(|| origin.to_owned()).ok_or(
        "is not an origin of calls. Use a phone number of the AWS account such as +60312345678, or the id or \
         ARN of a number or pool",
    )
}

pub(super) fn helper(pair: &str) -> Parsed<HelperPair> {
    HelperPair::parse(pair).ok_or(
        "is no role of agents with a group of people. Use pairs such as rekey-helpers=students, and * for everybody",
    )
}

pub(super) fn desk_agent(pair: &str) -> Parsed<HelperPair> {
    HelperPair::parse_claim(pair).ok_or(
        "is no group of the identity provider with a group of people. Use pairs such as helpdesk=students, and * for \
         everybody",
    )
}

pub(super) fn secret_arn(arn: &str) -> Parsed<String> {
    let parts: Vec<&str> = arn.split(':').collect();
    let fits = matches!(parts[..], ["arn", _, "secretsmanager", _, _, "secret", name] if !name.is_empty())
        && !arn.chars().any(|c| c.is_whitespace() || c.is_control());
    fits.then(|| arn.to_owned()).ok_or(
        "is not the ARN of a secret. Use one such as \
         arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:rekey-proxy-a1b2c3",
    )
}

pub(super) fn character_class(word: &str) -> Parsed<CharacterClass> {
    word.parse().map_err(|_| {
        "is not a character class. Use some of upper, lower, digit and symbol, separated by commas, or none"
    })
}

fn is_link(url: &str, schemes: &[&str]) -> bool {
    schemes.iter().any(|scheme| url.starts_with(scheme))
        && !url.chars().any(|c| c.is_whitespace() || c.is_control())
}
