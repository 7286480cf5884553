//! The population that decoys are drawn from.

use async_trait::async_trait;

use super::Memory;
use crate::domain::population::PopulationVersions;
use crate::ports::{PopulationStore, StoreError, Versioned};

/// The stored population, with its revision; 0 before the first one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoredPopulation {
    /// The population, if people were counted.
    pub population: Option<PopulationVersions>,
    /// How often it was replaced.
    pub revision: u64,
}

#[async_trait]
impl PopulationStore for Memory {
    async fn population(&self) -> Result<Versioned<Option<PopulationVersions>>, StoreError> {
        Ok(self.with(|tables| {
            let StoredPopulation { population, revision } = tables.population.clone();
            Versioned { value: population, revision }
        }))
    }

    async fn replace_population(
        &self,
        revision: u64,
        population: &PopulationVersions,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| {
            let is_current = tables.population.revision == revision;
            if is_current {
                tables.population =
                    StoredPopulation { population: Some(population.clone()), revision: revision + 1 };
            }
            is_current
        }))
    }
}
