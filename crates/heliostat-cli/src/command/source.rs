//! Where a mirror has its objects from: a Kubernetes API or an etcd.

use heliostat::object::Encoding;
use heliostat::source::etcd::EtcdSource;
use heliostat::source::kube::KubeSource;
use heliostat::source::{ListOptions, ListStream, WatchOptions, WatchStream};
use heliostat::{ListerWatcher, Packing, RawObject, SourceError};

use crate::output::Stored;

/// A source of either kind.
pub(crate) enum Source<T> {
    Kube(Box<KubeSource<T>>),
    Etcd(EtcdSource<T>),
}

impl<T> std::fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kube(source) => source.fmt(f),
            Self::Etcd(source) => source.fmt(f),
        }
    }
}

impl<T> Clone for Source<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Kube(source) => Self::Kube(source.clone()),
            Self::Etcd(source) => Self::Etcd(source.clone()),
        }
    }
}

/// What a source has received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    /// Bytes as they came, compressed where they were.
    pub(crate) received_bytes: u64,
    /// The same after decompression.
    pub(crate) decoded_bytes: u64,
    /// What the last answer was encoded in, where it is known.
    pub(crate) encoding: Option<Encoding>,
}

impl Source<RawObject> {
    /// The same objects, packed.
    pub(crate) fn packed(self, packing: &Packing<RawObject>) -> Source<Stored> {
        match self {
            Self::Kube(source) => Source::Kube(Box::new(source.packed(packing))),
            Self::Etcd(source) => Source::Etcd(source.packed(packing)),
        }
    }
}

impl<T: Send + Sync + 'static> Source<T> {
    /// What came in.
    pub(crate) fn received(&self) -> Received {
        match self {
            Self::Kube(source) => {
                let traffic = source.traffic();
                Received {
                    received_bytes: traffic.received_bytes,
                    decoded_bytes: traffic.decoded_bytes,
                    encoding: traffic.encoding,
                }
            }
            Self::Etcd(source) => Received {
                received_bytes: source.received_bytes(),
                decoded_bytes: source.received_bytes(),
                encoding: None,
            },
        }
    }
}

impl<T: Send + Sync + 'static> ListerWatcher for Source<T> {
    type Object = T;
    type Error = SourceError;

    async fn list(&self, options: ListOptions) -> Result<ListStream<T>, SourceError> {
        match self {
            Self::Kube(source) => source.list(options).await,
            Self::Etcd(source) => source.list(options).await,
        }
    }

    async fn watch(&self, options: WatchOptions) -> Result<WatchStream<T>, SourceError> {
        match self {
            Self::Kube(source) => source.watch(options).await,
            Self::Etcd(source) => source.watch(options).await,
        }
    }

    fn description(&self) -> String {
        match self {
            Self::Kube(source) => source.description(),
            Self::Etcd(source) => source.description(),
        }
    }

    fn request_line(&self) -> String {
        match self {
            Self::Kube(source) => source.request_line(),
            Self::Etcd(source) => source.request_line(),
        }
    }

    fn supports_watch_list(&self) -> bool {
        match self {
            Self::Kube(source) => source.supports_watch_list(),
            Self::Etcd(source) => source.supports_watch_list(),
        }
    }

    fn supports_single_object(&self) -> bool {
        match self {
            Self::Kube(source) => source.supports_single_object(),
            Self::Etcd(source) => source.supports_single_object(),
        }
    }
}
