//! The mirrors of one command: informers of one factory, and what they hold together.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use heliostat::core::error::SourceError;
use heliostat::core::object::Entry;
use heliostat::core::reflector::{ReflectorConfig, RoundError};
use heliostat::core::version::ResourceVersion;
use heliostat::factory::{AnyInformer, FactoryOptions, SharedInformerFactory};
use heliostat::informer::{EventHandler, HandlerOptions, SharedInformer};
use heliostat::source::kube::Cluster;
use heliostat::status::ReflectorStatus;
use heliostat::store::{IndexFunc, Indexer};
use kube_core::{ApiResource, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::failure::{Failure, is_permanent};
use crate::field_path::FieldPath;
use crate::output::{Item, Kind};

use super::target::{Collection, Target};

/// What can be mirrored by commands: any kind, named at run time.
pub(crate) trait Mirrored:
    Resource<DynamicType = ApiResource> + DeserializeOwned + Serialize + Send + Sync + 'static
{
}

impl<K> Mirrored for K where
    K: Resource<DynamicType = ApiResource> + DeserializeOwned + Serialize + Send + Sync + 'static
{
}

/// How the mirrors are kept.
#[derive(Debug, Default)]
pub(crate) struct FleetOptions<'a> {
    pub(crate) config: ReflectorConfig,
    pub(crate) resync_period: Duration,
    pub(crate) indexes: &'a [FieldPath],
}

/// Running mirrors.
pub(crate) struct Fleet {
    factory: SharedInformerFactory<Cluster>,
    pub(crate) mirrors: Vec<Mirror>,
    hopeless: mpsc::Receiver<(usize, Failure)>,
}

/// One running mirror.
pub(crate) struct Mirror {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Arc<Kind>,
    pub(crate) informer: Box<dyn AnyInformer>,
    content: Box<dyn Content>,
    /// Keeps the handler, if there is one.
    _registration: Option<Box<dyn Any + Send>>,
}

/// What a mirror holds, whatever the type of its objects.
trait Content: Send + Sync {
    fn all(&self) -> (Vec<Item>, ResourceVersion);

    /// The objects that have all these values in the indexes of these names.
    fn by_indexes(&self, wanted: &[(&str, &str)]) -> Vec<Item>;

    /// How many values an index has, and how many objects have one.
    fn index_size(&self, name: &str) -> (usize, usize);
}

struct TypedContent<K> {
    kind: Arc<Kind>,
    store: Indexer<K>,
}

impl<K: Mirrored> TypedContent<K> {
    fn item(&self, entry: Entry<K>) -> Item {
        Item::new(&self.kind, entry)
    }
}

impl<K: Mirrored> Content for TypedContent<K> {
    fn all(&self) -> (Vec<Item>, ResourceVersion) {
        let snapshot = self.store.snapshot();
        let items = snapshot.iter().cloned().map(|entry| self.item(entry));
        (items.collect(), snapshot.resource_version().clone())
    }

    fn by_indexes(&self, wanted: &[(&str, &str)]) -> Vec<Item> {
        // An index that is asked for has been added: there is no other error.
        let entries = self.store.by_indexes(wanted).unwrap_or_default();
        entries.into_iter().map(|entry| self.item(entry)).collect()
    }

    fn index_size(&self, name: &str) -> (usize, usize) {
        let snapshot = self.store.snapshot();
        let values = snapshot.index_values(name);
        values.fold((0, 0), |(values, objects), value| {
            let keys = snapshot.index_keys(name, value);
            (values + 1, objects + keys.map_or(0, Iterator::count))
        })
    }
}

impl Fleet {
    /// Starts a mirror for each collection of the target. `handler` makes what listens to each, if
    /// anything does: it is told the collection and the store.
    pub(crate) fn start<K: Mirrored, H: EventHandler<K>>(
        target: &Target,
        options: &FleetOptions<'_>,
        handler: impl Fn(&Mirror, &Indexer<K>) -> Option<(H, HandlerOptions)>,
    ) -> Result<Self, Failure> {
        let factory_options = FactoryOptions::new()
            .config(options.config.clone())
            .resync_period(options.resync_period);
        let factory =
            SharedInformerFactory::of_cluster_with(target.cluster.clone(), factory_options);
        let (sender, hopeless) = mpsc::channel(target.collections.len().max(1));
        let mut mirrors = Vec::with_capacity(target.collections.len());
        for (index, collection) in target.collections.iter().enumerate() {
            let sender = sender.clone();
            let informer = informer::<K>(&factory, collection, options, move |failed| {
                // A second one adds nothing to the first.
                let _ = sender.try_send((index, failed));
            })?;
            let mut mirror = Mirror {
                name: informer.name().into(),
                kind: Arc::clone(&collection.kind),
                content: Box::new(TypedContent {
                    kind: Arc::clone(&collection.kind),
                    store: informer.indexer().clone(),
                }),
                informer: Box::new(informer.clone()),
                _registration: None,
            };
            if let Some((handler, options)) = handler(&mirror, informer.indexer()) {
                let registration = informer.add_handler_with(handler, &options);
                let registration = registration.map_err(|_| Failure::Stopped)?;
                mirror._registration = Some(Box::new(registration));
            }
            mirrors.push(mirror);
        }
        factory.start();
        Ok(Self {
            factory,
            mirrors,
            hopeless,
        })
    }

