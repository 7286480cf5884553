//! Pairings in the table `flows`: one item each.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::item::{Item, b, consistent_get, latest, n, not_met, s, unavailable};
use crate::domain::account::AccountId;
use crate::domain::device::DeviceKey;
use crate::domain::keys::Tag;
use crate::domain::pairing::{PAIRING_ATTEMPTS, PAIRING_LIFETIME, Pairing, PairingKey, WaitingDevice};
use crate::domain::security_info::EntryId;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{PairingConfirmed, PairingState, PairingStore, StoreError};

/// A pairing with an unused token.
const OPEN: &str = "pairing-open";
/// A pairing with a device that waits for confirmation, or is confirmed: see [`DynamoPairings::confirm`].
const WAITING: &str = "pairing-waiting";
/// How long an item is kept after its end. Only the table's size depends on it.
const KEPT_AFTER: Seconds = Seconds::HOUR;

/// Stores pairings in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoPairings {
    client: Client,
    table: String,
}

impl DynamoPairings {
    /// Returns the store in `table`, the table of flows.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Reads an active pairing. Here and below, an unreadable one counts as missing, and the person begins
    /// another.
    async fn find(&self, key: PairingKey, now: Timestamp) -> Result<Option<Item>, StoreError> {
        let item = consistent_get(&self.client, &self.table, &[("flow", b(key.as_bytes()))]).await?;
        Ok(item.filter(|item| is_live(item, now)))
    }
}

#[async_trait]
impl PairingStore for DynamoPairings {
    async fn begin(&self, key: PairingKey, pairing: &Pairing) -> Result<(), StoreError> {
        let item = Item::default()
            .with("flow", b(key.as_bytes()))
            .with("state", s(OPEN))
            .with("account", s(pairing.account.as_str()))
            .with("device", s(pairing.entry.as_str()))
            .with("session", b(&pairing.session))
            .with("label", s(&pairing.label))
            .with("tries", n(0))
            .with("expires_at", n(pairing.expires_at.as_seconds()))
            .with("ttl", n((pairing.expires_at + KEPT_AFTER).as_seconds()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item.0));
        let put = put
            .condition_expression("attribute_not_exists(#flow)")
            .expression_attribute_names("#flow", "flow");
        put.send().await.map(drop).map_err(unavailable)
    }

    async fn open(
        &self,
        key: PairingKey,
        device: &DeviceKey,
        now: Timestamp,
    ) -> Result<Option<Pairing>, StoreError> {
        let Some(item) = self.find(key, now).await? else { return Ok(None) };
        let Some((state, pairing)) = pairing(&item) else { return Ok(None) };
        let is_its_own = item.bytes("public_key") == Some(device.to_bytes().as_slice());
        let is_confirmed = item.tag("guess") == item.tag("code");
        Ok((state == OPEN || (is_its_own && !is_confirmed)).then_some(pairing))
    }

    async fn pair(
        &self,
        key: PairingKey,
        device: &WaitingDevice,
        code: Tag,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // `guess` exists from the start, so that the condition of an attempt compares two present attributes.
        let mut set = "SET #state = :waiting, #public_key = :public_key, #name = :name, \
                       #code = :code, #guess = :no_guess"
            .to_owned();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("flow", b(key.as_bytes()))
            .condition_expression(
                "#expires_at > :now AND #expires_at <= :latest AND (#state = :open \
                 OR (#state = :waiting AND #public_key = :public_key AND #guess <> #code))",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#public_key", "public_key")
            .expression_attribute_names("#name", "name")
            .expression_attribute_names("#code", "code")
            .expression_attribute_names("#guess", "guess")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_values(":waiting", s(WAITING))
            .expression_attribute_values(":open", s(OPEN))
            .expression_attribute_values(":public_key", b(&device.key.to_bytes()))
            .expression_attribute_values(":name", s(&device.name))
            .expression_attribute_values(":code", b(code.as_bytes()))
            .expression_attribute_values(":no_guess", b(&[0]))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":latest", latest(now, PAIRING_LIFETIME));
        if let Some(subscription) = &device.subscription {
            set.push_str(", #subscription = :subscription");
            update = update
                .expression_attribute_names("#subscription", "subscription")
                .expression_attribute_values(":subscription", s(subscription));
        } else {
            set.push_str(" REMOVE #subscription");
            update = update.expression_attribute_names("#subscription", "subscription");
        }
        match update.update_expression(set).send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }

