//! The commands, one file or folder each.

pub(crate) mod mirror;

pub(crate) mod demo;

pub(crate) mod apiserver;

pub(crate) mod completions;

pub(crate) mod convert;

mod pace;

pub(crate) mod get;

pub(crate) mod serve;

pub(crate) mod top;

mod fleet;

mod target;

mod selection;

mod wire;

mod totals;

mod telling;

mod progress;

use crate::args::Command;
use crate::failure::Failure;

/// Runs a command to its end.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Mirror(args) => Box::pin(mirror::run(*args)).await,
        Command::Get(args) => Box::pin(get::run(*args)).await,
        Command::Top(args) => Box::pin(top::run(*args)).await,
        Command::Demo(args) => Box::pin(demo::run(args)).await,
        Command::Apiserver(args) => apiserver::run(args).await,
        Command::Serve(args) => Box::pin(serve::run(args)).await,
        Command::Convert(args) => convert::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}
