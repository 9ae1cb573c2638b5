//! Several watch caches, as a server serves them.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::collection::kind::Kind;
use crate::collection::log::Read;
use crate::collection::object::StoredObject;
use crate::collection::options::{Freshness, ListPlan, WatchPlan};
use crate::collection::reading::{Opening, Page, Place};
use crate::collection::registry::Registry;
use crate::collection::scope::Scope;
use crate::collection::status::Status;
use crate::served::{Check, Served, Wait};

use super::WatchCache;

/// The watch caches of a server by the names of their kinds.
#[derive(Debug)]
pub(crate) struct Caches {
    registry: Arc<Registry>,
    caches: BTreeMap<String, WatchCache>,
}

/// The bounds of what a client is asked to wait while a cache is loaded, in seconds: kube-apiserver's.
const RETRY_AFTER_MAX: f64 = 30.0;

impl Caches {
    pub(crate) fn new(caches: impl IntoIterator<Item = WatchCache>) -> Self {
        let mut registry = Registry::read_only();
        let caches = caches.into_iter().map(|cache| {
            registry.register_shared(&cache.shared.kind);
            (cache.shared.kind.qualified().to_owned(), cache)
        });
        let caches = caches.collect();
        Self {
            registry: Arc::new(registry),
            caches,
        }
    }

    fn cache(&self, kind: &Kind) -> Result<&WatchCache, Status> {
        self.caches
            .get(kind.qualified())
            .ok_or_else(Status::no_such_resource)
    }
}

impl WatchCache {
    /// How long a client should wait that came before the first list: longer, the longer it takes.
    fn retry_after(&self) -> u32 {
        let waited = self.shared.started.elapsed().as_secs_f64();
        // Between 1 and 30.
        (0.06 * waited).exp().clamp(1.0, RETRY_AFTER_MAX) as u32
    }
}

impl Served for Caches {
    fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    fn version(&self, kind: &Kind) -> u64 {
        self.cache(kind).map_or(0, WatchCache::version)
    }

    fn check_loaded(&self, kind: &Kind) -> Result<(), Status> {
        let cache = self.cache(kind)?;
        if cache.is_loaded() {
            return Ok(());
        }
        let text = "storage is (re)initializing";
        Err(Status::too_many_requests(text, cache.retry_after()))
    }

    fn wait_fresh(&self, kind: &Kind, freshness: Freshness, patience: Duration) -> Option<Wait> {
        let cache = self.cache(kind).ok()?;
        let required = match freshness {
            Freshness::Any => return None,
            Freshness::AtLeast(version) => version,
            Freshness::Newest => {
                let Some(proofs) = cache.proofs.clone() else {
                    let refused = Status::no_consistent_reads(kind.plural());
                    return Some(async { Err(refused) }.boxed());
                };
                return Some(proofs.wait(Arc::clone(&cache.shared), patience).boxed());
            }
        };
        let mut versions = cache.shared.version.subscribe();
        if required <= *versions.borrow_and_update() {
            return None;
        }
        let wait = async move {
            let reached = versions.wait_for(|version| *version >= required);
            let in_time = matches!(timeout(patience, reached).await, Ok(Ok(_)));
            match in_time {
                true => Ok(()),
                false => Err(Status::too_large_version(required, *versions.borrow())),
            }
        };
        Some(wait.boxed())
    }

    fn get(&self, kind: &Kind, key: &str) -> Option<Arc<StoredObject>> {
        let cache = self.cache(kind).ok()?;
        let state = cache.shared.lock();
        state.collection().objects().get(key).cloned()
    }

    fn list(&self, kind: &Kind, plan: &ListPlan) -> Result<Page, Status> {
        self.cache(kind)?.shared.lock().list(plan)
    }

    fn open_watch(&self, kind: &Kind, plan: &WatchPlan) -> Result<Opening, Status> {
        self.cache(kind)?.shared.lock().open_watch(plan)
    }

    fn read(&self, kind: &Arc<Kind>, place: &Place, max: usize) -> Read {
        match self.cache(kind) {
            Ok(cache) => cache.shared.lock().read(place, max),
            Err(_) => Read::Overrun,
        }
    }

    fn subscribe(&self, kind: &Kind, scope: &Scope) -> watch::Receiver<u64> {
        match self.cache(kind) {
            Ok(cache) => cache.shared.lock_signals().subscribe(scope),
            // A kind is looked up in the registry first, which has the kinds of the caches alone.
            Err(_) => watch::Sender::new(0).subscribe(),
        }
    }

    fn checks(&self) -> Vec<Check> {
        let check = |(name, cache): (&String, &WatchCache)| Check {
            name: format!("watch-cache/{name}"),
            failure: cache.failure(),
        };
        self.caches.iter().map(check).collect()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn random_below(&self, bound: u64) -> u64 {
        // A hasher has other keys each time.
        let number = RandomState::new().hash_one(bound);
        number.checked_rem(bound).unwrap_or(0)
    }
}
