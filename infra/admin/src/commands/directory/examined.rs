//! What the functions' answers mean, and what to do about each failure.

use shared::adapters::directories::TransportError;
use shared::domain::account_copy::CopiedAccount;
use shared::domain::directory::EntryStanding;
use shared::domain::directory_config::ServerKind;
use shared::domain::directory_examination::{
    Examination, ExaminedPerson, ExaminedServer, Fault, FaultKind, FencedReason, Right, ServerState,
};

use super::Context;
use crate::checks::{Checks, Verdict};

const PERSON: &str = "Person";

/// Checks what the reading account sees of the person. Returns whether the directory has one.
pub(super) fn person(
    context: &Context<'_>,
    login: &str,
    read: &Examination,
    copied: Option<&CopiedAccount>,
    checks: &mut Checks,
) -> bool {
    let person = match read.people.as_slice() {
        [person] => person,
        // The reason is with the service account.
        [] if read.fault.is_some() => return true,
        [] if copied.is_some() => {
            let says = format!("the directory has nobody with the login {login}, and the copy still has");
            checks.add(Verdict::Bad, PERSON, "found", says, context.sync_command());
            return false;
        }
        [] => {
            let says = format!("nobody whom the reading account sees has the login {login}");
            let next = "Check the spelling, `login_attributes` in the document, and that the account may read the person";
            checks.add(Verdict::Bad, PERSON, "found", says, next);
            return false;
        }
        people => {
            let names: Vec<&str> = people.iter().map(|person| person.dn.as_str()).collect();
            let says =
                format!("{} people have the login, so it finds nobody: {}", names.len(), names.join("; "));
            checks.add(Verdict::Bad, PERSON, "found", says, "Give all but one of them another login");
            return true;
        }
    };
    checks.good(PERSON, "found", format!("{} ({})", person.dn, person.id().as_str()));
    standing(read.kind, person, checks);
    policy(read, person, checks);
    true
}

fn standing(kind: ServerKind, person: &ExaminedPerson, checks: &mut Checks) {
    let mut state = vec![if person.entry.is_locked { "locked" } else { "not locked" }.to_owned()];
    if person.entry.must_change {
        state.push("the password has expired or must be changed".to_owned());
    } else if let Some(at) = person.password_expires_at {
        state.push(format!("the password expires at {at}"));
    }
    let (verdict, says, next) = match person.entry.standing {
        EntryStanding::Eligible => {
            checks.good(PERSON, "state", format!("may reset; {}", state.join("; ")));
            return;
        }
        EntryStanding::Disabled => {
            (Verdict::Attention, "disabled, so a decoy here", "Enable the account in the directory".to_owned())
        }
        EntryStanding::Expired => {
            (Verdict::Attention, "expired, so a decoy here", "Move the end date in the directory".to_owned())
        }
        EntryStanding::LockedByAdministrator => (
            Verdict::Attention,
            "locked for good by an administrator, which Rekey never removes",
            format!("Remove pwdAccountLockedTime of {} if the lock has served", person.dn),
        ),
        EntryStanding::Privileged => (
            Verdict::Attention,
            "privileged, which Rekey never changes",
            match kind {
                ServerKind::ActiveDirectory => {
                    "Let the help desk reset it. Somebody who is in no protected or denied group any more needs adminCount \
                     cleared"
                        .to_owned()
                }
                ServerKind::OpenLdap => "Let the help desk reset it, or take the person out of the denied group".to_owned(),
            },
        ),
        EntryStanding::OutOfScope if person.base.is_none() => (
            Verdict::Bad,
            "outside of all `bases`, so no person for Rekey",
            match person.dn.split_once(',') {
                Some((_, parent)) => format!("Add \"{parent}\", or a base above it, to `bases` in the document"),
                None => "Correct `bases` in the document".to_owned(),
            },
        ),
        EntryStanding::OutOfScope => (
            Verdict::Bad,
            "below a base, and left out by `people_filter` or its kind",
            "Correct `people_filter` in the document, if this is a person".to_owned(),
        ),
    };
    checks.add(verdict, PERSON, "state", says, next);
}

