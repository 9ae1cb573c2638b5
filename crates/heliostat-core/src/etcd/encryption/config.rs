//! `EncryptionConfig`: kube-apiserver's own file.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::cipher::{Algorithm, Cipher};
use super::keys::{EncryptionKeys, NamedKey};
use crate::printable::printable;

/// The `EncryptionConfiguration` of a cluster: the file that kube-apiserver is started with as
/// `--encryption-provider-config`.
///
/// The providers `aesgcm`, `aescbc`, `secretbox` and `identity` are supported. A `kms` provider is
/// accepted, because other providers may be beside it; the values that it has encrypted cannot be read.
///
/// ```
/// use heliostat_core::etcd::{EncryptionConfig, ValueReader};
///
/// let config = EncryptionConfig::from_yaml(
///     "
/// apiVersion: apiserver.config.k8s.io/v1
/// kind: EncryptionConfiguration
/// resources:
/// - resources: [secrets]
///   providers:
///   - aesgcm:
///       keys:
///       - {name: key1, secret: MDEyMzQ1Njc4OWFiY2RlZg==}
///   - identity: {}
/// ",
/// )?;
/// let mut reader = ValueReader::new(config.keys_of("", "secrets"));
/// # Ok::<(), heliostat_core::etcd::EncryptionConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EncryptionConfig {
    /// In the order of the file.
    entries: Vec<Entry>,
}

/// One element of `resources`.
#[derive(Clone, Debug)]
struct Entry {
    patterns: Vec<Pattern>,
    keys: Vec<Arc<NamedKey>>,
}

/// A resource, or a wildcard.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Pattern {
    /// Empty for the core group; `*` for all.
    group: String,
    /// `*` for all.
    plural: String,
}

