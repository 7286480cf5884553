//! Conversion of attributes, and of SDK errors to the ports' errors.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::get_item::{GetItemError, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::domain::keys::Tag;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::StoreError;

/// The attributes of a stored item.
#[derive(Clone, Debug, Default)]
pub(in crate::adapters) struct Item(pub HashMap<String, AttributeValue>);

impl Item {
    pub(in crate::adapters) fn text(&self, name: &'static str) -> Result<&str, StoreError> {
        self.optional_text(name).ok_or(StoreError::Unreadable(name))
    }

    pub(in crate::adapters) fn optional_text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    #[cfg(feature = "builtin-directory")]
    pub(in crate::adapters) fn texts(&self, name: &str) -> Vec<String> {
        let list = self.0.get(name).and_then(|value| value.as_l().ok());
        list.into_iter().flatten().filter_map(|value| value.as_s().ok().cloned()).collect()
    }

    /// Returns a set of texts. DynamoDB has no empty set, so a missing attribute is an empty set.
    pub(in crate::adapters) fn set(&self, name: &str) -> Vec<String> {
        self.0.get(name).and_then(|value| value.as_ss().ok()).cloned().unwrap_or_default()
    }

    pub(in crate::adapters) fn number<T: std::str::FromStr>(
        &self,
        name: &'static str,
    ) -> Result<T, StoreError> {
        let text = self.0.get(name).and_then(|value| value.as_n().ok());
        text.and_then(|text| text.parse().ok()).ok_or(StoreError::Unreadable(name))
    }

    pub(in crate::adapters) fn flag(&self, name: &'static str) -> Result<bool, StoreError> {
        let flag = self.0.get(name).and_then(|value| value.as_bool().ok());
        flag.copied().ok_or(StoreError::Unreadable(name))
    }

    pub(in crate::adapters) fn moment(&self, name: &'static str) -> Result<Timestamp, StoreError> {
        self.number(name).map(Timestamp::from_seconds)
    }

    /// Returns whether the end in this attribute is in the future, by at most `longest`.
    pub(in crate::adapters) fn is_live(&self, name: &'static str, now: Timestamp, longest: Seconds) -> bool {
        self.moment(name).is_ok_and(|end| end.is_ahead(now, longest))
    }

    /// Returns a tag; `None` for an attribute that is not 32 bytes long.
    pub(in crate::adapters) fn tag(&self, name: &str) -> Option<Tag> {
        let bytes = self.0.get(name)?.as_b().ok()?.as_ref();
        bytes.try_into().ok().map(Tag::from_bytes)
    }

    pub(in crate::adapters) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name)?.as_b().ok().map(AsRef::as_ref)
    }

    pub(in crate::adapters) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(in crate::adapters) fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
}

pub(in crate::adapters) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(in crate::adapters) fn n(number: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

pub(in crate::adapters) fn b(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// Returns the latest end that a condition accepts: see [`Timestamp::is_ahead`].
pub(in crate::adapters) fn latest(now: Timestamp, longest: Seconds) -> AttributeValue {
    n(Timestamp::latest_end(now, longest).as_seconds())
}

/// Reads an item by its whole key, strongly consistent.
pub(in crate::adapters) async fn consistent_get(
    client: &Client,
    table: &str,
    key: &[(&str, AttributeValue)],
) -> Result<Option<Item>, StoreError> {
    let key = key.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    found(client.get_item().table_name(table).set_key(Some(key)).consistent_read(true).send().await)
}

/// Reads some attributes of an item by its whole key. A read that is not `consistent` costs half and may miss
/// writes of the last second: only for values that are checked again before use.
pub(in crate::adapters) async fn get_attributes(
    client: &Client,
    table: &str,
    key: (&str, AttributeValue),
    attributes: &[&str],
    consistent: bool,
) -> Result<Option<Item>, StoreError> {
    let placeholders: Vec<String> = attributes.iter().map(|name| format!("#{name}")).collect();
    let names = attributes.iter().map(|name| (format!("#{name}"), (*name).to_owned())).collect();
    let read = client
        .get_item()
        .table_name(table)
        .key(key.0, key.1)
        .projection_expression(placeholders.join(", "))
        .set_expression_attribute_names(Some(names))
        .consistent_read(consistent);
    found(read.send().await)
}

fn found(read: Result<GetItemOutput, SdkError<GetItemError>>) -> Result<Option<Item>, StoreError> {
    read.map(|output| output.item.map(Item)).map_err(unavailable)
}

/// Converts an SDK error to the port's. The cause is kept for the log: DynamoDB's messages name tables and
/// key types, never values.
pub(in crate::adapters) fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

/// The kinds of conditional writes.
pub(in crate::adapters) trait Conditional {
    /// Returns the item that did not meet the condition, if there is one and the request asked for it.
    ///
    /// # Errors
    /// Any other error.
    fn condition_failed(&self) -> Result<Option<Item>, ()>;
}

impl Conditional for UpdateItemError {
    fn condition_failed(&self) -> Result<Option<Item>, ()> {
        match self {
            Self::ConditionalCheckFailedException(failed) => Ok(failed.item.clone().map(Item)),
            _ => Err(()),
        }
    }
}

impl Conditional for DeleteItemError {
    fn condition_failed(&self) -> Result<Option<Item>, ()> {
        match self {
            Self::ConditionalCheckFailedException(failed) => Ok(failed.item.clone().map(Item)),
            _ => Err(()),
        }
    }
}

impl Conditional for PutItemError {
    fn condition_failed(&self) -> Result<Option<Item>, ()> {
        match self {
            Self::ConditionalCheckFailedException(failed) => Ok(failed.item.clone().map(Item)),
            _ => Err(()),
        }
    }
}

/// Splits a failed write into an unmet condition, with its item, and a real error.
pub(in crate::adapters) fn not_met<E>(error: SdkError<E>) -> Result<Option<Item>, StoreError>
where
    E: Conditional + std::error::Error + Send + Sync + 'static,
{
    match error.as_service_error().map(Conditional::condition_failed) {
        Some(Ok(item)) => Ok(item),
        _ => Err(unavailable(error)),
    }
}