    async fn state(
        &self,
        key: PairingKey,
        account: &AccountId,
        session: &[u8; 32],
        now: Timestamp,
    ) -> Result<PairingState, StoreError> {
        let item = self.find(key, now).await?.filter(|item| is_of(item, account, session));
        let Some(item) = item else { return Ok(PairingState::Gone) };
        Ok(match item.optional_text("state") {
            Some(OPEN) => PairingState::Open,
            _ => item
                .optional_text("name")
                .map_or(PairingState::Gone, |name| PairingState::Waiting(name.to_owned())),
        })
    }

    async fn confirm(
        &self,
        key: PairingKey,
        account: &AccountId,
        session: &[u8; 32],
        code: Tag,
        now: Timestamp,
    ) -> Result<PairingConfirmed, StoreError> {
        // Like an attempt at a flow's code: stored without comparing, and rejected after a right one.
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("flow", b(key.as_bytes()))
            .update_expression("SET #guess = :guess ADD #tries :one")
            .condition_expression(
                "#state = :waiting AND #account = :account AND #session = :session AND #expires_at > :now \
                 AND #expires_at <= :latest AND #tries < :tries AND attribute_exists(#code) AND attribute_exists(#guess) AND #guess <> #code",
            )
            .expression_attribute_names("#guess", "guess")
            .expression_attribute_names("#code", "code")
            .expression_attribute_names("#tries", "tries")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#account", "account")
            .expression_attribute_names("#session", "session")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_values(":guess", b(code.as_bytes()))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":waiting", s(WAITING))
            .expression_attribute_values(":account", s(account.as_str()))
            .expression_attribute_values(":session", b(session))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":latest", latest(now, PAIRING_LIFETIME))
            .expression_attribute_values(":tries", n(PAIRING_ATTEMPTS))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let item = match update.send().await {
            Ok(output) => {
                let item = Item(output.attributes.unwrap_or_default());
                if item.tag("guess") != item.tag("code") {
                    let attempts_left = PAIRING_ATTEMPTS.saturating_sub(item.number("tries")?);
                    return Ok(PairingConfirmed::Wrong { attempts_left });
                }
                item
            }
            Err(error) => {
                let found =
                    not_met(error)?.filter(|item| is_live(item, now) && is_of(item, account, session));
                let Some(item) = found else { return Ok(PairingConfirmed::Gone) };
                if item.optional_text("state") == Some(OPEN) {
                    return Ok(PairingConfirmed::NotYet);
                }
                // This very code confirmed it before: a double click, a lost response. No other code is
                // compared.
                let is_again = item.tag("guess") == item.tag("code") && item.tag("code") == Some(code);
                if !is_again {
                    return Ok(PairingConfirmed::Spent);
                }
                item
            }
        };
        Ok(device(&item)
            .map_or(PairingConfirmed::Gone, |device| PairingConfirmed::Confirmed(Box::new(device))))
    }
}

fn is_live(item: &Item, now: Timestamp) -> bool {
    item.is_live("expires_at", now, PAIRING_LIFETIME)
}

fn is_of(item: &Item, account: &AccountId, session: &[u8; 32]) -> bool {
    item.optional_text("account") == Some(account.as_str())
        && item.tag("session").is_some_and(|own| own == Tag::from_bytes(*session))
}

/// Returns the state of an item, and its pairing.
fn pairing(item: &Item) -> Option<(&str, Pairing)> {
    let pairing = Pairing {
        account: AccountId::from_directory(item.optional_text("account")?).ok()?,
        entry: EntryId::parse(item.optional_text("device")?)?,
        session: *item.tag("session")?.as_bytes(),
        label: item.optional_text("label")?.to_owned(),
        expires_at: item.moment("expires_at").ok()?,
    };
    Some((item.optional_text("state")?, pairing))
}

fn device(item: &Item) -> Option<WaitingDevice> {
    Some(WaitingDevice {
        id: EntryId::parse(item.optional_text("device")?)?,
        key: DeviceKey::from_bytes(item.bytes("public_key")?).ok()?,
        subscription: item.optional_text("subscription").map(str::to_owned),
        name: item.optional_text("name")?.to_owned(),
    })
}
