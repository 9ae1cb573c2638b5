//! The lines that a mirror logs: what they name, and how many there are.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use heliostat::object::GroupVersionKind;
use heliostat::source::{
    ListOptions, ListStream, Rejection, RejectionReason, WatchEvent, WatchOptions, WatchStream,
};
use heliostat::testing::{ListFault, WatchEnd, WatchFault, WatchListMode, connection_lost};
use heliostat::{ListerWatcher, Reflector, ReflectorConfig, SourceError, Status};

use crate::lines::{Lines, field};
use crate::support::{Recorder, Source, key, list_config, source, stream_config};

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

/// A source with an address, whose lists take so long.
struct Addressed(Source, Duration);

const REQUEST: &str = "GET /things at http://here";

impl ListerWatcher for Addressed {
    type Object = String;
    type Error = SourceError;

    async fn list(&self, options: ListOptions) -> Result<ListStream<String>, SourceError> {
        tokio::time::sleep(self.1).await;
        self.0.list(options).await
    }

    async fn watch(&self, options: WatchOptions) -> Result<WatchStream<String>, SourceError> {
        self.0.watch(options).await
    }

    fn description(&self) -> String {
        "things".to_owned()
    }

    fn request_line(&self) -> String {
        REQUEST.to_owned()
    }

    fn supports_single_object(&self) -> bool {
        self.0.supports_single_object()
    }
}

/// What goes wrong with a mirror, the line that says so, and the delay that it names; none where nothing
/// is requested again.
struct Failure {
    message: &'static str,
    retry_in: Option<&'static str>,
    config: ReflectorConfig,
    lists_take: Duration,
    /// Before the mirror is started.
    before: fn(&Source),
    /// Once the mirror watches.
    after: fn(&Source) -> BoxFuture<'_, ()>,
}

impl Failure {
    fn new(message: &'static str, retry_in: Option<&'static str>, before: fn(&Source)) -> Self {
        Self {
            message,
            retry_in,
            config: list_config(),
            lists_take: Duration::ZERO,
            before,
            after: |_| async {}.boxed(),
        }
    }

    fn later(
        message: &'static str,
        retry_in: Option<&'static str>,
        after: fn(&Source) -> BoxFuture<'_, ()>,
    ) -> Self {
        Self {
            after,
            ..Self::new(message, retry_in, |_| {})
        }
    }

    fn config(self, config: ReflectorConfig) -> Self {
        Self { config, ..self }
    }
}

fn server_error(code: u16, reason: &str) -> Status {
    Status::failure(code, reason, "no")
}

/// A watch that ends as soon as it is open, in this way.
fn next_watch_ends(source: &Source, end: WatchEnd) {
    source.on_next_watch(WatchFault::EndAfter { events: 0, end });
}

