//! A watch cache that is fed with what a storage holds, as a reflector would feed it, and a server over it.

use std::convert::Infallible;

use heliostat_core::object::{Entry, Header, ObjectKey};
use heliostat_core::raw::{Encoding, RawObject};
use heliostat_core::store::{Staging, Store};
use heliostat_core::version::VersionProgress;
use heliostat_kinds::{TextOptions, schema};
use heliostat_server::{CacheWriter, Kind, StorageHandle, WatchCache};
use serde_json::Value;

/// The cache of a resource of a storage.
pub struct Mirror {
    pub cache: WatchCache,
    writer: CacheWriter,
    kind: Kind,
}

impl Mirror {
    /// A mirror before its first list, whose consistent reads ask the storage.
    pub fn new(kind: Kind, storage: &StorageHandle) -> Self {
        let (newest, progress) = (storage.clone(), storage.clone());
        let cache = WatchCache::new(kind.clone()).consistent_reads(
            move || {
                let version = newest.revision();
                async move { Ok::<_, Infallible>(version) }
            },
            move |_| {
                let complete_up_to = progress.revision();
                async move {
                    Ok(VersionProgress {
                        last_change: None,
                        complete_up_to,
                    })
                }
            },
        );
        Self {
            writer: cache.writer(),
            cache,
            kind,
        }
    }

    /// Replaces everything by these objects.
    pub fn replace(&mut self, objects: &[Value], version: u64) {
        let mut staging = Staging::new();
        for object in objects {
            staging.stage(self.entry(object));
        }
        self.writer.commit(staging, &version.into()).unwrap();
    }

    /// An object was created or changed.
    pub fn write(&mut self, object: &Value) {
        let entry = self.entry(object);
        self.writer.add(entry).unwrap();
    }

    /// An object was deleted; its last state has the version of the deletion.
    pub fn delete(&mut self, last: &Value) {
        let entry = self.entry(last);
        let key = entry.header.key.clone();
        self.writer.delete(&key, Some(entry)).unwrap();
    }

    /// Nothing else happened up to a version.
    pub fn bookmark(&mut self, version: u64) {
        Store::<RawObject>::bookmark(&mut self.writer, &version.into());
    }

    /// The object as a server sends it: built-in kinds in protobuf, custom ones in JSON.
    fn entry(&self, object: &Value) -> Entry<RawObject> {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        let header = Header {
            key: ObjectKey::namespaced(text("namespace"), text("name")),
            resource_version: text("resourceVersion").into(),
            uid: text("uid").into(),
        };
        let json = serde_json::to_vec(object).unwrap();
        let built_in = schema::kind(self.kind.api_version(), self.kind.kind());
        let raw = match built_in.filter(|_| !self.kind.is_custom()) {
            Some(kind) => {
                let options = TextOptions::new().with_kind(kind).without_envelope();
                let mut message = Vec::new();
                options.write_json(&json, &mut message).unwrap();
                RawObject::new(Encoding::Protobuf, None, message.into())
            }
            None => RawObject::new(Encoding::Json, None, json.into()),
        };
        Entry::new(header, raw)
    }
}
