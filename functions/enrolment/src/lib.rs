//! Security info: a person signs in and enrols, confirms and removes what verifies who they are.
//!
//! The password alone opens the page only for somebody who has enrolled nothing yet; everybody else verifies a second step,
//! and again before a change if that is some time ago. Whatever is added is confirmed before it counts, and every change
//! is notified to all contacts, those that it replaces among them.
//!
//! A request goes from its handler (`sign_in`, `step_up`, `list`, `add`, `confirm`) to a page (`list_page`, `step_up_page`,
//! `confirm_page`), over `access`, which knows what a session may do. What differs by the kind of entry is in `kinds`.

mod access;
mod add;
mod confirm;
mod confirm_page;
mod held;
mod kinds;
mod limits;
mod list;
mod list_page;
mod notify;
mod ports;
mod seal;
mod sign_in;
mod step_up;
mod step_up_page;

pub use ports::Ports;

use axum::Router;
use axum::routing::{get, post};
use shared::http::serve;
use shared::process::{Process, StartError};

impl Ports {
    /// The ports as the process fulfils them.
    ///
    /// # Errors
    /// [`StartError`] when template.yaml does not tell this function of something it needs, or that makes no sense.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            site: process.site()?,
            sessions: process.sessions()?,
            directory: process.sign_in_directory()?,
            security_info: process.security_info()?,
            enrolment: process.enrolment()?,
            approvals: process.approvals()?,
            pairings: process.pairings()?,
            signatures: process.signatures(),
            authenticators: process.authenticators()?,
            budgets: process.budgets()?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            seeds: process.keyring("REKEY_SECRET_SEEDS")?,
            captcha: process.keyring("REKEY_SECRET_CAPTCHA")?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }
}

/// The routes of this function.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new()
        .route("/security-info", get(list::show))
        .route("/security-info/sign-in", post(sign_in::sign_in))
        .route("/security-info/verify", get(step_up::show).post(step_up::verify))
        .route("/security-info/add", post(add::add))
        .route("/security-info/confirm", get(confirm::show).post(confirm::confirm))
        .route("/security-info/remove", post(list::remove))
        .route("/security-info/reconfirm", post(list::reconfirm))
        .route("/security-info/sign-out", post(sign_in::sign_out));
    serve(routes, ports)
}
