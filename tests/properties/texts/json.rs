//! Strict JSON: a body that isn't one flat object of strings, with unique names and in valid UTF-8, is rejected.

use shared::http::FormFields;
use shared::http::problem::Code;

fn read(body: &[u8]) -> Result<Option<String>, Code> {
    let mut fields = FormFields::read(Some("application/json"), body).map_err(|problem| problem.code())?;
    let value = fields.take("code").map(|value| value.to_string());
    fields.finish().map_err(|problem| problem.code())?;
    Ok(value)
}

/// Controls: C-077.
#[test]
fn malformed_json_is_rejected() {
    let deep = |depth: usize| {
        [b"{\"code\":".to_vec(), b"[".repeat(depth), b"]".repeat(depth), b"}".to_vec()].concat()
    };
    let utf16: Vec<u8> = "{\"code\":\"1\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, &[u8]); 38] = [
        ("nothing", b""),
        ("space", b"  "),
        ("no object", b"\"code\""),
        ("an array", b"[]"),
        ("null", b"null"),
        ("a member without value", b"{\"code\"}"),
        ("a byte order mark", b"\xef\xbb\xbf{\"code\":\"1\"}"),
        ("UTF-16", &utf16),
        ("a byte that is no UTF-8", b"{\"code\":\"\xff\"}"),
        ("half a character", b"{\"code\":\"\xc3\"}"),
        ("an overlong NUL", b"{\"code\":\"\xc0\x80\"}"),
        ("a surrogate in UTF-8", b"{\"code\":\"\xed\xa0\x80\"}"),
        ("a name that is no UTF-8", b"{\"c\xff\":\"1\"}"),
        ("a lone high surrogate", b"{\"code\":\"\\ud800\"}"),
        ("a lone low surrogate", b"{\"code\":\"\\udc00\"}"),
        ("surrogates the wrong way round", b"{\"code\":\"\\udc00\\ud800\"}"),
        ("a high surrogate before something else", b"{\"code\":\"\\ud800\\u0041\"}"),
        ("a lone surrogate in a name", b"{\"\\ud800\":\"1\"}"),
        ("a NUL as it is", b"{\"code\":\"\0\"}"),
        ("a line break as it is", b"{\"code\":\"\n\"}"),
        ("an unknown escape", b"{\"code\":\"\\x41\"}"),
        ("half an escape", b"{\"code\":\"\\u00\"}"),
        ("the same name twice", b"{\"code\":\"1\",\"code\":\"1\"}"),
        ("the same name, once escaped", b"{\"code\":\"1\",\"\\u0063ode\":\"2\"}"),
        ("an unknown name", b"{\"code\":\"1\",\"Code\":\"1\"}"),
        ("a prototype", b"{\"__proto__\":{\"code\":\"1\"}}"),
        ("a number", b"{\"code\":12345678}"),
        ("a huge number", b"{\"code\":1e999999999}"),
        ("a number of many digits", &[b"{\"code\":".to_vec(), b"9".repeat(4_000), b"}".to_vec()].concat()),
        ("no number", b"{\"code\":NaN}"),
        ("a truth", b"{\"code\":true}"),
        ("nested once", &deep(1)),
        ("nested deeply", &deep(4_000)),
        ("something after it", b"{\"code\":\"1\"}x"),
        ("another object after it", b"{\"code\":\"1\"}{\"code\":\"2\"}"),
        ("a NUL after it", b"{\"code\":\"1\"}\0"),
        ("a comma too many", b"{\"code\":\"1\",}"),
        ("a comment", b"{\"code\":\"1\"/**/}"),
    ];
    for (what, body) in cases {
        assert_eq!(read(body), Err(Code::Malformed), "{what}");
    }
}

#[test]
fn valid_json_is_parsed() {
    for (body, value) in [
        (&b"{\"code\":\"1\"}"[..], Some("1")),
        (b" \t\r\n{ \"code\" : \"1\" } \n", Some("1")),
        (b"{\"\\u0063ode\":\"\\u0031\"}", Some("1")),
        (b"{\"code\":\"\\ud83d\\ude00\"}", Some("\u{1f600}")),
        (b"{\"code\":\"\\u0000\"}", Some("\0")),
        (b"{\"code\":\"\"}", None),
        (b"{}", None),
    ] {
        assert_eq!(read(body), Ok(value.map(str::to_owned)), "{}", String::from_utf8_lossy(body));
    }
}
