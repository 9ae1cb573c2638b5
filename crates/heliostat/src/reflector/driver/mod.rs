//! The one loop that turns the machine's outputs into I/O, and what comes of it into inputs.
//!
//! One task owns one machine, its store and its request. It decides nothing: what to ask for, when to
//! wait and when to give up is the machine's business. User code (the store, the transform, the
//! hooks) runs between two outputs, and its panics end here.

mod request;

mod contained;

mod transform;

mod report;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::StreamExt;
use futures_util::{FutureExt, pin_mut};
use heliostat_core::event::{ChangeKind, Rejection};
use heliostat_core::object::Entry;
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::reflector::{
    Activity, AttemptId, Input, Output, ReflectorMachine, WatchListMode,
};
use heliostat_core::store::{Store, StoreError};
use heliostat_core::time::Time;
use heliostat_core::version::ResourceVersion;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use crate::budget::{RequestBudget, RequestPermit};
use crate::clock::Clock;
use crate::contain::contain;
use crate::list_watch::ListerWatcher;
use crate::metrics::ReflectorMetrics;

use super::options::{LifeRequest, Options};
use super::status::{Progress, ReflectorStatus};

use contained::ContainedStore;
use report::Reporting;
use request::{Request, Signal, next_signal};

pub(crate) use report::log_watch_error;

/// Number of signals that are taken from a busy stream before timers, requests and the other tasks of
/// the runtime get their turn.
const SIGNALS_IN_A_ROW: usize = 256;

/// A deadline of the machine that is further away than this is as good as none.
const FAR_AWAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs one machine.
pub(crate) struct Driver<S: ListerWatcher, W> {
    source: Arc<S>,
    store: ContainedStore<S::Object, W>,
    options: Options<S::Object>,
    machine: ReflectorMachine<S::Object>,
    clock: Clock,
    request: Option<Request<S::Object>>,
    permit: Permit,
    life_requests: watch::Receiver<LifeRequest>,
    resync_periods: watch::Receiver<Duration>,
    status: watch::Sender<ReflectorStatus>,
    metrics: ReflectorMetrics,
    reporting: Reporting,
    /// What will be the status when the present batch is done.
    draft: ReflectorStatus,
    end: Option<End>,
}

/// The machine came to its end.
struct End {
    cause: Option<Rejection>,
}

/// Where the driver stands with the shared budget.
enum Permit {
    None,
    Wanted(AttemptId, BoxFuture<'static, RequestPermit>),
    Held { _until_dropped: RequestPermit },
}

/// What woke the driver.
#[expect(
    clippy::large_enum_variant,
    reason = "on the stack for a moment, one at a time"
)]
enum Wake<T> {
    Stop,
    Granted(AttemptId, RequestPermit),
    ResyncPeriod(Duration),
    Signal(Signal<T>),
    Deadline,
}

impl<S: ListerWatcher, W: Store<S::Object>> Driver<S, W> {
    pub(crate) fn new(
        source: S,
        store: W,
        mut options: Options<S::Object>,
        status: watch::Sender<ReflectorStatus>,
        life_requests: watch::Receiver<LifeRequest>,
        resync_periods: watch::Receiver<Duration>,
    ) -> Self {
        // The standard library's per-process hash keys are the entropy that is at hand.
        let seed = options
            .seed
            .unwrap_or_else(|| RandomState::new().hash_one(&options.name));
        let mut config = options.config.clone().budgeted(options.budget.is_some());
        if !source.supports_watch_list() {
            config = config.watch_list(WatchListMode::Off);
        }
        config = config.single_object_lists(source.supports_single_object());
        options.config = config.clone();
        Self {
            reporting: Reporting::new(&options.name, &source.request_line()),
            source: Arc::new(source),
            store: ContainedStore::new(store),
            machine: ReflectorMachine::new(config, Time::ZERO, seed),
            clock: Clock::start(),
            request: None,
            permit: Permit::None,
            life_requests,
            resync_periods,
            status,
            metrics: ReflectorMetrics::new(&options.name),
            draft: ReflectorStatus::new(),
            options,
            end: None,
        }
    }

    /// Runs until the machine has come to its end; gives the object that brought it there, if one
    /// did.
    #[tracing::instrument(level = "debug", name = "reflector", skip_all, fields(reflector = %self.options.name))]
    pub(crate) async fn run(mut self) -> Option<Rejection> {
        let sleep = tokio::time::sleep(FAR_AWAY);
        pin_mut!(sleep);
        let mut life_requests = self.life_requests.clone();
        let stop = wait_for_shutdown(&mut life_requests);
        pin_mut!(stop);
        self.tell(self.clock.now(), Input::Start);
        loop {
            self.publish();
            if let Some(end) = self.end.take() {
                return end.cause;
            }
            self.arm(sleep.as_mut());
            let wake = tokio::select! {
                // Stopping comes first, so that a busy stream cannot hold it up; the deadline comes
                // last, since it is looked at after every batch of signals anyway.
                biased;
                () = &mut stop => Wake::Stop,
                granted = granted(&mut self.permit) => granted,
                period = changed(&mut self.resync_periods) => Wake::ResyncPeriod(period),
                signal = next_signal(&mut self.request) => Wake::Signal(signal),
                () = &mut sleep => Wake::Deadline,
            };
            // One time for the whole turn: what is due together is seen together.
            let now = self.clock.now();
            let mut is_busy = false;
            match wake {
                Wake::Stop => self.tell(now, Input::Stop),
                Wake::Granted(attempt, permit) => {
                    self.permit = Permit::Held {
                        _until_dropped: permit,
                    };
                    self.tell(now, Input::PermitGranted { attempt });
                }
                Wake::ResyncPeriod(period) => {
                    self.machine.set_resync_period(now, Some(period));
                }
                Wake::Signal(signal) => is_busy = self.take_signals(now, signal),
                Wake::Deadline => {}
            }
            self.handle_deadline(now);
            // A source that is always ready must not keep the other tasks from running.
            if is_busy {
                tokio::task::yield_now().await;
            } else {
                tokio::task::coop::consume_budget().await;
            }
        }
    }

