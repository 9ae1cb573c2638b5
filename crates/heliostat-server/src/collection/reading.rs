//! Reading a state of a collection: pages, and everything that a selection matches.

use std::ops::Bound;
use std::sync::Arc;

use super::event::Objects;
use super::event_type::EventType;
use super::log::Cursor;
use super::object::StoredObject;
use super::options::{ListPlan, Read};
use super::scope::Scope;
use super::selector::Selection;
use super::token::Continue;

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    /// The version at which the items are consistent.
    pub(crate) version: u64,
    pub(crate) items: Vec<Arc<StoredObject>>,
    /// The token that goes on, if there is more.
    pub(crate) next: Option<String>,
    /// How many keys remain, where that is known.
    pub(crate) remaining: Option<usize>,
}

/// The start of a watch.
#[derive(Debug)]
pub(crate) struct Opening {
    /// What is sent first: the initial state in key order, or what changed while the client was away in
    /// the order of versions; empty where neither is due.
    pub(crate) initial: Vec<(EventType, Arc<StoredObject>)>,
    /// Where the changes are that come next.
    pub(crate) cursor: Cursor,
    /// The version that the client has with what is sent first.
    pub(crate) position: u64,
    /// Events up to this version are not for this watch though they are still to come: it begins in the
    /// future. 0 for all others.
    pub(crate) not_before: u64,
    /// The epoch of the collection; a watch of an older one is over.
    pub(crate) epoch: u64,
}

/// Where a running watch reads on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) epoch: u64,
    pub(crate) scope: Scope,
    pub(crate) cursor: Cursor,
}

/// Every matching object in key order.
pub(crate) fn matching(objects: &Objects, selection: &Selection) -> Vec<Arc<StoredObject>> {
    from(objects, selection, "")
        .filter(|object| selection.matches(object))
        .cloned()
        .collect()
}

/// The objects under the selection's prefix, from `start` on.
fn from<'a>(
    objects: &'a Objects,
    selection: &'a Selection,
    start: &str,
) -> impl Iterator<Item = &'a Arc<StoredObject>> {
    let prefix = selection.prefix();
    // One object is looked up, and not searched for among all of its namespace.
    let (first, only) = match selection.scope() {
        Scope::Object(key) if start.is_empty() => (key.to_string(), Some(&**key)),
        _ => (format!("{prefix}{start}"), None),
    };
    objects
        .range::<_, str>((Bound::Included(first.as_str()), Bound::Unbounded))
        .take_while(move |(key, _)| {
            key.starts_with(prefix) && only.is_none_or(|only| only == &***key)
        })
        .map(|(_, object)| object)
}

/// The page that a plan asks for, of the objects as they were at `version`.
pub(crate) fn page(objects: &Objects, version: u64, plan: &ListPlan) -> Page {
    let selection = &plan.selection;
    let mut rest = from(objects, selection, start(plan)).peekable();
    let mut items = Vec::new();
    let mut last = None;
    while plan.limit.is_none_or(|limit| items.len() < limit) {
        let Some(object) = rest.next() else { break };
        last = Some(object);
        if selection.matches(object) {
            items.push(Arc::clone(object));
        }
    }
    let next = rest.peek().and(last).map(|last| {
        let key = last
            .key()
            .strip_prefix(selection.prefix())
            .unwrap_or(last.key());
        Continue::after(version, key)
    });
    let remaining = next
        .as_ref()
        .filter(|_| !selection.selects())
        .map(|_| rest.count());
    Page {
        version,
        items,
        next,
        remaining,
    }
}

/// The first key that may come, relative to the selection's prefix.
fn start(plan: &ListPlan) -> &str {
    match &plan.read {
        Read::Continue(token) => &token.start,
        Read::Current(_) | Read::Exact(_) => "",
    }
}
