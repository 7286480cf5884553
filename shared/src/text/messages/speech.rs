//! Calls in SSML for Amazon Polly: slow speech, single digits, and every important sentence twice.

use super::texts::{SpeechTexts, Words};
use super::{Content, RenderedMessage};
use crate::domain::message::Purpose;
use crate::domain::notice::Event;
use crate::text::Text;

/// The pause between two digits, so that a person can write one down.
const BETWEEN_DIGITS: &str = "<break time=\"500ms\"/>";
/// The pause between two groups of digits, and between two sentences.
const PAUSE: &str = "<break time=\"1s\"/>";

/// Composes a call. `words` must be those of the spoken language.
pub(super) fn compose(
    speech: &SpeechTexts,
    words: Words<'_>,
    content: Content<'_>,
    organisation: &str,
) -> RenderedMessage {
    let mut ssml = String::with_capacity(6_000);
    ssml.push_str("<speak><prosody rate=\"slow\">");
    match content {
        Content::Code(message) => {
            let minutes = message.minutes.to_string();
            let values = [("organisation", organisation), ("minutes", minutes.as_str())];
            let grouped = RenderedMessage(message.code.grouped());
            say(&mut ssml, &speech.hello, &values);
            say(&mut ssml, &speech.code, &values);
            spell(&mut ssml, grouped.expose());
            say(&mut ssml, &speech.again, &values);
            spell(&mut ssml, grouped.expose());
            let validity = match message.purpose {
                Purpose::HelpDesk => &speech.validity_help_desk,
                _ => &speech.validity,
            };
            say(&mut ssml, validity, &values);
        }
        Content::Notice(notice) => {
            let facts = words.facts(notice);
            let values = facts.values_for(organisation);
            let what = match notice.event {
                _ if !notice.further.is_empty() => &speech.several,
                Event::Reset => &speech.reset,
                Event::Unlocked => &speech.unlocked,
                Event::Unconfirmed => &speech.unconfirmed,
                Event::Added(_) => &speech.added,
                Event::Replaced(_) => &speech.replaced,
                Event::Removed(_) => &speech.removed,
                Event::ApprovalDenied => &speech.refused,
                Event::PassIssued => &speech.pass_issued,
                Event::PasswordExpiring => &speech.expiring,
            };
            say(&mut ssml, &speech.hello, &values);
            for _ in 0..2 {
                say(&mut ssml, what, &values);
                if notice.event != Event::PasswordExpiring {
                    say(&mut ssml, &speech.was_not_you, &values);
                }
            }
        }
    }
    say(&mut ssml, &speech.goodbye, &[]);
    ssml.push_str("</prosody></speak>");
    RenderedMessage(ssml)
}

fn say(ssml: &mut String, sentence: &Text, values: &[(&str, &str)]) {
    for c in sentence.fill(values).chars() {
        match c {
            '&' => ssml.push_str("&amp;"),
            '<' => ssml.push_str("&lt;"),
            '>' => ssml.push_str("&gt;"),
            other => ssml.push(other),
        }
    }
    ssml.push_str(PAUSE);
}

fn spell(ssml: &mut String, grouped: &str) {
    for c in grouped.chars() {
        if c == ' ' {
            ssml.push_str(PAUSE);
        } else {
            ssml.push_str("<say-as interpret-as=\"digits\">");
            ssml.push(c);
            ssml.push_str("</say-as>");
            ssml.push_str(BETWEEN_DIGITS);
        }
    }
    ssml.push_str(PAUSE);
}
