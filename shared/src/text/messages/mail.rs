//! Mail: the same paragraphs as plain text and as HTML.

use std::fmt::Write as _;

use super::texts::{Texts, Words};
use super::{Content, MessageRenderer, RenderedMail, RenderedMessage};
use crate::domain::approval::Requester;
use crate::domain::language::Language;
use crate::domain::message::{Purpose, Requested};
use crate::domain::notice::Event;
use crate::text::Text;

/// A block of a mail.
enum Block {
    Paragraph(String),
    List(Vec<String>),
    /// A code, large and in its own line, so that it is easy to read and to copy.
    Code(RenderedMessage),
    /// A sentence around a link: the sentence, and the address.
    Link(String, String),
}

/// Composes a mail in both forms.
pub(super) fn compose(
    language: Language,
    words: Words<'_>,
    content: Content<'_>,
    sender: &MessageRenderer,
) -> RenderedMail {
    let texts = words.texts;
    let MessageRenderer { organisation, help_desk, change_password, .. } = sender;
    let organisation = organisation.as_str();
    let (subject, mut blocks) = match content {
        Content::Code(message) => {
            let minutes = message.minutes.to_string();
            let values = [("organisation", organisation), ("minutes", minutes.as_str())];
            let say = |template: &Text| Block::Paragraph(template.fill(&values));
            let code = &texts.code;
            let grouped = Block::Code(RenderedMessage(message.code.grouped()));
            let (lead, unasked) = match message.purpose {
                Purpose::Reset => (&code.lead, &code.unasked),
                Purpose::SecurityInfo => (&code.lead_security_info, &code.unasked_security_info),
                Purpose::SecondStep => (&code.lead_security_info, &code.unasked_second_step),
                Purpose::HelpDesk => (&code.lead_help_desk, &code.unasked_help_desk),
            };
            let mut blocks = vec![say(lead), grouped];
            blocks.extend(account(texts, message.login.as_deref()));
            blocks.extend(message.requested.as_ref().map(|requested| request(words, requested)));
            let (validity, warning) = match message.purpose {
                Purpose::HelpDesk => (&code.validity_help_desk, &code.warning_help_desk),
                _ => (&code.validity, &code.warning),
            };
            blocks.extend([say(validity), say(warning), say(unasked)]);
            (code.subject.fill(&values), blocks)
        }
        Content::Notice(notice) => {
            let facts = words.facts(notice);
            let values = facts.values_for(organisation);
            let say = |template: &Text| Block::Paragraph(template.fill(&values));
            let (this, every) = (texts.reported(notice), &texts.change);
            let mut blocks = vec![say(&this.what)];
            blocks.extend(account(texts, notice.login.as_deref()));
            if !notice.further.is_empty() {
                blocks.push(Block::List(notice.changes().map(|change| words.line(change)).collect()));
            }
            if !notice.methods.is_empty() {
                blocks.push(say(&every.how));
            }
            match notice.event {
                Event::PasswordExpiring => {
                    let link = Block::Link(every.expiring_link.fill(&values), change_password.clone());
                    blocks.extend([say(&every.expiring_next), link, say(&every.expiring_doubt)]);
                }
                Event::Unconfirmed => {
                    blocks.extend([say(&every.was_you_unconfirmed), say(&every.was_not_you)]);
                }
                _ => blocks.extend([say(&every.was_you), say(&every.was_not_you)]),
            }
            (this.subject.fill(&values), blocks)
        }
    };
    let values = [("organisation", organisation)];
    let reached_at = texts.footer.help_desk.fill(&values);
    match (&help_desk.url, help_desk.line()) {
        (Some(url), line) => {
            blocks.push(Block::Link(reached_at, url.clone()));
            blocks.extend(line.map(Block::Paragraph));
        }
        (None, Some(line)) => blocks.push(Block::Paragraph(format!("{reached_at} {line}"))),
        (None, None) => {}
    }
    blocks.push(Block::Paragraph(texts.footer.automatic.fill(&values)));
    RenderedMail { text: plain(&blocks), html: html(language, &subject, &blocks, sender), subject }
}

/// Returns the line that names the account. One mailbox may serve several.
fn account(texts: &Texts, login: Option<&str>) -> Option<Block> {
    Some(Block::Paragraph(texts.account.fill(&[("login", login?)])))
}

