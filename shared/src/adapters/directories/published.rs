//! The directory's own rules for passwords, which the sync keeps beside the copy: the attribute `policy` of the item
//! `directory/<name>` in the table `accounts`.

use crate::adapters::aws::SdkConfig;
use crate::adapters::dynamodb::{Client, get_attributes, s};
use crate::domain::directory::PublishedPolicy;
use crate::ports::StoreError;

/// Returns the rules that the sync has read last; `None` before the first sync.
///
/// # Errors
/// [`StoreError`].
pub async fn published_policy(
    config: &SdkConfig,
    table: &str,
    directory: &str,
) -> Result<Option<PublishedPolicy>, StoreError> {
    let key = ("account", s(format!("directory/{directory}")));
    let item = get_attributes(&Client::new(config), table, key, &["policy"], false).await?;
    let text = item.as_ref().and_then(|item| item.optional_text("policy"));
    text.map(|text| serde_json::from_str(text).map_err(|_| StoreError::Unreadable("policy"))).transpose()
}
