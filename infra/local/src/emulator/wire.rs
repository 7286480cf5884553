//! The two wire protocols of AWS: JSON by `X-Amz-Target`, and the older form-encoded query with XML responses.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// An error response of an AWS service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// 400 for the caller's faults, 5xx for the service's.
    pub status: StatusCode,
    /// The error's name: `__type` of the JSON protocol, `Code` of the query protocol.
    pub code: &'static str,
    /// The error's name in SQS's former query protocol, which its SDKs still report (awsQueryCompatible).
    pub query_code: Option<&'static str>,
    /// The reason in plain words; SDKs put it into their errors.
    pub message: String,
    /// Further members of the JSON body.
    pub members: Value,
}

impl ServiceError {
    /// Creates a fault of the caller, with status 400.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self { status, code, query_code: None, message: message.into(), members: json!({}) }
    }

    /// Adds the error's name in SQS's former query protocol.
    #[must_use]
    pub const fn query(mut self, code: &'static str) -> Self {
        self.query_code = Some(code);
        self
    }

    /// Adds members to the JSON body.
    #[must_use]
    pub fn with(mut self, members: Value) -> Self {
        self.members = members;
        self
    }
}

/// Returns the message of a call that the emulator doesn't support.
pub fn unsupported(name: &str) -> String {
    format!("the AWS emulator does not support {name}")
}

/// The result of a call, as JSON in both protocols.
pub type CallResult = Result<Value, ServiceError>;

/// Parses the body of a call in the JSON protocol.
///
/// # Errors
/// `SerializationException`, as AWS answers.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ServiceError> {
    serde_json::from_slice(body)
        .map_err(|error| ServiceError::new("SerializationException", error.to_string()))
}

/// Builds the response of a JSON service. `version` is 1.0 or 1.1.
pub fn json_response(result: CallResult, version: &str, request_id: &str) -> Response<Body> {
    let (status, body, query_code) = match result {
        Ok(body) => (StatusCode::OK, body, None),
        Err(error) => {
            let mut body = error.members;
            body["__type"] = json!(error.code);
            body["message"] = json!(error.message);
            (error.status, body, error.query_code)
        }
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    set(headers, header::CONTENT_TYPE, &format!("application/x-amz-json-{version}"));
    set(headers, header::HeaderName::from_static("x-amzn-requestid"), request_id);
    if let Some(code) = query_code {
        let name = header::HeaderName::from_static("x-amzn-query-error");
        set(headers, name, &format!("{code};Sender"));
    }
    response
}

/// The parameters of a call in the query protocol, including `Action`. Of a repeated parameter the last one counts.
pub type Form = BTreeMap<String, String>;

/// Parses the body of a call in the query protocol.
pub fn read_form(body: &[u8]) -> Form {
    form_urlencoded::parse(body).into_owned().collect()
}

/// Returns the members of a list: `prefix.member.1`, `prefix.member.2` …
pub fn members<'a>(form: &'a Form, prefix: &str) -> Vec<&'a str> {
    (1..).map_while(|number| form.get(&format!("{prefix}.member.{number}"))).map(String::as_str).collect()
}

/// Builds the response of a query service. The flat object `result` becomes `<ActionResult>`.
pub fn query_response(result: CallResult, action: &str, namespace: &str, request_id: &str) -> Response<Body> {
    let (status, xml) = match result {
        Ok(result) => {
            let members: String = result
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| Some(format!("<{name}>{}</{name}>", escape(value.as_str()?))))
                .collect();
            let xml = format!(
                "<{action}Response xmlns=\"{namespace}\"><{action}Result>{members}</{action}Result>\
                 <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
            );
            (StatusCode::OK, xml)
        }
        Err(error) => {
            let xml = format!(
                "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>Sender</Type><Code>{}</Code>\
                 <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                error.code,
                escape(&error.message)
            );
            (error.status, xml)
        }
    };
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    set(headers, header::CONTENT_TYPE, "text/xml");
    set(headers, header::HeaderName::from_static("x-amzn-requestid"), request_id);
    response
}

/// Escapes text for XML content.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn set(headers: &mut header::HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
