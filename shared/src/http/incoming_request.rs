//! A request in the form that handlers use.

use crate::domain::cookie::{HolderCookie, HolderKind};
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRef, FromRequest, Request};
use http::{HeaderMap, HeaderValue, Method, header};
use http_body_util::{BodyExt as _, Limited};
use lambda_http::request::RequestContext;
use zeroize::Zeroizing;

use super::form_fields::{BODY_MAX, FormFields};
use super::paths::START;
use super::problem::{Place, Problem};
use super::said::{SAID_COOKIE, Said};
use super::trusted_proxy;
use super::view::security_info::SignIn;
use crate::domain::account::AccountId;
use crate::domain::approval::Requester;
use crate::domain::client::{self, AddressBlock, NetworkTag};
use crate::domain::desk_session::DeskSession;
use crate::domain::keys::{Keyring, SealError};
use crate::domain::known_device::KnownDevice;
use crate::domain::language::Language;
use crate::domain::oidc::PendingSignIn;
use crate::domain::proxy::ProxySecret;
use crate::domain::time::Timestamp;
use crate::ports::Timer;
use crate::settings::Settings;

/// The cookie of a flow. `__Host-` binds it to this host and path and requires `Secure` (RFC 6265bis
/// §4.1.3.2).
pub const FLOW_COOKIE: &str = "__Host-rekey";
/// The cookie of a session at `/security-info`, with the same protection.
pub const SESSION_COOKIE: &str = "__Host-rekey-session";
/// The cookie of a known device, with the same protection.
pub const DEVICE_COOKIE: &str = "__Host-rekey-device";
/// The cookie of a sign-in that the identity provider has not answered yet, with the same protection. It alone comes
/// with a redirect of another site.
pub const OIDC_COOKIE: &str = "__Host-rekey-oidc";
/// The cookie of an agent's visit of the help desk's page, with the same protection.
pub const DESK_COOKIE: &str = "__Host-rekey-desk";
/// The cookie with the chosen language, and nothing else.
pub const LANGUAGE_COOKIE: &str = "__Host-language";

/// The dependencies of every request.
#[derive(Clone)]
pub struct AppContext {
    /// All `REKEY_` parameters.
    pub settings: Arc<Settings>,
    /// The keyring of cookies and names (`REKEY_SECRET_FLOWS`).
    pub flows: Arc<Keyring>,
    /// The secret of the trusted proxy (`REKEY_TRUSTED_PROXY`), if the deployment has one.
    pub proxy: Option<Arc<ProxySecret>>,
    /// The timer of responses.
    pub timer: Arc<dyn Timer>,
}

/// The format of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page for browsers.
    Html,
    /// The view model, or problem details, for programs.
    Json,
}

/// A request that passed all checks without a store: origin, size, form.
pub struct IncomingRequest {
    /// Settings and keyring, shared by all requests.
    pub app: AppContext,
    /// Page or JSON, from `Accept` and the body's type.
    pub format: Format,
    /// From the query, the cookie or `Accept-Language`, in this order; else the first offered one.
    pub language: Language,
    /// Whether the query chose the language, so that the response sets the cookie.
    pub(super) language_chosen: bool,
    /// The value of `Accept-Encoding`.
    pub(super) accept_encoding: String,
    /// The path as API Gateway matched it.
    pub path: String,
    /// The id that API Gateway gave the request.
    pub(super) request_id: Option<String>,
    /// Whether the method is POST; only a POST changes anything.
    pub is_post: bool,
    /// The client's address, as API Gateway saw it or as the trusted proxy names it. Other forwarded headers
    /// are ignored.
    pub address: Option<IpAddr>,
    /// The family and system of the client's browser; empty for an unknown one.
    pub browser: String,
    /// The flow's cookie: the first of this name with a right tag.
    pub cookie: Option<HolderCookie>,
    /// The session's cookie: the first of this name with a right tag.
    pub session: Option<HolderCookie>,
    /// The known device that the browser says it is; it may be another account's.
    pub(super) device: Option<KnownDevice>,
    /// What the page says about the request before it.
    pub(super) said: Option<Said>,
    /// The seconds until the flow or session ends, once it was loaded.
    pub(super) ends_in: Option<u32>,
    /// The portal's address to return to, if the allow-list has it.
    pub back: Option<String>,
    /// Whether another site, or an own subdomain, caused the request.
    pub is_cross_site: bool,
    /// The values of the cookies of an agent's visit; each is sealed.
    desk: Vec<String>,
    /// The reference to the agent's visit in forms, once it was opened.
    pub(super) desk_at: Option<String>,
    /// The values of the cookies of a pending sign-in; each is sealed.
    pending: Vec<Zeroizing<String>>,
    /// The query as it was sent. It may have a code of the identity provider.
    query: Zeroizing<String>,
    /// The body's fields; none for a GET.
    pub fields: FormFields,
}

