//! The mirrors of one command: a reflector for each namespace, and what they hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use heliostat::budget::ListBudget;
use heliostat::core::error::SourceError;
use heliostat::core::reflector::RoundError;
use heliostat::core::version::ResourceVersion;
use heliostat::source::kube::KubeSource;
use heliostat::status::ReflectorStatus;
use heliostat::store::{Delta, Indexer, Tap};
use heliostat::{ListerWatcher as _, Reflector, ReflectorHandle};
use kube_core::{ApiResource, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::failure::{Failure, is_permanent};
use crate::output::printer::Outlet;
use crate::output::{Item, Message};

use super::MirrorArgs;
use super::target::Target;

/// What can be mirrored by this command: any kind, named at run time.
pub(super) trait Mirrored:
    Resource<DynamicType = ApiResource> + DeserializeOwned + Serialize + Send + Sync + 'static
{
}

impl<K> Mirrored for K where
    K: Resource<DynamicType = ApiResource> + DeserializeOwned + Serialize + Send + Sync + 'static
{
}

/// Running mirrors.
pub(super) struct Fleet {
    pub(super) mirrors: Vec<Mirror>,
    hopeless: mpsc::Receiver<(usize, Failure)>,
}

/// One running mirror.
pub(super) struct Mirror {
    pub(super) name: Arc<str>,
    pub(super) handle: ReflectorHandle,
    content: Box<dyn Fn() -> (Vec<Item>, ResourceVersion) + Send + Sync>,
}

/// How much has changed since the first state was complete.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) added: AtomicU64,
    pub(super) updated: AtomicU64,
    pub(super) deleted: AtomicU64,
}

impl Tally {
    fn count<K>(&self, delta: &Delta<K>) {
        let counter = match delta {
            Delta::Added(_) => &self.added,
            Delta::Updated { .. } => &self.updated,
            Delta::Deleted { .. } => &self.deleted,
            Delta::Replaced { .. } | Delta::Resynced(_) => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Fleet {
    /// Starts a mirror for each collection of the target. What changes goes to the outlet.
    pub(super) fn start<K: Mirrored>(
        args: &MirrorArgs,
        target: &Target,
        outlet: Option<&Outlet>,
        tally: &Arc<Tally>,
    ) -> Self {
        let (sender, hopeless) = mpsc::channel(target.namespaces.len());
        let budget = ListBudget::default();
        let namespaces = target.namespaces.iter().enumerate();
        let mirrors = namespaces.map(|(index, namespace)| {
            let mut source =
                KubeSource::<K>::discovered(&target.cluster, &target.found, namespace.as_deref());
            if let Some(selector) = &args.selector {
                source = source.labels(selector);
            }
            if let Some(selector) = &args.field_selector {
                source = source.fields(selector);
            }
            let name: Arc<str> = source.description().into();
            let store = Indexer::new();
            let listener = listener(&name, outlet, tally, args.watch_only);
            let sender = sender.clone();
            let what = Arc::clone(&name);
            let handle = Reflector::new(source, Tap::new(&store, listener))
                .config(args.config())
                .budget(budget.clone())
                .on_error(move |failed| {
                    if let Some(failure) = hopeless_failure(&what, failed.error) {
                        // A second one adds nothing to the first.
                        let _ = sender.try_send((index, failure));
                    }
                })
                .start();
            let content = Box::new(move || {
                let snapshot = store.snapshot();
                let items = snapshot.iter().cloned().map(Item::new).collect();
                (items, snapshot.resource_version().clone())
            });
            Mirror {
                name,
                handle,
                content,
            }
        });
        Self {
            mirrors: mirrors.collect(),
            hopeless,
        }
    }

    /// Waits for a failure of a mirror that has never been complete and will not be by waiting. One
    /// that has been keeps trying: permissions come back. Cancel safe.
    pub(super) async fn hopeless(&mut self) -> Failure {
        while let Some((index, failure)) = self.hopeless.recv().await {
            if !self.is_synced(index) {
                return failure;
            }
        }
        // Every mirror has ended, which is told elsewhere.
        std::future::pending().await
    }

    /// The same, if there is one already.
    pub(super) fn hopeless_now(&mut self) -> Option<Failure> {
        while let Ok((index, failure)) = self.hopeless.try_recv() {
            if !self.is_synced(index) {
                return Some(failure);
            }
        }
        None
    }

    fn is_synced(&self, index: usize) -> bool {
        let mirror = self.mirrors.get(index);
        mirror.is_some_and(|mirror| mirror.handle.status().synced)
    }

    /// Waits until all are complete.
    pub(super) async fn wait_synced(mirrors: &[Mirror]) -> Result<(), Failure> {
        for mirror in mirrors {
            let synced = mirror.handle.wait_synced().await;
            synced.map_err(|_| Failure::Stopped)?;
        }
        Ok(())
    }

    /// All objects, sorted by key, and the version where there is one for all of them.
    pub(super) fn content(&self) -> (Vec<Item>, Option<ResourceVersion>) {
        let mut version = None;
        let mut items = Vec::new();
        for mirror in &self.mirrors {
            let (more, reached) = (mirror.content)();
            items.extend(more);
            version = (self.mirrors.len() == 1).then_some(reached);
        }
        items.sort_by(|a, b| a.header.key.cmp(&b.header.key));
        (items, version)
    }

    /// How all are doing.
    pub(super) fn statuses(&self) -> Vec<ReflectorStatus> {
        let statuses = self.mirrors.iter().map(|mirror| mirror.handle.status());
        statuses.collect()
    }

    /// Whether all are complete, to be asked at any time.
    pub(super) fn readiness(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let statuses: Vec<_> = self
            .mirrors
            .iter()
            .map(|mirror| mirror.handle.watch_status())
            .collect();
        move || statuses.iter().all(|status| status.borrow().synced)
    }

    /// Stops all and waits for their ends.
    pub(super) async fn stop(self) {
        for mirror in self.mirrors {
            mirror.handle.stop().await;
        }
    }
}

/// What the tap of a mirror calls.
fn listener<K: Mirrored>(
    name: &Arc<str>,
    outlet: Option<&Outlet>,
    tally: &Arc<Tally>,
    watch_only: bool,
) -> impl FnMut(Delta<K>) + Send + use<K> {
    let name = Arc::clone(name);
    let outlet = outlet.cloned();
    let tally = Arc::clone(tally);
    let mut complete = false;
    move |delta| {
        let first = !complete;
        if complete {
            tally.count(&delta);
        }
        complete |= matches!(delta, Delta::Replaced { .. });
        let Some(outlet) = &outlet else {
            return;
        };
        if first && watch_only && !matches!(delta, Delta::Replaced { .. }) {
            return;
        }
        outlet.put(Message::of(&name, delta));
    }
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
