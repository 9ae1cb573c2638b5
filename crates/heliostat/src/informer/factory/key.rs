//! `InformerKey`: what tells the informers of a factory apart.

use std::fmt;
use std::sync::Arc;

/// What an informer is of, as text. Within a factory, two informers are one if their keys and the types
/// of their objects are the same.
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
