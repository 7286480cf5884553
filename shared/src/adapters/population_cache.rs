//! Keeps the population for some minutes, so that most flows open without reading it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::domain::population::PopulationVersions;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{Clock, PopulationStore, StoreError, Versioned};

/// Far below the hour after which a new version counts, so that all processes change to it together.
const KEPT: Seconds = Seconds(300);

/// A population with the time at which it was read.
type Kept = (Timestamp, Versioned<Option<PopulationVersions>>);

/// A store of the population that answers from memory for some minutes. It keeps nothing before the first count, which
/// takes effect at once.
pub struct PopulationCache {
    store: Arc<dyn PopulationStore>,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<Kept>>,
}

impl PopulationCache {
    /// Returns a cache of `store`.
    pub fn new(store: Arc<dyn PopulationStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, kept: Mutex::new(None) }
    }
}

#[async_trait]
impl PopulationStore for PopulationCache {
    async fn population(&self) -> Result<Versioned<Option<PopulationVersions>>, StoreError> {
        let now = self.clock.now();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read_at, population)) = kept
            && read_at.is_within(KEPT, now)
        {
            return Ok(population);
        }
        let population = self.store.population().await?;
        if population.value.is_some() {
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, population.clone()));
        }
        Ok(population)
    }

    async fn replace_population(
        &self,
        revision: u64,
        population: &PopulationVersions,
    ) -> Result<bool, StoreError> {
        self.store.replace_population(revision, population).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use super::*;

    /// Counts how often its population is read.
    struct Store(AtomicU64, Option<PopulationVersions>);

    #[async_trait]
    impl PopulationStore for Store {
        async fn population(&self) -> Result<Versioned<Option<PopulationVersions>>, StoreError> {
            let revision = self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Versioned { value: self.1.clone(), revision })
        }

        async fn replace_population(&self, _: u64, _: &PopulationVersions) -> Result<bool, StoreError> {
            Ok(false)
        }
    }

    struct At(AtomicI64);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
        }
    }

    /// Returns how often the store was read by flows at these times.
    async fn reads(population: Option<PopulationVersions>, times: &[i64]) -> u64 {
        let store = Arc::new(Store(AtomicU64::new(0), population));
        let clock = Arc::new(At(AtomicI64::new(0)));
        let cache = PopulationCache::new(store.clone(), clock.clone());
        for time in times {
            clock.0.store(*time, Ordering::SeqCst);
            cache.population().await.unwrap();
        }
        store.0.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn population_is_read_once_in_five_minutes() {
        let text = r#"{"number":1,"written_at":0,"current":{}}"#;
        let population: PopulationVersions = serde_json::from_str(text).unwrap();
        assert_eq!(reads(Some(population), &[1_000, 1_001, 1_299, 1_300, 1_301]).await, 2);
        assert_eq!(reads(None, &[1_000, 1_001, 1_299]).await, 3, "the first count takes effect at once");
    }
}
