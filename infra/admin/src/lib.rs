//! `rekey`, the operator's command line.
//!
//! A command finds a deployment ([`deployment`]) by the name of its stack, or a local environment by its dev inbox. Both
//! give the same variables, so that everything after that is the same code with other endpoints. What a command does is
//! written to the log as an event of its own ([`audit`]).

pub mod audit;
pub mod checks;
pub mod cli;
mod commands;
pub mod deployment;
mod dns;
mod find;
mod outcome;
pub mod output;

use std::process::ExitCode;

use clap::Parser as _;
use shared::adapters::system::json_lines;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, registry};

use self::cli::Cli;
pub use self::outcome::{Outcome, Problem};
use self::output::Output;

/// Runs the command of the process's arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let given = shared::settings::resource("RUST_LOG").and_then(|text| text.parse::<Targets>().ok());
    let quiet = Targets::new().with_default(tracing::Level::ERROR);
    let log = json_lines(std::io::stderr).with_filter(given.unwrap_or(quiet));
    registry().with(log).init();
    let output = Output::new(cli.global.json);
    let ended = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(run(&cli, &output)),
        Err(error) => Err(Problem::failed(format!("threads can't be started: {error}"))),
    };
    match ended {
        Ok(outcome) => outcome.into(),
        Err(problem) => {
            output.problem(&problem);
            ExitCode::from(problem.exit_code())
        }
    }
}

async fn run(cli: &Cli, output: &Output) -> Result<Outcome, Problem> {
    // These end by themselves: an import gives back what it holds, and each pass that was given is in a letter.
    if matches!(cli.command, cli::Command::Import(_) | cli::Command::Pass(cli::Pass { activation: true, .. }))
    {
        return commands::run(cli, output).await;
    }
    tokio::select! {
        ended = commands::run(cli, output) => ended,
        () = interrupted() => Err(Problem::interrupted()),
    }
}

/// Waits for Ctrl-C.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
