//! Predicates: which changes of an object count; for [`Controller::filter`](crate::Controller::filter).
//!
//! A predicate is a function of the state before, none for a new object, and the state now. The
//! functions here admit every new object, and every object that was deleted and created again.
//!
//! ```
//! # #[cfg(all(feature = "memory", feature = "kube"))]
//! # {
//! use heliostat::Controller;
//! use heliostat::controller::predicates;
//! use heliostat::source::memory::MemorySource;
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube_core::ResourceExt as _;
//!
//! let controller = Controller::new(MemorySource::<ConfigMap>::new())
//!     .filter(predicates::any_of(predicates::labels, predicates::finalizers))
//!     .filter(|_, map| map.labels().contains_key("greet"));
//! # let _ = controller;
//! # }
//! ```

use heliostat_core::object::Entry;
#[cfg(feature = "kube")]
use kube_core::Resource;

/// Admits what both admit.
pub fn all_of<T>(
    one: impl Fn(Option<&Entry<T>>, &Entry<T>) -> bool,
    other: impl Fn(Option<&Entry<T>>, &Entry<T>) -> bool,
) -> impl Fn(Option<&Entry<T>>, &Entry<T>) -> bool {
    move |old, new| one(old, new) && other(old, new)
}

/// Admits what one of them admits.
pub fn any_of<T>(
    one: impl Fn(Option<&Entry<T>>, &Entry<T>) -> bool,
    other: impl Fn(Option<&Entry<T>>, &Entry<T>) -> bool,
) -> impl Fn(Option<&Entry<T>>, &Entry<T>) -> bool {
    move |old, new| one(old, new) || other(old, new)
}

/// Admits what it does not admit.
pub fn not<T>(
    predicate: impl Fn(Option<&Entry<T>>, &Entry<T>) -> bool,
) -> impl Fn(Option<&Entry<T>>, &Entry<T>) -> bool {
    move |old, new| !predicate(old, new)
}

/// Admits changes of `metadata.generation`, which grows with each change of the spec and with the
/// request to delete the object. Admits all changes of objects that have none, such as ConfigMaps.
///
/// A change of finalizers or labels alone is not admitted: with a finalizer, combine it by [`any_of`]
/// with [`finalizers`].
#[cfg(feature = "kube")]
pub fn generation<K: Resource>(old: Option<&Entry<K>>, new: &Entry<K>) -> bool {
    new.meta().generation.is_none() || differs(old, new, |it| &it.meta().generation)
}

/// Admits changes of `metadata.labels`.
#[cfg(feature = "kube")]
pub fn labels<K: Resource>(old: Option<&Entry<K>>, new: &Entry<K>) -> bool {
    differs(old, new, |it| &it.meta().labels)
}

/// Admits changes of `metadata.annotations`.
#[cfg(feature = "kube")]
pub fn annotations<K: Resource>(old: Option<&Entry<K>>, new: &Entry<K>) -> bool {
    differs(old, new, |it| &it.meta().annotations)
}

/// Admits changes of `metadata.finalizers`.
#[cfg(feature = "kube")]
pub fn finalizers<K: Resource>(old: Option<&Entry<K>>, new: &Entry<K>) -> bool {
    differs(old, new, |it| &it.meta().finalizers)
}

#[cfg(feature = "kube")]
fn differs<K, V: PartialEq>(
    old: Option<&Entry<K>>,
    new: &Entry<K>,
    value: impl Fn(&K) -> &V,
) -> bool {
    old.is_none_or(|old| old.header.uid != new.header.uid || value(old) != value(new))
}
