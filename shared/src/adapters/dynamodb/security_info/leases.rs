//! The lease that allows one flow to change an account.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use super::STATE;
use super::known_devices::MOVE_EPOCH;
use crate::adapters::dynamodb::item::{Item, b, n, not_met, s};
use crate::domain::account::AccountId;
use crate::domain::holder::HolderId;
use crate::domain::method::Factor;
use crate::domain::time::{SKEW, Timestamp};
use crate::ports::{LeaseHolder, LeaseOutcome, LeaseStore, StoreError};

/// Stores leases in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoLeases {
    client: Client,
    table: String,
}

impl DynamoLeases {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Makes one conditional increment; returns the item if its condition was not met.
    async fn try_acquire_lease(
        &self,
        account: &AccountId,
        lease_holder: &LeaseHolder<'_>,
        generation: u64,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<Item>, StoreError> {
        let mut set = "SET #generation = :next, #claimed_by = :flow, #lease_until = :lease_until".to_owned();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(STATE))
            .condition_expression("#generation = :generation")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_names("#claimed_by", "claimed_by")
            .expression_attribute_names("#lease_until", "lease_until")
            .expression_attribute_values(":generation", n(generation))
            .expression_attribute_values(":next", n(generation + 1))
            .expression_attribute_values(":flow", b(lease_holder.flow.as_bytes()))
            .expression_attribute_values(":lease_until", n(lease_until.as_seconds()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for attribute in lease_holder.verified_factors.iter().filter_map(|factor| used_at(*factor)) {
            set = format!("{set}, #{attribute} = :now");
            update = update
                .expression_attribute_names(format!("#{attribute}"), attribute)
                .expression_attribute_values(":now", n(now.as_seconds()));
        }
        if lease_holder.revokes_known_devices {
            set = format!("{set}, {MOVE_EPOCH}");
            update = update
                .expression_attribute_names("#device_epoch", "device_epoch")
                .expression_attribute_values(":none", n(0))
                .expression_attribute_values(":one", n(1));
        }
        match update.update_expression(set).send().await {
            Ok(_) => Ok(None),
            Err(error) => Ok(Some(not_met(error)?.unwrap_or_default())),
        }
    }
}

/// Returns the attribute with the last use of a contact. Authenticators record their use in their own item.
pub(super) const fn used_at(factor: Factor) -> Option<&'static str> {
    match factor {
        Factor::AlternateEmail => Some("alternate_email_used_at"),
        Factor::MobilePhone => Some("mobile_used_at"),
        Factor::OfficePhone => Some("office_phone_used_at"),
        _ => None,
    }
}

/// Returns the last use of each contact, from the item of the account.
pub(super) fn uses_of(state: &Item) -> Vec<(Factor, Timestamp)> {
    let contacts = [Factor::AlternateEmail, Factor::MobilePhone, Factor::OfficePhone];
    let used = |factor: Factor| Some((factor, state.moment(used_at(factor)?).ok()?));
    contacts.into_iter().filter_map(used).collect()
}

#[async_trait]
impl LeaseStore for DynamoLeases {
    async fn acquire(
        &self,
        account: &AccountId,
        lease_holder: &LeaseHolder<'_>,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<LeaseOutcome, StoreError> {
        let known = lease_holder.generation;
        let Some(found) = self.try_acquire_lease(account, lease_holder, known, now, lease_until).await?
        else {
            return Ok(LeaseOutcome::Acquired(known + 1));
        };
        let flow = lease_holder.flow.as_bytes();
        let ours = |item: &Item| item.tag("claimed_by").is_some_and(|by| by.as_bytes() == flow);
        if !ours(&found) {
            return Ok(LeaseOutcome::Lost);
        }
        // A lease that ends later than a new one would is invalid.
        if found.moment("lease_until").is_ok_and(|end| now < end && end <= lease_until + SKEW) {
            return Ok(LeaseOutcome::Busy);
        }
        let held: u64 = found.number("generation")?;
        if held.saturating_sub(known) >= lease_holder.limit {
            return Ok(LeaseOutcome::Spent);
        }
        // The flow's own lease, and its request is gone: acquire again. The next generation rejects a late
        // write of the first request.
        match self.try_acquire_lease(account, lease_holder, held, now, lease_until).await? {
            None => Ok(LeaseOutcome::Acquired(held + 1)),
            Some(faster) => Ok(if ours(&faster) { LeaseOutcome::Busy } else { LeaseOutcome::Lost }),
        }
    }

    async fn release(&self, account: &AccountId, flow: HolderId, generation: u64) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(STATE))
            .update_expression("SET #lease_until = :over")
            .condition_expression("#generation = :generation AND #claimed_by = :flow")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_names("#claimed_by", "claimed_by")
            .expression_attribute_names("#lease_until", "lease_until")
            .expression_attribute_values(":generation", n(generation))
            .expression_attribute_values(":flow", b(flow.as_bytes()))
            .expression_attribute_values(":over", n(0));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => not_met(error).map(drop),
        }
    }
}
