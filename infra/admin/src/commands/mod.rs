//! The commands, one file each.

mod blocklist;
mod config;
mod export;
mod forget;
mod import;
mod refused;
mod show;

use std::io::{self, Write as _};

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
        Command::Show { login } => show::run(global, login, output).await,
        Command::Export { login } => export::run(global, login, output).await,
        Command::Forget { login, yes } => forget::run(global, login, *yes, output).await,
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

/// Returns the problem that a store or a port failed.
fn failed(error: &(dyn std::error::Error + 'static)) -> Problem {
    Problem::failed(format!("{}. Try again", with_causes(error)))
}
