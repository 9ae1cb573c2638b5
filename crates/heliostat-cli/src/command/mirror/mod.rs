//! `heliostat mirror`: mirrors resources, and prints what they hold or how they change.

mod args;

mod announcer;

pub(crate) mod once;

mod follow;

pub(crate) use args::MirrorArgs;

use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::signals::Signals;

use super::target::{Target, Wanted};
use super::telling;

/// Runs until the output is complete, or until a signal comes.
pub(crate) async fn run(args: MirrorArgs) -> Result<(), Failure> {
    let mut signals = Signals::install().map_err(Failure::Runtime)?;
    // Before anything that records.
    let endpoint = match &args.metrics_addr {
        Some(address) => Some(Endpoint::bind(address).await?),
        None => None,
    };
    if let Some(endpoint) = &endpoint {
        telling::say(&format!("metrics on http://{}/metrics", endpoint.address()));
    }
    let wanted = Wanted {
        resources: &args.resources,
        metadata_only: args.metadata_only,
        keeps_managed_fields: args.wire.keeps_managed_fields(),
        patience: args.once.then_some(args.timeout),
    };
    let target = tokio::select! {
        biased;
        () = signals.wait() => return interrupted(&args),
        target = Target::find(&args.selection, wanted) => target?,
    };
    if args.once {
        Box::pin(once::run(&args, &target, &mut signals, endpoint)).await
    } else {
        Box::pin(follow::run(&args, &target, &mut signals, endpoint)).await
    }
}

/// A signal came before there was anything to mirror.
fn interrupted(args: &MirrorArgs) -> Result<(), Failure> {
    if args.once {
        Err(Failure::Interrupted)
    } else {
        telling::say("interrupted before the server was reached");
        Ok(())
    }
}