    /// Takes a signal and those that are ready after it. Returns true if there may be more.
    fn take_signals(&mut self, now: Time, first: Signal<S::Object>) -> bool {
        self.draft.last_event = self.clock.instant(now);
        self.take_signal(now, first);
        for _ in 1..SIGNALS_IN_A_ROW {
            // A pending stream is polled again, with a real waker, before the driver sleeps.
            let ready = self
                .request
                .as_mut()
                .and_then(|request| request.signals.next().now_or_never());
            match ready.flatten() {
                Some(signal) if self.end.is_none() => self.take_signal(now, signal),
                Some(_) | None => return false,
            }
        }
        true
    }

    fn take_signal(&mut self, now: Time, signal: Signal<S::Object>) {
        let Some(attempt) = self.request.as_ref().map(|request| request.attempt) else {
            return;
        };
        let input = match signal {
            Signal::Part(part) => Input::ListPart {
                attempt,
                part: self.transform_part(part),
            },
            Signal::Opened => Input::WatchOpened { attempt },
            Signal::Event(event) => Input::Event {
                attempt,
                event: self.transform_event(event),
            },
            Signal::ListEnded => {
                self.request = None;
                Input::ListEnded { attempt }
            }
            Signal::WatchEnded => {
                self.request = None;
                Input::WatchEnded { attempt }
            }
            Signal::Failed(error) => {
                self.request = None;
                Input::Failed { attempt, error }
            }
        };
        self.machine.handle_input(now, input);
        self.execute_outputs(now);
    }

    fn tell(&mut self, now: Time, input: Input<S::Object>) {
        self.machine.handle_input(now, input);
        self.execute_outputs(now);
    }

    fn handle_deadline(&mut self, now: Time) {
        if self
            .machine
            .poll_timeout()
            .is_some_and(|deadline| deadline <= now)
        {
            self.machine.handle_timeout(now);
            self.execute_outputs(now);
        }
    }

    /// Sets the sleep to the machine's next deadline. A sleep that would end too early is left: the
    /// deadline of a busy watch moves with every event, and waking once in vain is cheaper.
    fn arm(&self, sleep: Pin<&mut Sleep>) {
        let far_away = self.clock.now() + FAR_AWAY;
        let deadlines = [self.machine.poll_timeout(), self.reporting.poll_timeout()];
        let deadline = deadlines.into_iter().flatten().fold(far_away, Time::min);
        if let Some(deadline) = self.clock.instant(deadline)
            && (sleep.is_elapsed() || deadline < sleep.deadline())
        {
            sleep.reset(deadline);
        }
    }

    fn execute_outputs(&mut self, now: Time) {
        while let Some(output) = self.machine.poll_output() {
            self.execute(now, output);
        }
        self.report_failures(None);
    }

    fn execute(&mut self, now: Time, output: Output<S::Object>) {
        match output {
            Output::AcquirePermit { attempt } => self.acquire_permit(attempt),
            Output::ReleasePermit => self.permit = Permit::None,
            Output::List { attempt, options } => self.list(attempt, options),
            Output::Watch { attempt, options } => self.watch(attempt, options),
            Output::Abort { attempt } => {
                self.request = self
                    .request
                    .take()
                    .filter(|request| request.attempt != attempt);
            }
            Output::BeginReplace { history } => {
                self.draft.progress = Some(Progress::default());
                self.store.begin_replace(history);
            }
            Output::Stage(entries) => {
                self.progressed(entries.len() as u64);
                self.store
                    .stage(|staging| entries.into_iter().for_each(|entry| staging.stage(entry)));
            }
            Output::Unstage(key) => self.store.stage(|staging| staging.unstage(&key)),
            Output::Keep(key) => self.store.stage(|staging| staging.keep(&key)),
            Output::AbortReplace => {
                let result = self.store.abort_replace();
                self.written(&result);
            }
            Output::Commit { version } => {
                let result = self.store.commit(&version);
                self.machine.handle_input(now, Input::Committed(result));
            }
            Output::Apply {
                change,
                entry,
                version,
            } => self.apply(change, entry, version.as_ref()),
            Output::Remove { key, version } => {
                let result = self.store.remove(&key);
                self.applied(&result, version.as_ref());
            }
            Output::Bookmark { version } => {
                let result = self.store.bookmark(&version);
                self.written(&result);
                self.move_version(&version);
            }
            Output::Moved { version } => self.move_version(&version),
            Output::Resync => {
                let result = self.resync(now);
                self.machine.handle_input(now, Input::Resynced(result));
            }
            Output::Report(report) => self.report(now, &report),
            Output::Stopped { cause } => self.end = Some(End { cause }),
        }
    }

