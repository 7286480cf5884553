//! Which device calls, and whether it is really it.

use shared::domain::device::{Device, Signed};
use shared::domain::time::Timestamp;
use shared::http::Outcome;
use shared::http::problem::Problem;
use shared::ports::StoredDevice;

use super::Ports;

/// What a device says of itself.
pub(crate) struct Claim<'a> {
    /// Its handle.
    pub(crate) handle: &'a str,
    /// The nonce that it signed over.
    pub(crate) nonce: &'a str,
    /// What it signed.
    pub(crate) signed: Signed<'a>,
    /// The signature.
    pub(crate) signature: &'a str,
}

impl Claim<'_> {
    /// The device that calls.
    ///
    /// # Errors
    /// `nonce-stale`, with a new one, where the nonce is none of ours for this device or too old; `device-unknown` for
    /// one that is not (or no longer) registered and for a signature that is not its own. One answer for these, so that
    /// nobody learns which handles live.
    pub(crate) async fn verified(&self, ports: &Ports, now: Timestamp) -> Outcome<(Device, StoredDevice)> {
        let device = Device::of_handle(&ports.push, self.handle).ok_or(Problem::DeviceUnknown)?;
        if !device.knows_nonce(&ports.push, self.nonce, now) {
            let nonce = device.nonce(&ports.push, now).ok_or(Problem::Unavailable)?;
            return Err(Problem::NonceStale(nonce).into());
        }
        let stored = ports.devices.device(&device).await?.ok_or(Problem::DeviceUnknown)?;
        if !stored.key.verifies(&self.signed, self.signature) {
            return Err(Problem::DeviceUnknown.into());
        }
        Ok((device, stored))
    }
}
