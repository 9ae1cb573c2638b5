//! `Registry`: what kube-apiserver stores in etcd, as sources.

use std::sync::Arc;

use heliostat_core::etcd::{EncryptionConfig, RegistryCollection, ValueError, ValueReader};
use heliostat_core::event::RejectionReason;
use heliostat_core::object::{Entry, Header, ObjectKey};
use heliostat_core::raw::{Encoding, RawCodec, RawObject};
use heliostat_core::wire::Codec;
use serde::de::DeserializeOwned;

use super::cluster::Cluster;
use super::decode::{Decode, KeyValue, Undecoded};
use super::keys::Keys;
use super::source::EtcdSource;

/// Where kube-apiserver stores its objects, unless its `--etcd-prefix` says otherwise.
const ROOT: &str = "/registry";

/// The objects of a Kubernetes cluster, as kube-apiserver stores them in its etcd.
///
/// They are not what the API shows: an object is in the version in which it was stored, without the fields
/// that are defaulted while it is read; custom resources are not converted. The kind is that of each value.
///
/// An encrypted value that no key is known for makes every request of its collection fail, with an error
/// that names the key in etcd and how the value is encrypted: an answer without the object would say that
/// it does not exist.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use heliostat::source::etcd::{Connection, Registry};
/// use heliostat::Reflector;
/// use k8s_openapi::api::core::v1::Pod;
///
/// let cluster = Connection::from_env()?.connect().await?;
/// let pods = Registry::new(&cluster).typed::<Pod>("", "pods");
/// let (reflector, pods) = Reflector::with_indexer(pods);
/// let mirror = reflector.start();
/// mirror.wait_synced(Duration::from_secs(30)).await?;
/// println!("{} pods", pods.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Registry {
    cluster: Cluster,
    root: String,
    namespace: Option<String>,
    encryption: Option<EncryptionConfig>,
    keeps_managed_fields: bool,
}

impl Registry {
    /// The objects below `/registry`.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            root: ROOT.to_owned(),
            namespace: None,
            encryption: None,
            keeps_managed_fields: true,
        }
    }

    /// The objects below another prefix: kube-apiserver's `--etcd-prefix`.
    #[must_use]
    pub fn root(mut self, prefix: impl Into<String>) -> Self {
        self.root = prefix.into();
        self
    }

    /// Only the objects in this namespace.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = Some(name.into());
        self
    }

    /// Decrypts values with the keys of kube-apiserver's `--encryption-provider-config`.
    #[must_use]
    pub fn encryption(mut self, config: EncryptionConfig) -> Self {
        self.encryption = Some(config);
        self
    }

    /// Removes `metadata.managedFields`, about half of a typical object.
    #[must_use]
    pub const fn without_managed_fields(mut self) -> Self {
        self.keeps_managed_fields = false;
        self
    }

    /// The objects of a resource, as the bytes that are stored. The group is empty for the core group.
    #[must_use]
    pub fn raw(&self, group: &str, plural: &str) -> EtcdSource<RawObject> {
        self.decoded(group, plural, |entry| Ok(entry.object))
    }

    /// The objects of a resource, decoded by serde as the types of `k8s-openapi` are.
    #[must_use]
    pub fn typed<K>(&self, group: &str, plural: &str) -> EtcdSource<K>
    where
        K: DeserializeOwned + Send + Sync + 'static,
    {
        self.decoded(group, plural, |entry| {
            let decoded = entry.object.decode::<K>().map(Arc::new);
            decoded.map_err(|error| RejectionReason::Undecodable(error.to_string()))
        })
    }

    fn decoded<T: Send + Sync + 'static>(
        &self,
        group: &str,
        plural: &str,
        finish: fn(Entry<RawObject>) -> Result<Arc<T>, RejectionReason>,
    ) -> EtcdSource<T> {
        let mut collection = RegistryCollection::new(&self.root, group, plural);
        if let Some(namespace) = &self.namespace {
            collection = collection.in_namespace(namespace);
        }
        let encryption = self.encryption.as_ref();
        let keys = encryption.map(|config| config.keys_of(group, plural));
        let keeps_managed_fields = self.keeps_managed_fields;
        let codec = move |codec: RawCodec| match keeps_managed_fields {
            true => codec,
            false => codec.without_managed_fields(),
        };
        EtcdSource::new(
            &self.cluster,
            Keys::Registry(collection),
            Arc::new(move || {
                Box::new(RegistryDecoder {
                    reader: ValueReader::new(keys.clone().unwrap_or_default()),
                    json: codec(RawCodec::json()),
                    protobuf: codec(RawCodec::protobuf()),
                    finish,
                })
            }),
        )
    }
}

/// Decodes what kube-apiserver stores.
struct RegistryDecoder<T> {
    reader: ValueReader,
    json: RawCodec,
    protobuf: RawCodec,
    finish: fn(Entry<RawObject>) -> Result<Arc<T>, RejectionReason>,
}

impl<T: Send + Sync> Decode<T> for RegistryDecoder<T> {
    fn decode(&mut self, key: ObjectKey, pair: KeyValue<'_>) -> Result<Entry<T>, Undecoded> {
        let read = self.reader.read(pair.key, pair.value, pair.mod_revision);
        let object = read.map_err(|error| undecoded(&error))?;
        let codec = match object.encoding() {
            Encoding::Json => &mut self.json,
            _ => &mut self.protobuf,
        };
        let decoded = codec.decode(object.bytes(), object.kind());
        let entry = decoded.map_err(Undecoded::Rejected)?;
        // The key in etcd is what the object is known by, whatever is in the value.
        let header = Header {
            key,
            ..entry.header.clone()
        };
        let object = (self.finish)(entry).map_err(Undecoded::Rejected)?;
        Ok(Entry { header, object })
    }
}

fn undecoded(error: &ValueError) -> Undecoded {
    match error {
        ValueError::Encrypted { .. } => Undecoded::Unready(error.to_string()),
        _ => Undecoded::Rejected(RejectionReason::Undecodable(error.to_string())),
    }
}
