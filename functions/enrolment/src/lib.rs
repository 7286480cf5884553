//! Security info: a person signs in and enrols, confirms and removes verification methods.
//!
//! The password alone opens the page only for a person who has enrolled nothing yet. All others verify a second
//! step, and a step-up before a change if that was some time ago. Every new entry is confirmed before it counts, and
//! every change is notified to all contacts, including replaced ones.
//!
//! A request goes from its handler (`sign_in`, `oidc`, `step_up`, `list`, `add`, `confirm`) to a page (`list_page`,
//! `step_up_page`, `confirm_page`). `access` decides what a session may do. `kinds` has the differences between kinds
//! of entries.

mod access;
mod add;
mod change_password;
mod confirm;
mod confirm_page;
mod kinds;
mod list;
mod list_page;
mod notify;
mod oidc;
mod ports;
mod rate_limits;
mod seal;
mod sign_in;
mod step_up;
mod step_up_page;
mod waiting_period;

pub use ports::Ports;

use axum::Router;
use axum::routing::{get, post};
use shared::http::serve;
use shared::process::{Process, StartError};

impl Ports {
    /// Builds the ports from the settings and clients of the process.
    ///
    /// # Errors
    /// [`StartError`] if template.yaml lacks a setting that this function needs, or sets one to an invalid value.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            app: process.app_context()?,
            flows: process.flows()?,
            sessions: process.sessions()?,
            session_changes: process.session_changes()?,
            directory: process.sign_in_directory()?,
            identity_provider: process.identity_provider(),
            security_info: process.security_info()?,
            enrolment: process.enrolment()?,
            approvals: process.approvals()?,
            pairings: process.pairings()?,
            signatures: process.signatures(),
            authenticators: process.authenticators()?,
            rate_limits: process.rate_limits()?,
            recent_events: process.recent_events()?,
            mail_failures: process.mail_failures()?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            seeds: process.keyring("REKEY_SECRET_SEEDS")?,
            captcha: process.keyring("REKEY_SECRET_CAPTCHA")?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }
}

/// Routes `/security-info` with the paths below it, and `/change-password`.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new()
        .route("/security-info", get(list::show))
        .route("/security-info/sign-in", post(sign_in::sign_in))
        .route("/security-info/oidc/start", get(oidc::start))
        .route("/security-info/oidc", get(oidc::callback))
        .route("/security-info/verify", get(step_up::show).post(step_up::verify))
        .route("/security-info/add", post(add::add))
        .route("/security-info/confirm", get(confirm::show).post(confirm::confirm))
        .route("/security-info/remove", post(list::remove))
        .route("/security-info/reconfirm", post(list::reconfirm))
        .route("/security-info/remember", post(list::remember))
        .route("/security-info/sign-out", post(sign_in::sign_out))
        .route("/change-password", get(change_password::show).post(change_password::change));
    serve(routes, ports)
}