impl IncomingRequest {
    /// Returns the client's address as rate limits count it.
    pub fn address_block(&self) -> AddressBlock {
        AddressBlock::from_address(self.address)
    }

    /// Returns the tag of the client's network, as limits of an account count it.
    pub fn network_tag(&self) -> NetworkTag {
        self.address_block().network_tag(&self.app.flows)
    }

    /// Returns the network of the client's address, as a rough location: `203.0.113.x`, or the /48 of an IPv6
    /// site. The whole address would say no more to its owner, but more to an onlooker.
    pub fn network(&self) -> String {
        match self.address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.x")
            }
            Some(IpAddr::V6(address)) => {
                let [a, b, c, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:x")
            }
            None => String::new(),
        }
    }

    /// Returns where the request comes from, as its owner reads it.
    pub fn requester(&self, known_device: bool) -> Requester {
        Requester { network: self.network(), browser: self.browser.clone(), known_device }
    }

    /// Returns whether the browser says that it is a known device, of whatever account.
    pub const fn has_device(&self) -> bool {
        self.device.is_some()
    }

    /// Returns whether the browser is a known device of this account, whose devices are in this epoch.
    pub fn is_known_device(&self, account: &AccountId, epoch: u64, now: Timestamp) -> bool {
        self.device.as_ref().is_some_and(|device| device.is_of(account, epoch, now, &self.app.flows))
    }

    /// Reads the form that makes the browser a known device: `remember=device`, and nothing else.
    ///
    /// # Errors
    /// `malformed`.
    pub fn take_remember(&mut self) -> Result<(), Problem> {
        let mut fields = self.take_fields();
        let remember = fields.require("remember")?;
        fields.finish()?;
        if *remember == "device" { Ok(()) } else { Err(Problem::malformed("remember")) }
    }

    /// Returns the value of a cookie that makes the browser a known device of this account. `nonce` must be
    /// fresh.
    ///
    /// # Errors
    /// [`SealError`] when the keyring can't seal.
    pub fn remember_device(
        &self,
        account: &AccountId,
        epoch: u64,
        nonce: [u8; 24],
        now: Timestamp,
    ) -> Result<String, SealError> {
        let flows = &self.app.flows;
        KnownDevice::new(account, epoch, now, flows).ok_or(SealError)?.seal(flows, nonce)
    }

    /// Returns the flow's cookie.
    ///
    /// # Errors
    /// `flow-ended` without a cookie with a right tag.
    pub fn flow(&self) -> Result<HolderCookie, Problem> {
        self.cookie.clone().ok_or(Problem::FlowEnded)
    }

    /// Takes all of the body's fields; the request then has none.
    pub fn take_fields(&mut self) -> FormFields {
        std::mem::replace(&mut self.fields, FormFields::empty())
    }

    /// Takes the fields of the query, parsed as strictly as a form.
    ///
    /// # Errors
    /// `too-large` or `malformed`.
    pub fn take_query(&mut self) -> Result<FormFields, Problem> {
        let query = std::mem::take(&mut self.query);
        FormFields::read(Some("application/x-www-form-urlencoded"), query.as_bytes())
    }

    /// Returns the sign-in page of the deployment, with a portal's address to return to.
    pub fn sign_in_page(&self, back: Option<String>) -> SignIn {
        let start = self.app.settings.signs_in_by_oidc().then(|| match &back {
            Some(back) => {
                let query =
                    form_urlencoded::Serializer::new(String::new()).append_pair("return", back).finish();
                format!("{START}?{query}")
            }
            None => START.to_owned(),
        });
        SignIn { back, start, ..SignIn::default() }
    }

    /// Begins a sign-in with the identity provider. It keeps what the callback comes without: the address to return to,
    /// and the cookies of session and known device. `nonce` must be fresh.
    ///
    /// # Errors
    /// [`SealError`] when the keyring can't seal.
    pub fn begin_sign_in(
        &self,
        random: [[u8; 32]; 3],
        nonce: [u8; 24],
        now: Timestamp,
    ) -> Result<PendingSignIn, SealError> {
        let flows = &self.app.flows;
        let mut pending = PendingSignIn::new(random, now);
        pending.back.clone_from(&self.back);
        pending.session = self.session.as_ref().and_then(|session| session.value(flows));
        pending.device = self.device.as_ref().map(|device| device.seal(flows, nonce)).transpose()?;
        Ok(pending)
    }

    /// Returns the sign-in that this browser began, if it is not too old. The request then has its address to return to,
    /// its former session and its known device.
    pub fn resume_sign_in(&mut self, now: Timestamp) -> Option<PendingSignIn> {
        let flows = &self.app.flows;
        let pending = self.pending.iter().find_map(|value| PendingSignIn::open(value, flows, now))?;
        let session = pending.session.as_deref();
        self.session = session.and_then(|value| HolderCookie::read(HolderKind::Session, value, flows));
        self.back.clone_from(&pending.back);
        self.device = pending.device.as_deref().and_then(|value| KnownDevice::open(value, flows));
        Some(pending)
    }

    /// Returns the visit of the agent who sends the request, if there is one.
    ///
    /// # Errors
    /// `out-of-step` for a form of another visit.
    pub fn desk_session(&mut self, now: Timestamp) -> Result<Option<DeskSession>, Problem> {
        let flows = &self.app.flows;
        let found = self.desk.iter().find_map(|value| DeskSession::open(value, flows, now));
        let Some(session) = found else { return Ok(None) };
        self.desk_at = session.at(flows);
        self.ends_in = Some(session.expires_at.seconds_after(now));
        let at = self.fields.take("at");
        if at.is_some_and(|at| self.desk_at.as_deref() != Some(at.as_str())) {
            return Err(Problem::OutOfStep(Place::HelpDesk));
        }
        Ok(Some(session))
    }

    /// Takes `at`, the reference to flow and step in forms, and compares it. Another flow or step means a
    /// form in another tab; a missing `at` is not compared.
    pub fn take_at(&mut self, cookie: &HolderCookie) -> bool {
        let at = self.fields.take("at");
        at.is_none_or(|at| cookie.at(&self.app.flows).is_some_and(|own| own == *at))
    }
}

