//! `PackedSource`: any source of raw objects, with its objects packed on their way.

use futures_util::StreamExt;
use heliostat_core::event::{ListPart, WatchEvent};
use heliostat_core::object::Entry;
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::packed::{Packed, Packer, Packing};
use heliostat_core::raw::RawObject;

use crate::list_watch::{ListStream, ListerWatcher, WatchStream};

/// Packs the objects of a source of yours: see [`Packing`].
///
/// Objects are packed where the source's streams are asked for their next part: on the task of the
/// reflector, at some ten microseconds each. (A Kubernetes source packs while it decodes, beside that
/// task: `KubeSource::packed`.)
///
/// ```
/// use heliostat::{ListerWatcher, Packing, RawObject};
/// use heliostat::source::PackedSource;
///
/// /// Mirrors any source of raw objects in little room.
/// fn in_little_room<S>(source: S) -> PackedSource<S, RawObject>
/// where
///     S: ListerWatcher<Object = RawObject>,
/// {
///     PackedSource::new(source, &Packing::raw().memory_budget(1 << 20))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct PackedSource<S, T> {
    source: S,
    packing: Packing<T>,
}

impl<S, T> PackedSource<S, T> {
    /// Packs the objects of `source`.
    #[must_use]
    pub fn new(source: S, packing: &Packing<T>) -> Self {
        Self {
            source,
            packing: packing.clone(),
        }
    }

    /// The source of the raw objects.
    #[must_use]
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// What the objects are packed with.
    #[must_use]
    pub const fn packing(&self) -> &Packing<T> {
        &self.packing
    }
}

impl<S, T> ListerWatcher for PackedSource<S, T>
where
    S: ListerWatcher<Object = RawObject>,
    T: Send + Sync + 'static,
{
    type Object = Packed<T>;
    type Error = S::Error;

    async fn list(&self, options: ListOptions) -> Result<ListStream<Packed<T>>, S::Error> {
        let parts = self.source.list(options).await?;
        let mut packer = self.packing.packer();
        let packed = parts.map(move |part| part.map(|part| list_part(&mut packer, part)));
        Ok(packed.boxed())
    }

    async fn watch(&self, options: WatchOptions) -> Result<WatchStream<Packed<T>>, S::Error> {
        let events = self.source.watch(options).await?;
        let mut packer = self.packing.packer();
        let packed = events.map(move |event| event.map(|event| watch_event(&mut packer, event)));
        Ok(packed.boxed())
    }

    fn description(&self) -> String {
        self.source.description()
    }

    fn request_line(&self) -> String {
        self.source.request_line()
    }

    fn supports_watch_list(&self) -> bool {
        self.source.supports_watch_list()
    }

    fn supports_single_object(&self) -> bool {
        self.source.supports_single_object()
    }
}

fn list_part<T>(packer: &mut Packer<T>, part: ListPart<RawObject>) -> ListPart<Packed<T>> {
    match part {
        ListPart::Metadata(metadata) => ListPart::Metadata(metadata),
        ListPart::Items(items) => {
            let mut packed = Vec::with_capacity(items.len());
            for item in items {
                packed.push(match item {
                    Ok(entry) => Ok(pack(packer, entry)),
                    Err(rejection) => Err(rejection),
                });
            }
            ListPart::Items(packed)
        }
    }
}

fn watch_event<T>(packer: &mut Packer<T>, event: WatchEvent<RawObject>) -> WatchEvent<Packed<T>> {
    match event {
        WatchEvent::Added(entry) => WatchEvent::Added(pack(packer, entry)),
        WatchEvent::Modified(entry) => WatchEvent::Modified(pack(packer, entry)),
        WatchEvent::Deleted(entry) => WatchEvent::Deleted(pack(packer, entry)),
        WatchEvent::Bookmark {
            resource_version,
            initial_events_end,
        } => WatchEvent::Bookmark {
            resource_version,
            initial_events_end,
        },
        WatchEvent::Error(status) => WatchEvent::Error(status),
        WatchEvent::Unknown {
            event_type,
            resource_version,
        } => WatchEvent::Unknown {
            event_type,
            resource_version,
        },
        WatchEvent::Rejected(rejection) => WatchEvent::Rejected(rejection),
    }
}

fn pack<T>(packer: &mut Packer<T>, entry: Entry<RawObject>) -> Entry<Packed<T>> {
    packer.pack(entry.header, entry.object.view())
}