/// Failures of every kind that a mirror logs at `INFO` and above.
#[expect(clippy::too_many_lines, reason = "one entry for each failure")]
fn failures() -> Vec<Failure> {
    vec![
        Failure::new("listing things failed; retrying", Some("1s"), |source| {
            source.fail_next_list(server_error(500, "InternalError"));
        }),
        Failure::new("watching things failed; retrying", Some("1s"), |source| {
            source.fail_next_watch(server_error(403, "Forbidden"));
        }),
        // Opened again after the backoff.
        Failure::new("a watch failed; it is opened again", Some("1s"), |source| {
            source.fail_next_watch(connection_lost());
        }),
        // Opened again at once.
        Failure::new(
            "a watch failed; it is opened again",
            Some("0ns"),
            |source| {
                next_watch_ends(source, WatchEnd::Error(server_error(500, "InternalError")));
            },
        )
        .config(list_config().max_internal_error_retry(Duration::from_secs(60))),
        Failure::new(
            "a watch failed; the next request is a list",
            Some("1s"),
            |source| {
                next_watch_ends(source, WatchEnd::Error(server_error(500, "Odd")));
            },
        ),
        Failure::new("very short watch", Some("1s"), |source| {
            next_watch_ends(source, WatchEnd::Close);
        }),
        Failure::new("very short watch", Some("1s"), |source| {
            next_watch_ends(source, WatchEnd::Fail(connection_lost()));
        }),
        Failure::new(
            "a watch was silent for 30s; it is opened again",
            Some("0ns"),
            |_| {},
        )
        .config(list_config().silence_timeout(Some(Duration::from_secs(30)))),
        Failure::new(
            "did not end a watch in time; it is opened again",
            Some("0ns"),
            |_| {},
        )
        .config(
            list_config()
                .silence_timeout(None)
                .watch_timeout_range(Duration::from_secs(30), Duration::from_secs(30))
                .watch_end_grace(Duration::from_secs(5)),
        ),
        Failure::new("listing instead of the watch-list", Some("0ns"), |source| {
            source.set_watch_list_mode(WatchListMode::Refused);
        })
        .config(stream_config()),
        Failure::new("the end of the initial events is overdue", None, |source| {
            source.set_watch_list_mode(WatchListMode::MarkLost);
        })
        .config(stream_config()),
        Failure::new(
            "longer delay than `retry_after_max` allows",
            Some("3s"),
            |source| {
                let day = Some(Duration::from_secs(86_400));
                source.fail_next_list(Status::from_response(429, "GET", day, b""));
            },
        )
        .config(list_config().retry_after_max(Duration::from_secs(3))),
        Failure::new(
            "the store could not resync; the round ends",
            Some("1s"),
            |_| {},
        )
        .config(list_config().resync_period(Duration::from_secs(10))),
        Failure {
            lists_take: Duration::from_secs(11),
            ..Failure::new("listed slowly", None, |_| {})
        },
        Failure::later("unknown watch event type", None, |source| {
            async {
                source.send(&WatchEvent::Unknown {
                    event_type: "ODD".to_owned(),
                    resource_version: 9.into(),
                });
            }
            .boxed()
        }),
        Failure::later("object a was rejected", None, |source| {
            async {
                source.reject(key("a"));
                source.update(key("a"), "b".to_owned()).unwrap();
            }
            .boxed()
        }),
        // A stale replica: the version of a list goes back.
        Failure::later("rewind", Some("0ns"), |source| {
            async {
                source.on_next_list(ListFault::Version(1.into()));
                source.close_watches();
                source.expire();
            }
            .boxed()
        }),
        Failure::later("synced", None, |_| async {}.boxed()),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_line_over_every_failure_names_its_request_its_attempt_and_its_delay() {
    let lines = Lines::collect();
    for failure in failures() {
        lines.clear();
        let source = source(&["a"]);
        (failure.before)(&source);
        let store = Recorder::default();
        store.fail_on("resync");
        let reflector = Reflector::new(Addressed(source.clone(), failure.lists_take), store);
        let mirror = reflector.name("things").config(failure.config).start();
        source.wait_for_requests(2).await;
        source.wait_until_settled().await;
        (failure.after)(&source).await;
        // Longer than every timeout of these mirrors.
        tokio::time::sleep(Duration::from_secs(70)).await;
        mirror.shutdown().await;
        let with = lines.with(failure.message);
        assert!(!with.is_empty(), "{}: {:#?}", failure.message, lines.all());
        let delays: Vec<Option<&str>> = with.iter().map(|line| field(line, "retry_in")).collect();
        assert!(
            delays.contains(&failure.retry_in),
            "{}: {with:#?}",
            failure.message
        );
        for line in lines.all() {
            assert_names_all(&line);
        }
    }
}

/// A line without a delay is about a request that goes on.
#[track_caller]
fn assert_names_all(line: &str) {
    const GOES_ON: [&str; 6] = [
        "synced",
        "listed slowly",
        "unknown watch event type",
        "was rejected",
        "the end of the initial events is overdue",
        "were held back",
    ];
    assert!(line.contains("reflector=\"things\""), "{line}");
    assert!(line.contains(&format!("request=\"{REQUEST}\"")), "{line}");
    assert!(
        field(line, "attempt").is_some_and(|it| it.starts_with('#')),
        "{line}"
    );
    let goes_on = GOES_ON.iter().any(|message| line.contains(message));
    let is_settled = line.contains("rewind.confirmed=true");
    let has_delay = field(line, "retry_in").is_some();
    assert_eq!(has_delay, !goes_on && !is_settled, "{line}");
}

#[tokio::test(start_paused = true)]
async fn lines_that_are_held_back_when_a_mirror_ends_are_counted() {
    let lines = Lines::collect();
    for aborts in [false, true] {
        lines.clear();
        let source = source(&["a"]);
        let (reflector, store) = Reflector::with_indexer(Addressed(source.clone(), Duration::ZERO));
        let mirror = reflector.name("things").config(list_config()).start();
        mirror.wait_synced(Duration::MAX).await.unwrap();
        source.wait_for_open_watches(1).await;
        for number in 0..20_u64 {
            source.send(&WatchEvent::Unknown {
                event_type: "ODD".to_owned(),
                resource_version: (100 + number).into(),
            });
        }
        store.wait_for(&119.into()).await.unwrap();
        if aborts {
            drop(mirror);
            tokio::time::sleep(Duration::from_millis(1)).await;
        } else {
            mirror.shutdown().await;
        }
        let [held_back] = &lines.with("were held back")[..] else {
            panic!("one line counts them: {:#?}", lines.all());
        };
        assert!(
            held_back.contains("kind=\"unknown_event\" lines=15"),
            "{held_back}"
        );
        assert_names_all(held_back);
    }
}
