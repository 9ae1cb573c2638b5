//! Which kinds are served: built-in ones, those registered through the Rust API, and those that a
//! CustomResourceDefinition brought. Lookups go by URL parts or by qualified name.

use std::sync::Arc;

use super::builtin;
use super::kind::Kind;

/// The kinds of a server in the order in which discovery lists them.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    kinds: Vec<Arc<Kind>>,
    is_read_only: bool,
}

impl Registry {
    /// All built-in kinds.
    pub(crate) fn builtin() -> Self {
        Self {
            kinds: builtin::kinds().map(Arc::new).collect(),
            is_read_only: false,
        }
    }

    /// No kinds yet, and none that can be written.
    pub(crate) fn read_only() -> Self {
        Self {
            kinds: Vec::new(),
            is_read_only: true,
        }
    }

    /// Whether objects can only be read.
    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Adds a kind, or replaces the one of the same qualified name. A kind that has not changed
    /// stays the same one, so that its watches go on.
    pub(crate) fn register(&mut self, kind: Kind) {
        if self.kinds.iter().any(|known| **known == kind) {
            return;
        }
        self.register_shared(&Arc::new(kind));
    }

    /// Adds a kind, or replaces the one of the same qualified name.
    pub(crate) fn register_shared(&mut self, kind: &Arc<Kind>) {
        match self
            .kinds
            .iter_mut()
            .find(|known| known.qualified() == kind.qualified())
        {
            Some(known) => *known = Arc::clone(kind),
            None => self.kinds.push(Arc::clone(kind)),
        }
    }

    /// Takes a kind away.
    pub(crate) fn remove(&mut self, qualified: &str) {
        self.kinds.retain(|kind| kind.qualified() != qualified);
    }

    /// The kind under a URL.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|kind| {
            kind.plural() == plural && kind.group() == group && kind.version() == version
        })
    }

    /// The kind of a qualified name, as `pods` or `deployments.apps`.
    pub(crate) fn named(&self, qualified: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|kind| kind.qualified() == qualified)
    }

    /// Whether a kind is still served as it was when it was looked up.
    pub(crate) fn serves(&self, kind: &Arc<Kind>) -> bool {
        self.kinds.iter().any(|known| Arc::ptr_eq(known, kind))
    }

    /// Every kind, in order.
    pub(crate) fn kinds(&self) -> &[Arc<Kind>] {
        &self.kinds
    }

    /// Every group with its versions, core first, in order of registration.
    pub(crate) fn groups(&self) -> Vec<(&str, Vec<&str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for kind in &self.kinds {
            match groups.iter_mut().find(|(group, _)| *group == kind.group()) {
                Some((_, versions)) if versions.contains(&kind.version()) => {}
                Some((_, versions)) => versions.push(kind.version()),
                None => groups.push((kind.group(), vec![kind.version()])),
            }
        }
        groups
    }

    /// Every kind of one group and version.
    pub(crate) fn of_version<'a>(
        &'a self,
        group: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Kind>> {
        self.kinds
            .iter()
            .filter(move |kind| kind.group() == group && kind.version() == version)
    }
}
