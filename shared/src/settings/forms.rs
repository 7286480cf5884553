//! Parsers of single parameters.

use crate::domain::contact::Country;
use crate::domain::return_url::ReturnUrls;

pub(super) fn country(code: &str) -> Result<Country, &'static str> {
    Country::parse(code).map_err(|_| "not a two-letter country code")
}

pub(super) fn public_url(url: &str) -> Result<String, &'static str> {
    let bare = url.trim_end_matches('/');
    // Browsers compare origins byte by byte, with the host in lower case.
    let host = bare.split_inclusive('/').take(3).map(str::len).sum();
    let bare = &format!("{}{}", bare[..host].to_ascii_lowercase(), &bare[host..]);
    let local = bare.starts_with("http://127.0.0.1") || bare.starts_with("http://localhost");
    if (bare.starts_with("https://") || local) && !bare.contains(['?', '#', '"', '<', ' ']) {
        Ok(bare.to_owned())
    } else {
        Err("an https: address without query")
    }
}

pub(super) fn return_url(url: &str) -> Result<String, &'static str> {
    ReturnUrls::is_fit(url)
        .then(|| url.to_owned())
        .ok_or("an https: address with a path, such as https://portal.example/")
}

pub(super) fn link(url: &str, schemes: &[&str]) -> Result<String, &'static str> {
    let fits = schemes.iter().any(|scheme| url.starts_with(scheme))
        && !url.chars().any(|c| c.is_whitespace() || c.is_control());
    fits.then(|| url.to_owned()).ok_or("not a link of an accepted kind")
}

pub(super) fn colour(text: &str) -> Result<String, &'static str> {
    let fits = text.len() == 7 && text.starts_with('#') && text[1..].bytes().all(|b| b.is_ascii_hexdigit());
    fits.then(|| text.to_ascii_lowercase()).ok_or("not of the form #rrggbb")
}
