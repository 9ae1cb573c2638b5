//! The lines that a mirror logs: what they name, and how many there are.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use heliostat::object::GroupVersionKind;
use heliostat::source::{Rejection, RejectionReason, WatchEvent};
use heliostat::{Reflector, Status};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::support::{key, list_config, source};

thread_local! {
    static LINES: Lines = Lines::default();
}

/// The lines at `INFO` and above of this thread. One subscriber serves all threads: with one for each,
/// what a thread logs depends on which other test ends or begins at that moment.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn collect() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| tracing::subscriber::set_global_default(Collector).unwrap());
        LINES.with(Self::clone)
    }

    /// Those that contain this text.
    fn with(&self, text: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let with = lines.iter().filter(|line| line.contains(text));
        with.cloned().collect()
    }
}

/// Adds each line to those of its thread.
struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.with(|lines| lines.0.lock().unwrap().push(line.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// `WARN field=value ..`
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn every_line_names_the_mirror_the_attempt_the_failures_and_the_delay() {
    let lines = Lines::collect();
    let source = source(&["a"]);
    for _ in 0..2 {
        source.fail_next_list(Status::failure(404, "NotFound", "no such\nthing"));
    }
    let (reflector, _store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.name("things").config(list_config()).start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    let failed = lines.with("listing things failed; retrying");
    assert_eq!(failed.len(), 2, "{failed:?}");
    for (line, failures) in failed.iter().zip(1..) {
        for word in [
            "WARN",
            "reflector=\"things\"",
            "attempt=#",
            &format!("failures={failures}"),
            "retry_in=1s",
            r"error=no such\nthing (404 NotFound)",
        ] {
            assert!(line.contains(word), "no {word} in {line}");
        }
    }
    let [synced] = &lines.with("message=synced")[..] else {
        panic!("one line says that it is synced");
    };
    assert!(
        synced.contains("reflector=\"things\" attempt=#"),
        "{synced}"
    );
    let error = mirror.status().last_error.unwrap();
    assert_eq!(error.failures, 2);
    assert_eq!(
        error.message,
        r"listing things failed: no such\nthing (404 NotFound)"
    );
    mirror.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn lines_of_one_kind_are_limited_and_their_number_is_told() {
    const REJECTED: u64 = 10_000;
    let lines = Lines::collect();
    let source = source(&["a"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.config(list_config()).start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    let long = "K".repeat(100_000);
    for _ in 0..REJECTED {
        source.send(&WatchEvent::Rejected(Rejection {
            key: Some(key("ns/bad")),
            resource_version: "5".into(),
            change: None,
            reason: RejectionReason::WrongKind {
                expected: GroupVersionKind::new("v1", "Pod"),
                actual: GroupVersionKind::new("v1", &*long),
            },
        }));
    }
    let mut status = mirror.watch_status();
    let all = status.wait_for(|status| status.counts.rejected == REJECTED);
    drop(all.await.unwrap());
    let rejected = lines.with("object ns/bad was rejected");
    assert_eq!(rejected.len(), 5);
    assert!(rejected.iter().all(|line| line.len() < 2_000));
    // The number comes when the period is over, without another event.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let [held_back] = &lines.with("were held back")[..] else {
        panic!("one line tells their number");
    };
    assert!(
        held_back.contains("kind=\"rejected\" lines=9995"),
        "{held_back}"
    );
    assert_eq!(store.len(), 1);
    mirror.shutdown().await;
}
