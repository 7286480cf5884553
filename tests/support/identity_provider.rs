//! An identity provider on loopback: discovery, token endpoint and key set, which tests can break.
//!
//! It checks what a real one checks: client, redirect URI, verifier, and that a code serves once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::domain::time::Timestamp;
use url::Url;

use crate::world::OIDC_SECRET;

/// Rekey's identifier at the provider.
pub const CLIENT_ID: &str = "rekey:1";

/// An identity provider that runs until it is dropped.
pub struct IdentityProvider {
    /// Its issuer, a loopback address.
    pub issuer: String,
    state: Arc<Mutex<Provider>>,
    task: tokio::task::JoinHandle<()>,
}

/// What it knows, and how it misbehaves.
struct Provider {
    issuer: String,
    codes: HashMap<String, (BTreeMap<String, String>, Value)>,
    key: u8,
    published: u8,
    authentication: Option<&'static str>,
    metadata: Value,
    header: Value,
    broken: HashMap<&'static str, (u16, String)>,
    requests: HashMap<&'static str, usize>,
    tokens: Vec<String>,
    authorization: Option<String>,
    form: BTreeMap<String, String>,
}

type Shared = State<Arc<Mutex<Provider>>>;

impl IdentityProvider {
    /// Starts a provider on a free port. Its client has the secret of a world.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/realms/uni", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Provider {
            issuer: issuer.clone(),
            codes: HashMap::new(),
            key: 1,
            published: 1,
            authentication: Some("client_secret_basic"),
            metadata: json!({}),
            header: json!({}),
            broken: HashMap::new(),
            requests: HashMap::new(),
            tokens: Vec::new(),
            authorization: None,
            form: BTreeMap::new(),
        }));
        let router = Router::new()
            .route("/realms/uni/.well-known/openid-configuration", get(discovery))
            .route("/realms/uni/token", post(token))
            .route("/realms/uni/keys", get(keys))
            .with_state(state.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, state, task }
    }

    /// Signs a person in at `now`, as its page does, for the request that a browser was redirected to. `claims` replace
    /// those of the ID token; null removes one. Returns the query of the callback.
    pub fn authorize(&self, location: &str, claims: &Value, now: Timestamp) -> String {
        let url = Url::parse(location).unwrap();
        assert_eq!(
            format!("{}{}", url.origin().ascii_serialization(), url.path()),
            format!("{}/authorize", self.issuer)
        );
        let request: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        for (name, value) in [
            ("response_type", "code"),
            ("response_mode", "query"),
            ("client_id", CLIENT_ID),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(request[name], value, "{name}");
        }
        let mut state = self.state.lock().unwrap();
        let mut all = json!({
            "iss": state.issuer, "aud": CLIENT_ID, "sub": "248289761001", "nonce": request["nonce"],
            "exp": now.as_seconds() + 300, "iat": now.as_seconds(), "auth_time": now.as_seconds(),
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let code = format!("code-{}", hex::encode(&Sha256::digest(all.to_string())[..8]));
        let answer = [("code", code.as_str()), ("state", &request["state"]), ("session_state", "1")];
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
        state.codes.insert(code, (request, all));
        query
    }

    /// Changes its key. It publishes the new one only if `published` says so.
    pub fn rotate(&self, published: bool) {
        let mut state = self.state.lock().unwrap();
        state.key += 1;
        if published {
            state.published = state.key;
        }
    }

    /// Sets how its client must authenticate; without a method it is a public client.
    pub fn require(&self, authentication: Option<&'static str>) {
        self.state.lock().unwrap().authentication = authentication;
    }

    /// Adds members to its discovery document.
    pub fn announce(&self, metadata: Value) {
        self.state.lock().unwrap().metadata = metadata;
    }

    /// Replaces members of the header of its tokens.
    pub fn sign_with(&self, header: Value) {
        self.state.lock().unwrap().header = header;
    }

    /// Makes an endpoint (`discovery`, `token` or `keys`) answer this; `repair` ends it.
    pub fn break_endpoint(&self, endpoint: &'static str, status: u16, body: &str) {
        self.state.lock().unwrap().broken.insert(endpoint, (status, body.to_owned()));
    }

    /// Repairs every endpoint.
    pub fn repair(&self) {
        self.state.lock().unwrap().broken.clear();
    }

    /// Returns how often an endpoint was called.
    pub fn requests(&self, endpoint: &str) -> usize {
        self.state.lock().unwrap().requests.get(endpoint).copied().unwrap_or_default()
    }

    /// Returns every ID token so far.
    pub fn tokens(&self) -> Vec<String> {
        self.state.lock().unwrap().tokens.clone()
    }

    /// Returns the form of the last token request.
    pub fn form(&self) -> BTreeMap<String, String> {
        self.state.lock().unwrap().form.clone()
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    /// Counts a request. Returns the answer of a broken endpoint.
    fn count(&mut self, endpoint: &'static str) -> Option<(StatusCode, String)> {
        *self.requests.entry(endpoint).or_default() += 1;
        let (status, body) = self.broken.get(endpoint)?;
        Some((StatusCode::from_u16(*status).unwrap(), body.clone()))
    }

    fn is_authenticated(&self) -> bool {
        let form = |name: &str| self.form.get(name).map(String::as_str);
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = STANDARD.encode(format!("{}:{}", encode(CLIENT_ID), encode(OIDC_SECRET)));
        match self.authentication {
            Some("client_secret_basic") => {
                self.authorization == Some(format!("Basic {basic}")) && form("client_secret").is_none()
            }
            Some(_) => {
                self.authorization.is_none()
                    && form("client_id") == Some(CLIENT_ID)
                    && form("client_secret") == Some(OIDC_SECRET)
            }
            None => {
                self.authorization.is_none()
                    && form("client_id") == Some(CLIENT_ID)
                    && form("client_secret").is_none()
            }
        }
    }

    fn redeem(&mut self) -> Option<String> {
        let (request, claims) = self.codes.remove(self.form.get("code")?)?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(self.form.get("code_verifier")?));
        let fits = self.form.get("grant_type")? == "authorization_code"
            && self.form.get("redirect_uri")? == &request["redirect_uri"]
            && challenge == request["code_challenge"];
        fits.then(|| self.token(&claims))
    }

    fn token(&mut self, claims: &Value) -> String {
        let mut header = json!({ "alg": "ES256", "kid": self.key.to_string(), "typ": "JWT" });
        for (name, value) in self.header.as_object().unwrap() {
            header[name] = value.clone();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature: Signature = signing_key(self.key).sign(signed.as_bytes());
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()));
        self.tokens.push(token.clone());
        token
    }
}

fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).unwrap()
}

async fn discovery(State(state): Shared) -> (StatusCode, String) {
    let mut state = state.lock().unwrap();
    if let Some(broken) = state.count("discovery") {
        return broken;
    }
    let issuer = &state.issuer;
    let mut document = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
    });
    for (name, value) in state.metadata.as_object().unwrap() {
        document[name] = value.clone();
    }
    (StatusCode::OK, document.to_string())
}

async fn keys(State(state): Shared) -> (StatusCode, String) {
    let mut state = state.lock().unwrap();
    if let Some(broken) = state.count("keys") {
        return broken;
    }
    let point = signing_key(state.published).verifying_key().to_sec1_point(false);
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    let key = json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": state.published.to_string(),
        "x": part(x), "y": part(y),
    });
    (StatusCode::OK, json!({ "keys": [key] }).to_string())
}

async fn token(State(state): Shared, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let mut state = state.lock().unwrap();
    state.authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    state.form = form_urlencoded::parse(&body).into_owned().collect();
    if let Some(broken) = state.count("token") {
        return broken;
    }
    if !state.is_authenticated() {
        return (StatusCode::UNAUTHORIZED, json!({ "error": "invalid_client" }).to_string());
    }
    match state.redeem() {
        Some(token) => (
            StatusCode::OK,
            json!({ "access_token": "access", "token_type": "Bearer", "id_token": token }).to_string(),
        ),
        None => (StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant" }).to_string()),
    }
}