    /// Waits for a failure of a mirror that has never been complete and will not be by waiting. One
    /// that has been keeps trying: permissions come back. Cancel safe.
    pub(crate) async fn hopeless(&mut self) -> Failure {
        while let Some((index, failure)) = self.hopeless.recv().await {
            if !self.is_synced(index) {
                return failure;
            }
        }
        // Every mirror has ended, which is told elsewhere.
        std::future::pending().await
    }

    /// The same, if there is one already.
    pub(crate) fn hopeless_now(&mut self) -> Option<Failure> {
        while let Ok((index, failure)) = self.hopeless.try_recv() {
            if !self.is_synced(index) {
                return Some(failure);
            }
        }
        None
    }

    fn is_synced(&self, index: usize) -> bool {
        let mirror = self.mirrors.get(index);
        mirror.is_some_and(|mirror| mirror.informer.status().synced)
    }

    /// Waits until all are complete.
    pub(crate) async fn wait_synced(mirrors: &[Mirror]) -> Result<(), Failure> {
        for mirror in mirrors {
            let synced = mirror.informer.wait_synced().await;
            synced.map_err(|_| Failure::Stopped)?;
        }
        Ok(())
    }

    /// All objects, by kind and sorted by key, and the version where there is one for all of them.
    pub(crate) fn content(&self) -> (Vec<Item>, Option<ResourceVersion>) {
        let mut version = None;
        let mut items = Vec::new();
        for mirror in &self.mirrors {
            let (more, reached) = mirror.content.all();
            items.extend(more);
            version = (self.mirrors.len() == 1).then_some(reached);
        }
        self.sort(&mut items);
        (items, version)
    }

    /// The objects that have all these values in the indexes of these names.
    pub(crate) fn by_indexes(&self, wanted: &[(&str, &str)]) -> Vec<Item> {
        let found = self.mirrors.iter();
        let mut items: Vec<_> = found
            .flat_map(|mirror| mirror.content.by_indexes(wanted))
            .collect();
        self.sort(&mut items);
        items
    }

    /// How many values an index has over all mirrors of a kind, and how many objects have one.
    pub(crate) fn index_size(&self, name: &str) -> (usize, usize) {
        let sizes = self
            .mirrors
            .iter()
            .map(|mirror| mirror.content.index_size(name));
        sizes.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    fn sort(&self, items: &mut [Item]) {
        let place = |item: &Item| {
            let kinds = self.mirrors.iter();
            kinds
                .clone()
                .position(|mirror| mirror.kind.resource == item.kind.resource)
        };
        items.sort_by_cached_key(|item| (place(item), item.header.key.clone()));
    }

    /// How all are doing.
    pub(crate) fn statuses(&self) -> Vec<ReflectorStatus> {
        let statuses = self.mirrors.iter().map(|mirror| mirror.informer.status());
        statuses.collect()
    }

    /// Whether all are complete, to be asked at any time.
    pub(crate) fn readiness(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let statuses: Vec<_> = self
            .mirrors
            .iter()
            .filter_map(|mirror| mirror.informer.watch_status())
            .collect();
        move || statuses.iter().all(|status| status.borrow().synced)
    }

    /// Stops all and waits for their ends.
    pub(crate) async fn stop(self) {
        self.factory.shut_down().await;
    }
}

/// The informer of a collection, with its indexes.
fn informer<K: Mirrored>(
    factory: &SharedInformerFactory<Cluster>,
    collection: &Collection,
    options: &FleetOptions<'_>,
    hopeless: impl Fn(Failure) + Send + 'static,
) -> Result<SharedInformer<K>, Failure> {
    let what = collection.kind.resource.clone();
    let made = factory.discovered_with::<K>(&collection.found, &collection.scope, |builder| {
        builder.on_error(move |failed| {
            if let Some(failure) = hopeless_failure(&what, failed.error) {
                hopeless(failure);
            }
        })
    });
    let informer = made.map_err(|_| Failure::Stopped)?;
    for path in options.indexes {
        let func = index_func(path.clone());
        if informer.indexer().add_index(path.as_str(), func).is_err() {
            tracing::debug!(%path, "the same index was asked for twice");
        }
    }
    Ok(informer)
}

/// Files objects by what lies at a path. Each object is turned into JSON for it.
fn index_func<K: Mirrored>(path: FieldPath) -> IndexFunc<K> {
    IndexFunc::fallible(move |entry: &Entry<K>| {
        serde_json::to_value(&*entry.object).map(|object| path.values(&object))
    })
}

fn hopeless_failure(what: &str, error: &RoundError) -> Option<Failure> {
    match error {
        RoundError::Source(error) if is_permanent(error) => Some(Failure::Source {
            what: what.to_owned(),
            error: SourceError::clone(error),
        }),
        RoundError::Source(_) | RoundError::Store(_) => None,
    }
}
