//! `kube-runtime` on top of an informer: its `Controller`, its streams, its `Store`.
//!
//! One adapter carries all of it: [`WatcherEvents`] turns a [`Subscription`](crate::Subscription)
//! into the stream that `kube_runtime::watcher` gives, so everything that takes such a stream works:
//! `reflect`, `applied_objects`, `touched_objects`, `predicate_filter`, `Controller::for_stream`,
//! `owns_stream`, `watches_stream`. However many controllers there are, there is one mirror.
//!
//! `kube_runtime`'s `Store` makes an `Arc` of its own of every object that it is fed, and takes none.
//! So the stream carries [`Shared<K>`], which is an `Arc<K>` that counts as a Kubernetes object:
//! cloning it shares the object, and what the controller's store costs is its keys and a pointer each.
//!
//! | | |
//! |---|---|
//! | [`watcher_events`], [`WatcherEvents`] | an informer as a stream of `watcher::Event` |
//! | [`Shared`] | an object of ours, as one of theirs, without a copy |
//! | [`StoreReader`] | our store under the names of their `Store`, where no controller needs theirs |
//! | [`object_ref`], [`object_key`], [`to_event`] | keys and notifications in their words, and back |
//!
//! ```
//! use std::sync::Arc;
//!
//! use heliostat::SharedInformer;
//! use heliostat::informer::InformerStopped;
//! use heliostat::kube_runtime::{Shared, watcher_events};
//! use k8s_openapi::api::core::v1::Pod;
//! use kube_runtime::controller::{Action, Controller};
//! use kube_runtime::{WatchStreamExt, reflector};
//!
//! /// A controller of pods; as many more as are wanted may share the informer.
//! fn controller(pods: &SharedInformer<Pod>) -> Result<Controller<Shared<Pod>>, InformerStopped> {
//!     let (reader, writer) = reflector::store();
//!     let touched = watcher_events(pods.subscribe()?).reflect(writer).applied_objects();
//!     Ok(Controller::for_stream(touched, reader))
//! }
//!
//! /// What it is run with: a `Shared<Pod>` is used as a `Pod` is.
//! async fn reconcile(pod: Arc<Shared<Pod>>, _: Arc<()>) -> Result<Action, std::io::Error> {
//!     println!("{:?} on {:?}", pod.metadata.name, pod.spec.as_ref().and_then(|it| it.node_name.as_ref()));
//!     Ok(Action::await_change())
//! }
//! ```

mod events;

mod reader;

mod shared;

use heliostat_core::object::ObjectKey;
use kube_runtime::reflector::{Lookup, ObjectRef};

pub use events::{WatcherEvents, to_event, watcher_events};
pub use reader::StoreReader;
pub use shared::Shared;

/// The reference to the object of this key.
///
/// ```
/// use heliostat::kube_runtime::object_ref;
/// use k8s_openapi::api::core::v1::Pod;
/// use kube_runtime::reflector::ObjectRef;
///
/// let pod = object_ref::<Pod>(&"shop/cart".parse()?, ());
/// assert_eq!(pod, ObjectRef::new("cart").within("shop"));
/// # Ok::<(), heliostat::object::InvalidKey>(())
/// ```
#[must_use]
pub fn object_ref<K: Lookup>(key: &ObjectKey, kind: K::DynamicType) -> ObjectRef<K> {
    let reference = ObjectRef::new_with(key.name(), kind);
    match key.namespace() {
        Some(namespace) => reference.within(namespace),
        None => reference,
    }
}

/// The key of the object that is referred to.
#[must_use]
pub fn object_key<K: Lookup>(reference: &ObjectRef<K>) -> ObjectKey {
    let namespace = reference.namespace.as_deref().unwrap_or_default();
    ObjectKey::namespaced(namespace, &reference.name)
}
