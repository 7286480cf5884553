//! The population that decoys are drawn from.

use async_trait::async_trait;

use super::{StoreError, Versioned};
use crate::domain::population::PopulationVersions;

/// Stores the population in one item. `captcha` reads it; `housekeeping` and imports replace it.
#[async_trait]
pub trait PopulationStore: Send + Sync {
    /// Returns the population, or `None` before the first count, with its revision. An unreadable one counts as none,
    /// since every flow reads it. A read may miss the writes of the last second.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn population(&self) -> Result<Versioned<Option<PopulationVersions>>, StoreError>;

    /// Replaces the population of `revision`; `false` when another one was written meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replace_population(
        &self,
        revision: u64,
        population: &PopulationVersions,
    ) -> Result<bool, StoreError>;
}
