//! `VersionProbe`: what a source says of its own version, for those who must not serve an old state.

use futures_util::StreamExt;
use heliostat_core::error::SourceError;
use heliostat_core::event::{ListPart, WatchEvent};
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::version::{ResourceVersion, VersionProgress};

use crate::list_watch::ListerWatcher;

/// How long the watch of [`VersionProbe::progress`] lasts, in seconds. A kube-apiserver sends a bookmark
/// two seconds before the end of a watch, so this is the shortest that has one.
const WATCH_SECONDS: u32 = 3;

/// Asks a source for its newest version, and for the proof that all changes up to a version were seen.
///
/// A mirror knows what it has received, not what is still under way. A server over a mirror that answers
/// consistent reads asks for the source's version first, and waits until the mirror has reached it, or
/// until the source proves that nothing is missing: its version also moves for changes to other kinds.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use heliostat::source::VersionProbe;
/// use heliostat::source::memory::MemorySource;
///
/// let source = MemorySource::<String>::new();
/// source.create("team/blue".parse()?, "sky".to_owned())?;
/// let probe = VersionProbe::new(source.clone());
/// assert_eq!(probe.newest().await?, source.revision());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct VersionProbe<S> {
    source: S,
}

/// Why a source did not answer a probe.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The request failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The list ended without a version, or the watch without a bookmark.
    #[error("the answer ended without a version")]
    NoVersion,
    /// The version cannot be compared.
    #[error("the version {0} is not a number")]
    NotANumber(ResourceVersion),
}

impl<S: ListerWatcher + Clone> VersionProbe<S> {
    /// Asks `source`. A clone of a source must be another handle to the same.
    #[must_use]
    pub const fn new(source: S) -> Self {
        Self { source }
    }

    /// Returns the newest version of the source, by a consistent list of one object.
    ///
    /// # Errors
    /// If the list fails, or its version is not a number.
    pub fn newest(&self) -> impl Future<Output = Result<u64, ProbeError>> + Send + use<S> {
        newest(self.source.clone())
    }

    /// Returns up to where the changes after a version are complete, from the bookmark of a short watch.
    ///
    /// # Errors
    /// If the watch fails or ends without a bookmark, or a version is not a number.
    pub fn progress(
        &self,
        after: u64,
    ) -> impl Future<Output = Result<VersionProgress, ProbeError>> + Send + use<S> {
        progress(self.source.clone(), after)
    }
}

async fn newest<S: ListerWatcher>(source: S) -> Result<u64, ProbeError> {
    let options = ListOptions {
        limit: Some(1),
        ..ListOptions::default()
    };
    let list = source.list(options).await;
    let mut parts = list.map_err(Into::into)?;
    while let Some(part) = parts.next().await {
        match part? {
            ListPart::Metadata(metadata) => return number(metadata.resource_version),
            ListPart::Items(_) => {}
        }
    }
    Err(ProbeError::NoVersion)
}

async fn progress<S: ListerWatcher>(source: S, after: u64) -> Result<VersionProgress, ProbeError> {
    let options = WatchOptions {
        resource_version: after.into(),
        timeout_seconds: Some(WATCH_SECONDS),
        allow_bookmarks: true,
        ..WatchOptions::default()
    };
    let watch = source.watch(options).await;
    let mut events = watch.map_err(Into::into)?;
    let mut last_change = None;
    while let Some(event) = events.next().await {
        let version = match event? {
            WatchEvent::Bookmark {
                resource_version, ..
            } => {
                return Ok(VersionProgress {
                    last_change,
                    complete_up_to: number(resource_version)?,
                });
            }
            WatchEvent::Error(status) => return Err(SourceError::Api(status.into()).into()),
            WatchEvent::Added(entry) | WatchEvent::Modified(entry) | WatchEvent::Deleted(entry) => {
                entry.header.resource_version
            }
            WatchEvent::Rejected(rejection) => rejection.resource_version,
            WatchEvent::Unknown {
                resource_version, ..
            } => resource_version,
        };
        last_change = Some(number(version)?);
    }
    Err(ProbeError::NoVersion)
}

fn number(version: ResourceVersion) -> Result<u64, ProbeError> {
    let number = version.as_decimal();
    number.ok_or(ProbeError::NotANumber(version))
}
