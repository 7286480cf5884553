//! Passwords of the people file, which are hashed after the start.
//!
//! Each hash takes as long as a person's sign-in, so a file of a hundred people would delay the start by seconds. Pages
//! that need no password answer at once, and whatever compares or sets one waits.

use std::collections::HashMap;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{self, Next};
use rekey_people::failure::with_causes;
use rekey_people::import::{Importer, Unhashed};
use tokio::sync::watch;

/// The functions whose forms compare or set passwords.
const NEED_PASSWORDS: [&str; 2] = ["enrolment", "password-set"];

/// Whether the passwords are stored.
#[derive(Clone)]
pub struct StoredPasswords(watch::Receiver<bool>);

impl StoredPasswords {
    /// Hashes and stores the passwords in the background.
    pub fn store(importer: Importer, unhashed: Unhashed) -> Self {
        let (done, stored) = watch::channel(false);
        tokio::spawn(async move {
            if let Err(error) = importer.put_passwords(unhashed, &|_| {}).await {
                let error = with_causes(&*error);
                tracing::error!(error, "passwords of the people file can't be stored. Start again");
            }
            done.send_replace(true);
        });
        Self(stored)
    }

    /// Waits until they are stored.
    pub async fn wait(&self) {
        // The task that stores them never ends before it says so.
        let _ = self.0.clone().wait_for(|stored| *stored).await;
    }

    /// Lets the forms of those functions wait that need passwords.
    pub(crate) fn awaited_by(&self, mut functions: HashMap<String, Router>) -> HashMap<String, Router> {
        for name in NEED_PASSWORDS {
            if let Some(router) = functions.remove(name) {
                let stored = self.clone();
                let wait = middleware::from_fn(move |request: Request, next: Next| {
                    let stored = stored.clone();
                    async move {
                        if request.method() == Method::POST {
                            stored.wait().await;
                        }
                        next.run(request).await
                    }
                });
                functions.insert(name.to_owned(), router.layer(wait));
            }
        }
        functions
    }
}
