//! `EncryptionKeys`: what the values of one resource are decrypted with.

use std::sync::Arc;

use super::cipher::{Algorithm, Cipher};
use super::error::DecryptionError;
use super::sealed::Sealed;

/// The keys of one resource, from [`EncryptionConfig::keys_of`](super::EncryptionConfig::keys_of). By
/// default there are none. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct EncryptionKeys(Arc<[Arc<NamedKey>]>);

/// A key of a provider.
#[derive(Debug)]
pub(super) struct NamedKey {
    pub(super) name: String,
    pub(super) cipher: Cipher,
}

impl EncryptionKeys {
    pub(super) fn new(keys: Vec<Arc<NamedKey>>) -> Self {
        Self(keys.into())
    }

    /// The names of the keys, in the order in which they are tried.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|key| &*key.name).collect()
    }

    /// Decrypts a value into `out`.
    ///
    /// As in kube-apiserver each key of the name is tried, in the order of the configuration.
    pub(in super::super) fn open(
        &self,
        sealed: &Sealed<'_>,
        etcd_key: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), DecryptionError> {
        if sealed.provider == "kms" {
            return Err(DecryptionError::Kms);
        }
        let algorithm = Algorithm::named(sealed.provider).filter(|_| sealed.version == VERSION);
        let is_named = |key: &&Arc<NamedKey>| {
            Some(key.cipher.algorithm()) == algorithm && key.name == sealed.key
        };
        let mut failed = DecryptionError::NoKey;
        for key in self.0.iter().filter(is_named) {
            match key.cipher.open(sealed.body, etcd_key, out) {
                Ok(()) => return Ok(()),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

/// The only version of the three providers that there is.
const VERSION: &str = "v1";
