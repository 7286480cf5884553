//! The table `security-info`: per account an item `contacts` (with the account's generation and claim) and, where
//! an authenticator app is registered, an item `totp`.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use super::item::{Item, b, consistent_get, n, not_met, s, unavailable};
use crate::domain::account::{AccountId, Registration};
use crate::domain::contact::{EmailAddress, PhoneNumber};
use crate::domain::flow::FlowKey;
use crate::domain::time::Timestamp;
use crate::ports::{Authenticators, Claim, ClaimStore, SecurityInfo, StoreError, StoredTotp};

/// Keeps security info in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoSecurityInfo {
    client: Client,
    table: String,
}

impl DynamoSecurityInfo {
    /// Keeps security info in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Writes what is registered for an account (an import). A generation and a claim that are there stay.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn register(
        &self,
        account: &AccountId,
        registration: &Registration,
        sealed_seed: Option<&str>,
    ) -> Result<(), StoreError> {
        let contacts = [
            ("alternate_email", registration.alternate_email.as_ref().map(EmailAddress::expose)),
            ("mobile", registration.mobile.as_ref().map(PhoneNumber::expose)),
            ("office_phone", registration.office_phone.as_ref().map(PhoneNumber::expose)),
        ];
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s("contacts"))
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_values(":zero", n(0));
        let mut set = vec!["#generation = if_not_exists(#generation, :zero)".to_owned()];
        let mut remove = Vec::new();
        for (name, value) in contacts {
            update = update.expression_attribute_names(format!("#{name}"), name);
            match value {
                Some(value) => {
                    set.push(format!("#{name} = :{name}"));
                    update = update.expression_attribute_values(format!(":{name}"), s(value));
                }
                None => remove.push(format!("#{name}")),
            }
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression = format!("{expression} REMOVE {}", remove.join(", "));
        }
        update.update_expression(expression).send().await.map_err(unavailable)?;
        let Some(sealed_seed) = sealed_seed else { return Ok(()) };
        let item = Item::default()
            .with("account", s(account.as_str()))
            .with("item", s("totp"))
            .with("seed", s(sealed_seed))
            .with("last_step", n(0));
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.0))
            .send()
            .await
            .map_err(unavailable)?;
        Ok(())
    }
}

#[async_trait]
impl SecurityInfo for DynamoSecurityInfo {
    async fn registration(&self, account: &AccountId) -> Result<Registration, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#account = :account")
            .expression_attribute_names("#account", "account")
            .expression_attribute_values(":account", s(account.as_str()))
            .consistent_read(true);
        let mut registration = Registration::default();
        for item in query.send().await.map_err(unavailable)?.items.unwrap_or_default() {
            let item = Item(item);
            match item.text("item")? {
                "contacts" => {
                    let text = |name| item.optional_text(name).map(str::to_owned);
                    registration.alternate_email = text("alternate_email").map(EmailAddress::from_stored);
                    registration.mobile = text("mobile").map(PhoneNumber::from_stored);
                    registration.office_phone = text("office_phone").map(PhoneNumber::from_stored);
                    registration.generation = item.number("generation")?;
                    registration.claimed_by =
                        item.tag("claimed_by").map(|tag| FlowKey::from_bytes(*tag.as_bytes()));
                }
                "totp" => registration.totp = true,
                _ => {}
            }
        }
        Ok(registration)
    }
}

#[async_trait]
impl Authenticators for DynamoSecurityInfo {
    async fn totp(&self, account: &AccountId) -> Result<Option<StoredTotp>, StoreError> {
        let key = [("account", s(account.as_str())), ("item", s("totp"))];
        let item = consistent_get(&self.client, &self.table, &key).await?;
        item.map(|item| Ok(StoredTotp { sealed_seed: item.text("seed")?.to_owned() })).transpose()
    }

    async fn accept_step(&self, account: &AccountId, step: u64, flow: FlowKey) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s("totp"))
            .update_expression("SET #last_step = :step, #last_flow = :flow")
            .condition_expression("#last_step < :step OR (#last_step = :step AND #last_flow = :flow)")
            .expression_attribute_names("#last_step", "last_step")
            .expression_attribute_names("#last_flow", "last_flow")
            .expression_attribute_values(":step", n(step))
            .expression_attribute_values(":flow", b(flow.as_bytes()));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }
}

#[async_trait]
impl ClaimStore for DynamoSecurityInfo {
    async fn claim(
        &self,
        account: &AccountId,
        flow: FlowKey,
        generation: u64,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Claim, StoreError> {
        let Some(found) = self.try_claim(account, flow, generation, lease_until).await? else {
            return Ok(Claim::Held(generation + 1));
        };
        let ours = found.tag("claimed_by").is_some_and(|by| by.as_bytes() == flow.as_bytes());
        if !ours {
            return Ok(Claim::Lost);
        }
        if found.moment("lease_until")? > now {
            return Ok(Claim::Busy);
        }
        // Our own claim, and whoever made it is gone: claim anew. The next generation shuts out a write of the
        // first that may still be on its way.
        let held: u64 = found.number("generation")?;
        match self.try_claim(account, flow, held, lease_until).await? {
            None => Ok(Claim::Held(held + 1)),
            Some(_) => Ok(Claim::Busy),
        }
    }
}

impl DynamoSecurityInfo {
    /// One conditional bump; the item as it was when the condition was not met.
    async fn try_claim(
        &self,
        account: &AccountId,
        flow: FlowKey,
        generation: u64,
        lease_until: Timestamp,
    ) -> Result<Option<Item>, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s("contacts"))
            .update_expression("SET #generation = :next, #claimed_by = :flow, #lease_until = :lease_until")
            .condition_expression("#generation = :generation")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_names("#claimed_by", "claimed_by")
            .expression_attribute_names("#lease_until", "lease_until")
            .expression_attribute_values(":generation", n(generation))
            .expression_attribute_values(":next", n(generation + 1))
            .expression_attribute_values(":flow", b(flow.as_bytes()))
            .expression_attribute_values(":lease_until", n(lease_until.as_seconds()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(_) => Ok(None),
            Err(error) => Ok(Some(not_met(error)?.unwrap_or_default())),
        }
    }
}
