//! A client with cookies that speaks JSON, as a program uses the HTTP contract.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::world::World;

/// An instance of Rekey that a client can reach.
pub trait Site: Send + Sync {
    /// Answers a request.
    fn answer(&self, request: Request<String>) -> impl Future<Output = Answer> + Send;

    /// Returns the answer of a CAPTCHA token.
    fn solve(&self, token: &str) -> impl Future<Output = String> + Send;
}

/// A client of one site.
pub struct Browser<S = World> {
    site: Arc<S>,
    /// The flow cookie, if there is one.
    pub cookie: Option<String>,
    /// The session cookie of `/security-info`, if there is one.
    pub session: Option<String>,
    /// The cookie of a known device, if there is one.
    pub device: Option<String>,
    /// The cookie of a sign-in at the identity provider, if there is one.
    pub pending: Option<String>,
    /// The cookie of an agent's visit of `/help-desk`, if there is one.
    pub desk: Option<String>,
    address: Option<IpAddr>,
    extra_headers: &'static [(&'static str, &'static str)],
}

impl<S> Clone for Browser<S> {
    fn clone(&self) -> Self {
        Self {
            site: self.site.clone(),
            cookie: self.cookie.clone(),
            session: self.session.clone(),
            device: self.device.clone(),
            pending: self.pending.clone(),
            desk: self.desk.clone(),
            address: self.address,
            extra_headers: self.extra_headers,
        }
    }
}

impl Browser {
    /// Returns the world of this client.
    pub fn world(&self) -> &World {
        &self.site
    }

    /// Signs in to `/security-info` with the initial password.
    pub async fn sign_in(&mut self, login: &str) -> Answer {
        self.sign_in_with(login, crate::fixtures::Person::PASSWORD).await
    }

    /// Verifies both steps for Aisyah: email, then text to the mobile.
    pub async fn verify_both_steps(&mut self, reason: &str) -> Answer {
        self.open("aisyah", reason).await;
        assert_eq!(self.send_email().await.page(), "code");
        assert_eq!(self.code(&self.site.last_code()).await.page(), "method");
        assert_eq!(self.send_phone("sms", "012-345 6798").await.page(), "code");
        self.code(&self.site.last_code()).await
    }
}

impl<S: Site> Browser<S> {
    /// Creates a client without cookies.
    pub fn new(site: &Arc<S>) -> Self {
        let site = Arc::clone(site);
        Self {
            site,
            cookie: None,
            session: None,
            device: None,
            pending: None,
            desk: None,
            address: None,
            extra_headers: &[],
        }
    }

    /// Sends every request of the client from this address.
    #[must_use]
    pub fn from_address(self, address: impl Into<IpAddr>) -> Self {
        Self { address: Some(address.into()), ..self }
    }

    /// Makes the client the known device with this cookie.
    #[must_use]
    pub fn with_device(self, device: &str) -> Self {
        Self { device: Some(device.to_owned()), ..self }
    }

    /// Adds these headers to every request of the client.
    #[must_use]
    pub fn with_headers(self, extra_headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { extra_headers, ..self }
    }

    /// Sends `GET path` for JSON.
    pub async fn get(&mut self, path: &str) -> Answer {
        let request = self.request(Method::GET, path).body(String::new()).unwrap();
        self.send(request).await
    }

    /// Sends `GET path` for HTML and returns the page.
    pub async fn html(&mut self, path: &str) -> String {
        let mut request = self.request(Method::GET, path).body(String::new()).unwrap();
        request.headers_mut().insert("accept", "text/html".parse().unwrap());
        self.send(request).await.text()
    }

