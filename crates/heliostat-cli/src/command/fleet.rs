//! The mirrors of one command: informers of one factory, and what they hold together.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use heliostat::informer::{FactoryOptions, InformerBuilder};
use heliostat::object::{FieldPath, PackingStats};
use heliostat::reflector::RoundError;
use heliostat::{
    Entry, EventHandler, HandlerOptions, IndexFunc, ListerWatcher, Packing, RawObject,
    ReflectorConfig, ReflectorStatus, ResourceVersion, SharedInformer, SharedInformerFactory,
    SourceError,
};
use tokio::sync::mpsc;

use crate::failure::{Failure, is_permanent};
use crate::output::{Format, Item, Kind, Reading, Reads, Stored};

use super::source::{Received, Source};
use super::target::{Collection, Target};
use super::totals::Totals;
use super::wire::Wire;

/// The interval of what is listed once: its only list is printed long before.
const NO_SECOND_LIST: Duration = Duration::from_secs(24 * 60 * 60);

/// How the mirrors are kept.
#[derive(Debug, Default)]
pub(crate) struct FleetOptions<'a> {
    pub(crate) config: ReflectorConfig,
    /// How often what cannot be watched is listed; without it, once.
    pub(crate) poll: Option<Duration>,
    pub(crate) resync_period: Duration,
    pub(crate) indexes: &'a [FieldPath],
    pub(crate) wire: Wire,
    /// What is printed of the objects; nothing if there is none.
    pub(crate) output: Option<Format>,
    /// How many bytes may be kept of objects that were unpacked, over all mirrors.
    pub(crate) memory_budget: usize,
}

/// Running mirrors.
pub(crate) struct Fleet {
    factory: SharedInformerFactory,
    pub(crate) mirrors: Vec<Mirror>,
    hopeless: mpsc::Receiver<(usize, Failure)>,
}

/// One running mirror.
pub(crate) struct Mirror {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Arc<Kind>,
    pub(crate) informer: SharedInformer<Stored>,
    packing: Packing<RawObject>,
    /// A clone of the source that is mirrored: it counts what comes in.
    source: Source<Stored>,
    /// Keeps the handler, if there is one.
    _registration: Option<Box<dyn Any + Send>>,
}

impl Mirror {
    /// How many objects it holds.
    pub(crate) fn object_count(&self) -> usize {
        self.informer.indexer().len()
    }

    /// What it has received.
    pub(crate) fn received(&self) -> Received {
        self.source.received()
    }

    /// What its objects take.
    pub(crate) fn packing(&self) -> PackingStats {
        self.packing.stats()
    }

    fn item(&self, entry: &Entry<Stored>) -> Item {
        Item::new(&self.kind, entry.clone(), Reading::Once)
    }

    fn index(&self, name: &str) -> IndexSize {
        let snapshot = self.informer.indexer().snapshot();
        let values = snapshot.index_values(name);
        let (values, objects) = values.fold((0, 0), |(values, objects), value| {
            let keys = snapshot.index_keys(name, value);
            (values + 1, objects + keys.map_or(0, Iterator::count))
        });
        let failures = snapshot.index_failures(name).ok();
        let last = failures.and_then(|failures| failures.last.as_ref());
        IndexSize {
            values,
            objects,
            failures: failures.map_or(0, |failures| failures.count),
            last_failure: last.map(|failure| root_cause(&failure.error)),
        }
    }
}

/// How large an index is.
#[derive(Debug, Default)]
pub(crate) struct IndexSize {
    /// How many values it has.
    pub(crate) values: usize,
    /// How many objects have one; an object with several counts for each.
    pub(crate) objects: usize,
    /// How many objects it could not file.
    pub(crate) failures: u64,
    /// Why it could not file the last of them.
    pub(crate) last_failure: Option<String>,
}