fn policy(read: &Examination, person: &ExaminedPerson, checks: &mut Checks) {
    let Some(policy) = person.policy else {
        let (says, next) = match read.kind {
            ServerKind::ActiveDirectory => (
                "a fine-grained policy holds, which the reading account can't read: no sign-in by password",
                format!(
                    "dsacls \"CN=Password Settings Container,CN=System,{}\" /I:T /G \"{}:GR\"",
                    domain(&person.dn),
                    read.service_account
                ),
            ),
            ServerKind::OpenLdap => (
                "no policy can be read, so nobody can sign in by password where ppolicy is on",
                "Name ppolicy's default policy as `password_policy` in the document, and let the account read it"
                    .to_owned(),
            ),
        };
        checks.add(Verdict::Bad, PERSON, "policy", says, next);
        return;
    };
    let mut rules = Vec::new();
    rules.push(policy.min_length.map_or("no length".to_owned(), |min| format!("{min} characters")));
    if policy.complexity {
        rules.push("complexity".to_owned());
    }
    rules.push(format!("{} earlier passwords remembered", policy.history));
    rules.push(
        policy.max_age_days.map_or("never expires".to_owned(), |days| format!("expires after {days} days")),
    );
    rules.push(match (policy.lockout_threshold, person.entry.attempts_left) {
        (Some(threshold), Some(left)) => format!("locked after {threshold} wrong passwords, {left} left"),
        (Some(threshold), None) => format!("locked after {threshold} wrong passwords"),
        (None, _) => "never locked by wrong passwords".to_owned(),
    });
    checks.good(PERSON, "policy", rules.join(", "));
    if person.entry.attempts_left == Some(0) && !person.entry.is_locked {
        let account = &read.service_account;
        checks.add(
            Verdict::Bad,
            PERSON,
            "lockout",
            format!("no wrong password is left, or {account} can't see how many there were: no sign-in by password"),
            format!("Let {account} read pwdFailureTime, or badPwdCount and badPasswordTime, of {}", person.dn),
        );
    }
    if policy.lockout_threshold.is_some_and(|threshold| threshold < 3) {
        checks.add(
            Verdict::Attention,
            PERSON,
            "lockout",
            "so few wrong passwords lock that Rekey binds once at most, or never",
            "Allow ten wrong passwords in the directory's policy, or set RekeySignIn=oidc",
        );
    }
    if policy.history > 0 && read.checks_history == Some(false) {
        checks.add(
            Verdict::Attention,
            PERSON,
            "history",
            "the server can't refuse earlier passwords at a reset",
            "Set \"history\": \"required\" in the document to refuse resets there, or accept it",
        );
    }
}

/// Checks the service account of a function: its servers, and its rights.
pub(super) fn account(
    context: &Context<'_>,
    function: &'static str,
    examination: &Examination,
    checks: &mut Checks,
) {
    let group = group(function);
    let mut is_reached = false;
    for server in &examination.servers {
        is_reached |= server.state == ServerState::Reached;
        self::server(context, function, examination, server, checks);
    }
    if let Some(fault) = examination.fault.as_ref().filter(|_| is_reached) {
        let next = next(context, function, examination, fault, "");
        checks.add(Verdict::Bad, group, "reading", fault.reason.clone(), next);
    }
    if is_reached && examination.fault.is_none() {
        fence(function, examination, checks);
    }
    let [person] = examination.people.as_slice() else {
        if is_reached && examination.fault.is_none() && examination.people.is_empty() {
            checks.add(
                Verdict::Unknown,
                group,
                "rights",
                format!("{} sees no such person", examination.service_account),
                "Name a login of somebody whom the account may change",
            );
        }
        return;
    };
    // What the account may not do with somebody whom Rekey never changes is nobody's concern.
    if person.entry.standing == EntryStanding::Eligible {
        rights(function, examination, person, checks);
    }
}

