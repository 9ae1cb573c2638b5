//! From the arguments to collections on a server: connect, discover, resolve.

use std::sync::Arc;
use std::time::Duration;

use heliostat::SourceError;
use heliostat::source::kube::{Cluster, DiscoveredResource, Discovery};
use tokio::time::{Instant, sleep};

use crate::duration;
use crate::failure::{Failure, is_permanent};
use crate::output::Kind;

use super::selection::{ClusterArgs, Selection};
use super::source::Source;
use super::target::{Collection, Target, Wanted};

/// The first pause after a failed discovery; it doubles up to [`PAUSE_MAX`]. As the reflector's own.
const PAUSE_MIN: Duration = Duration::from_millis(800);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

impl Target {
    /// Asks the server what the names mean there.
    pub(crate) async fn find(selection: &Selection, wanted: Wanted<'_>) -> Result<Self, Failure> {
        if selection.etcd.is_given() {
            return selection.etcd_target(wanted).await;
        }
        let (cluster, discovery) = reach(&selection.cluster, wanted).await?;
        Self::resolve(selection, wanted, &cluster, &discovery)
    }

    /// Those of the resources that the server has; for a set that was not asked for by name.
    pub(crate) async fn find_served(
        selection: &Selection,
        wanted: Wanted<'_>,
    ) -> Result<Self, Failure> {
        if selection.etcd.is_given() {
            return selection.etcd_target(wanted).await;
        }
        let (cluster, discovery) = reach(&selection.cluster, wanted).await?;
        let served = wanted.resources.iter();
        let served = served.filter(|resource| discovery.resolve(resource).is_ok());
        let resources: Vec<String> = served.cloned().collect();
        let wanted = Wanted {
            resources: &resources,
            ..wanted
        };
        Self::resolve(selection, wanted, &cluster, &discovery)
    }

    fn resolve(
        selection: &Selection,
        wanted: Wanted<'_>,
        cluster: &Cluster,
        discovery: &Discovery,
    ) -> Result<Self, Failure> {
        let mut all: Vec<DiscoveredResource> = Vec::new();
        for resource in wanted.resources {
            let found = discovery.resolve(resource)?.clone();
            // Twice the same, under two of its names, is once.
            if !all
                .iter()
                .any(|other| other.full_name() == found.full_name())
            {
                all.push(found);
            }
        }
        let several = all.len() > 1;
        let mut collections = Vec::new();
        for found in all {
            let kind = Kind::of(&found, wanted.metadata_only).one_of_several(several);
            let kind = Arc::new(kind);
            for source in selection.sources(cluster, &found, wanted.metadata_only) {
                let kind = Arc::clone(&kind);
                collections.push(Collection {
                    kind,
                    source: Source::Kube(Box::new(source)),
                    is_watchable: found.is_watchable(),
                });
            }
        }
        Ok(Self {
            cluster: Some(cluster.clone()),
            collections,
        })
    }
}

/// Connects and discovers, both within the time that there is.
pub(crate) async fn reach(
    cluster: &ClusterArgs,
    wanted: Wanted<'_>,
) -> Result<(Cluster, Discovery), Failure> {
    let started = Instant::now();
    let connecting = cluster.connection().connect();
    let cluster = match wanted.patience {
        // A kubeconfig may be a pipe, and a plugin may ask its user something.
        Some(patience) => match tokio::time::timeout(patience, connecting).await {
            Ok(connected) => connected?,
            Err(_) => {
                let reason = "the configuration and the credentials were not there yet";
                return Err(too_late(patience, reason.to_owned()));
            }
        },
        None => connecting.await?,
    };
    let discovery = discover(wanted, &cluster, started).await?;
    for group in discovery.undiscovered() {
        let server = cluster.server();
        tracing::warn!(
            server,
            "what is in {group} is not known: it was not discovered"
        );
    }
    Ok((cluster, discovery))
}

async fn discover(
    wanted: Wanted<'_>,
    cluster: &Cluster,
    started: Instant,
) -> Result<Discovery, Failure> {
    let mut pause = PAUSE_MIN;
    let mut failures: u64 = 0;
    loop {
        let attempt = Discovery::of(cluster);
        // A server that accepts and never answers must not hold up who has no patience.
        let result = match wanted.patience {
            Some(patience) => {
                let rest = patience.saturating_sub(started.elapsed());
                match tokio::time::timeout(rest, attempt).await {
                    Ok(result) => result,
                    Err(_) => {
                        return Err(too_late(patience, "the server did not answer".to_owned()));
                    }
                }
            }
            None => attempt.await,
        };
        let error = match result {
            Ok(discovery) => return Ok(discovery),
            Err(error) => error,
        };
        if is_permanent(&error) || matches!(error, SourceError::Decode(_)) {
            let what = wanted.resources.join(", ");
            return Err(Failure::Source {
                what,
                error,
                is_etcd: false,
            });
        }
        if let Some(patience) = wanted.patience
            && started.elapsed() + pause > patience
        {
            return Err(too_late(patience, error.to_string()));
        }
        failures += 1;
        let what = wanted.resources.join(", ");
        let (server, delay) = (cluster.server(), duration::show(pause));
        tracing::warn!(
            server,
            failures,
            "discovery of {what} failed: {error}; trying again in {delay}"
        );
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn too_late(patience: Duration, reason: String) -> Failure {
    Failure::TooLate {
        waited: duration::show(patience),
        reason,
    }
}
