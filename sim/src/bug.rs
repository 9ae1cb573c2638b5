//! `Bug`: a [`Mutant`] at work between a machine and its driver.
//!
//! It spoils what passes, so that the pair behaves as a reflector with that bug would.

use std::time::Duration;

use heliostat_core::error::SourceError;
use heliostat_core::event::{ChangeKind, ListPart, WatchEvent};
use heliostat_core::object::Entry;
use heliostat_core::options::WatchOptions;
use heliostat_core::reflector::{Activity, AttemptId, Input, Output, ReflectorConfig, Report};
use heliostat_core::store::History;
use heliostat_core::time::Time;
use heliostat_core::version::ResourceVersion;

use crate::kept::Kept;
use crate::mutant::Mutant;
use crate::world::Widget;

/// A bug at work; or none.
#[derive(Debug, Default)]
pub struct Bug {
    mutant: Option<Mutant>,
    /// How far ahead the machine's clock is.
    ahead: Duration,
    /// The server asked for a delay.
    asked_to_wait: bool,
    /// The next event is lost.
    loses_next: bool,
    events: u64,
    /// The bug that does not wait after what was reported last.
    hasty: Option<Mutant>,
    last_change: Option<Output<Kept>>,
    /// The interval of a mirror that polls.
    poll: Option<Duration>,
}

impl Bug {
    /// A bug of this kind.
    #[must_use]
    pub fn new(mutant: Option<Mutant>) -> Self {
        Self {
            mutant,
            ..Self::default()
        }
    }

    /// The same in a mirror that polls.
    #[must_use]
    pub const fn of_polled(mut self, interval: Option<Duration>) -> Self {
        self.poll = interval;
        self
    }

    /// The configuration with the bugs that are an option.
    #[must_use]
    pub fn configure(&self, config: ReflectorConfig) -> ReflectorConfig {
        config
            .verify_history(self.mutant != Some(Mutant::TrustsReconnects))
            .single_object_lists(self.mutant != Some(Mutant::IgnoresTheLastChange))
    }

    /// The time as the machine sees it.
    #[must_use]
    pub fn clock(&self, now: Time) -> Time {
        now + self.ahead
    }

    /// When the machine is woken, in true time.
    #[must_use]
    pub fn wake_at(&self, timeout: Option<Time>, activity: Activity) -> Option<Time> {
        match self.mutant {
            Some(Mutant::NeverTimesOut) => None,
            Some(Mutant::IgnoresSilence) if activity == Activity::Watching => {
                Some(Time::ZERO + FAR_AWAY)
            }
            Some(Mutant::PollsOnce) if activity == Activity::Polling => Some(Time::ZERO + FAR_AWAY),
            Some(_) | None => {
                let behind = Time::since_start(self.ahead);
                timeout.map(|timeout| Time::since_start(timeout.saturating_since(behind)))
            }
        }
    }

    /// What reaches the machine of an input.
    pub fn input(
        &mut self,
        mut input: Input<Widget>,
        live: Option<AttemptId>,
        last: &ResourceVersion,
        activity: Activity,
    ) -> Option<Input<Widget>> {
        let Some(mutant) = self.mutant else {
            return Some(input);
        };
        match (&mut input, mutant) {
            (
                Input::ListPart {
                    part: ListPart::Metadata(metadata),
                    ..
                },
                _,
            ) => {
                let older = metadata.resource_version.is_older_than(last);
                let probed = activity == Activity::Probing;
                match mutant {
                    Mutant::AppliesStaleLists if older => metadata.resource_version = last.clone(),
                    Mutant::IgnoresProbes if older && probed => {
                        metadata.resource_version = last.clone();
                    }
                    Mutant::CommitsHalfLists => metadata.continue_token = None,
                    _ => {}
                }
            }
            (Input::Failed { error, .. }, Mutant::IgnoresRetryAfter) => {
                let status = error.status();
                self.asked_to_wait = status.is_some_and(|status| status.retry_after().is_some());
            }
            (Input::Event { event, .. }, _) if is_change(event) => {
                self.events += 1;
                let fifth = self.events.is_multiple_of(5) && mutant == Mutant::LosesEvents;
                if std::mem::take(&mut self.loses_next) || fifth {
                    return None;
                }
            }
            _ => {}
        }
        if let (Some(live), Mutant::BelievesLateAnswers) = (live, mutant) {
            relabel(&mut input, live);
        }
        Some(input)
    }

    /// What is done of what the machine says.
    pub fn output(&mut self, output: Output<Kept>) -> Vec<Output<Kept>> {
        let Some(mutant) = self.mutant else {
            return vec![output];
        };
        match output {
            Output::Apply {
                change,
                entry,
                version,
            } => self.change(mutant, change, entry, version),
            Output::Watch { attempt, options } => watch(mutant, attempt, options),
            Output::Report(report) => self.report(mutant, report),
            Output::BeginReplace { .. } if mutant == Mutant::TrustsAcrossRestores => {
                let history = History::Same;
                vec![Output::BeginReplace { history }]
            }
            Output::Unstage(_) if mutant == Mutant::ForgetsUnstage => Vec::new(),
            Output::Keep(_) if mutant == Mutant::ForgetsKeep => Vec::new(),
            Output::ReleasePermit if mutant == Mutant::KeepsPermits => Vec::new(),
            Output::Abort { .. } if mutant == Mutant::ForgetsAborts => Vec::new(),
            Output::Resync if mutant == Mutant::ResyncsTwice => {
                vec![Output::Resync, Output::Resync]
            }
            output => vec![output],
        }
    }

