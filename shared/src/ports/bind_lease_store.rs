//! The lease for a bind with a person's password.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::AccountId;
use crate::domain::time::Timestamp;

/// Names the request that holds a lease.
pub type BindHolder = [u8; 16];

/// Gives one request at a time the right to bind as an entry. Between its look at the wrong passwords that are left and
/// its bind no other request may bind. Ids without an entry have leases too, so that they take the same calls.
#[async_trait]
pub trait BindLeaseStore: Send + Sync {
    /// Acquires the lease until `until`; `false` while another request holds it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn acquire_bind(
        &self,
        account: &AccountId,
        holder: BindHolder,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Releases the lease of this holder. Another's stays.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn release_bind(&self, account: &AccountId, holder: BindHolder) -> Result<(), StoreError>;
}
