//! The commands, one file each.

mod blocklist;
mod config;
mod directory;
mod export;
mod forget;
mod import;
mod refused;
mod show;

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
        Command::Show { login } => show::run(global, login, output).await,
        Command::Export { login } => export::run(global, login, output).await,
        Command::Forget { login, yes } => forget::run(global, login, *yes, output).await,
        Command::Directory(cli::Directory::Test { login, write_test, yes }) => {
            let write_test = write_test.as_deref();
            let Some(login) = login.as_deref().or(write_test) else {
                return Err(Problem::usage("whom? Give a login, or --write-test ACCOUNT"));
            };
            let options = directory::Options { login, write_test, yes: *yes };
            directory::test(global, &options, output).await
        }
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
fn confirm(login: &str, question: &str, refused: &str) -> Result<(), Problem> {
    if !io::stdin().is_terminal() {
        return Err(Problem::usage("a confirmation is needed. Run the command at a terminal, or give --yes"));
    }
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{question}");
    let _ = err.flush();
    let mut typed = String::new();
    let read = io::stdin().lock().read_line(&mut typed);
    if read.is_ok() && typed.trim() == login { Ok(()) } else { Err(Problem::usage(refused)) }
}

/// Returns the problem that a store or a port failed.
fn failed(error: &(dyn std::error::Error + 'static)) -> Problem {
    Problem::failed(format!("{}. Try again", with_causes(error)))
}