    fn change(
        &mut self,
        mutant: Mutant,
        change: ChangeKind,
        entry: Entry<Kept>,
        version: Option<ResourceVersion>,
    ) -> Vec<Output<Kept>> {
        let apply = |entry, version| Output::Apply {
            change,
            entry,
            version,
        };
        match mutant {
            Mutant::DropsDeletes if change == ChangeKind::Deleted => {
                let moved = version.map(|version| Output::Moved { version });
                moved.into_iter().collect()
            }
            Mutant::AppliesTwice => {
                let once = apply(entry.clone(), version.clone());
                vec![once, apply(entry, version)]
            }
            Mutant::RepeatsOldChanges => {
                let kept = apply(entry.clone(), version.clone());
                let old = self.last_change.replace(kept);
                std::iter::once(apply(entry, version)).chain(old).collect()
            }
            _ => vec![apply(entry, version)],
        }
    }

    fn report(&mut self, mutant: Mutant, report: Report) -> Vec<Output<Kept>> {
        if let Report::BackingOff { delay } = &report
            && self.hasty.take() == Some(mutant)
        {
            self.ahead += *delay;
            return Vec::new();
        }
        self.hasty = reason_to_wait(&report).or(self.hasty);
        match (&report, mutant) {
            (Report::Rewind(_), Mutant::HidesRewinds) => return Vec::new(),
            (Report::BackingOff { delay }, Mutant::SkipsBackoff) => self.ahead += *delay,
            (Report::BackingOff { delay }, Mutant::NeverBacksOff) => {
                self.ahead += *delay;
                return Vec::new();
            }
            (Report::BackingOff { delay }, Mutant::IgnoresRetryAfter) if self.asked_to_wait => {
                self.asked_to_wait = false;
                self.ahead += *delay;
                // It does not even know that it should wait.
                return Vec::new();
            }
            (Report::Synced { watch_list, .. }, Mutant::LosesHandover) => {
                self.loses_next = *watch_list;
            }
            (Report::Synced { .. }, Mutant::PollsWithoutAPause) => {
                self.ahead += self.poll.unwrap_or_default();
            }
            _ => {}
        }
        vec![Output::Report(report)]
    }

    /// Which it is.
    #[must_use]
    pub const fn mutant(&self) -> Option<Mutant> {
        self.mutant
    }

    /// True if what is staged is put into the store at once.
    #[must_use]
    pub fn leaks_staged(&self) -> bool {
        self.mutant == Some(Mutant::LeaksStaged)
    }

    /// True if a bookmark takes an object away.
    #[must_use]
    pub fn bookmarks_delete(&self) -> bool {
        self.mutant == Some(Mutant::BookmarksDelete)
    }

    /// True if a replace keeps what it should take away.
    #[must_use]
    pub fn keeps_what_a_relist_misses(&self) -> bool {
        self.mutant == Some(Mutant::KeepsWhatARelistMisses)
    }

    /// True if the index is wrong.
    #[must_use]
    pub fn misfiles_objects(&self) -> bool {
        self.mutant == Some(Mutant::MisfilesObjects)
    }

    /// True if there is a bug at all.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.mutant.is_some()
    }
}

/// The bug that does not wait after this.
fn reason_to_wait(report: &Report) -> Option<Mutant> {
    match report {
        Report::WatchCompleted { .. } => Some(Mutant::ReopensAtOnce),
        Report::WatchFailed { error, .. } => match error {
            SourceError::Decode(_) => Some(Mutant::ListsAtOnceAfterAFrame),
            SourceError::Api(_) => Some(Mutant::ListsAtOnceAfterAStatus),
            _ => None,
        },
        Report::RoundFailed { .. } => Some(Mutant::ListsAtOnceAfterATokenExpired),
        _ => None,
    }
}

/// Later than any story's end.
const FAR_AWAY: Duration = Duration::from_secs(1_000_000);

const fn is_change(event: &WatchEvent<Widget>) -> bool {
    matches!(
        event,
        WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Deleted(_)
    )
}

fn watch(mutant: Mutant, attempt: AttemptId, mut options: WatchOptions) -> Vec<Output<Kept>> {
    let open = |options| Output::Watch { attempt, options };
    match mutant {
        Mutant::OpensTwice => vec![open(options.clone()), open(options)],
        Mutant::ResumesTooLate if !options.send_initial_events => {
            if let Some(version) = options.resource_version.as_decimal() {
                options.resource_version = ResourceVersion::from(version + 1);
            }
            vec![open(options)]
        }
        _ => vec![open(options)],
    }
}

/// Makes an answer look as if it belonged to the live request.
const fn relabel(input: &mut Input<Widget>, live: AttemptId) {
    match input {
        Input::ListPart { attempt, .. }
        | Input::ListEnded { attempt }
        | Input::WatchOpened { attempt }
        | Input::Event { attempt, .. }
        | Input::WatchEnded { attempt }
        | Input::Failed { attempt, .. } => *attempt = live,
        Input::Start
        | Input::Stop
        | Input::PermitGranted { .. }
        | Input::Committed(_)
        | Input::Resynced(_) => {}
    }
}
