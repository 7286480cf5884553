//! A response of Rekey with its whole body.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;

/// Status, headers and body of a response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers, cookies included.
    pub headers: HeaderMap,
    /// The body as sent, perhaps compressed.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Self { status: parts.status, headers: parts.headers, body }
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Returns the name of the page, after checking that the response is a success.
    pub fn page(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()["page"].as_str().unwrap().to_owned()
    }

    /// Returns the status and the code of a problem (RFC 9457).
    pub fn problem(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16(), "{json}");
        (self.status.as_u16(), json["code"].as_str().unwrap().to_owned())
    }

    /// Returns a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}
