//! Values that kube-apiserver encrypts before it stores them.
//!
//! | module | what lives there |
//! |---|---|
//! | `sealed` | [`Sealed`]: the provider and the key that a value names |
//! | `config` | [`EncryptionConfig`]: kube-apiserver's own file |
//! | `keys` | [`EncryptionKeys`]: the keys of one resource |
//! | `cipher` | the three ciphers |
//! | `error` | why a value cannot be decrypted |
//!
//! No error has bytes of a value or of a key. Keys are cleared from memory when they are dropped;
//! decrypted values are objects like any other and are not.

mod error;

mod sealed;

mod cipher;

mod keys;

mod config;

pub(super) use sealed::Sealed;

pub use config::{EncryptionConfig, EncryptionConfigError};
pub use error::DecryptionError;
pub use keys::EncryptionKeys;
pub use sealed::EncryptedWith;

#[cfg(test)]
mod tests;
