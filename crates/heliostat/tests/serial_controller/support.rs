//! What the tests share: sources, controllers, what they were called with as words.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use heliostat::client_go::{Deletion, Delta, SerialController, SerialControllerHandle};
use heliostat::reflector::BackoffConfig;
use heliostat::source::memory::MemorySource;
use heliostat::{Entry, EventHandler, ObjectKey, Reflector, ReflectorConfig};

pub(crate) type Source = MemorySource<String>;

pub(crate) fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

/// A source that holds these objects; each is its own text.
pub(crate) fn source(names: &[&str]) -> Source {
    let source = Source::new();
    for name in names {
        put(&source, name, name);
    }
    source
}

pub(crate) fn put(source: &Source, name: &str, text: &str) {
    source.apply(key(name), text.to_owned());
}

/// Resyncs every 100 ms, where a test wants resyncs; delays of a second after failures.
pub(crate) fn config(resync: Duration) -> ReflectorConfig {
    let second = Duration::from_secs(1);
    let backoff = BackoffConfig::exponential(second, second).jitter(0.0);
    ReflectorConfig::default()
        .backoff(backoff)
        .resync_period(resync)
}

pub(crate) fn resyncing(source: &Source) -> SerialController<Source> {
    let (reflector, _) = Reflector::with_indexer(source.clone());
    SerialController::over(reflector.config(config(Duration::from_millis(100))))
}

/// A change in one word: `+a` came, `~a` changed, `=a` is in a list, `-a` went, `?a` is found gone, `.a`
/// is told again; with the text that it has.
pub(crate) fn word(delta: &Delta<String>) -> String {
    let text = |entry: &Entry<String>| format!("{}={}", entry.key(), entry.object);
    match delta {
        Delta::Added(entry) => format!("+{}", text(entry)),
        Delta::Updated(entry) => format!("~{}", text(entry)),
        Delta::Replaced(entry) => format!("={}", text(entry)),
        Delta::Sync(entry) => format!(".{}", text(entry)),
        Delta::Deleted(Deletion::Observed(last)) => format!("-{}", text(last)),
        Delta::Deleted(Deletion::Tombstone { key, .. }) => format!("?{key}"),
    }
}

pub(crate) fn words(deltas: &[Delta<String>]) -> String {
    deltas.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// A list that several may write to.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<String>>>);

impl Record {
    pub(crate) fn push(&self, word: impl Into<String>) {
        self.0.lock().unwrap().push(word.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Writes down what it is told, in the words of [`word`]; `!` marks what was there first.
pub(crate) struct Recorder(pub(crate) Record);

impl EventHandler<String> for Recorder {
    async fn on_add(&mut self, entry: &Entry<String>, is_in_initial_list: bool) {
        let mark = if is_in_initial_list { "!" } else { "" };
        self.0
            .push(format!("+{}={}{mark}", entry.key(), entry.object));
    }

    async fn on_update(&mut self, old: &Entry<String>, new: &Entry<String>) {
        self.0
            .push(format!("~{}={}>{}", new.key(), old.object, new.object));
    }

    async fn on_delete(&mut self, last: &Entry<String>, tombstone: bool) {
        let mark = if tombstone { "?" } else { "" };
        self.0
            .push(format!("-{}={}{mark}", last.key(), last.object));
    }

    async fn on_synced(&mut self) {
        self.0.push("synced");
    }
}

/// Lets everything happen that can happen now, timers up to `time` included.
pub(crate) async fn settle(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Everything that is not a matter of delays has happened after this.
pub(crate) const SOON: Duration = Duration::from_millis(1);

/// Lets a controller run with a processor that succeeds, writing down what it is called with.
pub(crate) fn recording(
    controller: SerialController<Source>,
    record: &Record,
) -> (SerialControllerHandle, tokio::task::JoinHandle<()>) {
    let (handle, record) = (controller.handle(), record.clone());
    let process = async move |deltas: &[Delta<String>], is_in_initial_list: bool| {
        let mark = if is_in_initial_list { "!" } else { "" };
        record.push(format!("{}{mark}", words(deltas)));
        Ok::<(), std::convert::Infallible>(())
    };
    let run = controller.run(process);
    let task = tokio::spawn(async move { assert!(run.await.is_none()) });
    (handle, task)
}
