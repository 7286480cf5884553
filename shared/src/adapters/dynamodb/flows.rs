//! Flows in the table `flows`.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::item::{Item, b, consistent_get, latest, n, not_met, s, unavailable};
use crate::domain::flow::{
    CODE_LONGEST, CodeSlot, FLOW_LONGEST, Flow, FlowLimits, Opened, Record, StateName,
};
use crate::domain::holder::HolderId;
use crate::domain::support_code::FOUND_FOR;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{AttemptOutcome, CodeAttempt, FlowStore, StoreError, Versioned};

/// The version of the item's format. An item of another version counts as missing.
const VERSION: u8 = 2;
/// How long an item is kept after its end: the help desk finds it by its support code.
const KEPT_AFTER: Seconds = FOUND_FOR;
/// The value before the first attempt: the condition `attempt <> code` needs two present attributes.
const NO_ATTEMPT: [u8; 1] = [0];

/// Stores flows in DynamoDB: one item per flow, below one kilobyte.
#[derive(Clone, Debug)]
pub struct DynamoFlows {
    client: Client,
    table: String,
}

impl DynamoFlows {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl FlowStore for DynamoFlows {
    async fn insert(&self, key: HolderId, flow: &Opened) -> Result<(), StoreError> {
        let item = encode(key, 1, &Flow::Opened(flow.clone()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item.0));
        let put = put
            .condition_expression("attribute_not_exists(#flow)")
            .expression_attribute_names("#flow", "flow");
        put.send().await.map(drop).map_err(unavailable)
    }

    async fn load(&self, key: HolderId, now: Timestamp) -> Result<Option<Versioned<Flow>>, StoreError> {
        let item = consistent_get(&self.client, &self.table, &[("flow", b(key.as_bytes()))]).await?;
        Ok(item.and_then(|item| decode(&item, now)))
    }

    async fn replace(
        &self,
        key: HolderId,
        revision: u64,
        next: &Flow,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let item = encode(key, revision + 1, next);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.0))
            .condition_expression("#rev = :rev AND #expires_at > :now AND #expires_at <= :latest")
            .expression_attribute_names("#rev", "rev")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_values(":rev", n(revision))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":latest", latest(now, FLOW_LONGEST));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }

    async fn attempt_code(
        &self,
        key: HolderId,
        attempt: CodeAttempt,
        limits: &FlowLimits,
        now: Timestamp,
    ) -> Result<AttemptOutcome, StoreError> {
        // The write stores the attempt beside the code without comparing; `attempt <> code` rejects attempts
        // after a right one. The returned item shows whether it was right.
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("flow", b(key.as_bytes()))
            .update_expression("SET #guess = :guess ADD #rev :one, #code_tries :one, #flow_tries :one")
            .condition_expression(
                "#state = :awaiting AND #step = :step AND #expires_at > :now AND #expires_at <= :latest \
                 AND #code_expires_at > :now AND #code_expires_at <= :code_latest \
                 AND #code_tries < :code_tries AND #flow_tries < :flow_tries \
                 AND attribute_exists(#code) AND attribute_exists(#guess) AND #guess <> #code",
            )
            .expression_attribute_names("#guess", "guess")
            .expression_attribute_names("#code", "code")
            .expression_attribute_names("#rev", "rev")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#step", "step")
            .expression_attribute_names("#code_tries", "code_tries")
            .expression_attribute_names("#flow_tries", "flow_tries")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_names("#code_expires_at", "code_expires_at")
            .expression_attribute_values(":guess", b(attempt.tag.as_bytes()))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":awaiting", s(StateName::AwaitingCode.as_str()))
            .expression_attribute_values(":step", n(attempt.step))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":latest", latest(now, FLOW_LONGEST))
            .expression_attribute_values(":code_latest", latest(now, CODE_LONGEST))
            .expression_attribute_values(":code_tries", n(limits.code_attempts))
            .expression_attribute_values(":flow_tries", n(limits.flow_attempts))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(output) => {
                let item = Item(output.attributes.unwrap_or_default());
                Ok(match decode(&item, now).map(|read| read.value) {
                    None => AttemptOutcome::Gone,
                    Some(flow @ Flow::AwaitingCode(_)) => AttemptOutcome::Wrong(flow),
                    Some(flow) => AttemptOutcome::Right(flow),
                })
            }
            Err(error) => {
                let found = not_met(error)?.and_then(|item| decode(&item, now));
                Ok(refused(attempt, found.map(|read| read.value)))
            }
        }
    }

    async fn spend_attempt(
        &self,
        key: HolderId,
        limits: &FlowLimits,
        now: Timestamp,
    ) -> Result<Option<Flow>, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("flow", b(key.as_bytes()))
            .update_expression("ADD #rev :one, #flow_tries :one")
            .condition_expression(
                "#flow_tries < :flow_tries AND #expires_at > :now AND #expires_at <= :latest",
            )
            .expression_attribute_names("#rev", "rev")
            .expression_attribute_names("#flow_tries", "flow_tries")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":flow_tries", n(limits.flow_attempts))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":latest", latest(now, FLOW_LONGEST))
            .return_values(ReturnValue::AllNew);
        match update.send().await {
            Ok(output) => {
                let item = Item(output.attributes.unwrap_or_default());
                Ok(decode(&item, now).map(|read| read.value))
            }
            Err(error) => not_met(error).map(|_| None),
        }
    }
}

