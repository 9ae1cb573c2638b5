//! From what was typed to collections on a server: connect, discover, resolve.

use std::time::Duration;

use heliostat::core::error::SourceError;
use heliostat::source::kube::{Cluster, DiscoveredResource, Discovery};
use tokio::time::{Instant, sleep};

use crate::duration;
use crate::failure::{Failure, is_permanent};

use super::MirrorArgs;

/// The first pause after a failed discovery; it doubles up to [`PAUSE_MAX`]. As the reflector's own.
const PAUSE_MIN: Duration = Duration::from_millis(800);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The collections to mirror.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) cluster: Cluster,
    pub(super) found: DiscoveredResource,
    /// One for each mirror; `None` for all namespaces, or for a resource that lives in none.
    pub(super) namespaces: Vec<Option<String>>,
}

impl Target {
    /// Asks the server what the name means there. In follow mode a server that cannot be reached is
    /// waited for.
    pub(super) async fn find(args: &MirrorArgs) -> Result<Self, Failure> {
        let cluster = args.connection().connect().await?;
        let discovery = discover(args, &cluster).await?;
        let found = discovery.resolve(&args.resource)?.clone();
        let namespaces = if args.all_namespaces || !found.namespaced {
            vec![None]
        } else if args.namespace.is_empty() {
            vec![Some(cluster.default_namespace().to_owned())]
        } else {
            let mut names: Vec<String> = args.namespace.clone();
            names.sort_unstable();
            names.dedup();
            names.into_iter().map(Some).collect()
        };
        Ok(Self {
            cluster,
            found,
            namespaces,
        })
    }
}

async fn discover(args: &MirrorArgs, cluster: &Cluster) -> Result<Discovery, Failure> {
    let started = Instant::now();
    let mut pause = PAUSE_MIN;
    loop {
        let attempt = Discovery::of(cluster);
        // A server that accepts and never answers must not hold `--once` up.
        let result = if args.once {
            let rest = args.timeout.saturating_sub(started.elapsed());
            match tokio::time::timeout(rest, attempt).await {
                Ok(result) => result,
                Err(_) => return Err(too_late(args, "the server did not answer".to_owned())),
            }
        } else {
            attempt.await
        };
        let error = match result {
            Ok(discovery) => return Ok(discovery),
            Err(error) => error,
        };
        if is_permanent(&error) || matches!(error, SourceError::Decode(_)) {
            let what = args.resource.clone();
            return Err(Failure::Source { what, error });
        }
        if args.once && started.elapsed() + pause > args.timeout {
            return Err(too_late(args, error.to_string()));
        }
        tracing::warn!("{error}; trying again in {}", duration::show(pause));
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn too_late(args: &MirrorArgs, reason: String) -> Failure {
    Failure::TooLate {
        waited: duration::show(args.timeout),
        reason,
    }
}
