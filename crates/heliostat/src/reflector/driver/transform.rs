//! The user's transform, at the door: every object passes it once.

use heliostat_core::event::{ChangeKind, ListPart, Rejection, RejectionReason, WatchEvent};
use heliostat_core::object::Entry;
use heliostat_core::store::Store;

use crate::list_watch::ListerWatcher;

use super::{Driver, contain};

impl<S: ListerWatcher, W: Store<S::Object>> Driver<S, W> {
    #[expect(
        clippy::result_large_err,
        reason = "a rejection is the other form of an item"
    )]
    pub(super) fn transform_part(&mut self, part: ListPart<S::Object>) -> ListPart<S::Object> {
        match part {
            ListPart::Items(items) if self.options.transform.is_some() => {
                let items = items.into_iter().map(|item| match item {
                    Ok(entry) => self.transformed(entry, None),
                    Err(rejection) => Err(rejection),
                });
                ListPart::Items(items.collect())
            }
            part => part,
        }
    }

    pub(super) fn transform_event(
        &mut self,
        event: WatchEvent<S::Object>,
    ) -> WatchEvent<S::Object> {
        if self.options.transform.is_none() {
            return event;
        }
        let (entry, kind, rebuild): (_, _, fn(_) -> _) = match event {
            WatchEvent::Added(entry) => (entry, ChangeKind::Added, WatchEvent::Added),
            WatchEvent::Modified(entry) => (entry, ChangeKind::Modified, WatchEvent::Modified),
            WatchEvent::Deleted(entry) => (entry, ChangeKind::Deleted, WatchEvent::Deleted),
            other => return other,
        };
        self.transformed(entry, Some(kind))
            .map_or_else(WatchEvent::Rejected, rebuild)
    }

    #[expect(
        clippy::result_large_err,
        reason = "a rejection is the other form of an item"
    )]
    fn transformed(
        &mut self,
        entry: Entry<S::Object>,
        change: Option<ChangeKind>,
    ) -> Result<Entry<S::Object>, Rejection> {
        let Some(transform) = &mut self.options.transform else {
            return Ok(entry);
        };
        let Entry { header, object } = entry;
        let result = contain(|| transform(object, &header)).unwrap_or_else(Err);
        match result {
            Ok(object) => Ok(Entry { header, object }),
            Err(message) => Err(Rejection {
                key: Some(header.key),
                resource_version: header.resource_version,
                change,
                reason: RejectionReason::Transform(message),
            }),
        }
    }
}
