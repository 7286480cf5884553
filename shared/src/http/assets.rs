//! What pages fetch besides themselves: style, scripts, icon. Each is named by its content, so that a browser may keep
//! it for ever, and was compressed when the crate was built (`build/assets.rs`).

use std::borrow::Cow;

use super::encoding::takes;
use super::theme;

/// An asset to answer with.
#[derive(Clone, Debug)]
pub struct Asset {
    /// Its bytes.
    pub plain: Cow<'static, [u8]>,
    /// The same in Brotli (RFC 7932), where it makes them fewer.
    pub brotli: Option<&'static [u8]>,
    /// For `Content-Type`.
    pub content_type: &'static str,
    /// For `Cache-Control`: the name changes with the content, so it never grows old.
    pub cache_control: &'static str,
}

impl Asset {
    /// The `Content-Encoding`, if any, and the body for what a client says it takes.
    pub fn body(self, accept_encoding: &str) -> (Option<&'static str>, Cow<'static, [u8]>) {
        match self.brotli {
            Some(brotli) if takes(accept_encoding, "br") => (Some("br"), Cow::Borrowed(brotli)),
            _ => (None, self.plain),
        }
    }
}

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

struct File {
    name: &'static str,
    path: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The asset under `/assets/`, by the rest of the path (`app.0123456789abcdef.css`).
pub fn find(name: &str) -> Option<Asset> {
    let file = FILES.iter().find(|file| file.path.strip_prefix("/assets/") == Some(name));
    let asset = |file: &File| Asset {
        plain: Cow::Borrowed(file.plain),
        brotli: (file.brotli.len() < file.plain.len()).then_some(file.brotli),
        content_type: content_type(file.name),
        cache_control: IMMUTABLE,
    };
    file.map(asset).or_else(|| {
        Some(Asset {
            plain: Cow::Owned(theme::find(name)?.into_bytes()),
            brotli: None,
            content_type: content_type(name),
            cache_control: IMMUTABLE,
        })
    })
}

/// The path of an asset by the name of its file. The templates use it; a test looks every name up.
pub fn path(name: &str) -> &'static str {
    FILES.iter().find(|file| file.name == name).map_or("", |file| file.path)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some((_, "png")) => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asset_is_found_by_path_and_decompresses() {
        for name in ["app.css", "app.js", "passkey.js", "work.js", "icon.svg"] {
            let asset = find(path(name).strip_prefix("/assets/").unwrap()).expect(name);
            assert_ne!(asset.content_type, "application/octet-stream", "{name}");
            let (encoding, body) = asset.clone().body("gzip, deflate, br");
            assert_eq!(encoding, Some("br"), "{name}");
            let mut plain = Vec::new();
            brotli::BrotliDecompress(&mut body.as_ref(), &mut plain).unwrap();
            assert_eq!(plain, asset.plain.as_ref(), "{name}");
            assert_eq!(asset.body("identity").0, None);
        }
    }

    #[test]
    fn asset_with_missing_or_wrong_hash_is_absent() {
        for name in ["app.css", "app.0123456789abcdef.css", "", "..", "../Cargo.toml", "theme-123456.css"] {
            assert!(find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn theme_colour_is_served_as_stylesheet() {
        let path = theme::path("#0055aa").expect("a colour");
        let asset = find(path.strip_prefix("/assets/").unwrap()).unwrap();
        assert_eq!(asset.content_type, "text/css; charset=utf-8");
        assert!(String::from_utf8(asset.plain.into_owned()).unwrap().contains("#0055aa"));
    }
}
