//! The stack and its parts, and its alarms.

use shared::adapters::inspection::InspectionError;
use shared::adapters::system::SystemClock;
use shared::domain::time::Seconds;
use shared::ports::Clock as _;

use super::{Context, not_local, plain, unknown};
use crate::checks::{Checks, Verdict};
use crate::deployment::Parts;

const GROUP: &str = "Deployment";
/// The tables whose content is kept.
const LASTING: [&str; 2] = ["REKEY_TABLE_ACCOUNTS", "REKEY_TABLE_SECURITY_INFO"];
/// Functions that run at once when 50,000 people begin a semester are some 25. Other functions of the account need room,
/// too. A new account has 10.
const CONCURRENCY: u32 = 50;

pub(super) async fn checks(context: &Context<'_>) -> Checks {
    let mut checks = Checks::default();
    let Some(parts) = context.stack() else {
        not_local(GROUP, &["stack", "functions"], &mut checks);
        tables(context, &mut checks).await;
        not_local(GROUP, &["keys", "dead letters", "concurrency"], &mut checks);
        return checks;
    };
    stack(context, &mut checks).await;
    functions(context, parts, &mut checks);
    tables(context, &mut checks).await;
    keys(context, &mut checks).await;
    dead_letters(context, parts, &mut checks).await;
    concurrency(context, &mut checks).await;
    checks
}

async fn stack(context: &Context<'_>, checks: &mut Checks) {
    let name = &context.found.name;
    let status = match context.inspection.stack(name).await {
        Ok(status) => status,
        Err(error) => return unknown(GROUP, "stack", &error, checks),
    };
    let events = format!(
        "aws cloudformation describe-stack-events --stack-name {name} --query \
         \"StackEvents[?contains(ResourceStatus,'FAILED')].[LogicalResourceId,ResourceStatusReason]\" --output text"
    );
    match status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => checks.good(GROUP, "stack", status),
        "UPDATE_ROLLBACK_COMPLETE" => {
            let says = "UPDATE_ROLLBACK_COMPLETE: the last deployment failed, and the earlier version runs";
            checks.add(Verdict::Attention, GROUP, "stack", says, events);
        }
        progress if progress.ends_with("_IN_PROGRESS") => {
            let next = format!("aws cloudformation wait stack-update-complete --stack-name {name}");
            checks.add(
                Verdict::Attention,
                GROUP,
                "stack",
                format!("{status}: a deployment is under way"),
                next,
            );
        }
        _ => checks.add(Verdict::Bad, GROUP, "stack", status, events),
    }
}

fn functions(context: &Context<'_>, parts: &Parts, checks: &mut Checks) {
    let mut architectures: Vec<&str> =
        parts.functions.iter().flat_map(|function| &function.architectures).map(String::as_str).collect();
    architectures.sort_unstable();
    architectures.dedup();
    // Lambda puts a function to sleep that nobody called for weeks. The next call wakes it.
    let works = |state: &str| matches!(state, "Active" | "Inactive" | "");
    let broken: Vec<&str> = parts
        .functions
        .iter()
        .filter(|function| !works(&function.state) || function.last_update_status == "Failed")
        .map(|function| function.function_name.as_str())
        .collect();
    match broken.as_slice() {
        [] => {
            let says =
                format!("{}, {}, all can be invoked", parts.functions.len(), architectures.join(" and "));
            checks.good(GROUP, "functions", says);
        }
        [first, ..] => {
            let region = context.found.aws.region().map(ToString::to_string).unwrap_or_default();
            let says = format!("{} can't be invoked, or were not updated", broken.join(", "));
            let next = format!(
                "aws lambda get-function-configuration --region {region} --function-name {first} --query \
                 '[State,StateReason,LastUpdateStatusReason]'"
            );
            checks.add(Verdict::Bad, GROUP, "functions", says, next);
        }
    }
}

async fn tables(context: &Context<'_>, checks: &mut Checks) {
    const NAME: &str = "tables";
    let tables: Vec<_> =
        context.found.variables.iter().filter(|(variable, _)| variable.starts_with("REKEY_TABLE_")).collect();
    for (variable, table) in &tables {
        let state = match context.inspection.table(table).await {
            Ok(state) => state,
            Err(InspectionError::NotFound(_)) => {
                let says = format!("{table} does not exist");
                let next =
                    "Follow the section on stores in infra/security/runbooks.md, which restores a table";
                return checks.add(Verdict::Bad, GROUP, NAME, says, next);
            }
            Err(error) => return unknown(GROUP, NAME, &error, checks),
        };
        if !["ACTIVE", "UPDATING"].contains(&state.status.as_str()) {
            let next = format!("aws dynamodb describe-table --table-name {table}");
            let says = format!("{table} is {}", state.status);
            return checks.add(Verdict::Bad, GROUP, NAME, says, next);
        }
        if context.stack().is_none() || !LASTING.contains(&variable.as_str()) {
            continue;
        }
        match context.inspection.has_backups(table).await {
            Ok(true) => {}
            Ok(false) => {
                let says = format!("{table} has no point-in-time recovery");
                let next = format!(
                    "aws dynamodb update-continuous-backups --table-name {table} \
                     --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
                );
                return checks.add(Verdict::Attention, GROUP, NAME, says, next);
            }
            Err(error) => return unknown(GROUP, NAME, &error, checks),
        }
        if !state.is_protected {
            let says = format!("{table} can be deleted by mistake");
            let next =
                format!("aws dynamodb update-table --table-name {table} --deletion-protection-enabled");
            return checks.add(Verdict::Attention, GROUP, NAME, says, next);
        }
    }
    let says = if context.stack().is_some() {
        format!("{}, with recovery and deletion protection for the {} that last", tables.len(), LASTING.len())
    } else {
        tables.len().to_string()
    };
    checks.good(GROUP, NAME, says);
}

