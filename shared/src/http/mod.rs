//! HTTP: parses requests into types and writes results as pages or JSON. Only this module knows status codes.
//!
//! A handler takes an [`IncomingRequest`], works with typed values, and answers through it: with a page, with a
//! redirect to the next page, or with a [`problem::Problem`]. The request determines the format, HTML or
//! JSON, and the language.

mod answer;
mod app;
pub mod assets;
mod audit;
pub mod captcha;
pub mod encoding;
mod event;
mod form_fields;
mod handler_error;
pub mod headers;
mod incoming_request;
mod live;
pub mod page;
mod paths;
pub mod problem;
pub mod provider;
mod routes;
mod said;
pub mod theme;
pub mod trusted_proxy;
pub mod view;
mod views;

pub use answer::{NewCookie, NextPage, forget_pending_sign_in};
pub use app::{App, HasAppContext, respond};
pub use event::{Function, Pages, function, run};
pub use form_fields::FormFields;
pub use handler_error::{HandlerError, HandlerResult};
pub use incoming_request::{AppContext, Format, IncomingRequest};
pub use paths::location;
pub use routes::{ROUTES, Route, serve};
pub use said::Said;
pub use view::security_info;
pub use views::{choice_of, code_of, violation};
