//! Reads messages as their receivers do: the code in a text, the words in a call's SSML.

use super::Channel;

/// Returns the code in a message, digits only: six to ten digits, whole or grouped as Rekey prints them. In a call it
/// may also be digit by digit. Dates, times and phone numbers don't count.
pub fn code_in(channel: Channel, body: &str) -> Option<String> {
    let read = (channel == Channel::Voice).then(|| digit_by_digit(body)).flatten();
    read.or_else(|| written(body))
}

/// The groups that Rekey prints; a longer shape precedes its own prefix.
const SHAPES: [&[usize]; 10] =
    [&[6], &[7], &[8], &[9], &[10], &[3, 3, 3], &[3, 3, 1], &[3, 3], &[4, 4, 2], &[4, 4]];

fn written(body: &str) -> Option<String> {
    let chars: Vec<char> = body.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let before = at.checked_sub(1).map(|at| chars[at]);
        let mut groups = vec![String::new()];
        while let Some(c) = chars.get(at) {
            let next_is_digit = chars.get(at + 1).is_some_and(char::is_ascii_digit);
            match c {
                '0'..='9' => groups.last_mut()?.push(*c),
                ' ' | '\u{a0}' if next_is_digit => groups.push(String::new()),
                _ => break,
            }
            at += 1;
        }
        let after = chars.get(at).copied();
        let joined = |c: Option<char>| c.is_some_and(|c| matches!(c, '+' | '-' | ':' | '/' | '*' | '@'));
        let first = usize::from(joined(before));
        let last = groups.len().saturating_sub(usize::from(joined(after)));
        if let Some(code) = groups.get(first..last).and_then(shaped) {
            return Some(code);
        }
    }
    None
}

fn shaped(groups: &[String]) -> Option<String> {
    (0..groups.len()).find_map(|from| {
        let shape = SHAPES.iter().find(|shape| {
            groups.len() - from >= shape.len()
                && shape.iter().zip(&groups[from..]).all(|(size, group)| group.len() == *size)
        })?;
        Some(groups[from..from + shape.len()].concat())
    })
}

/// Returns single digits with pauses between them. A number that is said twice in a row counts once.
fn digit_by_digit(body: &str) -> Option<String> {
    let mut run = String::new();
    let mut runs = Vec::new();
    let mut number = String::new();
    for c in body.chars().chain(['\u{0}']) {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        match number.len() {
            0 => {}
            1 => run.push_str(&number),
            _ => runs.push(std::mem::take(&mut run)),
        }
        number.clear();
        let pause = c.is_whitespace() || matches!(c, ',' | '.' | ';' | '…' | '，' | '。' | '、');
        if !pause {
            runs.push(std::mem::take(&mut run));
        }
    }
    let once = runs.into_iter().map(|run| match run.split_at_checked(run.len() / 2) {
        Some((half, again)) if run.len() >= 12 && half == again => half.to_owned(),
        _ => run,
    });
    once.into_iter().find(|run| (6..=10).contains(&run.len()))
}

/// Returns the words of an SSML document, without its tags.
///
/// # Errors
/// The reason why it is invalid: not one `<speak>` element, or tags that don't close.
pub fn spoken(ssml: &str) -> Result<String, &'static str> {
    let mut open: Vec<&str> = Vec::new();
    let mut words = String::new();
    let mut roots = 0;
    let mut rest = ssml.trim();
    while !rest.is_empty() {
        let (text, tag) = rest.split_once('<').unwrap_or((rest, ""));
        if open.is_empty() && !text.trim().is_empty() {
            return Err("is not one <speak> element");
        }
        words.push_str(&unescape(text)?);
        if text.len() == rest.len() {
            break;
        }
        let (tag, after) = tag.split_once('>').ok_or("has a tag that does not end")?;
        rest = after;
        words.push(' ');
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name.trim()) {
                return Err("closes a tag that is not open");
            }
        } else if !tag.starts_with(['?', '!']) && !tag.ends_with('/') {
            let name = tag.split_whitespace().next().unwrap_or_default();
            if open.is_empty() {
                roots += usize::from(name == "speak");
                if name != "speak" || roots > 1 {
                    return Err("is not one <speak> element");
                }
            }
            open.push(name);
        }
    }
    if roots == 1 && open.is_empty() {
        Ok(words.split_whitespace().collect::<Vec<_>>().join(" "))
    } else {
        Err("has a tag that is not closed")
    }
}

fn unescape(text: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, after) = after.split_once(';').ok_or("has a lone &")?;
        plain.push_str(before);
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => entity
                .strip_prefix('#')
                .and_then(|number| match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => number.parse().ok(),
                })
                .and_then(char::from_u32)
                .ok_or("has an unknown entity")?,
        });
        rest = after;
    }
    plain.push_str(rest);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_found_in_message_text() {
        for (body, code) in [
            ("Universiti Contoh: your code is 1234 5678. It is good for 10 minutes.", "12345678"),
            ("Kod anda: 123 456", "123456"),
            ("1234 5678 90 is your code", "1234567890"),
            ("12345678 — valid until 12:43", "12345678"),
            ("验证码：1234 5678，10分钟内有效", "12345678"),
            ("On 2026-11-24 at 12:43: 0000 0042", "00000042"),
        ] {
            assert_eq!(code_in(Channel::Sms, body).as_deref(), Some(code), "{body}");
        }
    }

    #[test]
    fn other_numbers_are_not_read_as_code() {
        for body in [
            "",
            "Changed on 24 November 2026 at 12:43 (UTC+8).",
            "2026-11-24 12:43",
            "Call +60123456798 or 03-8921 1234",
            "10 minutes, 5 attempts",
            "12345",
            "12345678901",
        ] {
            assert_eq!(code_in(Channel::Email, body), None, "{body}");
        }
    }

    #[test]
    fn spoken_code_is_found_in_call() {
        for (body, code) in [
            ("Your code is 1, 2, 3, 4. 5, 6, 7, 8. Again: 1, 2, 3, 4. 5, 6, 7, 8.", "12345678"),
            ("Your code: 1 2 3 4 5 6 1 2 3 4 5 6 Goodbye", "123456"),
            ("Your code is 1234 5678 . It is good for 10 minutes.", "12345678"),
            ("For 10 minutes: 0 0 0 0 0 0 4 2", "00000042"),
        ] {
            assert_eq!(code_in(Channel::Voice, body).as_deref(), Some(code), "{body}");
        }
        assert_eq!(code_in(Channel::Voice, "Your password was changed."), None);
    }

    #[test]
    fn ssml_is_converted_to_spoken_text() {
        let ssml = r#"<speak>A &amp; B:<break time="1s"/><prosody rate="slow">1, 2</prosody></speak>"#;
        assert_eq!(spoken(ssml).unwrap(), "A & B: 1, 2");
        for wrong in
            ["", "plain", "<speak>", "<speak><a></speak></a>", "<p></p>", "<speak>&</speak>", "<speak"]
        {
            assert!(spoken(wrong).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn random_text_never_panics(text in "[0-9 ,.:+<>&/;a-z\\u{a0}]{0,80}") {
            let _ = (code_in(Channel::Voice, &text), code_in(Channel::Sms, &text), spoken(&text));
        }
    }
}
