//! Approval requests in the table `flows`: one item per account.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::item::{Item, b, consistent_get, latest, n, not_met, s};
use crate::domain::account::AccountId;
use crate::domain::approval::{ApprovalRequest, PAUSE, RequestStatus};
use crate::domain::flow::{APPROVAL_LIFETIME, RequestId};
use crate::domain::holder::HolderId;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{Answered, ApprovalStore, DeviceAnswer, StoreError};

/// An unanswered request.
const PENDING: &str = "pending";
/// A request with an answered number. The item's tags show whether it is right: see [`status`].
const ANSWERED: &str = "answered";
/// A denied request.
const DENIED: &str = "denied";
/// How long an item is kept after its last use. Only the table's size depends on it.
const KEPT_AFTER: Seconds = Seconds::HOUR;

/// Stores approval requests in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoApprovals {
    client: Client,
    table: String,
}

impl DynamoApprovals {
    /// Returns the store in `table`, the table of flows.
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
        let requester =
            serde_json::to_string(&request.requester).map_err(|_| StoreError::Unreadable("asker"))?;
        let item = Item::default()
            .with("flow", b(&ApprovalRequest::key(account)))
            .with("state", s(PENDING))
            .with("request", b(request.id.as_bytes()))
            .with("of_flow", b(request.flow.as_bytes()))
            .with("number", b(request.number.as_bytes()))
            .with("asker", s(requester))
            .with("created_at", n(request.created_at.as_seconds()))
            .with("expires_at", n(request.expires_at.as_seconds()))
            .with("blocked_until", n(request.expires_at.as_seconds()))
            .with("ttl", n((request.expires_at + KEPT_AFTER).as_seconds()));
        // A request blocks others until its end, answered or not: its browser may not have read the answer
        // yet. A denial blocks for a day. An unreadable item blocks no longer than its retention time,
        // whenever it is deleted.
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.0))
            .condition_expression(
                "#blocked_until <= :now OR #blocked_until > :latest OR NOT #ttl > :now OR #ttl > :kept_latest \
                 OR (#state <> :denied AND #of_flow = :of_flow)",
            )
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#blocked_until", "blocked_until")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#of_flow", "of_flow")
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":latest", latest(now, PAUSE))
            .expression_attribute_values(":kept_latest", latest(now + PAUSE, KEPT_AFTER))
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
        Ok(item.as_ref().and_then(decode))
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
                "#state = :pending AND #request = :request AND #expires_at > :now AND #expires_at <= :latest \
                 AND attribute_exists(#number)",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#request", "request")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":pending", s(PENDING))
            .expression_attribute_values(":request", b(request.as_bytes()))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":latest", latest(now, APPROVAL_LIFETIME))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = match answer {
            // The write stores it beside the number without comparing, like the attempt at a code.
            DeviceAnswer::Number { tag, young } => update
                .update_expression("SET #state = :answered, #answer = :answer, #young = :young")
                .expression_attribute_names("#answer", "answer")
                .expression_attribute_names("#young", "young")
                .expression_attribute_values(":young", AttributeValue::Bool(young))
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
            Ok(output) => Ok(answered(&Item(output.attributes.unwrap_or_default()))),
            Err(error) => {
                let Some(item) = not_met(error)? else { return Ok(Answered::Gone) };
                let Some(found) = decode(&item) else { return Ok(Answered::Gone) };
                let is_same = match answer {
                    DeviceAnswer::Number { tag, .. } => item.tag("answer") == Some(tag),
                    DeviceAnswer::Denied(_) => found.status == RequestStatus::Denied,
                };
                Ok(if found.id == request && is_same { answered(&item) } else { Answered::Gone })
            }
        }
    }

    async fn note_notified(&self, account: &AccountId, request: RequestId) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("flow", b(&ApprovalRequest::key(account)))
            .update_expression("SET #told = :request")
            // The contacts have not been notified of the next request.
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

/// Returns the result of an item's answer.
fn answered(item: &Item) -> Answered {
    let Some(found) = decode(item) else { return Answered::Gone };
    match found.status {
        RequestStatus::Approved => Answered::Approved,
        RequestStatus::Denied => {
            Answered::Denied { request: Box::new(found), notified: item.bytes("told").is_some() }
        }
        RequestStatus::Wrong | RequestStatus::Pending => Answered::Wrong,
    }
}

/// Reads a request. An unreadable one or one of another version counts as missing, and the person makes
/// another.
fn decode(item: &Item) -> Option<ApprovalRequest> {
    let number = item.tag("number")?;
    let status = match item.optional_text("state")? {
        PENDING => RequestStatus::Pending,
        ANSWERED if item.tag("answer") == Some(number) => RequestStatus::Approved,
        ANSWERED => RequestStatus::Wrong,
        DENIED => RequestStatus::Denied,
        _ => return None,
    };
    Some(ApprovalRequest {
        id: RequestId::from_bytes(item.bytes("request")?.try_into().ok()?),
        flow: HolderId::from_bytes(*item.tag("of_flow")?.as_bytes()),
        number,
        requester: serde_json::from_str(item.optional_text("asker")?).ok()?,
        created_at: item.moment("created_at").ok()?,
        expires_at: item.moment("expires_at").ok()?,
        status,
        // An answer without the age of its device counts as a young device's.
        young: status == RequestStatus::Approved && item.flag("young").unwrap_or(true),
    })
}
