//! Page 1: asks for the login and a CAPTCHA answer, and opens the flow. It also serves the assets, and the 404 for
//! every path that no function has.

mod glyphs;
mod handlers;
mod open;
pub mod picture;
mod range;
mod rng;
pub mod sound;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use shared::domain::keys::Keyring;
use shared::http::{AppContext, HasAppContext, serve};
use shared::ports::{
    Clock, Directory, Entropy, FlowStore, PopulationStore, RateLimitStore, SecurityInfoStore,
};
use shared::process::{Process, StartError};

/// The ports of `captcha`. It reads accounts and enrolled methods, and reads and writes only flows and rate limits.
pub struct Ports {
    /// Settings and the flow keys, which compute cookies and pseudonyms.
    pub app: AppContext,
    /// Stores the flow that page 1 opens.
    pub flows: Arc<dyn FlowStore>,
    /// Counts the flows opened by name and address, and records the challenges that were used.
    pub rate_limits: Arc<dyn RateLimitStore>,
    /// Finds the account of a login; this function can't write to it.
    pub directory: Arc<dyn Directory>,
    /// The enrolled methods, which decide what the flow offers.
    pub security_info: Arc<dyn SecurityInfoStore>,
    /// The population that decoys are drawn from.
    pub population: Arc<dyn PopulationStore>,
    /// Seals the challenge tokens.
    pub captcha: Arc<Keyring>,
    /// Expiry of challenges and flows is compared with this clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for challenges and flow cookies.
    pub entropy: Arc<dyn Entropy>,
}

impl Ports {
    /// Builds the ports from the settings and clients of the process.
    ///
    /// # Errors
    /// [`StartError`] if template.yaml lacks a setting that this function needs, or sets one to an invalid value.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            app: process.app_context()?,
            flows: process.flows()?,
            rate_limits: process.rate_limits()?,
            directory: process.directory()?,
            security_info: process.security_info()?,
            population: process.cached_population()?,
            captcha: process.keyring("REKEY_SECRET_CAPTCHA")?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }
}

impl HasAppContext for Ports {
    fn app_context(&self) -> &AppContext {
        &self.app
    }
}

/// Routes page 1, its media, the assets and the fallback.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new()
        .route("/", get(handlers::identify).post(handlers::begin))
        .route("/captcha/{token}/picture.png", get(handlers::show_picture))
        .route("/captcha/{token}/sound.wav", get(handlers::play_sound))
        .route("/assets/{file}", get(handlers::asset))
        .route("/.well-known/change-password", get(handlers::change_password));
    serve(routes, ports)
}
