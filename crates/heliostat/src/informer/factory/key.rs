//! `InformerKey`: the identity of an informer in a factory.

use std::fmt;
use std::sync::Arc;

/// The identity of an informer, as text. Within a factory, there is one informer for each key and type of
/// object.
///
/// With the feature `kube`, [`InformerKey::kube`] is the key of a Kubernetes kind in a scope; for sources
/// of your own any text will do.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct InformerKey(Arc<str>);

impl InformerKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for InformerKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for InformerKey {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&Self> for InformerKey {
    fn from(key: &Self) -> Self {
        key.clone()
    }
}

impl fmt::Display for InformerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
