//! The item `population` of the table `accounts`. The keys of accounts and logins begin with a prefix, so none of
//! them is its key.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::item::{get_attributes, n, not_met, s};
use crate::domain::population::PopulationVersions;
use crate::ports::{PopulationStore, StoreError, Versioned};

const KEY: &str = "population";

/// Stores the population in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoPopulation {
    client: Client,
    table: String,
}

impl DynamoPopulation {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl PopulationStore for DynamoPopulation {
    async fn population(&self) -> Result<Versioned<Option<PopulationVersions>>, StoreError> {
        let key = ("account", s(KEY));
        let item = get_attributes(&self.client, &self.table, key, &["population", "rev"], false).await?;
        let item = item.unwrap_or_default();
        let text = item.optional_text("population");
        let value = text.and_then(|text| {
            let read = serde_json::from_str(text);
            read.inspect_err(|_| tracing::error!(event = "population.unreadable")).ok()
        });
        Ok(Versioned { value, revision: item.number("rev").unwrap_or_default() })
    }

    /// Updates the item, because a condition of IAM bounds the attributes of updates: see template.yaml.
    async fn replace_population(
        &self,
        revision: u64,
        population: &PopulationVersions,
    ) -> Result<bool, StoreError> {
        let text = serde_json::to_string(population).map_err(|_| StoreError::Unreadable("population"))?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(KEY))
            .update_expression("SET #population = :population, #rev = :next")
            .expression_attribute_names("#population", "population")
            .expression_attribute_names("#rev", "rev")
            .expression_attribute_values(":population", s(text))
            .expression_attribute_values(":next", n(revision + 1));
        let update = if revision == 0 {
            // The item is missing, or has no revision.
            update
                .condition_expression("NOT attribute_type(#rev, :number) OR #rev < :next")
                .expression_attribute_values(":number", s("N"))
        } else {
            update.condition_expression("#rev = :rev").expression_attribute_values(":rev", n(revision))
        };
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }
}
