//! The search for a flow or session by its support code, in the table `flows`.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::item::{Item, b, consistent_get, n, unavailable};
use super::{flows, sessions};
use crate::domain::holder::HolderId;
use crate::domain::keys::Keyring;
use crate::domain::support_code::{FOUND_FOR, SupportCode};
use crate::domain::time::Timestamp;
use crate::ports::{Found, HolderSearch, StoreError};

/// Reads the keys of the table and computes the code of each. So no flow costs an index or a second item, and a search
/// of a day with 50 000 flows reads some 60 MB for a tenth of a cent.
#[derive(Clone, Debug)]
pub struct DynamoHolderSearch {
    client: Client,
    table: String,
    keys: Arc<Keyring>,
}

impl DynamoHolderSearch {
    /// Returns the search in `table`; `keys` are those of the codes.
    pub fn new(client: Client, table: impl Into<String>, keys: Arc<Keyring>) -> Self {
        Self { client, table: table.into(), keys }
    }

    async fn read(&self, holder: HolderId) -> Result<Option<Found>, StoreError> {
        let item = consistent_get(&self.client, &self.table, &[("flow", b(holder.as_bytes()))]).await?;
        let Some(item) = item else { return Ok(None) };
        let flow = flows::decode_any(&item).map(|read| Found::Flow(Box::new(read.value)));
        let session = || {
            let read = sessions::decode_any(&item)?;
            Some(Found::Session(read.value.context().account.clone()))
        };
        Ok(flow.or_else(session))
    }
}

#[async_trait]
impl HolderSearch for DynamoHolderSearch {
    async fn find_by_code(&self, code: SupportCode, now: Timestamp) -> Result<Vec<Found>, StoreError> {
        let since = n(now.as_seconds().saturating_sub(FOUND_FOR.0.into()));
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let scan = self
                .client
                .scan()
                .table_name(&self.table)
                .projection_expression("#flow")
                .filter_expression("#expires_at > :since")
                .expression_attribute_names("#flow", "flow")
                .expression_attribute_names("#expires_at", "expires_at")
                .expression_attribute_values(":since", since.clone())
                .set_exclusive_start_key(after);
            let page = scan.send().await.map_err(unavailable)?;
            for item in page.items.unwrap_or_default().into_iter().map(Item) {
                let holder = item.bytes("flow").and_then(|key| key.try_into().ok()).map(HolderId::from_bytes);
                let Some(holder) = holder else { continue };
                if SupportCode::of_holder(holder, &self.keys) == Some(code) {
                    found.extend(self.read(holder).await?);
                }
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(found);
            }
        }
    }
}
