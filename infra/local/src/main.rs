//! `cargo local`: runs all of Rekey on this machine.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use rekey_local::emulator::logs::LogWriter;
use rekey_local::{Failure, Local, Options, print};
use shared::adapters::system::{audit_lines, new_chain};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

fn main() -> ExitCode {
    let options = Options::parse();
    let given = shared::settings::resource("RUST_LOG").map(|text| text.parse::<Targets>());
    if let Some(Err(error)) = &given {
        let _ = writeln!(io::stderr(), "warning: RUST_LOG: {error}. Use a filter such as info");
    }
    let filter = given.and_then(Result::ok).unwrap_or_else(|| Targets::new().with_default(Level::WARN));
    // The audit trail, as the functions' own processes would write it.
    let trail = LogWriter::default();
    let writer = trail.clone();
    let audit = audit_lines(new_chain("local"), move || writer.clone());
    let quiet = [("hyper", Level::WARN), ("aws", Level::WARN), ("dynoxide", Level::WARN)];
    let audit = audit.with_filter(Targets::new().with_default(Level::INFO).with_targets(quiet));
    registry().with(audit).with(fmt::layer().with_writer(io::stderr).with_filter(filter)).init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let why =
                format!("threads can't be started: {error}. Check the limits of this shell (ulimit -a)");
            return fail(&Failure::new(why));
        }
    };
    let ended = runtime.block_on(run(&options, &trail));
    // A connection that a browser keeps open must not delay the exit.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

async fn run(options: &Options, trail: &LogWriter) -> Result<(), Failure> {
    let unheard = |error: io::Error| {
        Failure::new(format!("Ctrl-C can't be handled: {error}. Check the limits of this shell (ulimit -a)"))
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unheard)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unheard)?;
    let local = tokio::select! {
        local = Local::prepare(options, std::env::vars()) => local?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    trail.connect(local.emulator.logs());
    // A closed standard output (`cargo local | head`) must not end the program.
    let _ = print::started(&mut io::stdout().lock(), &local);
    local.open();
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    local.stop().await
}

fn fail(failure: &Failure) -> ExitCode {
    let mut stderr = io::stderr().lock();
    for line in failure.lines() {
        let _ = writeln!(stderr, "error: {line}");
    }
    ExitCode::FAILURE
}
