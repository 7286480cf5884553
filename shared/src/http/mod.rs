//! HTTP: parses requests into types and writes results as pages or JSON. Only this module knows status codes.
//!
//! A handler takes an [`Incoming`], works with typed values, and answers through it: with a page, with a
//! redirect to the next page, or with a [`problem::Problem`]. The request determines the format, HTML or
//! JSON, and the language.

mod answer;
mod app;
pub mod assets;
pub mod captcha;
pub mod encoding;
mod event;
mod failure;
mod fields;
pub mod headers;
mod incoming;
mod live;
pub mod page;
mod paths;
pub mod problem;
mod routes;
pub mod theme;
pub mod view;
mod views;

pub use answer::{NewCookie, Next};
pub use app::{App, HasSite, answer};
pub use event::{Function, function, run};
pub use failure::{Failure, Outcome};
pub use fields::Fields;
pub use incoming::{Format, Incoming, Site};
pub use paths::location;
pub use routes::{ROUTES, Route, serve};
pub use view::security_info;
pub use views::{choice_of, code_of, violation};
