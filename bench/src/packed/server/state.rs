//! Which versions the objects of the collection have, and which the collection.

use std::sync::Arc;

/// What open watches are to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Nothing; those of an earlier run end.
    Quiet,
    Updates,
    Expire,
}

/// The versions of the first states end here.
pub(super) const START_VERSION: u64 = 10_000_000;

/// Spreads consecutive updates over the collection; a prime, so that every object has its turn.
const STRIDE: usize = 7919;

/// The collection at a moment.
#[derive(Clone, Debug)]
pub(super) struct State {
    pods: usize,
    version: u64,
    objects: Objects,
}

/// The versions of the objects.
#[derive(Clone, Debug)]
enum Objects {
    /// The first is of this version, each of the others one newer.
    From(u64),
    Own(Arc<[u64]>),
}

impl State {
    pub(super) const fn start(pods: usize) -> Self {
        Self {
            pods,
            version: START_VERSION,
            objects: Objects::From(START_VERSION - pods as u64),
        }
    }

    /// After so many updates.
    pub(super) fn updated(&self, updates: usize) -> Self {
        let mut versions: Vec<u64> = (0..self.pods).map(|index| self.object(index)).collect();
        for number in 0..updates {
            let (index, version) = update(number, self.pods);
            versions[index] = version;
        }
        Self {
            pods: self.pods,
            version: self.version.max(START_VERSION + updates as u64),
            objects: Objects::Own(versions.into()),
        }
    }

    /// After a while in which nobody heard of the collection, in which all objects changed, or none.
    pub(super) fn expired(&self, is_changed: bool) -> Self {
        let objects = if is_changed {
            Objects::From(self.version + 1)
        } else {
            self.objects.clone()
        };
        Self {
            pods: self.pods,
            version: self.version + self.pods as u64 + 1,
            objects,
        }
    }

    pub(super) const fn pods(&self) -> usize {
        self.pods
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// The version of the object at `index`.
    pub(super) fn object(&self, index: usize) -> u64 {
        match &self.objects {
            Objects::From(first) => first + index as u64,
            Objects::Own(versions) => versions[index],
        }
    }
}

/// Which object the update with this number is of, and its version.
pub(super) const fn update(number: usize, pods: usize) -> (usize, u64) {
    let index = number.wrapping_mul(STRIDE) % pods;
    (index, START_VERSION + 1 + number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_only_grow() {
        let start = State::start(1_000);
        let updated = start.updated(2_500);
        let same = updated.expired(false);
        let changed = same.expired(true);
        for index in 0..1_000 {
            assert!(start.object(index) <= start.version());
            assert!(updated.object(index) > start.version());
            assert!(updated.object(index) <= updated.version());
            assert_eq!(same.object(index), updated.object(index));
            assert!(changed.object(index) > same.version());
            assert!(changed.object(index) <= changed.version());
        }
        assert!(same.version() > updated.version());
    }
}