/// A request rejected before any handler, and its problem.
pub struct RejectedRequest {
    pub(super) incoming: Box<IncomingRequest>,
    pub(super) problem: Problem,
}

impl<S> FromRequest<S> for IncomingRequest
where
    S: Send + Sync,
    AppContext: FromRef<S>,
{
    type Rejection = RejectedRequest;

    async fn from_request(request: Request, state: &S) -> Result<Self, RejectedRequest> {
        let (parts, body) = request.into_parts();
        let context = parts.extensions.get::<RequestContext>();
        let mut incoming =
            Self::from_head(AppContext::from_ref(state), &parts.method, &parts.uri, &parts.headers, context);
        if incoming.is_post {
            match body_of(&incoming.app.settings, &parts.headers, context, body).await {
                Ok(fields) => incoming.fields = fields,
                Err(problem) => return Err(RejectedRequest { incoming: Box::new(incoming), problem }),
            }
        }
        Ok(incoming)
    }
}

impl IncomingRequest {
    /// Reads all but the body.
    pub(super) fn from_head(
        app: AppContext,
        method: &Method,
        uri: &http::Uri,
        headers: &HeaderMap,
        context: Option<&RequestContext>,
    ) -> Self {
        let offered = &app.settings.languages;
        let known = |language: &Language| offered.contains(language);
        let query = |wanted: &str| {
            form_urlencoded::parse(uri.query()?.as_bytes())
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
        };
        let asked = query("lang");
        let asked = asked.as_deref().and_then(Language::from_tag).filter(known);
        let remembered = || cookies(headers, LANGUAGE_COOKIE).filter_map(Language::from_tag).find(known);
        let accepted = || accepted_language(text(headers, header::ACCEPT_LANGUAGE)?, offered);
        let language =
            asked.or_else(remembered).or_else(accepted).or(offered.first().copied()).unwrap_or_default();
        let holder =
            |name, kind| cookies(headers, name).find_map(|value| HolderCookie::read(kind, value, &app.flows));
        let address = match app.proxy {
            Some(_) => trusted_proxy::viewer_address(headers),
            None => context.and_then(source_ip),
        };
        Self {
            format: format_of(headers),
            language,
            language_chosen: asked.is_some(),
            accept_encoding: text(headers, header::ACCEPT_ENCODING).unwrap_or_default().to_owned(),
            path: uri.path().to_owned(),
            request_id: context.and_then(request_id),
            is_post: method == Method::POST,
            address,
            browser: client::browser(text(headers, header::USER_AGENT).unwrap_or_default()),
            cookie: holder(FLOW_COOKIE, HolderKind::Flow),
            session: holder(SESSION_COOKIE, HolderKind::Session),
            device: cookies(headers, DEVICE_COOKIE).find_map(|value| KnownDevice::open(value, &app.flows)),
            said: cookies(headers, SAID_COOKIE).find_map(Said::parse),
            ends_in: None,
            is_cross_site: headers
                .get("sec-fetch-site")
                .is_some_and(|site| site != "same-origin" && site != "none"),
            desk: cookies(headers, DESK_COOKIE).map(str::to_owned).collect(),
            desk_at: None,
            pending: cookies(headers, OIDC_COOKIE).map(|value| Zeroizing::new(value.to_owned())).collect(),
            query: Zeroizing::new(uri.query().unwrap_or_default().to_owned()),
            back: query("return").and_then(|asked| app.settings.return_to(&asked).map(str::to_owned)),
            fields: FormFields::empty(),
            app,
        }
    }
}

