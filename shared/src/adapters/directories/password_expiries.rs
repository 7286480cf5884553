//! The warnings before passwords expire: the attribute `expiry_warning` of an account's item in the table `accounts`.
//! The sync and imports leave it.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::builtin::{ACCOUNT, read_account};
use crate::adapters::dynamodb::{Item, n, not_met, s, unavailable};
use crate::domain::account::AccountId;
use crate::domain::change_note::ChangeNote;
use crate::domain::password_expiry::{ExpiringAccount, ExpiryWarning};
use crate::domain::time::Timestamp;
use crate::ports::{ExpiryPage, PasswordExpiryStore, StoreError};

/// The items that a page of the scan reads, logins among them. The filter leaves few of them in the answer.
const PAGE: i32 = 200;

/// What is read beside an account: the sync's expiry, the note of `directory-write`, and the latest warning.
const EXPIRY: [&str; 3] = ["password_expires_at", "change", "expiry_warning"];

/// Reads expiries and stores warnings in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoPasswordExpiries {
    client: Client,
    table: String,
}

impl DynamoPasswordExpiries {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl PasswordExpiryStore for DynamoPasswordExpiries {
    async fn expiring(
        &self,
        from: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> Result<ExpiryPage, StoreError> {
        let attributes = [&ACCOUNT[..], &EXPIRY].concat();
        let names = attributes.iter().map(|name| (format!("#{name}"), (*name).to_owned())).collect();
        let projection: Vec<String> = attributes.iter().map(|name| format!("#{name}")).collect();
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .limit(PAGE)
            .projection_expression(projection.join(", "))
            .filter_expression("#password_expires_at BETWEEN :from AND :until")
            .set_expression_attribute_names(Some(names))
            .expression_attribute_values(":from", n(from.as_seconds()))
            .expression_attribute_values(":until", n(until.as_seconds()))
            .set_exclusive_start_key(page.map(|key| HashMap::from([("account".to_owned(), s(key))])));
        let found = scan.send().await.map_err(unavailable)?;
        let last = found.last_evaluated_key.map(Item);
        let read = |item: Item| {
            let account = read_expiring(&item);
            account.inspect_err(|error| tracing::warn!(event = "account.unreadable", %error)).ok()
        };
        Ok(ExpiryPage {
            accounts: found.items.unwrap_or_default().into_iter().map(Item).filter_map(read).collect(),
            next: last.and_then(|key| key.optional_text("account").map(str::to_owned)),
        })
    }

    /// The condition names the key for an account that is there, because IAM bounds the attributes: see template.yaml.
    async fn note_warning(&self, account: &AccountId, warning: ExpiryWarning) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(format!("account/{}", account.as_str())))
            .update_expression("SET #warning = :warning")
            .condition_expression(
                "attribute_exists(#account) AND (attribute_not_exists(#warning) OR #warning <> :warning)",
            )
            .expression_attribute_names("#account", "account")
            .expression_attribute_names("#warning", "expiry_warning")
            .expression_attribute_values(":warning", s(written(warning)?));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }

    async fn take_back_warning(
        &self,
        account: &AccountId,
        warning: ExpiryWarning,
        earlier: Option<ExpiryWarning>,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(format!("account/{}", account.as_str())))
            .condition_expression("#warning = :warning")
            .expression_attribute_names("#warning", "expiry_warning")
            .expression_attribute_values(":warning", s(written(warning)?));
        let update = match earlier {
            Some(earlier) => update
                .update_expression("SET #warning = :earlier")
                .expression_attribute_values(":earlier", s(written(earlier)?)),
            None => update.update_expression("REMOVE #warning"),
        };
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => not_met(error).map(drop),
        }
    }
}

fn written(warning: ExpiryWarning) -> Result<String, StoreError> {
    serde_json::to_string(&warning).map_err(|_| StoreError::Unreadable("expiry_warning"))
}

/// Returns an account from its item. An unreadable warning counts as none, and an unreadable note hinders none.
fn read_expiring(item: &Item) -> Result<ExpiringAccount, StoreError> {
    let note = item.optional_text("change").and_then(|text| serde_json::from_str::<ChangeNote>(text).ok());
    Ok(ExpiringAccount {
        account: read_account(item)?,
        expires_at: item.moment("password_expires_at")?,
        warned: item.optional_text("expiry_warning").and_then(|text| serde_json::from_str(text).ok()),
        password_deadline: note.and_then(|note| note.password_deadline),
    })
}
