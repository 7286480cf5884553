//! `rekey keys rotate`: a new key for one use, in two rounds.
//!
//! The first round adds the key and starts every function again that reads the secret. Then all of them can read what the
//! key makes, and the second round makes it the current one. A command that was interrupted goes on from there.

use std::sync::Arc;

use rekey_people::failure::with_causes;
use serde_json::json;
use shared::adapters::rotation;
use shared::adapters::secrets;
use shared::adapters::system::{SystemClock, SystemEntropy};
use shared::domain::key_rotation::Rotation;
use shared::domain::keys::KeyId;
use shared::ports::{Clock as _, EntropyExt as _};
use zeroize::Zeroizing;

use crate::audit;
use crate::cli::Global;
use crate::deployment::{self, Deployment, Found};
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

/// A keyring that can be rotated.
struct Keys {
    name: &'static str,
    variable: &'static str,
    /// What it protects.
    protects: &'static str,
}

const KEYS: [Keys; 6] = [
    Keys { name: "captcha", variable: "REKEY_SECRET_CAPTCHA", protects: "CAPTCHA tokens" },
    Keys { name: "contacts", variable: "REKEY_SECRET_CONTACTS", protects: "enrolled addresses and numbers" },
    Keys {
        name: "flows",
        variable: "REKEY_SECRET_FLOWS",
        protects: "cookies, codes, names of rate limits; decoys keep the oldest key",
    },
    Keys { name: "messages", variable: "REKEY_SECRET_MESSAGES", protects: "queued messages" },
    Keys {
        name: "push",
        variable: "REKEY_SECRET_PUSH",
        protects: "paired devices; push services know us by the oldest key",
    },
    Keys {
        name: "seeds",
        variable: "REKEY_SECRET_SEEDS",
        protects: "seeds of authenticator apps, pending enrolments, recovery codes",
    },
];

/// Secrets that are no keyrings, with the reason why another way rotates them.
const OTHERS: [(&str, &str); 5] = [
    ("directory-read", DIRECTORY),
    ("directory-sync", DIRECTORY),
    ("directory-write", DIRECTORY),
    (
        "proxy",
        "the secret of the proxy belongs to CloudFront, too. Follow \"CloudFront\" in infra/guides/deploying.md",
    ),
    ("oidc", "the identity provider makes the client's secret. Follow infra/guides/sign-in.md"),
];
const DIRECTORY: &str = "a service account's password is changed in the directory first, and has no earlier value that \
                         still serves. Follow \"Leaked key\" in infra/security/runbooks.md";

pub(super) async fn rotate(
    global: &Global,
    name: &str,
    apply: bool,
    output: &Output,
) -> Result<Outcome, Problem> {
    let Some(keys) = KEYS.iter().find(|keys| keys.name == name) else {
        let names: Vec<&str> = KEYS.iter().map(|keys| keys.name).collect();
        let why = OTHERS.iter().find(|(other, _)| *other == name).map_or_else(
            || format!("there are no such keys. Name {}", names.join(", ")),
            |(_, why)| (*why).to_owned(),
        );
        return Err(Problem::usage(format!("{name}: {why}")));
    };
    let found = deployment::find(global).await?;
    let Some(secret) = found.variables.get(keys.variable).cloned() else {
        return Err(Problem::failed(format!("the deployment has no {}. Deploy this version", keys.variable)));
    };
    let mut round = Round::read(&found, keys, secret).await?;
    let new = match round.rotation.added() {
        Some(added) => added.clone(),
        None => Rotation::id_at(SystemClock.now()).map_err(|error| Problem::failed(error.to_string()))?,
    };
    if apply {
        let deployment = Deployment::of(found.clone(), &[&["REKEY_SECRET_FLOWS"]]).await?;
        round.apply(&deployment, &new).await?;
    }
    round.write(&new, apply, output);
    Ok(Outcome::Done)
}

/// A rotation of one deployment.
struct Round<'a> {
    found: &'a Found,
    keys: &'a Keys,
    secret: String,
    rotation: Rotation,
    /// The functions that read the secret.
    functions: Vec<&'a str>,
}

