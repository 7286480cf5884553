//! Mail over SES.

use async_trait::async_trait;
use aws_sdk_ses::Client;
use aws_sdk_ses::error::ProvideErrorMetadata as _;
use aws_sdk_ses::operation::send_email::SendEmailError;
use aws_sdk_ses::types::{Body, Content, Destination, Message};
use aws_types::SdkConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::sending::{said, send_error};
use crate::domain::contact::EmailAddress;
use crate::ports::{Mail, MailSender, SendError};

/// The code of SES for an address that it can't parse. The sender's address was parsed at start, and its
/// display name is encoded, so it is the recipient's. `MessageRejected` is not final: SES answers it in its
/// sandbox and for an unverified sender.
const INVALID_ADDRESS: &str = "InvalidParameterValue";

/// Sends mail over SES.
#[derive(Clone, Debug)]
pub struct SesMails {
    client: Client,
    from: String,
}

impl SesMails {
    /// Returns a sender of mail from `from`, with the organisation as display name.
    pub fn new(config: &SdkConfig, organisation: &str, from: &EmailAddress) -> Self {
        let from = format!("{} <{}>", display_name(organisation), from.expose());
        Self { client: Client::new(config), from }
    }
}

#[async_trait]
impl MailSender for SesMails {
    async fn send_mail(&self, to: &EmailAddress, mail: &Mail<'_>) -> Result<(), SendError> {
        let body = Body::builder().text(utf8(mail.text)?).html(utf8(mail.html)?).build();
        let message = Message::builder().subject(utf8(mail.subject)?).body(body).build();
        let to = Destination::builder().to_addresses(to.expose()).build();
        let call = self.client.send_email().source(&self.from).destination(to).message(message);
        call.send().await.map(|_| ()).map_err(|error| send_error(&error, is_recipients_fault))
    }
}

fn is_recipients_fault(error: &SendEmailError) -> bool {
    error.code() == Some(INVALID_ADDRESS)
}

fn utf8(text: &str) -> Result<Content, SendError> {
    let content = Content::builder().data(text).charset("UTF-8").build();
    content.map_err(|_| SendError::Unavailable(said("a part could not be built").into()))
}

/// Returns `name` as the display name before an address: a quoted string if it is ASCII (RFC 5322 §3.2.4),
/// else encoded words (RFC 2047). Neither form can end the header or add an address, which prevents header
/// injection.
fn display_name(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    if name.is_ascii() {
        return format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    }
    let words: Vec<String> = chunks(&name, 45)
        .into_iter()
        .map(|chunk| format!("=?UTF-8?B?{}?=", STANDARD.encode(chunk)))
        .collect();
    words.join(" ")
}

/// Splits a text into pieces of at most `octets`, never within a character. 45 octets make an encoded word of
/// 72 characters; 75 is the limit.
fn chunks(text: &str, octets: usize) -> Vec<String> {
    let mut chunks = vec![String::new()];
    for c in text.chars() {
        match chunks.last_mut() {
            Some(last) if last.len() + c.len_utf8() <= octets => last.push(c),
            _ => chunks.push(c.to_string()),
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Controls: C-079.
    #[test]
    fn display_name_is_quoted_or_encoded() {
        assert_eq!(display_name("Universiti Contoh"), "\"Universiti Contoh\"");
        assert_eq!(display_name("A \"B\" <c@d>, \\"), r#""A \"B\" <c@d>, \\""#);
        assert_eq!(display_name("A\r\nBcc: x"), "\"ABcc: x\"");
        assert_eq!(display_name("示例大学"), "=?UTF-8?B?56S65L6L5aSn5a2m?=");
    }

    proptest! {
        /// Controls: C-079.
        #[test]
        fn display_name_allows_no_header_injection(name in "\\PC{0,40}") {
            let phrase = display_name(&name);
            prop_assert!(phrase.is_ascii() && !phrase.contains(['\r', '\n']));
            if !name.is_ascii() {
                let mut read = Vec::new();
                for word in phrase.split(' ') {
                    prop_assert!(word.len() <= 75, "{}", word);
                    let encoded = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
                    let part = STANDARD.decode(encoded).unwrap();
                    prop_assert!(std::str::from_utf8(&part).is_ok(), "no character is cut");
                    read.extend(part);
                }
                let expected: String = name.chars().filter(|c| !c.is_control()).collect();
                prop_assert_eq!(String::from_utf8(read).unwrap(), expected);
            }
        }
    }
}
