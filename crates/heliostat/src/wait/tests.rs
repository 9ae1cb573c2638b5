//! Waiting for several: who is done when, what is said of it, and why it ended.

use std::fmt::Write as _;
use std::future::{pending, ready};
use std::sync::Mutex;

use tokio::time::{Instant, sleep};
use tracing::field::{Field, Visit};
use tracing::span;

use super::synced::wait_synced;
use super::*;

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
struct Why(&'static str);

/// Writes down the lines that are logged on this thread, each with its time.
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    start: Instant,
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().ends_with("::wait")
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                if field.name() != "what" {
                    write!(self.0, " {value:?}").unwrap();
                }
            }
        }
        let mut line = Line(format!("{}s", self.start.elapsed().as_secs()));
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0.replace('"', ""));
    }
}

/// What a wait came to, and what was logged of it.
async fn told(wait: impl Future<Output = Result<(), NotSynced>>) -> (Option<NotSynced>, String) {
    let lines = Arc::default();
    let log = Log {
        lines: Arc::clone(&lines),
        start: Instant::now(),
    };
    let _guard = tracing::subscriber::set_default(log);
    let error = wait.await.err();
    let lines = lines.lock().unwrap().join("; ");
    (error, lines)
}

/// Done after so many seconds.
fn after(name: &str, seconds: u64) -> Check<'static> {
    Check::new(name, async move {
        sleep(Duration::from_secs(seconds)).await;
        Ok::<_, Why>(())
    })
}

fn never(name: &str) -> Check<'static> {
    Check::new(name, pending::<Result<(), Why>>())
}

fn done(name: &str) -> Check<'static> {
    Check::new(name, ready(Ok::<_, Why>(())))
}

