//! Finds a person by a login.

use std::sync::Arc;

use rekey_people::failure::with_causes;
use shared::domain::account_copy::{CopiedAccount, LoginClaims};
use shared::domain::name::CanonicalName;
use shared::ports::AccountCopy;

use crate::deployment::Deployment;
use crate::outcome::Problem;

/// A login, with the account that it finds.
pub(crate) struct Found {
    /// The login, with who has it.
    pub(crate) claims: LoginClaims,
    /// The account; `None` if an erasure was interrupted.
    pub(crate) account: Option<CopiedAccount>,
}

/// Returns the store of accounts.
pub(crate) fn accounts(deployment: &Deployment) -> Result<Arc<dyn AccountCopy>, Problem> {
    deployment.process.account_copy().map_err(|error| Problem::failed(with_causes(&error)))
}

/// Finds the account of a login as a person types it.
pub(crate) async fn login(deployment: &Deployment, typed: &str) -> Result<Found, Problem> {
    let name = CanonicalName::parse(typed, &deployment.settings.login_domains)
        .map_err(|error| Problem::usage(format!("`{typed}`: {error}. Use a login such as aisyah")))?;
    let accounts = accounts(deployment)?;
    let failed = |error: shared::ports::DirectoryError| Problem::failed(with_causes(&error));
    let claims = accounts.logins(&[name.as_str().to_owned()]).await.map_err(failed)?;
    let claims = claims.into_iter().next().ok_or_else(|| Problem::not_found(typed))?;
    if claims.is_ambiguous() {
        return Err(Problem::failed(format!(
            "several people have the login `{typed}`, so it finds nobody. Correct the directory"
        )));
    }
    let ids: Vec<_> = claims.owner().cloned().into_iter().collect();
    let account = accounts.accounts(&ids).await.map_err(failed)?.into_iter().next();
    Ok(Found { claims, account })
}

/// Finds the account of a login in the copy, if one alone has it.
pub(crate) async fn copied(deployment: &Deployment, typed: &str) -> Result<Option<CopiedAccount>, Problem> {
    let name = CanonicalName::parse(typed, &deployment.settings.login_domains)
        .map_err(|error| Problem::usage(format!("`{typed}`: {error}. Use a login such as aisyah")))?;
    let accounts = accounts(deployment)?;
    let failed = |error: shared::ports::DirectoryError| Problem::failed(with_causes(&error));
    let claims = accounts.logins(&[name.as_str().to_owned()]).await.map_err(failed)?;
    let ids: Vec<_> = claims.iter().filter_map(|claims| claims.owner().cloned()).collect();
    Ok(accounts.accounts(&ids).await.map_err(failed)?.into_iter().next())
}

/// Finds a person by a login.
pub(crate) async fn person(deployment: &Deployment, typed: &str) -> Result<CopiedAccount, Problem> {
    login(deployment, typed).await?.account.ok_or_else(|| Problem::not_found(typed))
}