fn server(
    context: &Context<'_>,
    function: &'static str,
    examination: &Examination,
    server: &ExaminedServer,
    checks: &mut Checks,
) {
    let group = group(function);
    let role = if server.is_primary { ", the PDC emulator" } else { "" };
    let address = &server.address;
    match &server.state {
        ServerState::Reached => {
            checks.good(group, "server", format!("{address}{role}, as {}", examination.service_account));
        }
        ServerState::NotTried => checks.add(
            Verdict::Unknown,
            group,
            "server",
            format!("{address}{role}: not tried"),
            "Mend the servers above, and repeat the command",
        ),
        ServerState::Failed(fault) => {
            let says = format!("{address}{role}: {}", fault.reason);
            let next = next(context, function, examination, fault, address);
            checks.add(Verdict::Bad, group, "server", says, next);
        }
    }
}

/// Returns the one next action after a failure.
fn next(
    context: &Context<'_>,
    function: &str,
    examination: &Examination,
    fault: &Fault,
    address: &str,
) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    match fault.kind {
        FaultKind::Unreachable if context.deployment.is_local => {
            format!(
                "Check the host in `servers`, and the way to it: openssl s_client -connect {address} </dev/null"
            )
        }
        FaultKind::Unreachable => format!(
            "Let DirectorySecurityGroups and the firewall pass TCP from DirectorySubnets to {address}, and check that the \
             VPC's resolver knows {host}"
        ),
        FaultKind::Certificate => format!(
            "Put the CA's certificate into the document, and the name of the certificate into `servers`: openssl s_client \
             -connect {address} -showcerts </dev/null | openssl x509 -noout -issuer -ext subjectAltName"
        ),
        FaultKind::ServiceAccount => credentials(context, function, examination, &fault.reason),
        FaultKind::Misconfigured => format!("Correct the document of the directory: {}", fault.reason),
        FaultKind::Other => {
            format!("Let {} read what infra/guides/directories.md names", examination.service_account)
        }
    }
}

/// Returns what to do about a service account that was refused. Active Directory tells why.
fn credentials(context: &Context<'_>, function: &str, examination: &Examination, reason: &str) -> String {
    let account = &examination.service_account;
    let data = reason.rsplit_once("data ").map(|(_, data)| data);
    match data {
        Some("775") => return format!("Unlock {account}, and exempt it from the policy that locks"),
        Some("533") => return format!("Enable {account}"),
        Some("701") => return format!("Remove the end date of {account}"),
        Some("532" | "773") => {
            return format!("Set a password of {account} that never expires, and write it into the secret");
        }
        Some("530" | "531") => return format!("Allow {account} to sign in at this time, and from this host"),
        _ => {}
    }
    if context.deployment.is_local {
        return format!("Correct `passwords.{function}` in the file of --directory, or the name {account}");
    }
    let variable = format!("REKEY_SECRET_DIRECTORY_{}", function.to_uppercase());
    let secret = context.deployment.resource(&variable).unwrap_or(&variable);
    format!(
        "aws secretsmanager put-secret-value --secret-id {secret} --secret-string file://password.txt   # that of {account}"
    )
}

fn rights(function: &'static str, examination: &Examination, person: &ExaminedPerson, checks: &mut Checks) {
    let (group, account, rights) = (group(function), &examination.service_account, &person.rights);
    let base = person.base.as_deref().unwrap_or(&person.dn);
    let is_writer = function == "write";
    for (name, right, what, grant) in [
        ("reset", rights.set_password, "set passwords", "CA;Reset Password;user"),
        ("unlock", rights.remove_lock, "remove locks", "RPWP;lockoutTime;user"),
    ] {
        match (right, is_writer) {
            (Right::Granted, true) => checks.good(group, name, format!("may {what}")),
            (Right::Denied, false) => checks.good(group, name, format!("may not {what}, as it should be")),
            (Right::Granted, false) => checks.add(
                Verdict::Bad,
                group,
                name,
                format!("{account} may {what}, and should only read"),
                format!("dsacls \"{base}\" /R \"{account}\""),
            ),
            (Right::Denied, true) => checks.add(
                Verdict::Bad,
                group,
                name,
                format!("{account} may not {what}"),
                format!("dsacls \"{base}\" /I:S /G \"{account}:{grant}\""),
            ),
            (Right::Unknown, true) => checks.add(
                Verdict::Unknown,
                group,
                name,
                format!("the directory does not tell whether {account} may {what}"),
                "rekey directory test LOGIN --write-test ACCOUNT tries it on a test account",
            ),
            (Right::Unknown, false) => {}
        }
    }
    if !rights.further.is_empty() {
        let (some, count) = (rights.further.iter().take(3), rights.further.len());
        let some = some.map(String::as_str).collect::<Vec<_>>().join(", ");
        let says = format!("{account} may write {count} more attributes, such as {some}");
        let next = format!("dsacls \"{}\" shows who grants it; take it away", person.dn);
        checks.add(Verdict::Attention, group, "more rights", says, next);
    }
    if rights.changes_rights {
        let says =
            format!("{account} may change the entry's rights or owner, and so grant itself all others");
        let next = format!("dsacls \"{}\" shows who grants it; take it away", person.dn);
        checks.add(Verdict::Bad, group, "more rights", says, next);
    }
    if rights.reads_hash {
        let says = format!("{account} can read the hashes of passwords");
        let next = "Put the rule for userPassword of infra/guides/openldap.md before the others";
        checks.add(Verdict::Bad, group, "more rights", says, next);
    }
}

