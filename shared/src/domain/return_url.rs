//! The allow-list of addresses that `/security-info` may send people back to.

/// The allow-list. An entry with a trailing slash allows all addresses below it; any other allows only
/// itself.
#[derive(Clone, Debug, Default)]
pub struct ReturnUrls(Vec<String>);

impl ReturnUrls {
    /// The longest address in octets that is compared.
    const LONGEST: usize = 512;

    /// Takes addresses that [`ReturnUrls::is_fit`] accepted.
    pub fn new(urls: Vec<String>) -> Self {
        Self(urls)
    }

    /// Returns whether an address may be an entry: `https:` with a path, so that no longer host name begins
    /// with it.
    pub fn is_fit(url: &str) -> bool {
        let authority = url.strip_prefix("https://").and_then(|rest| rest.split_once('/'));
        authority.is_some_and(|(host, _)| !host.is_empty())
            && url.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\".contains(&b))
    }

    /// Returns the requested address if the list allows it. An address that a browser would resolve elsewhere
    /// (`..`, also percent-encoded) is refused, and so is one with a fragment, which would hide the appended
    /// state.
    pub fn allowed<'a>(&self, asked: &'a str) -> Option<&'a str> {
        let plain = asked.len() <= Self::LONGEST
            && asked.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\#".contains(&b));
        let path = asked.split('?').next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
        let plain = plain && !path.split(['/', ';']).any(|segment| matches!(segment, "." | ".."));
        let fits = |allowed: &String| {
            asked == allowed || (allowed.ends_with('/') && asked.starts_with(allowed.as_str()))
        };
        (plain && self.0.iter().any(fits)).then_some(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-086.
    #[test]
    fn return_url_outside_allowed_list_is_rejected() {
        let app = "https://portal.example/app/";
        let urls = ReturnUrls::new(vec![app.to_owned(), "https://my.example/home".to_owned()]);
        for fits in [app, "https://portal.example/app/me?tab=1", "https://my.example/home"] {
            assert_eq!(urls.allowed(fits), Some(fits));
        }
        for bad in [
            "https://portal.example/",
            "https://portal.example.evil/app/",
            "https://my.example/home/x",
            "https://portal.example/app/\"onclick",
            "https://portal.example/app/../evil",
            "https://portal.example/app/%2E%2e/evil",
            "https://portal.example/app/.",
            "https://portal.example/app/#x",
            "javascript:alert(1)",
            "",
        ] {
            assert_eq!(urls.allowed(bad), None, "{bad}");
        }
    }

    /// Controls: C-086.
    #[test]
    fn allowed_return_url_requires_https_and_path() {
        assert!(ReturnUrls::is_fit("https://portal.example/"));
        for bad in
            ["https://portal.example", "https:///x", "http://portal.example/", "https://portal.example/<"]
        {
            assert!(!ReturnUrls::is_fit(bad), "{bad}");
        }
    }
}