    /// Sends `POST path` with JSON.
    pub async fn post(&mut self, path: &str, body: Value) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body.to_string()).unwrap()).await
    }

    /// Builds a request for JSON with this client's cookies.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(path).header("accept", "application/json");
        let request =
            self.extra_headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let flow = self.cookie.iter().map(|value| format!("__Host-rekey={value}"));
        let session = self.session.iter().map(|value| format!("__Host-rekey-session={value}"));
        let device = self.device.iter().map(|value| format!("__Host-rekey-device={value}"));
        let pending = self.pending.iter().map(|value| format!("__Host-rekey-oidc={value}"));
        let desk = self.desk.iter().map(|value| format!("__Host-rekey-desk={value}"));
        let cookies: Vec<String> = flow.chain(session).chain(device).chain(pending).chain(desk).collect();
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    /// Sends a request and keeps the cookies of the response.
    pub async fn send(&mut self, mut request: Request<String>) -> Answer {
        if let Some(address) = self.address {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 50_000))));
        }
        let answer = self.site.answer(request).await;
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            let value = (!value.is_empty()).then(|| value.to_owned());
            match name {
                "__Host-rekey" => self.cookie = value,
                "__Host-rekey-session" => self.session = value,
                "__Host-rekey-device" => self.device = value,
                "__Host-rekey-oidc" => self.pending = value,
                "__Host-rekey-desk" => self.desk = value,
                _ => {}
            }
        }
        answer
    }

    /// Submits page 1 with a login and the correct CAPTCHA answer.
    pub async fn identify(&mut self, login: &str) -> Answer {
        let token = self.get("/").await.json()["captcha"]["token"].as_str().unwrap().to_owned();
        let answer = self.site.solve(&token).await;
        self.post("/", json!({ "login": login, "captcha_token": token, "captcha_answer": answer })).await
    }

    /// Opens a flow and goes to the choice of the first method.
    pub async fn open(&mut self, login: &str, reason: &str) -> Answer {
        assert_eq!(self.identify(login).await.page(), "reason");
        let answer = self.post("/reason", json!({ "reason": reason })).await;
        assert_eq!(answer.page(), "method");
        answer
    }

    /// Requests a code by email.
    pub async fn send_email(&mut self) -> Answer {
        self.post("/code/send", json!({ "method": "email" })).await
    }

    /// Requests a code to a phone; `contact` is the number as typed.
    pub async fn send_phone(&mut self, method: &str, contact: &str) -> Answer {
        self.post("/code/send", json!({ "method": method, "contact": contact })).await
    }

    /// Submits a code that was sent.
    pub async fn code(&mut self, code: &str) -> Answer {
        self.post("/code", json!({ "code": code })).await
    }

    /// Submits a code of the authenticator app.
    pub async fn totp(&mut self, code: &str) -> Answer {
        self.post("/code", json!({ "method": "totp", "code": code })).await
    }

    /// Signs in to `/security-info` with a password.
    pub async fn sign_in_with(&mut self, login: &str, password: &str) -> Answer {
        self.post("/security-info/sign-in", json!({ "login": login, "password": password })).await
    }

    /// Verifies the second step there with an app code.
    pub async fn second_step(&mut self, code: &str) -> Answer {
        self.post("/security-info/verify", json!({ "method": "totp", "code": code })).await
    }

    /// Begins to enrol an entry.
    pub async fn add(&mut self, kind: &str, value: &str) -> Answer {
        let body =
            if value.is_empty() { json!({ "kind": kind }) } else { json!({ "kind": kind, "value": value }) };
        self.post("/security-info/add", body).await
    }

    /// Confirms the entry with a code.
    pub async fn confirm(&mut self, id: &str, code: &str) -> Answer {
        self.post("/security-info/confirm", json!({ "id": id, "code": code })).await
    }

    /// Requests an approval from the devices.
    pub async fn send_push(&mut self) -> Answer {
        self.post("/code/send", json!({ "method": "push" })).await
    }

    /// Continues after an approval.
    pub async fn approved(&mut self) -> Answer {
        self.post("/code", json!({ "method": "push" })).await
    }

    /// Submits a new password.
    pub async fn password(&mut self, password: &str) -> Answer {
        self.post("/password", json!({ "password": password, "confirmation": password })).await
    }
}
