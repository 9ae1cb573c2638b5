//! Values of the registry in etcd: plain ones, encrypted ones, and the keys that decrypt them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use heliostat_core::etcd::{
    DecryptionError, EncryptionConfig, EncryptionKeys, ValueError, ValueReader,
};
use heliostat_core::raw::{Encoding, RawView};
use heliostat_core::wire::{json, protobuf};
use serde::Deserialize;

const KEY: &[u8] = b"/registry/configmaps/cap/cm-1";
const REVISION: u64 = 1234;

/// No error is longer, whatever the bytes are: text from outside is cut.
const ERROR_BYTES_MAX: usize = 4096;

/// Reads the bytes as a value. An object has the revision as its version, and otherwise what is stored.
pub fn check_value(input: &[u8]) {
    let mut reader = ValueReader::default();
    match reader.read(KEY, input, REVISION) {
        Ok(object) => check_object(object, input),
        Err(error) => assert!(error.to_string().len() <= ERROR_BYTES_MAX),
    }
}

fn check_object(object: RawView<'_>, stored: &[u8]) {
    let version = match object.encoding() {
        Encoding::Json => {
            let read = json::header::RawHeader::read(object.bytes());
            assert!(read.has_metadata);
            check_json(object.bytes(), stored);
            read.resource_version.map(std::borrow::Cow::into_owned)
        }
        _ => match protobuf::header::RawHeader::read(object.bytes()) {
            Ok(read) => Some(read.resource_version.to_owned()),
            // A name or the like is not UTF-8.
            Err(_) => return,
        },
    };
    assert_eq!(version.as_deref(), Some("1234"));
    let _ = object.to_json(&mut Vec::new());
}

/// What is JSON stays JSON, and the other way round.
fn check_json(object: &[u8], stored: &[u8]) {
    let is_json = |bytes| serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    // The version takes the place of a value that may be broken.
    assert!(is_json(object) || !is_json(stored));
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    plain: String,
    encrypted: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    provider: String,
    name: String,
    secret: String,
    value: String,
}

impl Vector {
    fn keys(&self) -> EncryptionKeys {
        let Self {
            provider,
            name,
            secret,
            ..
        } = self;
        let file = format!(
            "{{apiVersion: apiserver.config.k8s.io/v1, kind: EncryptionConfiguration, resources: \
             [{{resources: [configmaps], providers: [{{{provider}: {{keys: \
             [{{name: {name}, secret: {secret}}}]}}}}]}}]}}"
        );
        let config = EncryptionConfig::from_yaml(&file).expect("the file is valid");
        config.keys_of("", "configmaps")
    }
}

/// Changes a value that is encrypted, and reads it: one byte says which value, two how many bytes to keep
/// or add, and the rest are exclusive-ored into it from its end.
pub fn check_decryption(input: &[u8]) {
    let [which, cut, added, changes @ ..] = input else {
        return;
    };
    let text = include_str!("../../crates/heliostat-core/testdata/etcd/encrypted.json");
    let vectors: Vectors = serde_json::from_str(text).expect("the file is valid");
    let vector = &vectors.encrypted[usize::from(*which) % vectors.encrypted.len()];
    let stored = STANDARD.decode(&vector.value).expect("the file is valid");
    let mut value = stored.clone();
    value.truncate(stored.len().saturating_sub(usize::from(*cut)));
    value.extend(std::iter::repeat_n(*added, usize::from(*added) % 40));
    for (byte, change) in value.iter_mut().rev().zip(changes) {
        *byte ^= change;
    }
    let mut reader = ValueReader::new(vector.keys());
    let read = reader
        .read(KEY, &value, REVISION)
        .map(|object| object.to_object());
    let plain = STANDARD.decode(&vectors.plain).expect("the file is valid");
    let expected = ValueReader::default()
        .read(KEY, &plain, REVISION)
        .map(|object| object.to_object());
    let body = format!("k8s:enc:{}:v1:{}:", vector.provider, vector.name);
    match read {
        Ok(object) if value == stored => assert_eq!(Ok(object), expected),
        Ok(_) => assert!(vector.provider == "aescbc" || !value.starts_with(body.as_bytes())),
        Err(error) => {
            assert_ne!(value, stored);
            assert!(error.to_string().len() <= ERROR_BYTES_MAX);
            if value.starts_with(body.as_bytes()) {
                let is_fault = match error {
                    ValueError::Encrypted { reason, .. } => reason != DecryptionError::NoKey,
                    // A changed object, where nothing authenticates it.
                    _ => vector.provider == "aescbc",
                };
                assert!(is_fault);
            }
        }
    }
}

/// Reads the text as an encryption configuration.
pub fn check_config(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    match EncryptionConfig::from_yaml(text) {
        Ok(config) => {
            for (group, plural) in [("", "secrets"), ("apps", "deployments"), ("a.b", "c")] {
                let keys = config.keys_of(group, plural);
                assert!(keys.names().iter().all(|name| !name.is_empty()));
            }
        }
        Err(error) => assert!(error.to_string().len() <= ERROR_BYTES_MAX),
    }
}
