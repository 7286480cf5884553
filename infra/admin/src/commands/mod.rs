//! The commands, one file each.

mod attempt;
mod audit;
mod blocklist;
mod config;
mod directory;
mod doctor;
mod export;
mod forget;
mod help;
mod import;
mod keys;
mod letters;
mod plan;
mod refused;
mod report;
mod show;
mod smoke;
mod sync;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use clap::CommandFactory as _;
use rekey_people::failure::with_causes;

use crate::cli::{self, Cli, Command};
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

/// Runs a command.
pub(crate) async fn run(cli: &Cli, output: &Output) -> Result<Outcome, Problem> {
    let global = &cli.global;
    match &cli.command {
        Command::Import(options) => import::run(global, options, output).await,
        Command::Show { login, reason, .. } => show::run(global, login, reason.as_deref(), output).await,
        Command::Verify(options) => help::verify(global, options, output).await,
        Command::Pass(options) => match options {
            cli::Pass { group: Some(group), .. } => letters::run(global, group, options, output).await,
            cli::Pass { login: Some(login), reason: Some(reason), minutes, yes, .. } => {
                help::pass(global, login, reason, *minutes, *yes, output).await
            }
            _ => Err(Problem::usage("whom? Give a login with --reason, or --activation --group NAME")),
        },
        Command::Remove { login, method, reason, yes } => {
            help::remove(global, login, method, reason, *yes, output).await
        }
        Command::Unlock { login, reason } => help::unlock(global, login, reason, output).await,
        Command::Release { login, reason, end_devices } => {
            help::release(global, login, reason, *end_devices, output).await
        }
        Command::Export { login } => export::run(global, login, output).await,
        Command::Forget { login, yes } => forget::run(global, login, *yes, output).await,
        Command::Sync(options) => sync::run(global, options, output).await,
        Command::Report(options) => report::run(global, options, output).await,
        Command::Plan(options) => plan::run(options, output),
        Command::Audit(cli::Audit::Verify { days, file }) => {
            audit::verify(global, *days, file.as_deref(), output).await
        }
        Command::Audit(cli::Audit::Export { days }) => audit::export(global, *days, output).await,
        Command::Doctor { strict, resolver } => {
            let options = doctor::Options { strict: *strict, resolver: *resolver };
            Box::pin(doctor::run(global, options, output)).await
        }
        Command::Smoke(options) => smoke::run(global, options, output).await,
        Command::Directory(cli::Directory::Test { login, write_test, yes }) => {
            let write_test = write_test.as_deref();
            let Some(login) = login.as_deref().or(write_test) else {
                return Err(Problem::usage("whom? Give a login, or --write-test ACCOUNT"));
            };
            let options = directory::Options { login, write_test, yes: *yes };
            directory::test(global, &options, output).await
        }
        Command::Keys(cli::Keys::Rotate { name, apply }) => keys::rotate(global, name, *apply, output).await,
        Command::Config(cli::Config::Check { file }) => config::check(global, file.as_deref(), output).await,
        Command::Blocklist(cli::BlocklistCommand::Build(options)) => blocklist::build(options, output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "rekey", &mut script);
            let _ = io::stdout().lock().write_all(&script);
            Ok(Outcome::Done)
        }
    }
}

/// Asks the operator to type the login.
fn confirm(login: &str, question: &str, not_confirmed: &str) -> Result<(), Problem> {
    if !io::stdin().is_terminal() {
        return Err(Problem::usage("a confirmation is needed. Run the command at a terminal, or give --yes"));
    }
    let typed = asked(&format!("{question} Type the login: "));
    if typed.trim() == login { Ok(()) } else { Err(Problem::usage(not_confirmed)) }
}

/// Asks at the terminal, and returns what was typed; nothing if the input ends.
fn asked(question: &str) -> String {
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{question}");
    let _ = err.flush();
    let mut typed = String::new();
    let _ = io::stdin().lock().read_line(&mut typed);
    typed
}

/// Returns the problem that a store or a port failed.
fn failed(error: &(dyn std::error::Error + 'static)) -> Problem {
    Problem::failed(format!("{}. Try again", with_causes(error)))
}