/// Returns the fields of a same-origin body within the size limit.
async fn body_of(
    settings: &Settings,
    headers: &HeaderMap,
    context: Option<&RequestContext>,
    body: Body,
) -> Result<FormFields, Problem> {
    same_origin(&settings.public_url, headers, context)?;
    let body = Limited::new(body, BODY_MAX + 1).collect().await.map_err(|_| Problem::TooLarge)?;
    FormFields::read(text(headers, header::CONTENT_TYPE), &body.to_bytes())
}

/// Rejects cross-site requests by the browser's own headers (OWASP CSRF Cheat Sheet, Fetch Metadata).
/// `Sec-Fetch-Site` decides if present; otherwise `Origin` must be this site. The `Referer` of a form stands
/// in where a proxy removes both. A form with none of the three comes from a browser that hides its origin,
/// and is rejected. JSON without the first two comes from a program, which has no cookie to abuse.
fn same_origin(
    public_url: &str,
    headers: &HeaderMap,
    context: Option<&RequestContext>,
) -> Result<(), Problem> {
    let domain = context.and_then(domain_name);
    let is_own = |origin: &str| {
        is_origin_of_url(origin, public_url)
            || domain.as_deref().is_some_and(|domain| is_origin_of(origin, domain))
    };
    let allowed = if let Some(site) = headers.get("sec-fetch-site") {
        site == "same-origin"
    } else if headers.contains_key(header::ORIGIN) {
        text(headers, header::ORIGIN).is_some_and(is_own)
    } else if has_content_type(headers, "application/x-www-form-urlencoded") {
        text(headers, header::REFERER).and_then(origin_of).is_some_and(is_own)
    } else {
        true
    };
    if allowed { Ok(()) } else { Err(Problem::CrossSite) }
}

/// Returns whether `origin` is this site's by the request context. Plain HTTP, and a port that the request
/// context lacks, are accepted on a loopback host only.
fn is_origin_of(origin: &str, domain: &str) -> bool {
    let host_of = |authority: &str| authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
    let local = |host: &str| host == "127.0.0.1" || host == "localhost";
    if let Some(authority) = origin.strip_prefix("https://") {
        return authority.eq_ignore_ascii_case(domain);
    }
    origin.strip_prefix("http://").is_some_and(|authority| {
        local(&host_of(domain))
            && (authority == domain || (!domain.contains(':') && host_of(authority) == domain))
    })
}