fn of_three() -> [Check<'static>; 3] {
    [after("first", 10), after("second", 5), done("last")]
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn h_11_without_checks_all_is_done() {
    let (error, log) = told(wait_synced("", MINUTE, [])).await;
    assert_eq!((error.is_none(), &*log), (true, ""));
    let (error, log) = told(wait_synced("nothing", MINUTE, [])).await;
    assert_eq!((error.is_none(), &*log), (true, "0s waiting 0"));
}

#[tokio::test(start_paused = true)]
async fn h_10_h_11_all_are_awaited_at_once_and_told_in_the_order_of_their_ends() {
    let start = Instant::now();
    let (error, log) = told(wait_synced("", MINUTE, of_three())).await;
    assert_eq!((error.is_none(), &*log), (true, ""), "nobody to log for");
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    let (error, log) = told(wait_synced("three", MINUTE, of_three())).await;
    assert!(error.is_none());
    assert_eq!(
        log,
        "0s waiting 3; 0s synced last; 5s synced second; 10s synced first"
    );
}

#[tokio::test(start_paused = true)]
async fn h_11_the_end_of_the_time_names_what_is_missing() {
    let checks = [after("first", 10), never("second"), done("last")];
    let (error, log) = told(wait_synced("three", MINUTE, checks)).await;
    let error = error.unwrap();
    assert_eq!(error.unsynced(), ["second"]);
    assert_eq!(error.to_string(), "three: not synced: second");
    let cause = error.cause().downcast_ref::<TimedOut>();
    assert_eq!(cause, Some(&TimedOut(MINUTE)));
    assert_eq!(
        log,
        "0s waiting 3; 0s synced last; 10s synced first; \
         60s not synced [second] timed out after 60s"
    );
}

#[tokio::test(start_paused = true)]
async fn h_11_what_is_done_at_the_stop_counts() {
    let stopped = ready(Why("cancelled"));
    let (error, log) = told(wait_synced_until("three", stopped, of_three())).await;
    let error = error.unwrap();
    assert_eq!(error.unsynced(), ["first", "second"]);
    assert_eq!(error.cause().downcast_ref(), Some(&Why("cancelled")));
    assert_eq!(
        log,
        "0s waiting 3; 0s synced last; 0s not synced [first, second] cancelled"
    );
    // All are done at the very moment of the stop.
    let checks = [done("one"), done("two")];
    assert!(
        wait_synced_until("", ready(Why("late")), checks)
            .await
            .is_ok()
    );
    assert!(wait_synced_until("", ready(Why("late")), []).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn h_11_the_cause_is_what_the_caller_says() {
    let stop = async {
        sleep(Duration::from_secs(5)).await;
        Why("on fire")
    };
    let checks = [after("first", 10), never("second"), done("last")];
    let error = wait_synced_until("", stop, checks).await.unwrap_err();
    assert_eq!(error.unsynced(), ["first", "second"]);
    assert_eq!(error.cause().to_string(), "on fire");
    assert_eq!(error.to_string(), "not synced: first, second");
}

#[tokio::test(start_paused = true)]
async fn h_13_the_error_lists_the_missing_sorted_and_keeps_the_cause() {
    let checks = [never("second"), never("first"), never("last")];
    let error = wait_synced("all", MINUTE, checks).await.unwrap_err();
    assert_eq!(error.unsynced(), ["first", "last", "second"]);
    assert_eq!(error.to_string(), "all: not synced: first, last, second");
    let source = error.source().unwrap();
    assert_eq!(source.to_string(), "timed out after 60s");
}

#[tokio::test(start_paused = true)]
async fn h_12_a_check_that_fails_ends_the_waiting_at_once() {
    let failing = Check::new("broken", async {
        sleep(Duration::from_secs(3)).await;
        Err(Why("gone"))
    });
    assert_eq!(failing.name(), "broken");
    let start = Instant::now();
    let checks = [never("first"), failing, after("last", 3)];
    let error = wait_synced("", MINUTE, checks).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert!(error.unsynced().contains(&"broken".to_owned()));
    assert!(error.unsynced().contains(&"first".to_owned()));
    let failed = error.cause().downcast_ref::<CheckFailed>().unwrap();
    assert_eq!(failed.name(), "broken");
    assert_eq!(failed.source().unwrap().to_string(), "gone");
}

#[cfg(feature = "memory")]
#[tokio::test(start_paused = true)]
async fn h_10_mirrors_are_awaited_by_their_names() {
    use crate::Reflector;
    use crate::source::memory::MemorySource;
    use crate::testing::ListFault;

    let source = MemorySource::<String>::new();
    let stalled = MemorySource::<String>::new().without_watch_list();
    stalled.on_next_list(ListFault::Stall);
    let good = Reflector::with_indexer(source).0.name("good").start();
    let bad = Reflector::with_indexer(stalled).0.name("bad").start();
    let second = Duration::from_secs(1);
    let checks = [Check::from(&good), Check::from(&bad)];
    let error = wait_synced("both", second, checks).await.unwrap_err();
    assert_eq!(error.unsynced(), ["bad"]);
    wait_synced("one", second, [Check::from(&good)])
        .await
        .unwrap();
    bad.shutdown().await;
}

#[cfg(feature = "memory")]
#[tokio::test(start_paused = true)]
async fn mirrors_informers_and_handlers_are_waited_for_with_a_deadline() {
    use crate::Reflector;
    use crate::source::memory::MemorySource;
    use crate::testing::{WatchListMode, connection_refused};
    use crate::{HandlerFuncs, SharedInformer};

    for is_late in [false, true] {
        let source = MemorySource::<String>::new();
        source.set_watch_list_mode(WatchListMode::Refused);
        for _ in 0..if is_late { 100 } else { 0 } {
            source.fail_next_list(connection_refused());
        }
        let (mirror, _) = Reflector::with_indexer(source.clone());
        let informer = SharedInformer::new(source);
        let handler = informer.add_handler(HandlerFuncs::new()).unwrap();
        let mirror = mirror.start();
        informer.start();
        let limit = Duration::from_secs(1);
        for waited in [
            mirror.wait_synced(limit).await,
            informer.wait_synced(limit).await,
            handler.wait_synced(limit).await,
        ] {
            assert_eq!(waited.is_err(), is_late, "{waited:?}");
        }
        mirror.shutdown().await;
        informer.shutdown().await;
    }
}