/// Returns the line with the time and the origin of a request.
fn request(words: Words<'_>, requested: &Requested) -> Block {
    let Requester { network, browser, .. } = &requested.from;
    let at = words.moment(requested.at);
    let facts: Vec<&str> =
        [&at, browser, network].into_iter().map(String::as_str).filter(|fact| !fact.is_empty()).collect();
    Block::Paragraph(words.texts.code.requested.fill(&[("facts", &facts.join(" · "))]))
}

fn plain(blocks: &[Block]) -> RenderedMessage {
    // Large enough for any mail: a growing string would leave unwiped copies of the code.
    let mut text = String::with_capacity(8_192);
    for block in blocks {
        let _ = match block {
            Block::Paragraph(sentence) => write!(text, "{sentence}\n\n"),
            Block::List(lines) => {
                let lines: Vec<String> = lines.iter().map(|line| format!("- {line}\n")).collect();
                writeln!(text, "{}", lines.concat())
            }
            Block::Code(code) => write!(text, "    {}\n\n", code.expose()),
            Block::Link(sentence, url) => write!(text, "{sentence} {}\n\n", shown(url)),
        };
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    RenderedMessage(text)
}

/// Returns the HTML form, with the organisation's name in its colour above the text. Styles are inline, since mail
/// programs drop style sheets; those that know the dark scheme read the sheet. Nothing is loaded from outside.
fn html(
    language: Language,
    subject: &str,
    blocks: &[Block],
    MessageRenderer { organisation, colour, .. }: &MessageRenderer,
) -> RenderedMessage {
    let mut html = String::with_capacity(16_384);
    let link = colour.by_day().hex();
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"{tag}\" dir=\"{direction}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta name=\"supported-color-schemes\" content=\"light dark\"><title>{title}</title>\n\
         <style>@media (prefers-color-scheme:dark){{body{{background:#10151c!important;color:#e8edf3!important}}\
         a{{color:{night}!important}}}}</style></head>\n\
         <body style=\"margin:0;padding:24px;background:#ffffff;color:#1b1b1b;\
         font-family:system-ui,'Segoe UI',Roboto,'Noto Sans','Noto Sans Tamil','Noto Sans SC',sans-serif;\
         font-size:16px;line-height:1.6\">\n\
         <div role=\"article\" lang=\"{tag}\" aria-label=\"{title}\" style=\"max-width:36em;margin:0 auto\">\n\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:0 0 24px\"><tr>\
         <td style=\"padding:16px 20px;background:{band};color:{on_band};border-radius:8px;font-size:18px;\
         font-weight:bold\">{organisation}</td></tr></table>\n",
        tag = language.tag(),
        direction = language.direction(),
        title = escape(subject),
        night = colour.by_night().hex(),
        band = colour.hex(),
        on_band = colour.of_text_on_it().hex(),
        organisation = escape(organisation),
    );
    for block in blocks {
        let _ = match block {
            Block::Paragraph(sentence) => {
                writeln!(html, "<p style=\"margin:0 0 16px\">{}</p>", escape(sentence))
            }
            Block::List(lines) => {
                let lines: Vec<String> =
                    lines.iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
                writeln!(html, "<ul style=\"margin:0 0 16px;padding-left:24px\">{}</ul>", lines.concat())
            }
            Block::Code(code) => writeln!(
                html,
                "<p style=\"margin:0 0 16px;font-family:Consolas,Menlo,monospace;font-size:32px;font-weight:bold;\
                 line-height:1.25;white-space:nowrap\">{}</p>",
                code.expose()
            ),
            Block::Link(sentence, url) => writeln!(
                html,
                "<p style=\"margin:0 0 16px\">{} <a href=\"{}\" style=\"color:{link}\">{}</a></p>",
                escape(sentence),
                escape(url),
                escape(shown(url))
            ),
        };
    }
    html.push_str("</div>\n</body></html>\n");
    RenderedMessage(html)
}

/// Returns a link's text: an address or a number without its scheme.
fn shown(url: &str) -> &str {
    ["mailto:", "tel:"].iter().find_map(|scheme| url.strip_prefix(scheme)).unwrap_or(url)
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
