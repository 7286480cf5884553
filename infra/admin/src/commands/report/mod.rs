//! `rekey report`: who can reset and how, what was reset, where people stop, and what messages cost.

mod facts;
mod html;
mod table;

use std::fs;
use std::path::PathBuf;

use futures_util::future::join_all;
use serde_json::json;
use shared::domain::account::Registration;
use shared::ports::StoreError;

use super::audit::of_deployment;
use super::{failed, plan};
use crate::cli::{Global, Report};
use crate::deployment::{Deployment, PEOPLE, TRAIL};
use crate::outcome::{Outcome, Problem};
use crate::output::Output;
use facts::{Facts, People, Prices, Source};

/// The accounts whose methods are read at once.
const AT_ONCE: usize = 16;

pub(super) async fn run(global: &Global, options: &Report, output: &Output) -> Result<Outcome, Problem> {
    let deployment = Deployment::open(global, &[PEOPLE, TRAIL]).await?;
    let people = people(&deployment, output).await?;
    let trail = of_deployment(&deployment, options.days, output).await?;
    let listed = plan::Prices::listed()?;
    let price = |given: Option<f64>, name| given.map_or_else(|| listed.of(name), Ok);
    let prices = Prices {
        sms: price(options.sms_usd, "text")?,
        voice: price(options.call_usd, "call")?,
        email: price(options.mail_usd, "mail")?,
    };
    let (settings, now) = (&deployment.settings, trail.until);
    let source = Source { settings, people, lines: &trail.lines, days: options.days, prices, now };
    let facts = Facts::from_source(source);
    if let Some(file) = &options.html {
        write(file, &html::page(&facts))?;
        output.note(format!("Written to {}.", file.display()));
    }
    if output.is_json() {
        output.json(&json!({ "report": facts }));
    } else if options.csv {
        output.line(table::csv(&facts)?.trim_end());
    } else if options.html.is_none() {
        output.line(table::text(&facts));
    }
    Ok(Outcome::Done)
}

fn write(file: &PathBuf, text: &str) -> Result<(), Problem> {
    fs::write(file, text).map_err(|error| Problem::failed(format!("{}: {error}", file.display())))
}

/// Reads all accounts page by page, with their methods.
async fn people(deployment: &Deployment, output: &Output) -> Result<People, Problem> {
    let process = &deployment.process;
    let scan = process.account_scan().map_err(|error| failed(&error))?;
    let info = process.security_info().map_err(|error| failed(&error))?;
    let now = process.clock().now();
    let (mut people, mut after) = (People::default(), None::<String>);
    output.note("Reading the accounts …");
    loop {
        let page = scan.page(after.as_deref()).await.map_err(|error| failed(&error))?;
        for accounts in page.accounts.chunks(AT_ONCE) {
            let read = accounts.iter().map(|account| info.registration(&account.id, now));
            for (account, registration) in accounts.iter().zip(join_all(read).await) {
                let registration = match registration {
                    // An account with an unreadable item can't reset.
                    Err(StoreError::Unreadable(_)) => Registration::default(),
                    read => read.map_err(|error| failed(&error))?,
                };
                people.count(&deployment.settings, account, &registration);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(people);
        }
    }
}
