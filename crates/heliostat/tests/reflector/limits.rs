//! Options without a limit, and sources without an end.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use heliostat::reflector::{Activity, BackoffConfig, BudgetConfig};
use heliostat::source::{
    ListMetadata, ListOptions, ListPart, ListStream, WatchEvent, WatchOptions, WatchStream,
};
use heliostat::{Entry, Header, ListerWatcher, Reflector, RequestBudget, SourceError, Uid};

use crate::support::{caught_up, key, keys, list_config, source, stream_config, until};

const NEVER: Duration = Duration::MAX;

#[tokio::test(start_paused = true)]
async fn an_option_of_the_longest_duration_means_never() {
    for config in [list_config(), stream_config()] {
        let source = source(&["a"]);
        let config = config
            .silence_timeout(Some(NEVER))
            .watch_end_grace(NEVER)
            .watch_timeout_range(NEVER, NEVER)
            .list_idle_timeout(NEVER)
            .watch_list_idle_timeout(NEVER)
            .watch_list_timeout(NEVER)
            .watch_list_retry_after(NEVER)
            .resync_period(NEVER)
            .max_internal_error_retry(NEVER);
        let budget = BudgetConfig::new().limit(NonZeroUsize::MIN).spacing(NEVER);
        let (reflector, store) = Reflector::with_indexer(source.clone());
        let reflector = reflector.config(config).budget(RequestBudget::new(budget));
        let mirror = reflector.start();
        mirror.wait_synced(Duration::MAX).await.unwrap();
        source.create(key("b"), "b".to_owned()).unwrap();
        caught_up(&source, &store).await;
        assert_eq!(keys(&store), ["a", "b"]);
        tokio::time::sleep(Duration::from_secs(100_000)).await;
        assert_eq!(mirror.status().activity, Activity::Watching);
        mirror.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_grants_nothing_more_holds_requests_back_for_ever() {
    let source = source(&["a"]);
    let config = BudgetConfig::new().limit(NonZeroUsize::MIN).spacing(NEVER);
    let budget = RequestBudget::new(config);
    // The first wave is over when the budget is idle for the first time.
    drop(budget.acquire().await);
    drop(budget.acquire().await);
    let (reflector, _store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.budget(budget).start();
    until(&mirror, |status| {
        status.activity == Activity::AwaitingPermit
    })
    .await;
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    assert_eq!(mirror.status().activity, Activity::AwaitingPermit);
    mirror.shutdown().await;
    assert_eq!(source.requests().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_backoff_without_an_end_can_be_stopped() {
    let source = source(&["a"]);
    let refused = SourceError::Request("refused".into());
    source.fail_next_list(refused);
    let (reflector, _store) = Reflector::with_indexer(source.clone());
    let backoff = BackoffConfig::exponential(NEVER, NEVER);
    let mirror = reflector.config(list_config().backoff(backoff)).start();
    until(&mirror, |status| status.activity == Activity::BackingOff).await;
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    let status = mirror.status();
    assert_eq!(status.activity, Activity::BackingOff);
    assert_eq!(status.retry_at, None);
    mirror.shutdown().await;
}

/// A source whose requests are always ready: each watch delivers changes without a pause.
struct AlwaysReady {
    /// Events of one watch.
    events: u64,
    delivered: Arc<AtomicU64>,
}

/// So many events end the story, so that a driver that never yields fails the test and does not hang.
const DELIVERED_MAX: u64 = 100_000;

impl ListerWatcher for AlwaysReady {
    type Object = u64;
    type Error = SourceError;

    async fn list(&self, _: ListOptions) -> Result<ListStream<u64>, SourceError> {
        let metadata = ListMetadata {
            resource_version: 1.into(),
            ..ListMetadata::default()
        };
        Ok(stream::iter([Ok(ListPart::Metadata(metadata))]).boxed())
    }

    async fn watch(&self, _: WatchOptions) -> Result<WatchStream<u64>, SourceError> {
        let delivered = Arc::clone(&self.delivered);
        let events = stream::repeat_with(move || {
            let version = delivered.fetch_add(1, Ordering::Relaxed) + 2;
            let header = Header {
                key: key("a"),
                resource_version: version.into(),
                uid: Uid::UNSET,
            };
            Ok(WatchEvent::Modified(Entry::new(header, version)))
        });
        let events = events.take(usize::try_from(self.events).unwrap());
        Ok(events.chain(stream::pending()).boxed())
    }

    fn description(&self) -> String {
        "a source that is always ready".to_owned()
    }

    fn supports_watch_list(&self) -> bool {
        false
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_always_ready_leaves_other_tasks_their_turn() {
    let delivered = Arc::new(AtomicU64::new(0));
    let source = AlwaysReady {
        events: DELIVERED_MAX,
        delivered: Arc::clone(&delivered),
    };
    let (reflector, _store) = Reflector::with_indexer(source);
    let mirror = reflector.config(list_config()).start();
    let mut most = 0;
    let mut before = 0;
    while before < DELIVERED_MAX {
        tokio::task::yield_now().await;
        let now = delivered.load(Ordering::Relaxed);
        most = most.max(now - before);
        before = now;
    }
    assert!(most <= 1000, "{most} events without a pause");
    mirror.shutdown().await;
}