    /// Objects are counted as they come: one page may hold everything, and a watch-list has no pages.
    fn progressed(&mut self, objects: u64) {
        let progress = self.draft.progress.get_or_insert_default();
        progress.received += objects;
        // What the last page said of the rest; the next one says it anew.
        let rest = progress.remaining.map(|rest| rest.saturating_sub(objects));
        progress.remaining = rest;
    }

    fn acquire_permit(&mut self, attempt: AttemptId) {
        self.report_failures(Some(Duration::ZERO));
        // The machine asks only if there is a budget.
        if let Some(budget) = self.options.budget.clone() {
            let permit = async move { RequestBudget::acquire(&budget).await };
            self.permit = Permit::Wanted(attempt, permit.boxed());
        }
    }

    fn list(&mut self, attempt: AttemptId, options: ListOptions) {
        self.report_failures(Some(Duration::ZERO));
        tracing::debug!(%attempt, version = %options.resource_version, limit = options.limit, "list");
        // A proof of the history is no list of the collection.
        if self.machine.activity() != Activity::Probing {
            self.metrics.listing();
            self.draft.counts.lists += 1;
        }
        self.reporting.attempt = Some(attempt);
        self.request = Some(Request::list(&self.source, attempt, options));
    }

    fn watch(&mut self, attempt: AttemptId, options: WatchOptions) {
        self.report_failures(Some(Duration::ZERO));
        tracing::debug!(
            %attempt,
            version = %options.resource_version,
            initial_events = options.send_initial_events,
            "watch"
        );
        self.metrics.watching();
        self.draft.counts.watches += 1;
        self.reporting.attempt = Some(attempt);
        self.request = Some(Request::watch(&self.source, attempt, options));
    }

    fn apply(
        &mut self,
        change: ChangeKind,
        entry: Entry<S::Object>,
        version: Option<&ResourceVersion>,
    ) {
        self.draft.counts.events += 1;
        let result = self.store.apply(change, entry);
        self.applied(&result, version);
    }

    /// A change that the store did not take is lost until the key's next one; the version moves on.
    fn applied(&mut self, result: &Result<(), StoreError>, version: Option<&ResourceVersion>) {
        self.written(result);
        if let Some(version) = version {
            self.move_version(version);
        }
    }

    fn move_version(&mut self, version: &ResourceVersion) {
        let result = self.store.update_resource_version(version);
        self.written(&result);
    }

    fn written(&mut self, result: &Result<(), StoreError>) {
        if let Err(error) = result {
            self.store_failed(error);
        }
    }

    fn resync(&mut self, now: Time) -> Result<(), StoreError> {
        let wanted = match &mut self.options.should_resync {
            Some(ask) => {
                let now = self.clock.instant(now).unwrap_or_else(Instant::now);
                contain(|| ask(now)).map_err(StoreError::new)?
            }
            None => true,
        };
        if !wanted {
            return Ok(());
        }
        self.store.resync()
    }

    /// Shows the batch's outcome to whoever watches the status.
    fn publish(&mut self) {
        self.reporting.log_summaries(self.clock.now());
        let activity = self.machine.activity();
        self.draft.activity = activity;
        self.draft.resource_version = self.machine.last_sync_resource_version().clone();
        self.draft.objects = self.store.object_count().unwrap_or_else(|error| {
            self.store_failed(&error);
            None
        });
        self.draft.counts.late_answers = self.machine.late_answers();
        if activity != Activity::BackingOff {
            self.draft.retry_at = None;
        }
        if !matches!(activity, Activity::Listing | Activity::WatchListing) {
            self.draft.progress = None;
        }
        self.metrics
            .reached(&self.draft.resource_version, self.draft.synced);
        self.status.send_replace(self.draft.clone());
    }
}

/// The next period that is set.
async fn changed(periods: &mut watch::Receiver<Duration>) -> Duration {
    if periods.changed().await.is_err() {
        // Without a handle it stays.
        std::future::pending::<()>().await;
    }
    *periods.borrow_and_update()
}

async fn wait_for_shutdown(requests: &mut watch::Receiver<LifeRequest>) {
    let shutdown = requests.wait_for(|request| *request == LifeRequest::Shutdown);
    let is_dropped = shutdown.await.is_err();
    if is_dropped && *requests.borrow() == LifeRequest::RunOn {
        std::future::pending::<()>().await;
    }
}

async fn granted<T>(permit: &mut Permit) -> Wake<T> {
    match permit {
        Permit::Wanted(attempt, future) => Wake::Granted(*attempt, future.await),
        Permit::None | Permit::Held { .. } => std::future::pending().await,
    }
}