/// Why a file is not an encryption configuration. No message has anything of a key but its name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptionConfigError {
    /// The file is not YAML, or a field is unknown or of another type.
    #[error("the encryption configuration cannot be read{}", at(.line))]
    Malformed {
        /// The line, if it is known.
        line: Option<u64>,
    },
    /// The file is of another kind.
    #[error(
        "the file is {}, Kind={}, and not {API_VERSION}, Kind={KIND}",
        printable(.api_version), printable(.kind)
    )]
    Kind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// A field has a value that kube-apiserver would refuse as well.
    #[error("{}: {problem}", printable(.field))]
    Invalid {
        /// The path of the field, such as `resources[0].providers[1]`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

fn at(line: &Option<u64>) -> String {
    line.map(|line| format!(": line {line}"))
        .unwrap_or_default()
}

const API_VERSION: &str = "apiserver.config.k8s.io/v1";
const KIND: &str = "EncryptionConfiguration";

impl EncryptionConfig {
    /// Reads the file, which may be YAML or JSON.
    ///
    /// # Errors
    /// If kube-apiserver would refuse the file.
    pub fn from_yaml(yaml: &str) -> Result<Self, EncryptionConfigError> {
        let file: File = serde_saphyr::from_str(yaml).map_err(|error| {
            // The message of the parser may repeat a key.
            let line = error.location().map(|location| location.line());
            EncryptionConfigError::Malformed { line }
        })?;
        if file.api_version != API_VERSION || file.kind != KIND {
            return Err(EncryptionConfigError::Kind {
                api_version: file.api_version,
                kind: file.kind,
            });
        }
        if file.resources.is_empty() {
            return Err(invalid("resources".to_owned(), "there are none"));
        }
        let entries = file.resources.into_iter().enumerate();
        let entries = entries.map(|(index, entry)| entry.check(&format!("resources[{index}]")));
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// The keys that the values of a resource are decrypted with: none if the file does not mention it.
    ///
    /// The first entry that names the resource, its group (`*.apps`) or all (`*.*`) decides, as in
    /// kube-apiserver; later ones only add to it if they name it in the same way.
    #[must_use]
    pub fn keys_of(&self, group: &str, plural: &str) -> EncryptionKeys {
        // The events of both groups are stored, and encrypted, as those of the core group.
        let group = match (group, plural) {
            ("events.k8s.io", "events") => "",
            _ => group,
        };
        let mut patterns = self.entries.iter().flat_map(|entry| &entry.patterns);
        let Some(decisive) = patterns.find(|pattern| pattern.matches(group, plural)) else {
            return EncryptionKeys::default();
        };
        let entries = self.entries.iter();
        let entries = entries.filter(|entry| entry.patterns.contains(decisive));
        EncryptionKeys::new(entries.flat_map(|entry| entry.keys.clone()).collect())
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let (plural, group) = text.split_once('.').unwrap_or((text, ""));
        let is_name = |text: &str| !text.contains('*') && text == text.to_lowercase();
        let is_valid = match (plural, group) {
            ("" | "*", _) if text == plural => false,
            ("", _) => false,
            ("*", "*") => true,
            ("*", group) => is_name(group),
            _ => is_name(text),
        };
        is_valid.then(|| Self {
            group: group.to_owned(),
            plural: plural.to_owned(),
        })
    }

    fn matches(&self, group: &str, plural: &str) -> bool {
        match (&*self.group, &*self.plural) {
            ("*", "*") => true,
            (own, "*") => own == group,
            own => own == (group, plural),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    resources: Vec<ResourceEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceEntry {
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    providers: Vec<BTreeMap<String, Option<Provider>>>,
}

/// The fields of all providers together.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Provider {
    keys: Vec<Key>,
    /// The fields of `kms`, none of which is used.
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(rename = "cachesize")]
    _cache_size: Option<i64>,
    #[serde(rename = "endpoint")]
    _endpoint: Option<String>,
    #[serde(rename = "timeout")]
    _timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    #[serde(default)]
    name: String,
    #[serde(default)]
    secret: Secret,
}

/// The base64 of a key.
#[derive(Default, Deserialize)]
#[serde(from = "String")]
struct Secret(Zeroizing<String>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl ResourceEntry {
    fn check(self, path: &str) -> Result<Entry, EncryptionConfigError> {
        if self.resources.is_empty() {
            return Err(invalid(format!("{path}.resources"), "there are none"));
        }
        if self.providers.is_empty() {
            return Err(invalid(format!("{path}.providers"), "there are none"));
        }
        let patterns = self.resources.iter().enumerate().map(|(index, text)| {
            let field = format!("{path}.resources[{index}]");
            let problem = "want a resource in lower case, `resource.group`, `*.group` or `*.*`";
            Pattern::parse(text).ok_or_else(|| invalid(field, problem))
        });
        let patterns = patterns.collect::<Result<_, _>>()?;
        let mut keys = Vec::new();
        for (index, provider) in self.providers.into_iter().enumerate() {
            let field = format!("{path}.providers[{index}]");
            let mut provider = provider.into_iter();
            let (Some((name, provider)), None) = (provider.next(), provider.next()) else {
                return Err(invalid(field, "want exactly one provider in each element"));
            };
            let field = format!("{field}.{name}");
            provider
                .unwrap_or_default()
                .check(&name, &field, &mut keys)?;
        }
        Ok(Entry { patterns, keys })
    }
}

impl Provider {
    fn check(
        self,
        name: &str,
        path: &str,
        keys: &mut Vec<Arc<NamedKey>>,
    ) -> Result<(), EncryptionConfigError> {
        let Some(algorithm) = Algorithm::named(name) else {
            return match name {
                "identity" | "kms" => Ok(()),
                _ => {
                    let problem = "want aesgcm, aescbc, secretbox, identity or kms";
                    Err(invalid(path.to_owned(), problem))
                }
            };
        };
        if self.keys.is_empty() {
            return Err(invalid(format!("{path}.keys"), "there are none"));
        }
        for (index, key) in self.keys.into_iter().enumerate() {
            let path = format!("{path}.keys[{index}]");
            keys.push(Arc::new(key.check(algorithm, &path)?));
        }
        Ok(())
    }
}

impl Key {
    fn check(self, algorithm: Algorithm, path: &str) -> Result<NamedKey, EncryptionConfigError> {
        if self.name.is_empty() || self.name.contains(':') {
            let problem = "want a name without a colon";
            return Err(invalid(format!("{path}.name"), problem));
        }
        let secret = |problem: String| invalid(format!("{path}.secret"), problem);
        let key = STANDARD.decode(self.secret.0.trim_ascii().as_bytes());
        let key = Zeroizing::new(key.map_err(|_| secret("it is not base64".to_owned()))?);
        let len = key.len();
        let Some(cipher) = Cipher::new(algorithm, key) else {
            let wanted = algorithm.key_lengths();
            return Err(secret(format!(
                "it has {len} bytes, want one of {wanted:?}"
            )));
        };
        Ok(NamedKey {
            name: self.name,
            cipher,
        })
    }
}

fn invalid(field: String, problem: impl Into<String>) -> EncryptionConfigError {
    EncryptionConfigError::Invalid {
        field,
        problem: problem.into(),
    }
}
