//! What kube-apiserver stores in etcd: where its objects are, and what their values hold.
//!
//! | module | what lives there |
//! |---|---|
//! | `collection` | [`RegistryCollection`]: the keys of one resource |
//! | `value` | [`ValueReader`]: the object in a value |
//! | `encryption` | [`EncryptionConfig`] and [`EncryptionKeys`]: values that are encrypted at rest |
//!
//! A value is not what the API shows: it is in the version in which it was stored, without the fields
//! that are defaulted while it is read. The kind is in each value.
//!
//! Requests to etcd are the business of a source. Here is no I/O.

mod collection;

mod value;

mod encryption;

pub use collection::RegistryCollection;
pub use encryption::{
    DecryptionError, EncryptedWith, EncryptionConfig, EncryptionConfigError, EncryptionKeys,
};
pub use value::{ValueError, ValueReader};
