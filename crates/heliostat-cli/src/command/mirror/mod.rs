//! `heliostat mirror`: mirrors a resource, and prints what it holds or how it changes.

mod args;

mod target;

mod fleet;

mod once;

mod follow;

mod telling;

mod progress;

pub(crate) use args::MirrorArgs;

use kube_core::{DynamicObject, PartialObjectMeta};

use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::signals::Signals;

use target::Target;

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
    let target = tokio::select! {
        biased;
        () = signals.wait() => return interrupted(&args),
        target = Target::find(&args) => target?,
    };
    if args.metadata_only {
        go::<PartialObjectMeta<DynamicObject>>(&args, &target, &mut signals, endpoint).await
    } else {
        go::<DynamicObject>(&args, &target, &mut signals, endpoint).await
    }
}

async fn go<K: fleet::Mirrored>(
    args: &MirrorArgs,
    target: &Target,
    signals: &mut Signals,
    endpoint: Option<Endpoint>,
) -> Result<(), Failure> {
    if args.once {
        Box::pin(once::run::<K>(args, target, signals, endpoint)).await
    } else {
        Box::pin(follow::run::<K>(args, target, signals, endpoint)).await
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
