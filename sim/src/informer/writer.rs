//! The writing end: what a mirror writes goes into the queue.

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::store::{History, Staging, Store, StoreError};
use heliostat_core::version::ResourceVersion;

use super::Informer;
use crate::coverage::Seen;
use crate::kept::Kept;
use crate::mutant::Mutant;

impl Store<Kept> for Informer {
    fn add(&mut self, entry: Entry<Kept>) -> Result<(), StoreError> {
        self.doubted |= self.store.view().get(entry.key()).is_some();
        self.queue.writer(self.now).add(entry)
    }

    fn update(&mut self, entry: Entry<Kept>) -> Result<(), StoreError> {
        self.queue.writer(self.now).update(entry)
    }

    fn delete(&mut self, key: &ObjectKey, last: Option<Entry<Kept>>) -> Result<(), StoreError> {
        self.queue.writer(self.now).delete(key, last)
    }

    fn begin_replace(&mut self) -> Staging<Kept> {
        if self.in_work.is_some() {
            self.seen.push(Seen::ReplaceBegunInWork);
        } else if !self.queue.is_empty() {
            self.seen.push(Seen::ReplaceBegunBehind);
        }
        self.queue.begin_replace(self.now, self.store.view())
    }

    fn commit(
        &mut self,
        staging: Staging<Kept>,
        version: &ResourceVersion,
    ) -> Result<(), StoreError> {
        self.doubted |= staging.history() == History::Unknown;
        self.queue.writer(self.now).commit(staging, version)
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.queue.writer(self.now).bookmark(version);
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        if self.mutant == Some(Mutant::VersionRunsAhead) {
            self.store.set_resource_version(version);
        }
        self.queue.writer(self.now).update_resource_version(version);
    }
}

impl Informer {
    /// Keeps an object in a staging of this informer.
    pub(crate) fn keep(&self, staging: &mut Staging<Kept>, key: &ObjectKey) {
        let old = self.store.view().get(key).cloned();
        match old.filter(|_| self.mutant == Some(Mutant::KeepsWhatWasApplied)) {
            Some(old) => staging.stage(old),
            None => staging.keep(key),
        }
    }
}