impl<'a> Round<'a> {
    async fn read(found: &'a Found, keys: &'a Keys, secret: String) -> Result<Self, Problem> {
        let named = [(keys.variable, secret.clone())];
        let texts = secrets::fetch(&found.aws, Arc::new(SystemClock), &named).await;
        let texts = texts.map_err(|error| Problem::failed(with_causes(&error)))?;
        let text = texts.get(keys.variable).map(|text| text.as_str()).unwrap_or_default();
        let rotation = Rotation::read(text).map_err(|error| Problem::failed(error.to_string()))?;
        let functions = found.stack.iter().flat_map(|parts| &parts.functions);
        let functions = functions
            .filter(|function| function.variable(keys.variable).is_some())
            .map(|function| function.function_name.as_str())
            .collect();
        Ok(Self { found, keys, secret, rotation, functions })
    }

    /// Carries the rotation out. In a local environment, where functions start again by hand only, one round.
    async fn apply(&mut self, deployment: &Deployment, new: &KeyId) -> Result<(), Problem> {
        if self.rotation.added().is_none() {
            let halves: [[u8; 16]; 2] = [SystemEntropy.bytes(), SystemEntropy.bytes()];
            let [first, second] = halves.map(u128::from_be_bytes);
            let added = self.rotation.add(new.clone(), Zeroizing::new(format!("{first:032x}{second:032x}")));
            added.map_err(|error| Problem::failed(format!("{error}. Run the command again in an hour")))?;
            audit::keys_rotated(deployment, self.keys.name, new.as_str(), "added").await?;
            self.put().await?;
            if self.found.stack.is_none() {
                return Ok(());
            }
        }
        // After an interruption, nobody knows which functions have read the key. So all start again.
        self.renew(new).await?;
        self.rotation.use_newest();
        audit::keys_rotated(deployment, self.keys.name, new.as_str(), "current").await?;
        self.put().await?;
        self.renew(new).await
    }

    async fn put(&self) -> Result<(), Problem> {
        let text = self.rotation.secret();
        let (aws, clock) = (&self.found.aws, Arc::new(SystemClock));
        let written = rotation::write(aws, clock, &SystemEntropy, &self.secret, &text).await;
        written.map_err(|error| {
            Problem::failed(format!("{}. Run the command again: it goes on from there", with_causes(&error)))
        })
    }

    async fn renew(&self, new: &KeyId) -> Result<(), Problem> {
        let description = format!("Key {} of {}, {}", new.as_str(), self.keys.name, SystemClock.now());
        for function in &self.functions {
            let renewed =
                rotation::renew(&self.found.aws, Arc::new(SystemClock), function, &description).await;
            renewed.map_err(|error| {
                let why = with_causes(&error);
                Problem::failed(format!(
                    "{function} was not started again: {why}. Earlier keys still serve. Run the command again"
                ))
            })?;
        }
        Ok(())
    }

    fn write(&self, new: &KeyId, apply: bool, output: &Output) {
        let ids: Vec<&str> = self.rotation.ids().map(KeyId::as_str).collect();
        let current = self.rotation.current().as_str();
        let is_done = current == new.as_str();
        let is_local = self.found.stack.is_none();
        let next = match (apply, is_local, is_done) {
            (false, ..) => "Nothing was written. To do it, add --apply.",
            (true, true, false) => {
                "Start cargo local again with the same --data, so that it reads the key, and repeat the command."
            }
            (true, true, true) => "Start cargo local again with the same --data, so that it uses the key.",
            (true, false, _) => "Every function that reads the secret was started again.",
        };
        if output.is_json() {
            output.json(&json!({
                "keys": self.keys.name, "ids": ids, "current": current, "new": new.as_str(),
                "functions": self.functions, "applied": apply, "is_current": is_done, "next": next,
            }));
            return;
        }
        output.line(format!("{}: {}", self.keys.name, self.keys.protects));
        output.line(format!("  keys: {}; current: {current}", ids.join(", ")));
        if !apply {
            let added = if ids.contains(&new.as_str()) { "was added before" } else { "is added" };
            output.line(format!(
                "  1. the key {} {added}, and {} functions start again",
                new.as_str(),
                self.functions.len()
            ));
            output
                .line(format!("  2. the key {} becomes the current one, and they start again", new.as_str()));
            output.line("  Earlier keys stay: open resets, sessions and what people enrolled go on.");
        }
        output.line(next);
    }
}