/// Checks that the account can change neither privileged entries nor what is outside of all bases.
fn fence(function: &'static str, examination: &Examination, checks: &mut Checks) {
    const NAME: &str = "outside";
    let (group, account, fence) = (group(function), &examination.service_account, &examination.fence);
    let mut is_told = !fence.is_empty();
    for entry in fence {
        let reason = match entry.reason {
            FencedReason::Privileged => "privileged",
            FencedReason::Outside => "outside of all `bases`",
        };
        let Some(changes) = entry.rights.changes() else {
            is_told = false;
            continue;
        };
        if !changes.is_empty() {
            let says = format!("{account} may {changes} of {}, which is {reason}", entry.dn);
            let next = format!(
                "dsacls \"{}\" | findstr /I \"{account} Inherited\"   # where the right comes from; take it away there: dsacls NAME /R \"{account}\"",
                entry.dn
            );
            return checks.add(Verdict::Bad, group, NAME, says, next);
        }
    }
    if is_told {
        let says =
            format!("may change none of {} entries that are privileged or outside of `bases`", fence.len());
        return checks.good(group, NAME, says);
    }
    // The account that reads has no rights to lose where no directory tells any.
    if function != "write" {
        return;
    }
    let (says, next) = match (examination.kind, fence.first()) {
        (ServerKind::OpenLdap, outside) => {
            let dn = outside.map_or("uid=SOMEBODY,ou=elsewhere", |entry| entry.dn.as_str());
            (
                format!("the directory does not tell what {account} may change outside of `bases`"),
                format!("slapacl -D \"{account}\" -b \"{dn}\" userPassword/write   # must say DENIED"),
            )
        }
        (ServerKind::ActiveDirectory, Some(entry)) => (
            format!("could not be checked: {account} can't read its rights to {}", entry.dn),
            format!("dsacls \"{}\" | findstr /I \"{account}\"   # must find nothing", entry.dn),
        ),
        (ServerKind::ActiveDirectory, None) => (
            "could not be checked: the function is of an earlier version, or sees nobody there".to_owned(),
            "sam deploy --config-env production".to_owned(),
        ),
    };
    checks.add(Verdict::Unknown, group, NAME, says, next);
}

/// Tells that a function gave no answer.
pub(super) fn no_answer(
    context: &Context<'_>,
    function: &'static str,
    error: &TransportError,
    checks: &mut Checks,
) {
    let next = match error {
        _ if context.deployment.is_local => "See what `cargo local` wrote to its terminal".to_owned(),
        TransportError::NotSent(_) => {
            format!("Let your role invoke the function: lambda:InvokeFunction on directory-{function}")
        }
        TransportError::NoAnswer(_) => {
            format!("aws logs tail /aws/lambda/{}/directory-{function} --since 10m", context.deployment.name)
        }
    };
    checks.add(Verdict::Bad, group(function), "function", error.to_string(), next);
}

fn group(function: &str) -> &'static str {
    if function == "write" { "Account that writes" } else { "Account that reads" }
}

/// Returns the domain's part of a name.
fn domain(dn: &str) -> &str {
    let at = dn.to_ascii_lowercase().find("dc=").unwrap_or(0);
    &dn[at..]
}