/// Returns the result of an attempt that the write did not compare.
fn refused(attempt: CodeAttempt, found: Option<Flow>) -> AttemptOutcome {
    match found {
        None => AttemptOutcome::Gone,
        Some(flow @ Flow::AwaitingCode(_)) if flow.verified().saturating_add(1) == attempt.step => {
            AttemptOutcome::Spent(flow)
        }
        Some(flow) => AttemptOutcome::NotAwaited(flow),
    }
}

fn encode(key: HolderId, revision: u64, flow: &Flow) -> Item {
    let record = Record::from(flow);
    let item = Item::default()
        .with("flow", b(key.as_bytes()))
        .with("v", n(VERSION))
        .with("rev", n(revision))
        .with("state", s(record.state.as_str()))
        .with("step", n(record.step))
        .with("flow_tries", n(record.flow_attempts))
        .with("expires_at", n(record.expires_at.as_seconds()))
        .with("ttl", n((record.expires_at + KEPT_AFTER).as_seconds()))
        .with("body", s(record.body));
    let Some(slot) = record.slot else { return item };
    item.with("code", b(slot.code.as_bytes()))
        .with("guess", slot.last_attempt.map_or_else(|| b(&NO_ATTEMPT), |attempt| b(attempt.as_bytes())))
        .with("code_tries", n(slot.attempts))
        .with("code_expires_at", n(slot.expires_at.as_seconds()))
}

/// Reads an active flow. An expired, unreadable one or one of another version counts as missing, and the
/// person starts again.
fn decode(item: &Item, now: Timestamp) -> Option<Versioned<Flow>> {
    if item.is_live("expires_at", now, FLOW_LONGEST) { decode_any(item) } else { None }
}

/// Reads a flow that may have expired.
pub(super) fn decode_any(item: &Item) -> Option<Versioned<Flow>> {
    let read = || -> Result<Versioned<Flow>, StoreError> {
        if item.number::<u8>("v")? != VERSION {
            return Err(StoreError::Unreadable("flow"));
        }
        let state = StateName::parse(item.text("state")?).ok_or(StoreError::Unreadable("state"))?;
        let slot = match item.tag("code") {
            None => None,
            Some(code) => Some(CodeSlot {
                code,
                last_attempt: item.tag("guess"),
                attempts: item.number("code_tries")?,
                expires_at: item.moment("code_expires_at")?,
            }),
        };
        let record = Record {
            state,
            step: item.number("step")?,
            expires_at: item.moment("expires_at")?,
            flow_attempts: item.number("flow_tries")?,
            slot,
            body: item.text("body")?.to_owned(),
        };
        let value = Flow::try_from(record).map_err(|_| StoreError::Unreadable("body"))?;
        Ok(Versioned { value, revision: item.number("rev")? })
    };
    read().ok()
}
