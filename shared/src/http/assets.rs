//! Assets of the pages: style, scripts, icon. Each name contains a hash of the content, so that a browser may
//! cache it for ever. They are compressed at build time (`build/assets.rs`).

use std::borrow::Cow;

use super::encoding::takes;
use super::theme;

/// An asset and its response headers.
#[derive(Clone, Debug)]
pub struct Asset {
    /// The uncompressed bytes.
    pub plain: Cow<'static, [u8]>,
    /// The content in Brotli (RFC 7932), where that is shorter.
    pub brotli: Option<&'static [u8]>,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `Cache-Control`: the name changes with the content, so it never expires.
    pub cache_control: &'static str,
}

impl Asset {
    /// Returns the `Content-Encoding`, if any, and the body, for a client's `Accept-Encoding`.
    pub fn body(self, accept_encoding: &str) -> (Option<&'static str>, Cow<'static, [u8]>) {
        match self.brotli {
            Some(brotli) if takes(accept_encoding, "br") => (Some("br"), Cow::Borrowed(brotli)),
            _ => (None, self.plain),
        }
    }
}

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

struct File {
    /// The rest of the path, below `/assets/`.
    name: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
}

/// The contents. Only [`find`] may use it: functions that serve no asset are built without them.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The path of each asset by its file name.
static PATHS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/asset_paths.rs"));

/// Returns the asset under `/assets/`, by the rest of the path (`app.0123456789abcdef.css`).
pub fn find(name: &str) -> Option<Asset> {
    let file = FILES.iter().find(|file| file.name == name);
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

/// Returns the path of an asset by its file name. Templates use it; a test looks up every name.
pub fn path(name: &str) -> &'static str {
    PATHS.iter().find(|(of, _)| *of == name).map_or("", |(_, path)| path)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some((_, "png")) => "image/png",
        Some((_, "txt")) => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asset_is_found_by_path_and_decompresses() {
        for name in ["app.css", "app.js", "codes.js", "passkey.js", "work.js", "icon.svg", "words.txt"] {
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

    /// Controls: C-082.
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
