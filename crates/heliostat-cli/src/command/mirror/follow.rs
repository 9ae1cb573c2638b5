//! Following a mirror: print what changes until a signal comes, then a summary.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use crate::command::fleet::{Fleet, FleetOptions};
use crate::command::progress::Progress;
use crate::command::target::Target;
use crate::command::telling;
use crate::command::totals::FirstState;
use crate::duration;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::output::printer::Printer;
use crate::signals::Signals;

use super::MirrorArgs;
use super::announcer::{Announcer, Tally};
use super::args::WatchList;
use super::once::LOOK_PERIOD;

/// How long the mirrors may take to stop: one that waits for a printer that is stuck does not.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn run(
    args: &MirrorArgs,
    target: &Target,
    signals: &mut Signals,
    endpoint: Option<Endpoint>,
) -> Result<(), Failure> {
    target.check_followed(args.poll)?;
    let started = Instant::now();
    let (mut printer, outlet) = Printer::start(args.output).map_err(Failure::Write)?;
    let tally = Arc::new(Tally::default());
    let options = FleetOptions {
        config: args.config(),
        poll: args.poll,
        resync_period: args.resync.unwrap_or_default(),
        indexes: &args.index,
        wire: args.wire,
        output: Some(args.output),
        memory_budget: args.memory_budget,
    };
    let mut fleet = Fleet::start(target, &options, |mirror| {
        let reading = args.output.reading();
        Some(Announcer::new(
            mirror,
            &outlet,
            reading,
            &tally,
            args.watch_only,
        ))
    })?;
    let mut tasks = JoinSet::new();
    if let Some(endpoint) = endpoint {
        tasks.spawn(endpoint.serve(fleet.readiness()));
    }
    for mirror in &fleet.mirrors {
        let demands = args.watch_list == WatchList::On;
        telling::tell(&mut tasks, mirror, Some(outlet.clone()), demands);
    }
    drop(outlet);
    let mut first = None;
    let outcome = until_the_end(&mut fleet, signals, &mut printer, target, &mut first).await;
    // Not waited for: one of them may be waiting for a printer that is stuck.
    drop(tasks);
    let summary = summary(args, &fleet, &tally, first, started);
    // Stopping drops the listeners, and with the last one the printer ends.
    if timeout(STOP_TIMEOUT, fleet.shutdown()).await.is_err() {
        tracing::debug!("a mirror did not stop in time");
    }
    match outcome {
        Ok(End::Signal) => {
            let printed = printer.finish().await.map_err(Failure::Write);
            telling::say(&summary);
            printed
        }
        Ok(End::Printer(result)) => result.map_err(Failure::Write),
        Err(failure) => {
            // What was printed so far stays; the failure is the news.
            let _ = printer.finish().await;
            Err(failure)
        }
    }
}

/// What a following ends with, if not with a failure.
enum End {
    Signal,
    Printer(std::io::Result<()>),
}

async fn until_the_end(
    fleet: &mut Fleet,
    signals: &mut Signals,
    printer: &mut Printer,
    target: &Target,
    first: &mut Option<FirstState>,
) -> Result<End, Failure> {
    let started = Instant::now();
    let all_synced = fleet.all_synced();
    tokio::pin!(all_synced);
    let mut looks = interval(LOOK_PERIOD);
    let mut progress = Some(Progress::new(&target.resources()));
    loop {
        tokio::select! {
            biased;
            () = signals.wait() => return Ok(End::Signal),
            result = printer.ended() => return Ok(End::Printer(result)),
            failure = fleet.hopeless() => return Err(failure),
            () = &mut all_synced, if first.is_none() => {
                progress = None;
                *first = Some(FirstState {
                    objects: fleet.totals().objects,
                    after: started.elapsed(),
                });
            }
            _ = looks.tick(), if progress.is_some() => {}
        }
        if let Some(progress) = &mut progress {
            progress.show(&fleet.statuses(), &fleet.totals());
        }
    }
}

fn summary(
    args: &MirrorArgs,
    fleet: &Fleet,
    tally: &Tally,
    first: Option<FirstState>,
    started: Instant,
) -> String {
    let statuses = fleet.statuses();
    let sum = |count: fn(&heliostat::reflector::Counts) -> u64| -> u64 {
        statuses.iter().map(|status| count(&status.counts)).sum()
    };
    let totals = fleet.totals();
    let version = match &*statuses {
        [status] if status.synced => format!(" at version {}", status.resource_version),
        _ => String::new(),
    };
    let first = first.map_or_else(|| "not complete".to_owned(), |first| first.speed());
    format!(
        "mirrored {} for {}: {} objects{version}\n  first state  {first}\n  since then   {} added, {} updated, {} \
         deleted\n  requests     {} lists, {} watches, {} failures\n{}",
        fleet.what(),
        duration::show(started.elapsed()),
        totals.objects,
        tally.added.load(Ordering::Relaxed),
        tally.updated.load(Ordering::Relaxed),
        tally.deleted.load(Ordering::Relaxed),
        sum(|counts| counts.lists),
        sum(|counts| counts.watches),
        sum(|counts| counts.failures),
        telling::costs(fleet, &args.index),
    )
}
