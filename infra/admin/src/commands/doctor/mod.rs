//! `rekey doctor`: whether everything that a reset needs works, with one next action where it does not.
//!
//! It changes nothing. A check that can't be made says why, and ends no other one.

mod address;
mod messages;
mod people;
mod reputation;
mod resources;

use std::net::SocketAddr;
use std::sync::Arc;

use rekey_people::failure::with_causes;
use shared::adapters::aws::with_region;
use shared::adapters::inspection::{Inspection, InspectionError};
use shared::adapters::system::SystemClock;
use shared::settings::Settings;

use crate::checks::{Checks, Verdict};
use crate::cli::Global;
use crate::deployment::{self, Found, Parts};
use crate::dns;
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

/// The options of the command.
#[derive(Clone, Copy)]
pub(super) struct Options {
    pub(super) strict: bool,
    pub(super) resolver: Option<SocketAddr>,
}

const LOCAL: &str = "not in the local environment";

pub(super) async fn run(
    global: &Global,
    Options { strict, resolver }: Options,
    output: &Output,
) -> Result<Outcome, Problem> {
    let found = deployment::find(global).await?;
    let settings = Settings::from_pairs(found.variables.clone());
    let inspection = Inspection::new(&found.aws, Arc::new(SystemClock));
    // Senders are registered in one region, which need not be the stack's.
    let region = settings.as_ref().ok().and_then(|settings| settings.message_region.clone());
    let aws = region.map_or_else(|| found.aws.clone(), |region| with_region(&found.aws, region));
    let senders = Inspection::new(&aws, Arc::new(SystemClock));
    if !output.is_json() {
        let region = found.aws.region().map(ToString::to_string).unwrap_or_default();
        let place = if found.stack.is_some() {
            format!("stack {} · {region}", found.name)
        } else {
            found.name.clone()
        };
        output.line(format!("Rekey {} · {place} · as {}\n", env!("CARGO_PKG_VERSION"), found.actor));
    }
    let settings = match settings {
        Ok(settings) => Ok(settings),
        Err(errors) => Err(errors.0),
    };
    let settings_read = settings.as_ref().ok();
    let context = Context {
        found: &found,
        settings: settings_read,
        inspection: &inspection,
        senders: &senders,
        resolvers: dns::resolvers(resolver),
    };
    let mut checks = Checks::default();
    parameters(&context, settings.as_ref().err(), &mut checks);
    output.note("Reading the deployment, and every account…");
    let (resources, address, mail, reputation, phones, (count, people), alarms) = tokio::join!(
        resources::checks(&context),
        address::checks(&context),
        messages::mail(&context),
        reputation::checks(&context),
        messages::phones(&context),
        people::checks(&context),
        resources::alarms(&context),
    );
    for group in [resources, address, mail, reputation, phones] {
        checks.append(group);
    }
    checks.append(messages::budget(&context, count));
    checks.append(people);
    checks.append(alarms);
    let written = checks.write(output);
    Ok(match written {
        Outcome::Done if checks.count(Verdict::Unknown) > 0 => Outcome::InPart,
        Outcome::Done if strict && checks.count(Verdict::Attention) > 0 => Outcome::Warnings,
        other => other,
    })
}

/// What the checks need.
struct Context<'a> {
    found: &'a Found,
    /// The parameters; `None` if they have errors.
    settings: Option<&'a Settings>,
    inspection: &'a Inspection,
    /// Where mail, texts and calls are sent from.
    senders: &'a Inspection,
    /// Resolvers of the DNS.
    resolvers: Vec<SocketAddr>,
}

impl Context<'_> {
    fn stack(&self) -> Option<&Parts> {
        self.found.stack.as_ref()
    }

    /// Returns the parameters, or adds that a check needs them.
    fn settings(&self, group: &'static str, name: &'static str, checks: &mut Checks) -> Option<&Settings> {
        if self.settings.is_none() {
            let says = "can't be told while parameters are wrong";
            checks.add(Verdict::Unknown, group, name, says, "Correct the parameters first");
        }
        self.settings
    }
}

fn parameters(context: &Context<'_>, errors: Option<&Vec<String>>, checks: &mut Checks) {
    const GROUP: &str = "Deployment";
    let given = context.found.variables.keys().filter(|name| name.starts_with("REKEY_")).count();
    match errors {
        None => checks.good(GROUP, "parameters", format!("{given}, without an error")),
        Some(errors) => checks.add(
            Verdict::Bad,
            GROUP,
            "parameters",
            errors.join("; "),
            "Correct them in samconfig.toml, then: sam deploy --config-env production",
        ),
    }
}

/// Adds a check that could not be made.
fn unknown(group: &'static str, name: &'static str, error: &InspectionError, checks: &mut Checks) {
    let next = match error {
        InspectionError::Denied(call) => {
            format!("Allow {call} for your role: infra/guides/rekey.md lists the rights of doctor")
        }
        InspectionError::NotFound(_) | InspectionError::Failed { .. } => {
            "Check the network and the region, and run the command again".to_owned()
        }
    };
    checks.add(Verdict::Unknown, group, name, with_causes(error), next);
}

/// Adds that these checks have no object in a local environment.
fn not_local(group: &'static str, names: &[&'static str], checks: &mut Checks) {
    for name in names {
        checks.skip(group, name, LOCAL);
    }
}

/// Returns whole numbers of dollars and the like without their fraction.
fn plain(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}
