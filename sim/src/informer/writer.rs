//! The writing end: what a mirror writes goes into the queue.

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::store::{Store, StoreError};
use heliostat_core::version::ResourceVersion;

use super::Informer;
use crate::coverage::Seen;
use crate::kept::Kept;
use crate::mutant::Mutant;

impl Store<Kept> for Informer {
    fn add(&mut self, entry: Entry<Kept>) -> Result<(), StoreError> {
        self.queue.writer(self.now).add(entry)
    }

    fn update(&mut self, entry: Entry<Kept>) -> Result<(), StoreError> {
        self.queue.writer(self.now).update(entry)
    }

    fn delete(&mut self, key: &ObjectKey, last: Option<Entry<Kept>>) -> Result<(), StoreError> {
        self.queue.writer(self.now).delete(key, last)
    }

    fn begin_replace(&mut self) {
        if self.in_work.is_some() {
            self.seen.push(Seen::ReplaceBegunInWork);
        } else if !self.queue.is_empty() {
            self.seen.push(Seen::ReplaceBegunBehind);
        }
        self.queue.begin_replace(self.now, self.store.view());
    }

    fn stage(&mut self, entry: Entry<Kept>) {
        self.queue.writer(self.now).stage(entry);
    }

    fn unstage(&mut self, key: &ObjectKey) {
        self.queue.writer(self.now).unstage(key);
    }

    fn keep(&mut self, key: &ObjectKey) {
        let old = self.store.view().get(key).cloned();
        let writer = self.queue.writer(self.now);
        match old.filter(|_| self.mutant == Some(Mutant::KeepsWhatWasApplied)) {
            Some(old) => writer.stage(old),
            None => writer.keep(key),
        }
    }

    fn commit_replace(&mut self, version: &ResourceVersion) -> Result<(), StoreError> {
        self.queue.writer(self.now).commit_replace(version)
    }

    fn abort_replace(&mut self) {
        self.queue.writer(self.now).abort_replace();
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
