//! Page 1: who are you? The CAPTCHA in all its forms, the assets, and the answer to every path that no function
//! has. Opens the flow.

mod chance;
mod glyphs;
mod handlers;
mod open;
pub mod picture;
pub mod sound;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use shared::domain::keys::Keyring;
use shared::http::{HasSite, Site, serve};
use shared::ports::{BudgetStore, Clock, Directory, Entropy, FlowStore, SecurityInfo};
use shared::process::{Process, StartError};

/// What this function needs from outside.
pub struct Ports {
    /// Settings and the keys of flows.
    pub site: Site,
    /// The flows.
    pub flows: Arc<dyn FlowStore>,
    /// The budgets, and the list of challenges that are spent.
    pub budgets: Arc<dyn BudgetStore>,
    /// The directory, to be read.
    pub directory: Arc<dyn Directory>,
    /// What is registered.
    pub security_info: Arc<dyn SecurityInfo>,
    /// The keys of challenges.
    pub captcha: Arc<Keyring>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl Ports {
    /// The ports as the process fulfils them.
    ///
    /// # Errors
    /// [`StartError`] when template.yaml does not tell this function of something it needs, or that makes no sense.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            site: process.site()?,
            flows: process.flows()?,
            budgets: process.budgets()?,
            directory: process.directory()?,
            security_info: process.security_info()?,
            captcha: process.keyring("REKEY_SECRET_CAPTCHA")?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }
}

impl HasSite for Ports {
    fn site(&self) -> &Site {
        &self.site
    }
}

/// The routes of this function.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new()
        .route("/", get(handlers::identify).post(handlers::begin))
        .route("/captcha/{token}/picture.png", get(handlers::show_picture))
        .route("/captcha/{token}/sound.wav", get(handlers::play_sound))
        .route("/assets/{file}", get(handlers::asset))
        .route("/.well-known/change-password", get(handlers::change_password));
    serve(routes, ports)
}