async fn keys(context: &Context<'_>, checks: &mut Checks) {
    const NAME: &str = "keys";
    let secrets: Vec<_> = context
        .found
        .variables
        .iter()
        .filter(|(variable, _)| variable.starts_with("REKEY_SECRET_"))
        .collect();
    let now = SystemClock.now().as_seconds();
    let mut oldest = 0;
    for (variable, secret) in &secrets {
        let state = match context.inspection.secret(secret).await {
            Ok(state) => state,
            Err(InspectionError::NotFound(_)) => {
                let says = format!("the secret of {variable} does not exist, so functions can't start");
                let next = "Follow \"Leaked key\" in infra/security/runbooks.md, which says what is lost with each key";
                return checks.add(Verdict::Bad, GROUP, NAME, says, next);
            }
            Err(error) => return unknown(GROUP, NAME, &error, checks),
        };
        if state.deleted_date.is_some() {
            let says = format!("the secret of {variable} is marked for deletion, so functions can't start");
            let next = format!("aws secretsmanager restore-secret --secret-id {secret}");
            return checks.add(Verdict::Bad, GROUP, NAME, says, next);
        }
        #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 fit")]
        let changed = state.last_changed_date.map_or(now, |at| at as i64);
        oldest = oldest.max((now - changed) / i64::from(Seconds::DAY.0));
    }
    checks.good(GROUP, NAME, format!("{} secrets; the oldest was changed {oldest} days ago", secrets.len()));
}

async fn dead_letters(context: &Context<'_>, parts: &Parts, checks: &mut Checks) {
    const NAME: &str = "dead letters";
    let Some(queue) = parts.resources.get("DeadLetterQueue") else {
        return checks.skip(GROUP, NAME, "the stack has no DeadLetterQueue");
    };
    match context.inspection.waiting(queue).await {
        Ok(0) => checks.good(GROUP, NAME, "none"),
        Ok(count) => checks.add(
            Verdict::Attention,
            GROUP,
            NAME,
            format!("{count} messages could not be sent"),
            "Follow \"Dead-letter queue\" in infra/security/runbooks.md",
        ),
        Err(error) => unknown(GROUP, NAME, &error, checks),
    }
}

async fn concurrency(context: &Context<'_>, checks: &mut Checks) {
    const NAME: &str = "concurrency";
    let week = Seconds(7 * Seconds::DAY.0);
    let (limit, peak) = tokio::join!(
        context.inspection.concurrency(),
        context.inspection.metric("AWS/Lambda", "ConcurrentExecutions", week)
    );
    let limit = match limit {
        Ok(limit) => limit,
        Err(error) => return unknown(GROUP, NAME, &error, checks),
    };
    let used = match peak {
        Ok(Some(peak)) => format!(", {} ran at once in the last week", plain(peak)),
        Ok(None) | Err(_) => String::new(),
    };
    let is_used_up = matches!(peak, Ok(Some(peak)) if peak >= f64::from(limit) * 0.8);
    let says = format!("{limit} functions of the account may run at once{used}");
    if limit >= CONCURRENCY && !is_used_up {
        return checks.good(GROUP, NAME, says);
    }
    let wanted = limit.saturating_mul(2).max(200);
    let next = format!(
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 \
         --desired-value {wanted}"
    );
    checks.add(Verdict::Attention, GROUP, NAME, format!("{says}; a semester start needs about 25"), next);
}

/// Checks that alarms reach somebody, and which ones are on.
pub(super) async fn alarms(context: &Context<'_>) -> Checks {
    const GROUP: &str = "Alarms";
    let mut checks = Checks::default();
    let Some(parts) = context.stack() else {
        not_local(GROUP, &["subscribers", "alarms"], &mut checks);
        return checks;
    };
    match parts.resources.get("Alarms") {
        None => checks.skip(GROUP, "subscribers", "the stack has no topic of alarms"),
        Some(topic) => match context.inspection.subscriptions(topic).await {
            Ok(found) if found.confirmed > 0 => {
                checks.good(GROUP, "subscribers", format!("{} get the alarms", found.confirmed));
            }
            Ok(found) if found.pending > 0 => checks.add(
                Verdict::Bad,
                GROUP,
                "subscribers",
                "alarms reach nobody: the subscription is not confirmed",
                "Open the mail \"AWS Notification - Subscription Confirmation\" and confirm it; it is valid for two days",
            ),
            Ok(_) => checks.add(
                Verdict::Bad,
                GROUP,
                "subscribers",
                "alarms reach nobody: AlarmEmail is empty",
                format!(
                    "aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint YOUR@ADDRESS"
                ),
            ),
            Err(error) => unknown(GROUP, "subscribers", &error, &mut checks),
        },
    }
    // Names of another stack may begin alike.
    let on = context.inspection.alarms_on(&format!("{}-", context.found.name)).await;
    let is_own = |alarm: &String| parts.resources.values().any(|name| name == alarm);
    match on.map(|on| on.into_iter().filter(is_own).collect::<Vec<_>>()) {
        Ok(on) if on.is_empty() => checks.good(GROUP, "alarms", "none is on"),
        Ok(on) => checks.add(
            Verdict::Attention,
            GROUP,
            "alarms",
            format!("on: {}", on.join(", ")),
            "Follow its section in infra/security/runbooks.md",
        ),
        Err(error) => unknown(GROUP, "alarms", &error, &mut checks),
    }
    checks
}
