//! A client with a cookie, speaking JSON: the contract as a program sees it.

use std::sync::Arc;

use http::{Method, Request};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::world::World;

/// Where the product answers.
pub trait Site: Send + Sync {
    /// Answers a request.
    fn answer(&self, request: Request<String>) -> impl Future<Output = Answer> + Send;

    /// Tells what a CAPTCHA shows.
    fn solve(&self, token: &str) -> impl Future<Output = String> + Send;
}

/// A client of the product.
pub struct Browser<S = World> {
    site: Arc<S>,
    /// The cookie of the flow, if it has one.
    pub cookie: Option<String>,
    /// The cookie of the session on the page where people register, if it has one.
    pub session: Option<String>,
    claims: &'static [(&'static str, &'static str)],
}

impl<S> Clone for Browser<S> {
    fn clone(&self) -> Self {
        let (cookie, session) = (self.cookie.clone(), self.session.clone());
        Self { site: self.site.clone(), cookie, session, claims: self.claims }
    }
}

impl Browser {
    /// The world that it is in.
    pub fn world(&self) -> &World {
        &self.site
    }

    /// Signs in to the page where people register.
    pub async fn sign_in(&mut self, login: &str) -> Answer {
        self.sign_in_with(login, crate::people::Person::PASSWORD).await
    }

    /// Proves both steps for Aisyah: mail, then the mobile.
    pub async fn prove_both(&mut self, reason: &str) -> Answer {
        self.open("aisyah", reason).await;
        assert_eq!(self.send_email().await.page(), "code");
        assert_eq!(self.code(&self.site.last_code()).await.page(), "method");
        assert_eq!(self.send_phone("sms", "012-345 6798").await.page(), "code");
        self.code(&self.site.last_code()).await
    }
}

impl<S: Site> Browser<S> {
    /// A new client without a cookie.
    pub fn new(site: &Arc<S>) -> Self {
        Self { site: Arc::clone(site), cookie: None, session: None, claims: &[] }
    }

    /// The same client, sending these headers besides with every request.
    #[must_use]
    pub fn claiming(self, claims: &'static [(&'static str, &'static str)]) -> Self {
        Self { claims, ..self }
    }

    /// `GET path`.
    pub async fn get(&mut self, path: &str) -> Answer {
        let request = self.request(Method::GET, path).body(String::new()).unwrap();
        self.send(request).await
    }

    /// `GET path` as a page.
    pub async fn html(&mut self, path: &str) -> String {
        let mut request = self.request(Method::GET, path).body(String::new()).unwrap();
        request.headers_mut().insert("accept", "text/html".parse().unwrap());
        self.send(request).await.text()
    }

    /// `POST path` with JSON.
    pub async fn post(&mut self, path: &str, body: Value) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body.to_string()).unwrap()).await
    }

    /// A request with this client's cookie, for JSON.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(path).header("accept", "application/json");
        let request =
            self.claims.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let flow = self.cookie.iter().map(|value| format!("__Host-rekey={value}"));
        let session = self.session.iter().map(|value| format!("__Host-rekey-session={value}"));
        let cookies: Vec<String> = flow.chain(session).collect();
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    /// Sends a request and keeps the cookie of its answer.
    pub async fn send(&mut self, request: Request<String>) -> Answer {
        let answer = self.site.answer(request).await;
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            let value = (!value.is_empty()).then(|| value.to_owned());
            match name {
                "__Host-rekey" => self.cookie = value,
                "__Host-rekey-session" => self.session = value,
                _ => {}
            }
        }
        answer
    }

    /// Names somebody and solves the CAPTCHA by its characters.
    pub async fn identify(&mut self, login: &str) -> Answer {
        let token = self.get("/").await.json()["captcha"]["token"].as_str().unwrap().to_owned();
        let answer = self.site.solve(&token).await;
        self.post("/", json!({ "login": login, "captcha_token": token, "captcha_answer": answer })).await
    }

    /// Goes as far as the choice of the first method.
    pub async fn open(&mut self, login: &str, reason: &str) -> Answer {
        assert_eq!(self.identify(login).await.page(), "reason");
        let answer = self.post("/reason", json!({ "reason": reason })).await;
        assert_eq!(answer.page(), "method");
        answer
    }

    /// Asks for a code by mail.
    pub async fn send_email(&mut self) -> Answer {
        self.post("/code/send", json!({ "method": "email" })).await
    }

    /// Asks for a code to a phone.
    pub async fn send_phone(&mut self, method: &str, contact: &str) -> Answer {
        self.post("/code/send", json!({ "method": method, "contact": contact })).await
    }

    /// Types a code.
    pub async fn code(&mut self, code: &str) -> Answer {
        self.post("/code", json!({ "code": code })).await
    }

    /// Types a code from the authenticator app.
    pub async fn totp(&mut self, code: &str) -> Answer {
        self.post("/code", json!({ "method": "totp", "code": code })).await
    }

    /// Signs in to the page where people register, with a password.
    pub async fn sign_in_with(&mut self, login: &str, password: &str) -> Answer {
        self.post("/security-info/sign-in", json!({ "login": login, "password": password })).await
    }

    /// Proves the second step there, with a code from the app.
    pub async fn second_step(&mut self, code: &str) -> Answer {
        self.post("/security-info/verify", json!({ "method": "totp", "code": code })).await
    }

    /// Begins to add something.
    pub async fn add(&mut self, kind: &str, value: &str) -> Answer {
        let body =
            if value.is_empty() { json!({ "kind": kind }) } else { json!({ "kind": kind, "value": value }) };
        self.post("/security-info/add", body).await
    }

    /// Confirms it with a code.
    pub async fn confirm(&mut self, id: &str, code: &str) -> Answer {
        self.post("/security-info/confirm", json!({ "id": id, "code": code })).await
    }

    /// Asks the devices to approve.
    pub async fn send_push(&mut self) -> Answer {
        self.post("/code/send", json!({ "method": "push" })).await
    }

    /// Goes on after an approval.
    pub async fn approved(&mut self) -> Answer {
        self.post("/code", json!({ "method": "push" })).await
    }

    /// Sets a password.
    pub async fn password(&mut self, password: &str) -> Answer {
        self.post("/password", json!({ "password": password, "confirmation": password })).await
    }
}
