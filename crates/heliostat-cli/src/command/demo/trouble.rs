//! What goes wrong in the demo, and what the mirror made of it.

use std::time::Duration;

use heliostat::reflector::Activity;
use heliostat_core::rng::Rng;
use heliostat_server::{Fault, FaultRule, RunningServer, Verb};
use tokio::time::Instant;

use crate::duration;

use super::reflection::State;

/// The shortest and the longest time from a recovery to the next fault.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5));

/// The resource that faults concern: what the demo mirrors, and nothing else that somebody may try
/// by hand.
pub(super) const PODS: &str = "pods";

/// Faults, one after the other, each until the mirror has recovered.
#[derive(Debug)]
pub(super) struct Troubles {
    rng: Rng,
    next_at: Option<Instant>,
    under_way: Option<UnderWay>,
    /// The order of the present round through all faults.
    round: Vec<Trouble>,
    past: u64,
    slowest: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trouble {
    Cut,
    Close,
    ExpiredEvent,
    ExpiredHistory,
    Restart,
    Unreachable,
    Busy,
    Silence,
}

impl Trouble {
    const ALL: [Self; 8] = [
        Self::Cut,
        Self::Close,
        Self::ExpiredEvent,
        Self::ExpiredHistory,
        Self::Restart,
        Self::Unreachable,
        Self::Busy,
        Self::Silence,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Cut => "connection cut in the middle of an event",
            Self::Close => "watch ended by the server",
            Self::ExpiredEvent => "watch told that its version expired",
            Self::ExpiredHistory => "connection cut and history expired",
            Self::Restart => "server restarted without its history",
            Self::Unreachable => "connection cut, three more failed",
            Self::Busy => "watch ended, server too busy twice",
            Self::Silence => "connection silent without an end",
        }
    }

    /// Makes it happen.
    fn strike(self, server: &RunningServer) {
        let faults = server.faults();
        let inject = |fault, times| {
            let rule = FaultRule::new(fault).resource(PODS).times(times);
            for verb in [Verb::Watch, Verb::List] {
                faults.inject(rule.clone().on(verb));
            }
        };
        match self {
            Self::Close => faults.close_watches(Some(PODS)),
            Self::ExpiredEvent => faults.expire_watches(Some(PODS)),
            Self::Cut | Self::ExpiredHistory => faults.cut_watches(Some(PODS)),
            Self::Restart => faults.restart(),
            Self::Unreachable => {
                inject(Fault::DropConnection, 3);
                faults.cut_watches(Some(PODS));
            }
            Self::Busy => {
                let retry_after = Duration::from_secs(1);
                inject(Fault::TooManyRequests { retry_after }, 2);
                faults.close_watches(Some(PODS));
            }
            Self::Silence => faults.stall_watches(Some(PODS)),
        }
    }
}

/// What has just happened.
#[derive(Debug)]
pub(super) enum News {
    /// A fault.
    Struck {
        /// The history is to expire after one more change.
        unseen_change: bool,
    },
    /// The mirror has recovered from one, in these words.
    Recovered(String),
}

/// A fault whose end is not seen yet.
#[derive(Debug)]
struct UnderWay {
    trouble: Trouble,
    at: Instant,
    before: State,
    /// The newest version when the mirror was first seen with a new watch.
    goal: Option<u64>,
}

/// What has been, for the screen.
#[derive(Clone, Debug)]
pub(super) struct TroubleSummary {
    pub(super) past: u64,
    pub(super) slowest: Duration,
    pub(super) under_way: Option<String>,
}

impl Troubles {
    pub(super) fn new(seed: u64, enabled: bool) -> Self {
        Self {
            rng: Rng::seeded(seed ^ 0x7472_6f75_626c_6573),
            // tidy: allow(instants): a constant
            next_at: enabled.then(|| Instant::now() + PAUSE.0),
            under_way: None,
            round: Vec::new(),
            past: 0,
            slowest: Duration::ZERO,
        }
    }

    /// Strikes when it is time to, and tells when a recovery is complete.
    pub(super) fn go_on(&mut self, server: &RunningServer, mirror: &State) -> Option<News> {
        if let Some(under_way) = &mut self.under_way {
            let revision = server.storage().revision();
            if !under_way.is_over(revision, mirror) {
                return None;
            }
            let took = under_way.at.elapsed();
            let line = under_way.tell(mirror, took);
            self.under_way = None;
            self.past += 1;
            self.slowest = self.slowest.max(took);
            let spread = PAUSE.1.saturating_sub(PAUSE.0);
            // tidy: allow(instants): two constants
            self.next_at = Some(Instant::now() + PAUSE.0 + self.rng.duration_below(spread));
            return Some(News::Recovered(line));
        }
        let due = self.next_at.is_some_and(|at| at <= Instant::now());
        if due && is_well(server, mirror) {
            let trouble = self.choose();
            self.under_way = Some(UnderWay {
                trouble,
                at: Instant::now(),
                before: mirror.clone(),
                goal: None,
            });
            trouble.strike(server);
            return Some(News::Struck {
                unseen_change: trouble == Trouble::ExpiredHistory,
            });
        }
        None
    }

    /// Each fault once in a round, in another order each time.
    fn choose(&mut self) -> Trouble {
        if self.round.is_empty() {
            self.round.extend(Trouble::ALL);
        }
        let index = self.rng.below(self.round.len() as u64);
        self.round.swap_remove(usize::try_from(index).unwrap_or(0))
    }

    pub(super) fn summary(&self) -> TroubleSummary {
        let under_way = self.under_way.as_ref().map(|under_way| {
            let since = duration::show(under_way.at.elapsed());
            format!("{}, {since} ago", under_way.trouble.as_str())
        });
        TroubleSummary {
            past: self.past,
            slowest: self.slowest,
            under_way,
        }
    }
}

/// How many versions a mirror may be behind and count as well: what is on its way at a busy moment.
const BEHIND_MAX: u64 = 100;

/// Only a mirror that is well is worth a fault: what it makes of it could not be told otherwise.
fn is_well(server: &RunningServer, mirror: &State) -> bool {
    let revision = server.storage().revision();
    mirror.activity == Activity::Watching
        && mirror
            .version
            .is_some_and(|version| version + BEHIND_MAX >= revision)
}

impl UnderWay {
    /// Over is a fault when a new watch is open and the mirror has all that was written until then.
    fn is_over(&mut self, revision: u64, mirror: &State) -> bool {
        let watches_again = mirror.counts.watches > self.before.counts.watches
            && mirror.activity == Activity::Watching;
        if !watches_again {
            self.goal = None;
            return false;
        }
        let goal = *self.goal.get_or_insert(revision);
        mirror.version.is_some_and(|version| version >= goal)
    }

    fn tell(&self, mirror: &State, took: Duration) -> String {
        let wholes = mirror.wholes - self.before.wholes;
        let vanished = mirror.vanished - self.before.vanished;
        let how = match wholes {
            0 => "watched on from its last version".to_owned(),
            _ => format!("listed again, {vanished} had vanished"),
        };
        let fault = self.trouble.as_str();
        format!("{:>8}  {fault}: {how}", duration::show(took))
    }
}