/// Returns whether `origin` is the one of the public URL, which people open: behind a proxy, the request
/// context has another name. Scheme, host and port must be equal.
fn is_origin_of_url(origin: &str, public_url: &str) -> bool {
    let own = origin_of(public_url).map(without_default_port);
    own.is_some_and(|own| without_default_port(origin).eq_ignore_ascii_case(own))
}

/// Returns scheme, host and port of a URL.
fn origin_of(url: &str) -> Option<&str> {
    let start = url.find("://")? + "://".len();
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |length| start + length);
    Some(&url[..end])
}

/// Returns the origin without the port that its scheme implies, as browsers write it.
fn without_default_port(origin: &str) -> &str {
    let port = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(port).unwrap_or(origin)
}

/// Returns JSON or a page, as `Accept` prefers; without a preference, the format of the body.
fn format_of(headers: &HeaderMap) -> Format {
    let accept = text(headers, header::ACCEPT).unwrap_or_default();
    let weight = |kind: &str| {
        let matching = accept.split(',').filter(|part| {
            part.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(kind))
        });
        matching.map(quality).fold(0.0_f32, f32::max)
    };
    let json = weight("application/json").max(weight("application/problem+json"));
    let html = weight("text/html").max(weight("application/xhtml+xml"));
    let body_is_json = has_content_type(headers, "application/json");
    let neither = json <= 0.0 && html <= 0.0;
    if json > html || (neither && body_is_json) { Format::Json } else { Format::Html }
}

fn accepted_language(accept: &str, offered: &[Language]) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    for part in accept.split(',').take(20) {
        let range = part.split(';').next().unwrap_or_default();
        let Some(language) = Language::from_tag(range).filter(|language| offered.contains(language)) else {
            continue;
        };
        let quality = quality(part);
        if quality > 0.0 && best.is_none_or(|(least, _)| quality > least) {
            best = Some((quality, language));
        }
    }
    best.map(|(_, language)| language)
}

/// Returns the `q` of one part of a header (RFC 9110 §12.4.2), 1 if absent.
fn quality(part: &str) -> f32 {
    let q = part.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
    q.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Returns whether the body has this media type, compared without case (RFC 9110 §8.3.1).
fn has_content_type(headers: &HeaderMap, wanted: &str) -> bool {
    let essence = text(headers, header::CONTENT_TYPE).and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(wanted))
}

/// Returns the values of all cookies of a name, in order. Cookies of other applications of the domain may hold
/// any bytes, so each one is read alone.
fn cookies<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    pairs.filter_map(move |pair| {
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value).ok()
    })
}

fn source_ip(context: &RequestContext) -> Option<IpAddr> {
    match context {
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_deref()?.parse().ok(),
        _ => None,
    }
}

fn domain_name(context: &RequestContext) -> Option<String> {
    match context {
        RequestContext::ApiGatewayV2(context) => context.domain_name.clone(),
        _ => None,
    }
}

