//! `heliostat demo`: a server, churn, faults, and a mirror that stays true, in one process and over
//! real HTTP.

mod lag;

mod reflection;

mod screen;

mod trouble;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use heliostat::source::kube::Connection;
use heliostat_server::{ApiServer, RunningServer};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::duration;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::world::{Churn, World};

use super::pace::{Pace, parse_rate};

use lag::Lag;
use reflection::Reflection;
use screen::{Screen, View};
use trouble::{News, Troubles};

/// How large, how busy, how long.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// How many pods there are
    #[arg(long, value_name = "N", default_value_t = 3000)]
    pods: usize,

    /// How many changes a second
    #[arg(long, value_name = "RATE", default_value = "200", value_parser = parse_rate)]
    rate: f64,

    /// Decides what there is and what happens
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Let nothing fail
    #[arg(long)]
    no_faults: bool,

    /// End after so long: the changes stop, the mirror catches up, and both sides are compared
    #[arg(long = "for", value_name = "SECONDS", value_parser = duration::parse)]
    lasts: Option<Duration>,
}

const EXAMPLES: &str = "\
A server in this process is filled with pods and kept busy; a mirror in the same process follows \
it over HTTP, as it would follow a cluster. Now and then something fails: a connection is cut in the \
middle of an event, the history expires, the server restarts. The mirror must stay true to it. \
It ends with SIGINT, or after --for, with an exact comparison; exit code 1 if anything differs.

Examples:
  heliostat demo
  heliostat demo --pods 20000 --rate 1000
  heliostat demo --for 30 --seed 7";

/// How many events the server keeps at least: few, so that history is short here as it is on a busy
/// cluster.
const EVENT_WINDOW_MIN: usize = 4096;

/// How many seconds of events the server keeps at least. Any less than what a mirror takes to come in
/// on a slow machine, and it would list again and again.
const EVENT_WINDOW_SECONDS: f64 = 20.0;

/// The time between bookmarks. Much shorter than a real server's minute, so that a silent
/// connection is noticed while somebody looks on.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(1);

/// How often a terminal is painted.
const PAINT_PERIOD: Duration = Duration::from_millis(200);

/// How often a line is printed where there is no terminal.
const LINE_PERIOD: Duration = Duration::from_secs(1);

/// How long the mirror may take to catch up at the end: longer than any recovery here takes.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Runs the demo.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let mut signals = Signals::install().map_err(Failure::Runtime)?;
    // Rates are at most a million, so this is exact.
    let window = (args.rate * EVENT_WINDOW_SECONDS) as usize;
    let server = ApiServer::builder()
        .seed(args.seed)
        .event_window(window.max(EVENT_WINDOW_MIN))
        .bookmark_period(BOOKMARK_PERIOD)
        .build();
    World::load_namespaces(server.storage())?;
    let world = World::generate(args.seed, args.pods);
    world.load(server.storage())?;
    let namespaces = world.namespaces();
    let running = server
        .serve_local()
        .await
        .map_err(|error| Failure::Listen {
            address: "a free port of 127.0.0.1".to_owned(),
            error,
        })?;
    let churn = Churn::new(world, running.storage().clone());
    let cluster = Connection::new().server(running.url()).connect().await?;
    let lag = Lag::default();
    let mirror = Reflection::start(&cluster, args.seed, lag.clone());
    let mut screen = Screen::new(&args, namespaces, &running.url()).map_err(Failure::Write)?;
    let mut demo = Demo {
        troubles: Troubles::new(args.seed, !args.no_faults),
        churn,
        lag,
        mirror,
        started: Instant::now(),
        changes: 0,
        running,
    };
    demo.play(&args, &mut signals, &mut screen).await?;
    demo.end(&mut screen).await
}

/// Both sides and what happens between them. One loop owns it, so that nothing changes on the
/// server while the two are compared.
struct Demo {
    running: RunningServer,
    churn: Churn,
    troubles: Troubles,
    lag: Lag,
    mirror: Reflection,
    started: Instant,
    changes: u64,
}

