//! The scopes of watches: which events can concern a watch at all.
//!
//! A watch of one object, of a namespace or of one value of a field is in the scope of few events. What
//! is kept by scope (the events in a log, the watches to wake) is found for an event without looking at
//! the watches of other scopes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::Event;

/// The events that can concern a watch.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Scope {
    /// Every event.
    #[default]
    All,
    /// Those of the objects of a namespace.
    Namespace(Arc<str>),
    /// Those of one object, by its storage key.
    Object(Arc<str>),
    /// Those of objects that have, or had, this value in the selectable field of this number.
    Field(usize, Arc<str>),
}

/// Something for each of several scopes.
#[derive(Debug)]
pub(crate) struct Scopes<T> {
    all: Option<T>,
    namespaces: BTreeMap<Arc<str>, T>,
    objects: BTreeMap<Arc<str>, T>,
    fields: BTreeMap<usize, BTreeMap<Arc<str>, T>>,
}

impl<T> Default for Scopes<T> {
    fn default() -> Self {
        Self {
            all: None,
            namespaces: BTreeMap::new(),
            objects: BTreeMap::new(),
            fields: BTreeMap::new(),
        }
    }
}

impl<T> Scopes<T> {
    /// What there is for a scope; made if there is nothing yet.
    pub(crate) fn get_or_insert_with(&mut self, scope: &Scope, make: impl FnOnce() -> T) -> &mut T {
        match scope {
            Scope::All => self.all.get_or_insert_with(make),
            Scope::Namespace(name) => {
                let known = self.namespaces.entry(Arc::clone(name));
                known.or_insert_with(make)
            }
            Scope::Object(key) => self.objects.entry(Arc::clone(key)).or_insert_with(make),
            Scope::Field(index, value) => {
                let values = self.fields.entry(*index).or_default();
                values.entry(Arc::clone(value)).or_insert_with(make)
            }
        }
    }

    /// Visits what there is for each scope that an event is in, once.
    pub(crate) fn visit(&mut self, event: &Event, mut visit: impl FnMut(&mut T)) {
        let object = event.object();
        self.all.iter_mut().for_each(&mut visit);
        let namespace = self.namespaces.get_mut(object.namespace());
        namespace.into_iter().for_each(&mut visit);
        let own = self.objects.get_mut(&**object.key());
        own.into_iter().for_each(&mut visit);
        for (index, values) in &mut self.fields {
            let new = object.field(*index);
            let old = event.previous().map(|previous| previous.field(*index));
            values.get_mut(new).into_iter().for_each(&mut visit);
            if let Some(old) = old.filter(|old| *old != new) {
                values.get_mut(old).into_iter().for_each(&mut visit);
            }
        }
    }

    /// Visits everything.
    pub(crate) fn visit_all(&mut self, visit: impl FnMut(&mut T)) {
        let fields = self.fields.values_mut().flat_map(BTreeMap::values_mut);
        let others = self
            .namespaces
            .values_mut()
            .chain(self.objects.values_mut());
        self.all
            .iter_mut()
            .chain(others)
            .chain(fields)
            .for_each(visit);
    }

    /// Keeps what `keeps` returns true for.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&T) -> bool) {
        self.all = self.all.take().filter(&mut keeps);
        self.namespaces.retain(|_, it| keeps(it));
        self.objects.retain(|_, it| keeps(it));
        for values in self.fields.values_mut() {
            values.retain(|_, it| keeps(it));
        }
        self.fields.retain(|_, values| !values.is_empty());
    }

    /// How many scopes there are.
    pub(crate) fn len(&self) -> usize {
        let fields: usize = self.fields.values().map(BTreeMap::len).sum();
        usize::from(self.all.is_some()) + self.namespaces.len() + self.objects.len() + fields
    }
}