impl Fleet {
    /// Starts a mirror for each collection of the target. `handler` makes what listens to each, if
    /// anything does.
    pub(crate) fn start<H: EventHandler<Stored>>(
        target: &Target,
        options: &FleetOptions<'_>,
        handler: impl Fn(&Mirror) -> Option<(H, HandlerOptions)>,
    ) -> Result<Self, Failure> {
        let factory_options = FactoryOptions::new()
            .config(options.config.clone())
            .resync_period(options.resync_period);
        let factory = SharedInformerFactory::with_options(factory_options);
        let budget = options.memory_budget / target.collections.len().max(1);
        let (sender, hopeless) = mpsc::channel(target.collections.len().max(1));
        let mut mirrors = Vec::with_capacity(target.collections.len());
        for (index, collection) in target.collections.iter().enumerate() {
            let packing = Packing::raw().memory_budget(budget);
            let source = source(collection, options)?.packed(&packing);
            let sender = sender.clone();
            let informer = informer(&factory, collection, &source, options, move |failed| {
                // A second one adds nothing to the first.
                let _ = sender.try_send((index, failed));
            })?;
            let mut mirror = Mirror {
                name: informer.name().into(),
                kind: Arc::clone(&collection.kind),
                informer,
                packing,
                source,
                _registration: None,
            };
            if let Some((handler, options)) = handler(&mirror) {
                let registration = mirror.informer.add_handler_with(handler, &options);
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

    /// Waits until all are complete, without borrowing anything.
    pub(crate) fn all_synced(&self) -> impl Future<Output = ()> + use<> {
        let informers: Vec<_> = self
            .mirrors
            .iter()
            .map(|mirror| mirror.informer.clone())
            .collect();
        async move {
            for informer in informers {
                if informer.wait_synced(Duration::MAX).await.is_err() {
                    // It has ended, which is told elsewhere.
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// Waits until all are complete.
    pub(crate) async fn wait_synced(mirrors: &[Mirror]) -> Result<(), Failure> {
        for mirror in mirrors {
            let synced = mirror.informer.wait_synced(Duration::MAX).await;
            synced.map_err(|_| Failure::Stopped)?;
        }
        Ok(())
    }

    /// All objects, by kind and sorted by key, and the version where there is one for all of them.
    pub(crate) fn content(&self) -> (Vec<Item>, Option<ResourceVersion>) {
        let mut version = None;
        let mut items = Vec::new();
        for mirror in &self.mirrors {
            let snapshot = mirror.informer.indexer().snapshot();
            items.extend(snapshot.iter().map(|entry| mirror.item(entry)));
            version = (self.mirrors.len() == 1).then(|| snapshot.resource_version().clone());
        }
        self.sort(&mut items);
        (items, version)
    }

    /// The objects that have all these values in the indexes of these names.
    pub(crate) fn by_indexes(&self, wanted: &[(&str, &str)]) -> Vec<Item> {
        let mut items = Vec::new();
        for mirror in &self.mirrors {
            // An index that is asked for has been added: there is no other error.
            let entries = mirror.informer.indexer().by_indexes(wanted);
            let entries = entries.unwrap_or_default();
            items.extend(entries.iter().map(|entry| mirror.item(entry)));
        }
        self.sort(&mut items);
        items
    }

    /// How large an index is over all mirrors.
    pub(crate) fn index(&self, name: &str) -> IndexSize {
        let sizes = self.mirrors.iter().map(|mirror| mirror.index(name));
        sizes.fold(IndexSize::default(), |all, one| IndexSize {
            values: all.values + one.values,
            objects: all.objects + one.objects,
            failures: all.failures + one.failures,
            last_failure: all.last_failure.or(one.last_failure),
        })
    }

    /// What is mirrored, for people: `pods in all namespaces`, `3 collections`.
    pub(crate) fn what(&self) -> String {
        match &*self.mirrors {
            [mirror] => mirror.name.to_string(),
            mirrors => format!("{} collections", mirrors.len()),
        }
    }

    /// How many objects were rejected until all were complete. The store may be complete a moment before
    /// the status that counts them.
    pub(crate) async fn rejected(&self) -> u64 {
        let mut rejected = 0;
        for mirror in &self.mirrors {
            let Some(mut statuses) = mirror.informer.watch_status() else {
                continue;
            };
            // An error says that the mirror has ended; there is nothing to count any more.
            if let Ok(status) = statuses.wait_for(|status| status.synced).await {
                rejected += status.counts.rejected;
            }
        }
        rejected
    }

    /// What all hold, and what it took.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for mirror in &self.mirrors {
            totals.add(mirror.object_count(), &mirror.received(), &mirror.packing());
        }
        totals
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
    pub(crate) async fn shutdown(self) {
        self.factory.shutdown().await;
    }
}

/// The source of a collection, asked for as it must be to print what is wanted.
fn source(
    collection: &Collection,
    options: &FleetOptions<'_>,
) -> Result<Source<RawObject>, Failure> {
    let source = match collection.source.clone() {
        Source::Kube(source) => *source,
        // What is stored is in the encoding in which it is stored.
        source @ Source::Etcd(_) => return Ok(source),
    };
    let (kind, wire) = (&collection.kind, options.wire);
    let reads = match options.output {
        Some(format) => format.reads(kind),
        None => Reads::Fields(Vec::new()),
    };
    let encoding = wire.encoding(kind, &reads, options.indexes)?;
    let source = source.encoding(encoding);
    let source = match wire.keeps_managed_fields() {
        true => source,
        false => source.without_managed_fields(),
    };
    Ok(Source::Kube(Box::new(source)))
}

/// The informer of a source, with its indexes.
fn informer(
    factory: &SharedInformerFactory,
    collection: &Collection,
    source: &Source<Stored>,
    options: &FleetOptions<'_>,
    hopeless: impl Fn(Failure) + Send + 'static,
) -> Result<SharedInformer<Stored>, Failure> {
    let what = collection.kind.resource.clone();
    let is_etcd = matches!(source, Source::Etcd(_));
    let setup = |mut builder: InformerBuilder<_>| {
        if !collection.is_watchable {
            let interval = options.poll.unwrap_or(NO_SECOND_LIST);
            builder = builder.config(options.config.clone().poll_interval(interval));
        }
        builder.on_error(move |failed| {
            if let Some(failure) = hopeless_failure(&what, is_etcd, failed.error) {
                hopeless(failure);
            }
        })
    };
    let made = factory.informer_with(source.description(), || source.clone(), setup);
    let informer = made.map_err(|_| Failure::Stopped)?;
    for path in options.indexes {
        let func = IndexFunc::by_field(path.clone());
        if informer
            .indexer()
            .add_index(path.to_string(), func)
            .is_err()
        {
            tracing::debug!(%path, "the same index was asked for twice");
        }
    }
    Ok(informer)
}

/// What lies at the bottom of an error.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn hopeless_failure(what: &str, is_etcd: bool, error: &RoundError) -> Option<Failure> {
    let what = what.to_owned();
    match error {
        // What bytes are asked for can be asked for in any encoding: only the server can refuse one.
        RoundError::Source(SourceError::Encoding(_)) if !is_etcd => {
            Some(Failure::NotInProtobuf { what })
        }
        RoundError::Source(error) if is_permanent(error) => Some(Failure::Source {
            what,
            error: SourceError::clone(error),
            is_etcd,
        }),
        RoundError::Source(_) | RoundError::Store(_) => None,
    }
}
