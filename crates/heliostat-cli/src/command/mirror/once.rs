//! `--once`: wait until the mirror is complete, print it, end.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use heliostat::{HandlerFuncs, ReflectorStatus, ResourceVersion};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use crate::command::fleet::{Fleet, FleetOptions};
use crate::command::progress::Progress;
use crate::command::target::Target;
use crate::command::telling;
use crate::command::totals::FirstState;
use crate::duration;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::output::{Destination, Format, Item, Stored};
use crate::signals::Signals;

use super::MirrorArgs;
use super::args::WatchList;

/// How often progress is looked at.
pub(crate) const LOOK_PERIOD: Duration = Duration::from_millis(100);

pub(super) async fn run(
    args: &MirrorArgs,
    target: &Target,
    signals: &mut Signals,
    endpoint: Option<Endpoint>,
) -> Result<(), Failure> {
    let options = FleetOptions {
        config: args.config(),
        indexes: &args.index,
        wire: args.wire,
        output: Some(args.output),
        ..FleetOptions::default()
    };
    let started = Instant::now();
    let mut fleet = Fleet::start::<HandlerFuncs<Stored>>(target, &options, |_| None)?;
    let mut tasks = JoinSet::new();
    if let Some(endpoint) = endpoint {
        tasks.spawn(endpoint.serve(fleet.readiness()));
    }
    for mirror in &fleet.mirrors {
        let demands = args.watch_list == WatchList::On;
        telling::tell(&mut tasks, mirror, None, demands);
    }
    let mut progress = Progress::new(&target.resources());
    let outcome = wait(args.timeout, &mut fleet, signals, &mut progress).await;
    progress.clear();
    outcome?;
    let after = started.elapsed();
    let (items, version) = fleet.content();
    let rejected = fleet.rejected().await;
    let summary = summary(args, &fleet, after, version.as_ref());
    fleet.shutdown().await;
    if items.is_empty() && args.output == Format::Table {
        telling::say(&format!("no {} found", target.resources()));
    }
    let unprinted = print(args.output, items, version, signals).await?;
    if args.summary || io::stderr().is_terminal() {
        telling::say(&summary);
    }
    complete(rejected, unprinted)
}

/// Fails where objects are missing from what was printed.
pub(crate) const fn complete(rejected: u64, unprinted: u64) -> Result<(), Failure> {
    match (rejected, unprinted) {
        (0, 0) => Ok(()),
        (rejected, unprinted) => Err(Failure::Incomplete {
            rejected,
            unprinted,
        }),
    }
}

fn summary(
    args: &MirrorArgs,
    fleet: &Fleet,
    after: Duration,
    version: Option<&ResourceVersion>,
) -> String {
    let totals = fleet.totals();
    let version = version.map_or_else(String::new, |version| format!(" at version {version}"));
    let first = FirstState {
        objects: totals.objects,
        after,
    };
    format!(
        "mirrored {}: {} objects{version}\n  first state  {}\n{}",
        fleet.what(),
        totals.objects,
        first.speed(),
        telling::costs(fleet, &args.index),
    )
}

/// Prints on a thread of its own: a pipe without a reader must not hold signals up. Returns how many
/// objects cannot be printed.
pub(crate) async fn print(
    format: Format,
    items: Vec<Item>,
    version: Option<ResourceVersion>,
    signals: &mut Signals,
) -> Result<u64, Failure> {
    let printing = tokio::task::spawn_blocking(move || {
        let mut out = crate::output::stdout(format);
        format.print(&items, version.as_ref(), Destination::of_stdout(), &mut out)
    });
    tokio::select! {
        biased;
        () = signals.wait() => Err(Failure::Interrupted),
        printed = printing => printed
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .map_err(Failure::Write),
    }
}

/// Waits until all mirrors are complete.
pub(crate) async fn wait(
    limit: Duration,
    fleet: &mut Fleet,
    signals: &mut Signals,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut looks = interval(LOOK_PERIOD);
    let mut patience = Patience::new(limit);
    loop {
        tokio::select! {
            biased;
            () = signals.wait() => return Err(Failure::Interrupted),
            synced = Fleet::wait_synced(&fleet.mirrors) => return synced,
            _ = looks.tick() => {}
        }
        // Not in the select above: it needs the fleet for itself.
        if let Some(failure) = fleet.hopeless_now() {
            return Err(failure);
        }
        let statuses = fleet.statuses();
        progress.show(&statuses, &fleet.totals());
        patience.look(&statuses)?;
    }
}

/// Ends when nothing has come for too long. Failures are not something.
struct Patience {
    limit: Duration,
    since: Instant,
    last_event: Option<Instant>,
    failures: u64,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: Instant::now(),
            last_event: None,
            failures: 0,
        }
    }

    fn look(&mut self, statuses: &[ReflectorStatus]) -> Result<(), Failure> {
        let failures = statuses.iter().map(|status| status.counts.failures).sum();
        let last_event = statuses.iter().filter_map(|status| status.last_event).max();
        if last_event != self.last_event && failures == self.failures {
            self.since = Instant::now();
        }
        self.last_event = last_event;
        self.failures = failures;
        if self.since.elapsed() < self.limit {
            return Ok(());
        }
        let last_error = statuses
            .iter()
            .filter(|status| !status.synced)
            .find_map(|status| status.last_error.as_ref());
        Err(Failure::TooLate {
            waited: duration::show(self.limit),
            reason: last_error.map_or_else(
                || "the server did not answer".to_owned(),
                |error| error.message.clone(),
            ),
        })
    }
}
