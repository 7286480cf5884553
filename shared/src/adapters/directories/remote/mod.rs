//! The organisation's own directory, reached through `directory-read` and `directory-write`.
//!
//! Accounts are found in the copy, which the sync keeps in the table `accounts`: page 1 calls what it calls for the
//! built-in directory, and no directory. Only what was verified, and the check of a password, is a call to a function.

mod lambda;

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

pub use lambda::LambdaTransport;

use crate::domain::account::{Account, AccountId};
use crate::domain::directory_call::{Password, ReadAnswer, ReadRequest, WriteAnswer, WriteRequest};
use crate::domain::directory_examination::Examination;
use crate::domain::name::CanonicalName;
use crate::domain::password::{NewPassword, Violation};
use crate::domain::time::Timestamp;
use crate::ports::{
    Capabilities, ChangeError, ChangeInspector, ChangeOutcome, Directory, DirectoryError, DirectoryWrite,
    PasswordChange, PasswordDirectory, SignInDirectory, SignInResult,
};

/// A function of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryFunction {
    /// `directory-read`.
    Read,
    /// `directory-write`.
    Write,
}

/// Takes a request to a function of the directory, and its answer back. Lambda does; an agent in the organisation's own
/// network may.
#[async_trait]
pub trait DirectoryTransport: Send + Sync {
    /// Returns the answer to a request, both JSON. It asks once: a request may change a password.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn call(&self, function: DirectoryFunction, request: &[u8]) -> Result<Vec<u8>, TransportError>;
}

/// The reason why a request has no answer.
#[derive(Debug, Error)]
pub enum TransportError {
    /// The function surely did not receive the request.
    #[error("the directory's function was not reached: {0}")]
    NotSent(String),
    /// The function may have received the request, or failed during it.
    #[error("the directory's function did not answer: {0}")]
    NoAnswer(String),
}

/// The organisation's own directory.
pub struct RemoteDirectory {
    copy: Arc<dyn Directory>,
    transport: Arc<dyn DirectoryTransport>,
}

impl RemoteDirectory {
    /// Returns the directory whose accounts `copy` has, and whose functions `transport` reaches.
    pub fn new(copy: Arc<dyn Directory>, transport: Arc<dyn DirectoryTransport>) -> Self {
        Self { copy, transport }
    }

    /// Returns what the service account of a function sees of whoever has one of these logins. Nothing is written.
    ///
    /// # Errors
    /// [`TransportError`] if the function does not answer.
    pub async fn examine(
        &self,
        function: DirectoryFunction,
        logins: Vec<String>,
    ) -> Result<Examination, TransportError> {
        let unexpected = || TransportError::NoAnswer("its answer is of another request".to_owned());
        match function {
            DirectoryFunction::Read => match self.call(function, &ReadRequest::Examine { logins }).await? {
                ReadAnswer::Examined(examination) => Ok(*examination),
                _ => Err(unexpected()),
            },
            DirectoryFunction::Write => match self.call(function, &WriteRequest::Examine { logins }).await? {
                WriteAnswer::Examined(examination) => Ok(*examination),
                _ => Err(unexpected()),
            },
        }
    }

