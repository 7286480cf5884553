//! Authenticates the device behind a request.

use shared::domain::device::{Device, Signed};
use shared::domain::time::Timestamp;
use shared::http::HandlerResult;
use shared::http::problem::Problem;
use shared::ports::StoredDevice;

use super::Ports;

/// The unverified identity and signature that a device sends.
pub(crate) struct DeviceCredentials<'a> {
    /// The sealed device id; it opens only with the push keys.
    pub(crate) handle: &'a str,
    /// The nonce that the signature covers; it must be one issued to this device.
    pub(crate) nonce: &'a str,
    /// The statement that the signature covers.
    pub(crate) signed: Signed<'a>,
    /// The signature as sent, still encoded.
    pub(crate) signature: &'a str,
}

impl DeviceCredentials<'_> {
    /// Returns the device that sent the request.
    ///
    /// # Errors
    /// `nonce-stale`, with a fresh nonce, if the nonce is too old or was not issued to this device. `device-unknown`
    /// if the device isn't enrolled, is no longer enrolled, or didn't make the signature. All three share one
    /// error, so that nobody learns which handles exist.
    pub(crate) async fn authenticate(
        &self,
        ports: &Ports,
        now: Timestamp,
    ) -> HandlerResult<(Device, StoredDevice)> {
        let device = Device::from_handle(&ports.push, self.handle).ok_or(Problem::DeviceUnknown)?;
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
