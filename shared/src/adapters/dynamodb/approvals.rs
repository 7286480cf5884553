//! Requests to approve, in the table `flows`: one item for each account.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::item::{Item, b, consistent_get, n, not_met, s};
use crate::domain::account::AccountId;
use crate::domain::approval::{ApprovalRequest, RequestStatus};
use crate::domain::flow::{FlowKey, RequestId};
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{Answered, ApprovalStore, DeviceAnswer, StoreError};

/// A request nobody answered.
const PENDING: &str = "pending";
/// One that got a number. Whether it was the right one is a fact of the item: see [`status`].
const ANSWERED: &str = "answered";
/// One that was refused.
const DENIED: &str = "denied";
/// How long after its last use an item may be removed. Only tidiness hangs on it.
const KEPT_AFTER: Seconds = Seconds::HOUR;

/// Keeps requests in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoApprovals {
    client: Client,
    table: String,
}

impl DynamoApprovals {
    /// Keeps requests in `table`, that of flows.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl ApprovalStore for DynamoApprovals {
    async fn ask(
        &self,
        account: &AccountId,
        request: &ApprovalRequest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let asker = serde_json::to_string(&request.asker).map_err(|_| StoreError::Unreadable("asker"))?;
        let item = Item::default()
            .with("flow", b(&ApprovalRequest::key(account)))
            .with("state", s(PENDING))
            .with("request", b(request.id.as_bytes()))
            .with("of_flow", b(request.flow.as_bytes()))
            .with("number", b(request.number.as_bytes()))
            .with("asker", s(asker))
            .with("created_at", n(request.created_at.as_seconds()))
            .with("expires_at", n(request.expires_at.as_seconds()))
            .with("blocked_until", n(request.expires_at.as_seconds()))
            .with("ttl", n((request.expires_at + KEPT_AFTER).as_seconds()));
        // A request blocks until its end, answered or not: the browser that asked has not heard of the answer yet. A
        // refusal blocks for a day.
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.0))
            .condition_expression(
                "attribute_not_exists(#flow) OR #blocked_until <= :now \
                 OR (#state <> :denied AND #of_flow = :of_flow)",
            )
            .expression_attribute_names("#flow", "flow")
            .expression_attribute_names("#blocked_until", "blocked_until")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#of_flow", "of_flow")
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":denied", s(DENIED))
            .expression_attribute_values(":of_flow", b(request.flow.as_bytes()));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }

    async fn newest(&self, account: &AccountId) -> Result<Option<ApprovalRequest>, StoreError> {
        let key = [("flow", b(&ApprovalRequest::key(account)))];
        let item = consistent_get(&self.client, &self.table, &key).await?;
        item.as_ref().map(decode).transpose()
    }

    async fn answer(
        &self,
        account: &AccountId,
        request: RequestId,
        answer: DeviceAnswer,
        now: Timestamp,
    ) -> Result<Answered, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("flow", b(&ApprovalRequest::key(account)))
            .condition_expression(
                "#state = :pending AND #request = :request AND #expires_at > :now AND attribute_exists(#number)",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#request", "request")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":pending", s(PENDING))
            .expression_attribute_values(":request", b(request.as_bytes()))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = match answer {
            // Stored beside the number without being compared, as a guess at a code is.
            DeviceAnswer::Number(tag) => update
                .update_expression("SET #state = :answered, #answer = :answer")
                .expression_attribute_names("#answer", "answer")
                .expression_attribute_values(":answered", s(ANSWERED))
                .expression_attribute_values(":answer", b(tag.as_bytes())),
            DeviceAnswer::Denied(until) => update
                .update_expression("SET #state = :denied, #blocked_until = :until, #ttl = :ttl")
                .expression_attribute_names("#blocked_until", "blocked_until")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":denied", s(DENIED))
                .expression_attribute_values(":until", n(until.as_seconds()))
                .expression_attribute_values(":ttl", n((until + KEPT_AFTER).as_seconds())),
        };
        match update.send().await {
            Ok(output) => answered(&Item(output.attributes.unwrap_or_default())),
            Err(error) => {
                let Some(item) = not_met(error)? else { return Ok(Answered::Gone) };
                let found = decode(&item)?;
                let is_same = match answer {
                    DeviceAnswer::Number(tag) => item.tag("answer") == Some(tag),
                    DeviceAnswer::Denied(_) => found.status == RequestStatus::Denied,
                };
                if found.id == request && is_same { answered(&item) } else { Ok(Answered::Gone) }
            }
        }
    }

    async fn note_told(&self, account: &AccountId, request: RequestId) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("flow", b(&ApprovalRequest::key(account)))
            .update_expression("SET #told = :request")
            // The next request has not been told of.
            .condition_expression("#request = :request")
            .expression_attribute_names("#told", "told")
            .expression_attribute_names("#request", "request")
            .expression_attribute_values(":request", b(request.as_bytes()));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => not_met(error).map(drop),
        }
    }
}

/// What the answer of an item came to.
fn answered(item: &Item) -> Result<Answered, StoreError> {
    let found = decode(item)?;
    Ok(match found.status {
        RequestStatus::Approved => Answered::Approved,
        RequestStatus::Denied => {
            Answered::Denied { request: Box::new(found), told: item.bytes("told").is_some() }
        }
        RequestStatus::Wrong | RequestStatus::Pending => Answered::Wrong,
    })
}

fn decode(item: &Item) -> Result<ApprovalRequest, StoreError> {
    let number = item.tag("number").ok_or(StoreError::Unreadable("number"))?;
    let of_flow = item.tag("of_flow").ok_or(StoreError::Unreadable("of_flow"))?;
    let id = item.bytes("request").and_then(|bytes| bytes.try_into().ok());
    let status = match item.text("state")? {
        PENDING => RequestStatus::Pending,
        ANSWERED if item.tag("answer") == Some(number) => RequestStatus::Approved,
        ANSWERED => RequestStatus::Wrong,
        DENIED => RequestStatus::Denied,
        _ => return Err(StoreError::Unreadable("state")),
    };
    Ok(ApprovalRequest {
        id: RequestId::from_bytes(id.ok_or(StoreError::Unreadable("request"))?),
        flow: FlowKey::from_bytes(*of_flow.as_bytes()),
        number,
        asker: serde_json::from_str(item.text("asker")?).map_err(|_| StoreError::Unreadable("asker"))?,
        created_at: item.moment("created_at")?,
        expires_at: item.moment("expires_at")?,
        status,
    })
}