    /// Removes a lock, and asks the directory even where nothing is locked: that proves the right to.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn prove_unlock(&self, change: &PasswordChange) -> Result<(), ChangeError> {
        let PasswordChange { account, number, deadline } = change.clone();
        self.write(&WriteRequest::Unlock { account, number, deadline, even_unlocked: true }).await
    }

    async fn write(&self, request: &WriteRequest) -> Result<(), ChangeError> {
        match self.call(DirectoryFunction::Write, request).await {
            Ok(WriteAnswer::Made) => Ok(()),
            Ok(WriteAnswer::Rejected { violations }) => Err(ChangeError::Rejected(violations)),
            Ok(WriteAnswer::NotPermitted) => Err(ChangeError::NotPermitted),
            Ok(WriteAnswer::Superseded) => Err(ChangeError::Superseded),
            Ok(WriteAnswer::NotApplied) => Err(ChangeError::NotApplied(
                "the directory changed nothing: see the log of its function".into(),
            )),
            Ok(WriteAnswer::Unknown) => Err(ChangeError::Unknown("the directory did not answer".into())),
            Ok(WriteAnswer::Examined(_)) => {
                Err(ChangeError::Unknown("the function gave the answer of another request".into()))
            }
            Err(error @ TransportError::NotSent(_)) => Err(ChangeError::NotApplied(Box::new(error))),
            Err(error @ TransportError::NoAnswer(_)) => Err(ChangeError::Unknown(Box::new(error))),
        }
    }

    async fn read(&self, request: &ReadRequest) -> Result<ReadAnswer, DirectoryError> {
        self.call(DirectoryFunction::Read, request).await.map_err(|error| DirectoryError(Box::new(error)))
    }

    async fn call<A: DeserializeOwned>(
        &self,
        function: DirectoryFunction,
        request: &impl Serialize,
    ) -> Result<A, TransportError> {
        // It may hold a password.
        let body = serde_json::to_vec(request).map(Zeroizing::new);
        let body = body.map_err(|_| TransportError::NotSent("the request can't be written".to_owned()))?;
        let answer = self.transport.call(function, &body).await?;
        serde_json::from_slice(&answer)
            .map_err(|_| TransportError::NoAnswer("its answer is of another version".to_owned()))
    }
}

/// Returns the error of an answer that the request does not have.
fn unexpected(answer: &ReadAnswer) -> DirectoryError {
    let what = match answer {
        ReadAnswer::Unavailable => "the directory's function can't reach the directory, or its table",
        _ => "the directory's function gave the answer of another request",
    };
    DirectoryError(what.into())
}

#[async_trait]
impl Directory for RemoteDirectory {
    fn capabilities(&self) -> Capabilities {
        // The directory checks earlier passwords when it sets a new one.
        Capabilities { unlock: true, sign_in: true, history: false }
    }

    async fn find(&self, name: &CanonicalName) -> Result<Option<Account>, DirectoryError> {
        self.copy.find(name).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, DirectoryError> {
        self.copy.account(id).await
    }
}

#[async_trait]
impl SignInDirectory for RemoteDirectory {
    async fn check_password(
        &self,
        account: &AccountId,
        password: &str,
        _now: Timestamp,
    ) -> Result<SignInResult, DirectoryError> {
        let request = ReadRequest::Check { account: account.clone(), password: Password::new(password) };
        match self.read(&request).await? {
            ReadAnswer::Accepted => {
                let account = self.copy.account(account).await?;
                Ok(account.map_or(SignInResult::Wrong, SignInResult::Accepted))
            }
            ReadAnswer::Refused => Ok(SignInResult::Wrong),
            other => Err(unexpected(&other)),
        }
    }
}

#[async_trait]
impl ChangeInspector for RemoteDirectory {
    async fn outcome(&self, change: &PasswordChange) -> Result<ChangeOutcome, DirectoryError> {
        let PasswordChange { account, number, deadline } = change.clone();
        match self.read(&ReadRequest::Outcome { account, number, deadline }).await? {
            ReadAnswer::Applied => Ok(ChangeOutcome::Applied),
            ReadAnswer::NotApplied => Ok(ChangeOutcome::NotApplied),
            ReadAnswer::CannotTell => Ok(ChangeOutcome::CannotTell),
            other => Err(unexpected(&other)),
        }
    }
}

#[async_trait]
impl PasswordDirectory for RemoteDirectory {
    async fn precheck(&self, _: &AccountId, _: &NewPassword) -> Result<Vec<Violation>, DirectoryError> {
        Ok(Vec::new())
    }

    async fn apply(
        &self,
        change: &PasswordChange,
        write: DirectoryWrite<'_>,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        if now >= change.deadline {
            return Err(ChangeError::NotApplied("the deadline has passed".into()));
        }
        let PasswordChange { account, number, deadline } = change.clone();
        let request = match write {
            DirectoryWrite::Password(password) => {
                let password = Password::new(password.expose());
                WriteRequest::Set { account, number, deadline, password }
            }
            DirectoryWrite::Unlock => {
                WriteRequest::Unlock { account, number, deadline, even_unlocked: false }
            }
        };
        self.write(&request).await
    }
}
