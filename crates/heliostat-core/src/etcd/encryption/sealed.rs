//! `Sealed`: an encrypted value, and the names in front of its ciphertext.

use std::fmt;

use crate::printable::printable;

/// What every encrypted value begins with (`k8s.io/apiserver`, pkg/server/options/encryptionconfig).
const PREFIX: &[u8] = b"k8s:enc:";

/// The most bytes of a provider's or a key's name that are looked at. What has no end within them is no
/// name, and may be ciphertext.
const NAME_BYTES_MAX: usize = 253;

/// An encrypted value: `k8s:enc:PROVIDER:VERSION:KEY:` and the ciphertext.
#[derive(Clone, Copy)]
pub(in super::super) struct Sealed<'a> {
    /// Empty if the value has no readable one.
    pub(super) provider: &'a str,
    pub(super) version: &'a str,
    pub(super) key: &'a str,
    pub(super) body: &'a [u8],
}

/// How a value is encrypted, as it says itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EncryptedWith {
    provider: String,
    key: String,
}

impl EncryptedWith {
    /// The provider and its version: `aesgcm:v1`, `kms:v2`. Empty if the value does not name one.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The name of the key; of a KMS, the name of the plugin. Empty if the value does not name one.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for EncryptedWith {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.provider.is_empty() {
            true => f.write_str("a provider that it does not name"),
            false => {
                let (provider, key) = (printable(&self.provider), printable(&self.key));
                write!(f, "provider {provider} and key \"{key}\"")
            }
        }
    }
}

impl<'a> Sealed<'a> {
    /// The encrypted value; none if the value is not encrypted.
    pub(in super::super) fn of(value: &'a [u8]) -> Option<Self> {
        let mut body = value.strip_prefix(PREFIX)?;
        let mut name = || {
            let end = body
                .iter()
                .take(NAME_BYTES_MAX + 1)
                .position(|&byte| byte == b':')?;
            let (name, rest) = body.split_at_checked(end)?;
            let name = str::from_utf8(name).ok()?;
            body = rest.get(1..)?;
            Some(name)
        };
        let names = (name(), name(), name());
        let (Some(provider), Some(version), Some(key)) = names else {
            return Some(Self {
                provider: "",
                version: "",
                key: "",
                body: &[],
            });
        };
        Some(Self {
            provider,
            version,
            key,
            body,
        })
    }

    /// The names alone.
    pub(in super::super) fn with(&self) -> EncryptedWith {
        let provider = match self.provider.is_empty() {
            true => String::new(),
            false => format!("{}:{}", self.provider, self.version),
        };
        EncryptedWith {
            provider,
            key: self.key.to_owned(),
        }
    }
}