impl Demo {
    /// Goes on until the time is over or a signal comes.
    async fn play(
        &mut self,
        args: &DemoArgs,
        signals: &mut Signals,
        screen: &mut Screen,
    ) -> Result<(), Failure> {
        let far = Duration::from_secs(365 * 24 * 60 * 60);
        let lasts = args.lasts.unwrap_or(far).min(far);
        let end = self.started.checked_add(lasts).unwrap_or(self.started);
        let mut pace = Pace::new(args.rate);
        let mut paints = interval(if screen.is_terminal() {
            PAINT_PERIOD
        } else {
            LINE_PERIOD
        });
        paints.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = signals.wait() => return Ok(()),
                () = sleep_until(end) => return Ok(()),
                // Seldom, and before the changes, which may be all that a slow machine can do.
                _ = paints.tick() => {
                    let view = self.view();
                    screen.paint(&view).map_err(Failure::Write)?;
                }
                steps = pace.tick() => {
                    for _ in 0..steps {
                        self.change();
                    }
                    self.make_trouble(screen)?;
                }
            }
        }
    }

    fn change(&mut self) {
        let at = Instant::now();
        // Somebody may try kubectl on this server and delete a pod; the next step knows.
        if let Err(status) = self.churn.step() {
            tracing::debug!(%status, "a change was not possible");
            return;
        }
        self.changes += 1;
        self.lag.written(self.running.storage().revision(), at);
    }

    fn make_trouble(&mut self, screen: &mut Screen) -> Result<(), Failure> {
        let mirror = self.mirror.state();
        let news = self.troubles.go_on(&self.running, &mirror);
        match news {
            None => Ok(()),
            Some(News::Struck { unseen_change }) => {
                if unseen_change {
                    // A change that the mirror has not seen, and that nobody can tell it any more.
                    self.change();
                    self.running.faults().expire_history(Some(trouble::PODS));
                }
                Ok(())
            }
            Some(News::Recovered(line)) => screen.tell(&line).map_err(Failure::Write),
        }
    }

    fn view(&self) -> View {
        // The server first: it stands still meanwhile, and the mirror cannot be ahead of it.
        let versions = self.running.storage().versions("pods").unwrap_or_default();
        let revision = self.running.storage().revision();
        let mirror = self.mirror.state();
        let agree = mirror.version == Some(revision) && self.mirror.versions() == versions;
        View {
            elapsed: self.started.elapsed(),
            server_objects: versions.len(),
            server_version: revision,
            changes: self.changes,
            mirror_objects: mirror.objects,
            mirror_version: mirror.version,
            mirror_activity: match mirror.received {
                Some(received) => format!("{}, {received} received", mirror.activity.as_str()),
                None => mirror.activity.as_str().to_owned(),
            },
            mirror_events: mirror.events,
            agree,
            lag: self.lag.recent(),
            troubles: self.troubles.summary(),
        }
    }

    /// The last comparison, which decides the exit code.
    async fn end(self, screen: &mut Screen) -> Result<(), Failure> {
        self.running.faults().clear();
        let played = self.started.elapsed();
        let revision = self.running.storage().revision();
        let expected = self.running.storage().versions("pods")?;
        let waiting = Instant::now();
        let caught_up = timeout(CATCH_UP, self.mirror.wait_for(revision))
            .await
            .is_ok();
        let caught_up_after = waiting.elapsed();
        let view = self.view();
        screen.clear();
        let found = self.mirror.versions();
        let state = self.mirror.state();
        let differences = differences(&expected, &found);
        let summary = screen::Summary {
            view,
            played,
            caught_up_after,
            state,
            differences: differences.len(),
        };
        screen.sum_up(&summary).map_err(Failure::Write)?;
        self.mirror.shutdown().await;
        self.running.shutdown().await;
        if !caught_up {
            return Err(Failure::Diverged(format!(
                "it did not reach version {revision} within {}",
                duration::show(CATCH_UP)
            )));
        }
        match differences.first() {
            None => Ok(()),
            Some(first) => Err(Failure::Diverged(format!(
                "{} objects differ, the first: {first}",
                differences.len()
            ))),
        }
    }
}

/// Every key that only one side has, or has in another version.
fn differences(
    server: &BTreeMap<String, String>,
    mirror: &BTreeMap<String, String>,
) -> Vec<String> {
    let of_server = server
        .iter()
        .filter_map(|(key, version)| match mirror.get(key) {
            Some(found) if found == version => None,
            Some(found) => Some(format!("{key} is at {version}, in the mirror at {found}")),
            None => Some(format!("{key} is missing in the mirror")),
        });
    let of_mirror = mirror
        .keys()
        .filter(|key| !server.contains_key(*key))
        .map(|key| format!("{key} is only in the mirror"));
    of_server.chain(of_mirror).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_found() {
        let side = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            owned.collect()
        };
        let server = side(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert!(differences(&server, &server).is_empty());
        let mirror = side(&[("a", "1"), ("b", "1"), ("d", "4")]);
        assert_eq!(
            differences(&server, &mirror),
            [
                "b is at 2, in the mirror at 1",
                "c is missing in the mirror",
                "d is only in the mirror"
            ]
        );
    }
}
