//! What the tests share: sources, a handler that writes down what it is told, one that waits to be
//! let on.

use std::sync::Arc;
use std::time::Duration;

use heliostat::informer::InformerBuilder;
use heliostat::reflector::{BackoffConfig, WatchListMode};
use heliostat::source::memory::MemorySource;
use heliostat::{Entry, EventHandler, Notification, ObjectKey, ReflectorConfig, SharedInformer};
use tokio::sync::{Semaphore, watch};

pub(crate) type Source = MemorySource<String>;
pub(crate) type Informer = SharedInformer<String>;

pub(crate) fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

/// A source that holds these objects; each is its own text. The first has version 2.
pub(crate) fn source(names: &[&str]) -> Source {
    let source = MemorySource::new();
    for name in names {
        source.create(key(name), (*name).to_owned()).unwrap();
    }
    source
}

/// An informer that lists and waits a second after a failure.
pub(crate) fn listing(source: &Source) -> InformerBuilder<Source> {
    let second = Duration::from_secs(1);
    let backoff = BackoffConfig::exponential(second, second)
        .factor(0.0)
        .jitter(0.0);
    let config = ReflectorConfig::default()
        .watch_list(WatchListMode::Off)
        .backoff(backoff);
    SharedInformer::builder(source.clone()).config(config)
}

/// Waits until nothing moves any more but the clock.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Lets the informer list again: what it has seen has expired, and its watch has ended.
pub(crate) async fn relist(source: &Source, informer: &Informer) {
    source.expire();
    source.close_watches();
    informer
        .indexer()
        .wait_for(&source.revision().into())
        .await
        .unwrap();
    source.wait_for_open_watches(1).await;
    settle().await;
}

/// Makes changes that no watch tells of; the informer finds them with its next list.
pub(crate) async fn silently(source: &Source, informer: &Informer, change: impl FnOnce(&Source)) {
    change(source);
    // Before anybody had a chance to read them.
    source.restart();
    informer
        .indexer()
        .wait_for(&source.revision().into())
        .await
        .unwrap();
    source.wait_for_open_watches(1).await;
    settle().await;
}

/// Waits until the store holds what the source does and all have been told.
pub(crate) async fn caught_up(source: &Source, informer: &Informer) {
    informer
        .indexer()
        .wait_for(&source.revision().into())
        .await
        .unwrap();
    settle().await;
}

/// How many tasks there are, this test not among them.
pub(crate) fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// One word for each notification: `+` came, `~` changed, `-` went; `!` says that it belongs to the
/// initial list, `?` that the end was not seen.
pub(crate) fn word(notification: &Notification<String>) -> String {
    match notification {
        Notification::Added {
            entry,
            is_in_initial_list,
        } => {
            let sign = if *is_in_initial_list { "!" } else { "" };
            format!("+{}{sign}", at(entry))
        }
        Notification::Updated { old, new } => {
            format!("~{}>{}", at(old), new.header.resource_version)
        }
        Notification::Deleted { last, tombstone } => {
            let sign = if *tombstone { "?" } else { "" };
            format!("-{}{sign}", at(last))
        }
        Notification::Synced => "synced".to_owned(),
    }
}

fn at(entry: &Entry<String>) -> String {
    format!("{}@{}", entry.key(), entry.header.resource_version)
}

/// Writes down what it is told. A clone writes to the same log.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<watch::Sender<Vec<String>>>);

impl Log {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }

    pub(crate) fn words(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// What was written since the last call of this.
    pub(crate) fn take(&self) -> Vec<String> {
        let mut taken = Vec::new();
        self.0.send_modify(|words| taken = std::mem::take(words));
        taken
    }

    /// Waits until so many words are there.
    pub(crate) async fn reach(&self, count: usize) -> Vec<String> {
        let mut words = self.0.subscribe();
        words
            .wait_for(|words| words.len() >= count)
            .await
            .unwrap()
            .clone()
    }

    pub(crate) fn hear(&self, notification: &Notification<String>) {
        self.write(word(notification));
    }

    pub(crate) fn write(&self, word: String) {
        self.0.send_modify(|words| words.push(word));
    }
}

impl EventHandler<String> for Log {
    async fn on_add(&mut self, entry: &Entry<String>, is_in_initial_list: bool) {
        self.hear(&Notification::Added {
            entry: entry.clone(),
            is_in_initial_list,
        });
    }

    async fn on_update(&mut self, old: &Entry<String>, new: &Entry<String>) {
        self.hear(&Notification::Updated {
            old: old.clone(),
            new: new.clone(),
        });
    }

    async fn on_delete(&mut self, last: &Entry<String>, tombstone: bool) {
        self.hear(&Notification::Deleted {
            last: last.clone(),
            tombstone,
        });
    }

    async fn on_synced(&mut self) {
        self.hear(&Notification::Synced);
    }
}

/// Writes down what it is told and then waits for a permit, each time; the log without the last word
/// is what it has handled.
#[derive(Clone, Debug)]
pub(crate) struct Gated {
    pub(crate) log: Log,
    gate: Arc<Semaphore>,
    pub(crate) handled: Log,
}

impl Gated {
    pub(crate) fn new() -> Self {
        Self {
            log: Log::new(),
            gate: Arc::new(Semaphore::new(0)),
            handled: Log::new(),
        }
    }

    /// Lets so many calls come to their end.
    pub(crate) fn open(&self, calls: usize) {
        self.gate.add_permits(calls);
    }

    async fn pass(&self, notification: Notification<String>) {
        self.log.hear(&notification);
        self.gate.acquire().await.unwrap().forget();
        self.handled.hear(&notification);
    }
}

impl EventHandler<String> for Gated {
    async fn on_add(&mut self, entry: &Entry<String>, is_in_initial_list: bool) {
        let entry = entry.clone();
        self.pass(Notification::Added {
            entry,
            is_in_initial_list,
        })
        .await;
    }

    async fn on_update(&mut self, old: &Entry<String>, new: &Entry<String>) {
        let (old, new) = (old.clone(), new.clone());
        self.pass(Notification::Updated { old, new }).await;
    }

    async fn on_delete(&mut self, last: &Entry<String>, tombstone: bool) {
        let last = last.clone();
        self.pass(Notification::Deleted { last, tombstone }).await;
    }
}
