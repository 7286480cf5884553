//! The attributes of each kind of entry: written, read and consumed. They are stored data, so their names stay.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::adapters::dynamodb::item::{Item, b, n, s};
use crate::domain::account::Contact;
use crate::domain::passkey::Credential;
use crate::domain::recovery_code::{HashedWith, Sheet};
use crate::domain::security_info::{Consumption, Kind, Secret};
use crate::ports::StoreError;

/// Returns the item with a secret; `seal` seals a contact.
pub(super) fn write(
    item: Item,
    secret: &Secret<'_>,
    seal: impl FnOnce(&Contact<'_>) -> Result<String, StoreError>,
) -> Result<Item, StoreError> {
    Ok(match secret {
        Secret::Contact(contact) => item.with("sealed", s(seal(contact)?)),
        Secret::Totp { sealed_seed, step } => item.with("seed", s(sealed_seed)).with("last_step", n(*step)),
        Secret::Authenticator { public_key, subscription } => {
            let item = item.with("public_key", b(public_key));
            match subscription {
                Some(subscription) => item.with("subscription", s(subscription)),
                None => item,
            }
        }
        Secret::Passkey(credential) => item.with("credential", s(credential.to_json())),
        Secret::RecoveryCodes(sheet) => {
            let (name, with) = match &sheet.hashed_with {
                HashedWith::Key(id) => ("key", id),
                HashedWith::Salt(salt) => ("salt", salt),
            };
            item.with(name, s(with)).with("hashes", AttributeValue::Ss(sheet.hashes.clone()))
        }
    })
}

/// Reads the secret of an entry without a contact. A contact is unreadable here: it opens only with its key.
pub(super) fn read(kind: Kind, item: &Item) -> Result<Secret<'static>, StoreError> {
    Ok(match kind {
        Kind::AlternateEmail | Kind::Mobile | Kind::OfficePhone => {
            return Err(StoreError::Unreadable("sealed"));
        }
        Kind::Totp => Secret::Totp {
            sealed_seed: item.text("seed")?.to_owned(),
            // Without a readable step, no step is later.
            step: item.number("last_step").unwrap_or(u64::MAX),
        },
        Kind::Authenticator => Secret::Authenticator {
            public_key: item.bytes("public_key").ok_or(StoreError::Unreadable("public_key"))?.to_vec(),
            subscription: item.optional_text("subscription").map(str::to_owned),
        },
        Kind::Passkey => {
            let credential = Credential::parse(item.text("credential")?);
            Secret::Passkey(credential.map_err(|_| StoreError::Unreadable("credential"))?)
        }
        Kind::RecoveryCodes => {
            let hashed_with = match item.optional_text("key") {
                Some(id) => HashedWith::Key(id.to_owned()),
                None => HashedWith::Salt(item.text("salt")?.to_owned()),
            };
            Secret::RecoveryCodes(Sheet { hashed_with, hashes: item.set("hashes") })
        }
    })
}

/// Returns the text that may be shown of an entry.
pub(super) fn shown(kind: Kind, item: &Item) -> String {
    match kind {
        Kind::RecoveryCodes => item.set("hashes").len().to_string(),
        _ => item.optional_text("shown").unwrap_or_default().to_owned(),
    }
}

/// Returns whether nothing of an entry is left to verify with.
pub(super) fn is_used_up(kind: Kind, item: &Item) -> bool {
    kind == Kind::RecoveryCodes && item.set("hashes").is_empty()
}

/// Completes the update of an entry that a verification consumes. `#last_flow`, `#last_used_at`, `:flow` and
/// `:now` are known; the condition is not met by what was used up, except for the same `:flow`.
pub(super) fn consume(update: UpdateItemFluentBuilder, consumption: &Consumption) -> UpdateItemFluentBuilder {
    match consumption {
        Consumption::TimeStep(step) => update
            .update_expression("SET #last_step = :step, #last_flow = :flow, #last_used_at = :now")
            .condition_expression("#last_step < :step OR (#last_step = :step AND #last_flow = :flow)")
            .expression_attribute_names("#last_step", "last_step")
            .expression_attribute_values(":step", n(*step)),
        Consumption::Counter(counter) => {
            // Without a stored counter, the caller has compared it with the registration's. A passkey without
            // a counter stays at 0.
            let moves = match counter {
                0 => "#counter = :counter",
                _ => "#counter < :counter OR (#counter = :counter AND #last_flow = :flow)",
            };
            update
                .update_expression("SET #counter = :counter, #last_flow = :flow, #last_used_at = :now")
                .condition_expression(format!(
                    "attribute_exists(#credential) AND (attribute_not_exists(#counter) OR {moves})"
                ))
                .expression_attribute_names("#credential", "credential")
                .expression_attribute_names("#counter", "counter")
                .expression_attribute_values(":counter", n(*counter))
        }
        Consumption::RecoveryCode(hash) => update
            .update_expression(
                "DELETE #hashes :only SET #last_hash = :hash, #last_flow = :flow, #last_used_at = :now",
            )
            .condition_expression("contains(#hashes, :hash) OR (#last_hash = :hash AND #last_flow = :flow)")
            .expression_attribute_names("#hashes", "hashes")
            .expression_attribute_names("#last_hash", "last_hash")
            .expression_attribute_values(":only", AttributeValue::Ss(vec![hash.clone()]))
            .expression_attribute_values(":hash", s(hash)),
    }
}
