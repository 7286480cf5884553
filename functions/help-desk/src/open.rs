//! Opens a case: finds the person, and decides whether the agent may help them.

use shared::domain::account_copy::CopiedAccount;
use shared::domain::help_desk::{Agent, may_be_helped};
use shared::domain::help_desk_call::{HelpRefusal, What};
use shared::domain::name::CanonicalName;

use crate::case::{Case, Stop};
use crate::{Door, Ports, attempt, audit};

/// Returns the case of an act, if the agent may help the person.
pub(crate) async fn open<'a>(
    ports: &'a Ports,
    agent: Agent,
    door: Door<'_>,
    login: &str,
    what: &What,
) -> Result<Case<'a>, Stop> {
    let (act, now) = (name_of(what), ports.clock.now());
    let is_shown = matches!(what, What::Show { .. });
    let (mut found, mut attempt) = (find(ports, login).await?, None);
    if found.is_none() && is_shown {
        // Only what changes nothing takes a support code: the agent then sees the login, and names it from then on.
        if let Some((account, flow)) = attempt::find(ports, login, now).await? {
            found = ports.accounts.accounts(&[account]).await?.into_iter().next();
            attempt = flow;
        }
    }
    let Some(found) = found else {
        return Err(audit::stranger(ports, &agent, act, HelpRefusal::NotFound, now).await?);
    };
    let case = Case { ports, agent, account: found.account, group: found.group, attempt, act, now };
    let (settings, group) = (&ports.settings, case.group.as_deref());
    let may_help = match door {
        Door::Command => settings.helpers.may_help(&case.agent, group),
        Door::Page(own) => settings.desk_agents.may_help_by(own, group),
    };
    let refusal = if !may_help {
        HelpRefusal::NotYours
    } else if !is_shown && !may_be_helped(case.account.state) {
        HelpRefusal::NotEligible
    } else {
        return Ok(case);
    };
    audit::refused(&case, refusal).await?;
    Err(Stop::Refused(refusal))
}

/// Finds the person with a login. A login that several people have finds nobody.
async fn find(ports: &Ports, login: &str) -> Result<Option<CopiedAccount>, Stop> {
    let Ok(name) = CanonicalName::parse(login, &ports.settings.login_domains) else { return Ok(None) };
    let claims = ports.accounts.logins(&[name.as_str().to_owned()]).await?;
    let owner = claims.first().and_then(|claims| claims.owner()).cloned();
    let Some(owner) = owner else { return Ok(None) };
    Ok(ports.accounts.accounts(&[owner]).await?.into_iter().next())
}

const fn name_of(what: &What) -> &'static str {
    match what {
        What::Show { .. } => "show",
        What::SendCode { .. } => "send-code",
        What::CheckCode { .. } => "check-code",
        What::CheckApp { .. } => "check-app",
        What::SeeDocument { .. } => "see-document",
        What::Pass { .. } => "pass",
        What::ActivationPass { .. } => "activation-pass",
        What::Remove { .. } => "remove",
        What::Unlock { .. } => "unlock",
        What::Release { .. } => "release",
    }
}
