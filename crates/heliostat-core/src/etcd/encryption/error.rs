//! `DecryptionError`: why an encrypted value cannot be read.

/// Why an encrypted value cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptionError {
    /// There is no key of that provider and name for the resource.
    #[error("the encryption configuration has no such key for this resource")]
    NoKey,
    /// The key is in a plugin of the cluster, which alone can decrypt the value.
    #[error("KMS providers are not supported")]
    Kms,
    /// The value is shorter than nonce and tag, or not made of whole blocks.
    #[error("the value is cut off")]
    Truncated,
    /// The authentication tag does not fit: another key, or changed bytes, or a value copied from another
    /// etcd key.
    #[error("the authentication tag does not match: the key is wrong, or the value was changed")]
    Tag,
    /// The padding is not valid, which with `aescbc` is the first sign of a wrong key.
    #[error("the padding is not valid: the key is wrong, or the value was changed")]
    Padding,
    /// What was decrypted is not an object. `aescbc` does not authenticate: with a wrong key one value in
    /// about 256 has a valid padding.
    #[error("the decrypted value is not an object: the key is wrong, or the value was changed")]
    NoObject,
}
