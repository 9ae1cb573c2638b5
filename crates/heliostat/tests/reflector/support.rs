//! What the tests share: keys, a listing source, a store that records what it is told.

use std::sync::{Arc, Mutex};

use heliostat::reflector::{BackoffConfig, WatchListMode};
use heliostat::source::ListOptions;
use heliostat::source::memory::MemorySource;
use heliostat::store::{Staging, StoreError};
use heliostat::testing::Request;
use heliostat::{
    Entry, Indexer, ObjectKey, ReflectorConfig, ReflectorHandle, ResourceVersion, Store,
};
use std::time::Duration;

pub(crate) type Source = MemorySource<String>;

pub(crate) fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

/// A source that holds these objects; each is its own text.
pub(crate) fn source(names: &[&str]) -> Source {
    let source = MemorySource::new();
    for name in names {
        source.create(key(name), (*name).to_owned()).unwrap();
    }
    source
}

/// Lists instead of watch-lists, one-second delays, no jitter.
pub(crate) fn list_config() -> ReflectorConfig {
    ReflectorConfig::default()
        .watch_list(WatchListMode::Off)
        .backoff(steady())
}

/// Watch-lists, one-second delays, no jitter.
pub(crate) fn stream_config() -> ReflectorConfig {
    ReflectorConfig::default().backoff(steady())
}

fn steady() -> BackoffConfig {
    let second = Duration::from_secs(1);
    BackoffConfig::exponential(second, second)
        .factor(0.0)
        .jitter(0.0)
}

/// Waits until the mirror has reached what the source holds now.
pub(crate) async fn caught_up(source: &Source, store: &Indexer<String>) {
    store.wait_for(&source.revision().into()).await.unwrap();
}

/// The sorted keys of a store.
pub(crate) fn keys(store: &Indexer<String>) -> Vec<String> {
    store.keys().iter().map(ToString::to_string).collect()
}

/// One word for each request: `list` or `watch` with the version it was made at, or `proof` with the
/// object that was asked for.
pub(crate) fn words(requests: &[Request]) -> Vec<String> {
    let word = |request: &Request| match request {
        Request::List(ListOptions {
            object: Some(object),
            ..
        }) => format!("proof {object}"),
        Request::List(options) => format!("list {}", options.resource_version),
        Request::Watch(options) if options.send_initial_events => {
            format!("watch-list {}", options.resource_version)
        }
        Request::Watch(options) => format!("watch {}", options.resource_version),
    };
    requests.iter().map(word).collect()
}

/// Waits until the mirror's status is as wanted.
pub(crate) async fn until(
    mirror: &ReflectorHandle,
    wanted: impl FnMut(&heliostat::ReflectorStatus) -> bool,
) {
    mirror.watch_status().wait_for(wanted).await.unwrap();
}

/// A store that writes down every call, and can be told to fail.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    shared: Arc<Mutex<Recorded>>,
}

#[derive(Default)]
pub(crate) struct Recorded {
    pub(crate) calls: Vec<String>,
    pub(crate) fail_on: Option<String>,
    pub(crate) panic_on: Option<String>,
    pub(crate) panics_in_count: bool,
}

impl Recorder {
    pub(crate) fn calls(&self) -> Vec<String> {
        self.shared.lock().unwrap().calls.clone()
    }

    pub(crate) fn fail_on(&self, call: &str) {
        self.shared.lock().unwrap().fail_on = Some(call.to_owned());
    }

    pub(crate) fn panic_on(&self, call: &str) {
        self.shared.lock().unwrap().panic_on = Some(call.to_owned());
    }

    pub(crate) fn panic_in_count(&self) {
        self.shared.lock().unwrap().panics_in_count = true;
    }

    fn call(&self, call: String) -> Result<(), StoreError> {
        let (fails, panics) = {
            let mut recorded = self.shared.lock().unwrap();
            let is = |wish: &Option<String>| wish.as_deref() == Some(call.as_str());
            let wishes = (is(&recorded.fail_on), is(&recorded.panic_on));
            recorded.calls.push(call);
            wishes
        };
        assert!(!panics, "told to panic");
        if fails {
            Err(StoreError::new("told to fail"))
        } else {
            Ok(())
        }
    }
}

impl Store<String> for Recorder {
    fn add(&mut self, entry: Entry<String>) -> Result<(), StoreError> {
        self.call(format!("add {}", entry.key()))
    }

    fn update(&mut self, entry: Entry<String>) -> Result<(), StoreError> {
        self.call(format!("update {}", entry.key()))
    }

    fn delete(
        &mut self,
        key: &ObjectKey,
        last_state: Option<Entry<String>>,
    ) -> Result<(), StoreError> {
        let known = if last_state.is_some() { "" } else { " unread" };
        self.call(format!("delete {key}{known}"))
    }

    fn begin_replace(&mut self) -> Staging<String> {
        self.call("begin".to_owned()).unwrap();
        Staging::new()
    }

    fn commit(
        &mut self,
        staging: Staging<String>,
        version: &ResourceVersion,
    ) -> Result<(), StoreError> {
        for entry in staging.into_entries(|_| None) {
            self.call(format!("stage {}", entry.key()))?;
        }
        self.call(format!("commit {version}"))
    }

    fn object_count(&self) -> Option<usize> {
        let panics = self.shared.lock().unwrap().panics_in_count;
        assert!(!panics, "told to panic");
        None
    }

    fn resync(&mut self) -> Result<(), StoreError> {
        self.call("resync".to_owned())
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.call(format!("bookmark {version}")).unwrap();
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        self.call(format!("version {version}")).unwrap();
    }
}
