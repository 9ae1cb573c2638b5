//! The program `heliostat`: mirror a Kubernetes API, serve one, see it work.
//!
//! Here is what a person at a terminal needs and a user of the library does not: arguments, output,
//! colours, signals, exit codes. One file or folder for each command in `command`, one for each
//! output format in `output`.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage.

mod args;

mod command;

mod output;

mod world;

mod failure;

mod duration;

mod size;

mod endpoint;

mod log;

mod signals;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Cli, Command};
use command::{apiserver, completions, convert, demo, get, mirror, serve, top};
use failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log::install(cli.log.as_ref());
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)
        .and_then(|runtime| {
            let outcome = runtime.block_on(run(cli.command));
            // A thread that is stuck in a write to a full pipe must not keep the program alive.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            failure.exit_code()
        }
    }
}

/// Runs a command to its end.
async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Mirror(args) => Box::pin(mirror::run(*args)).await,
        Command::Get(args) => Box::pin(get::run(*args)).await,
        Command::Top(args) => Box::pin(top::run(*args)).await,
        Command::Demo(args) => Box::pin(demo::run(args)).await,
        Command::Apiserver(args) => apiserver::run(args).await,
        Command::Serve(args) => Box::pin(serve::run(args)).await,
        Command::Convert(args) => convert::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
    }
}
