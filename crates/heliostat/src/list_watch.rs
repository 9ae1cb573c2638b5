//! `ListerWatcher`: the trait of a source.
//!
//! A source can give the present state of a collection, page by page, and the changes after a
//! version. It knows its own scope and selectors; the reflector knows only versions and pages. The
//! crate `heliostat-conformance` holds the suite that every implementation must pass.

use std::future::Future;

use futures_util::stream::BoxStream;
use heliostat_core::error::SourceError;
use heliostat_core::event::{ListPart, WatchEvent};
use heliostat_core::options::{ListOptions, WatchOptions};

/// The parts of one page of a list, as they arrive. The end of the stream is the end of a complete
/// answer; an answer that is cut off ends with an error.
pub type ListStream<T> = BoxStream<'static, Result<ListPart<T>, SourceError>>;

/// The events of one watch, as they arrive. The end of the stream is a clean end of the watch. An error
/// is the last item, also where a connection broke: the reflector then proves that the source is
/// still the same before it goes on.
pub type WatchStream<T> = BoxStream<'static, Result<WatchEvent<T>, SourceError>>;

/// A collection that can be listed and watched.
///
/// # Contract
///
/// - A list tells the version at which the whole of it was true, in
///   [`ListPart::Metadata`], at any place among its parts.
/// - A watch from version `v` delivers every change after `v`, each once, in the order of their
///   versions, or fails; it never skips one silently.
/// - A watch from an unset version or `0` delivers the present state first, as `Added`.
/// - A watch with `send_initial_events` does so too, and closes that state with a bookmark whose
///   `initial_events_end` is set; a source that cannot do this refuses it, or says so in
///   [`supports_watch_list`](Self::supports_watch_list).
/// - A version that has left the history is refused with a `Status` of code 410.
/// - One object that cannot be understood is an item, never the failure of its page or stream.
/// - Dropping a future or a stream gives up the request.
pub trait ListerWatcher: Send + Sync + 'static {
    /// What is mirrored.
    type Object: Send + Sync + 'static;

    /// How a request fails.
    type Error: Into<SourceError> + Send + 'static;

    /// Asks for one page of the collection.
    fn list(
        &self,
        options: ListOptions,
    ) -> impl Future<Output = Result<ListStream<Self::Object>, Self::Error>> + Send;

    /// Asks for the changes after a version. Resolves when the server has accepted the watch.
    fn watch(
        &self,
        options: WatchOptions,
    ) -> impl Future<Output = Result<WatchStream<Self::Object>, Self::Error>> + Send;

    /// What is mirrored, for people: `pods in all namespaces`.
    fn description(&self) -> String;

    /// Returns what the source asks and where, for logs: `GET /api/v1/pods at https://10.0.0.1:6443`.
    /// Empty, as by default, for a source that has no address.
    fn request_line(&self) -> String {
        String::new()
    }

    /// False if the source is known not to know watch-lists; the reflector then never asks for one.
    fn supports_watch_list(&self) -> bool {
        true
    }

    /// True if [`list`](Self::list) obeys [`ListOptions::object`]: it returns that object alone, or
    /// none, at the version of the whole collection. The reflector then asks for the object that
    /// changed last before it trusts a source that was out of reach.
    fn supports_single_object(&self) -> bool {
        false
    }
}