fn request_id(context: &RequestContext) -> Option<String> {
    match context {
        RequestContext::ApiGatewayV2(context) => context.request_id.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<HeaderMap>()
    }

    /// Controls: C-081.
    #[test]
    fn response_format_follows_accept_then_content_type() {
        let of = |pairs: &[(&'static str, &str)]| format_of(&headers(pairs));
        assert_eq!(of(&[]), Format::Html);
        assert_eq!(of(&[("accept", "*/*")]), Format::Html);
        assert_eq!(of(&[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")]), Format::Html);
        assert_eq!(of(&[("accept", "application/json")]), Format::Json);
        assert_eq!(of(&[("accept", "application/json;q=0.5, text/html")]), Format::Html);
        assert_eq!(of(&[("accept", "*/*"), ("content-type", "application/json")]), Format::Json);
    }

    #[test]
    fn accepted_language_is_best_supported_one() {
        let best = |accept| accepted_language(accept, &Language::ALL);
        assert_eq!(best("fr, ms;q=0.7, ta;q=0.9"), Some(Language::Tamil));
        assert_eq!(best("zh-CN,zh;q=0.9,en;q=0.8"), Some(Language::Chinese));
        assert_eq!(best("fr;q=x, *"), None);
        assert_eq!(best("en;q=0"), None);
    }

    /// Controls: C-083.
    #[test]
    fn origin_of_another_site_is_rejected() {
        assert!(is_origin_of("https://reset.contoh.example", "reset.contoh.example"));
        assert!(!is_origin_of("http://reset.contoh.example", "reset.contoh.example"));
        assert!(!is_origin_of("https://evil.example", "reset.contoh.example"));
        assert!(!is_origin_of("https://reset.contoh.example.evil.example", "reset.contoh.example"));
        assert!(!is_origin_of("null", "reset.contoh.example"));
        assert!(is_origin_of("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(is_origin_of("http://localhost:9000", "localhost"));
        assert!(!is_origin_of("http://127.0.0.1:8025", "127.0.0.1:8080"));
        assert!(!is_origin_of("http://evil.example:8080", "127.0.0.1:8080"));
    }

    /// Controls: C-083.
    #[test]
    fn cross_origin_request_is_rejected() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let json = ("content-type", "application/json");
        let ok =
            |pairs: &[(&'static str, &str)]| same_origin("https://a.example", &headers(pairs), None).is_ok();
        assert!(ok(&[("sec-fetch-site", "same-origin"), form]));
        assert!(!ok(&[("sec-fetch-site", "same-site"), form]));
        assert!(!ok(&[("sec-fetch-site", "cross-site"), json]));
        assert!(!ok(&[("sec-fetch-site", "none"), form]));
        assert!(!ok(&[form]), "a form that hides its origin");
        assert!(
            !ok(&[("content-type", "Application/X-WWW-Form-Urlencoded; charset=utf-8")]),
            "the same form"
        );
        assert!(ok(&[json]), "a program");
        assert!(!ok(&[("origin", "https://evil.example"), json]));
    }

    /// Controls: C-083.
    #[test]
    fn origin_of_public_url_is_own() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let ok = |url: &str, pairs: &[(&'static str, &str)]| {
            let pairs: Vec<_> = pairs.iter().copied().chain([form]).collect();
            same_origin(url, &headers(&pairs), None).is_ok()
        };
        let from = |origin| ok("https://reset.contoh.example/hilfe", &[("origin", origin)]);
        assert!(from("https://reset.contoh.example"));
        for other in [
            "http://reset.contoh.example",
            "https://reset.contoh.example:8443",
            "https://reset.contoh.example.evil.example",
            "https://evil.reset.contoh.example",
            "https://contoh.example",
            "null",
            "",
        ] {
            assert!(!from(other), "{other}");
        }
        assert!(ok("https://a.example:443", &[("origin", "https://a.example")]));
        assert!(ok("https://a.example:8443", &[("origin", "https://a.example:8443")]));
        assert!(!ok("https://a.example:8443", &[("origin", "https://a.example")]));
        let site =
            |site| ok("https://a.example", &[("sec-fetch-site", site), ("origin", "https://a.example")]);
        assert!(!site("same-site") && !site("cross-site") && site("same-origin"));
    }

    /// Controls: C-083.
    #[test]
    fn referer_replaces_origin_only_when_absent() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let ok = |pairs: &[(&'static str, &str)]| {
            let pairs: Vec<_> = pairs.iter().copied().chain([form]).collect();
            same_origin("https://a.example", &headers(&pairs), None).is_ok()
        };
        assert!(ok(&[("referer", "https://a.example/method?lang=ms")]));
        assert!(!ok(&[("referer", "https://a.example.evil.example/")]));
        assert!(!ok(&[("referer", "https://evil.example/https://a.example/")]));
        assert!(!ok(&[("referer", "https://evil.example?https://a.example/")]));
        assert!(!ok(&[("referer", "https://a.example@evil.example/")]));
        assert!(!ok(&[("referer", "https://a.example/"), ("origin", "null")]));
        assert!(!ok(&[("referer", "https://a.example/"), ("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn cookies_of_other_applications_are_ignored() {
        let mut headers = HeaderMap::new();
        for line in
            [&b"a=\xff\xfe; x=1;;;  x = 2"[..], "n=\u{540d}; x=3; xx=4; y; x".as_bytes(), b"x=\xe4; x=5=6"]
        {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        assert_eq!(cookies(&headers, "x").collect::<Vec<_>>(), ["1", "3", "5=6"]);
    }
}
