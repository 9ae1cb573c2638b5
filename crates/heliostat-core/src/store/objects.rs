//! `Objects`: the map of the objects of a store.

use std::sync::Arc;

use imbl::OrdMap;

use crate::object::{Entry, ObjectKey};

/// Objects by key. The map's key and the key in the entry's header share one text; an entry is shared
/// by all maps that have it, so that a leaf that is copied on write costs little.
pub(super) type Objects<T> = OrdMap<ObjectKey, Arc<Entry<T>>>;
