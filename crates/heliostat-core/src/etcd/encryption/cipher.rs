//! `Cipher`: the three ciphers of kube-apiserver, for reading.

use std::fmt;

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aead::{AeadInPlace, KeyInit};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, KeyIvInit};
use crypto_secretbox::XSalsa20Poly1305;
use zeroize::Zeroizing;

use super::error::DecryptionError;

/// One cipher with its key.
pub(super) struct Cipher {
    algorithm: Algorithm,
    key: Zeroizing<Vec<u8>>,
}

/// Which cipher.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Algorithm {
    /// `aesgcm`: nonce, ciphertext, tag; the etcd key is authenticated with them.
    AesGcm,
    /// `aescbc`: initialization vector, ciphertext with PKCS #7 padding. Not authenticated.
    AesCbc,
    /// `secretbox`: nonce, tag, ciphertext, as NaCl has them.
    Secretbox,
}

const GCM_NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const BLOCK_BYTES: usize = 16;
const SECRETBOX_NONCE_BYTES: usize = 24;

impl Algorithm {
    /// The name that the configuration and the values have for it.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "aesgcm" => Some(Self::AesGcm),
            "aescbc" => Some(Self::AesCbc),
            "secretbox" => Some(Self::Secretbox),
            _ => None,
        }
    }

    /// The lengths in bytes that a key may have.
    pub(super) const fn key_lengths(self) -> &'static [usize] {
        match self {
            Self::AesGcm | Self::AesCbc => &[16, 24, 32],
            Self::Secretbox => &[32],
        }
    }
}

impl Cipher {
    /// The cipher with this key; none if the key has another length.
    pub(super) fn new(algorithm: Algorithm, key: Zeroizing<Vec<u8>>) -> Option<Self> {
        let fits = algorithm.key_lengths().contains(&key.len());
        fits.then_some(Self { algorithm, key })
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Decrypts the body of a value into `out`. What is in `out` after an error is not the value.
    pub(super) fn open(
        &self,
        body: &[u8],
        etcd_key: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), DecryptionError> {
        out.clear();
        match (self.algorithm, self.key.len()) {
            (Algorithm::AesGcm, 16) => open_gcm::<Aes128>(&self.key, body, etcd_key, out),
            (Algorithm::AesGcm, 24) => open_gcm::<Aes192>(&self.key, body, etcd_key, out),
            (Algorithm::AesGcm, _) => open_gcm::<Aes256>(&self.key, body, etcd_key, out),
            (Algorithm::AesCbc, 16) => open_cbc::<Aes128>(&self.key, body, out),
            (Algorithm::AesCbc, 24) => open_cbc::<Aes192>(&self.key, body, out),
            (Algorithm::AesCbc, _) => open_cbc::<Aes256>(&self.key, body, out),
            (Algorithm::Secretbox, _) => open_secretbox(&self.key, body, out),
        }
    }
}

fn open_gcm<A>(
    key: &[u8],
    body: &[u8],
    etcd_key: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), DecryptionError>
where
    AesGcm<A, U12>: AeadInPlace + KeyInit,
{
    let split = body.split_at_checked(GCM_NONCE_BYTES);
    let (nonce, sealed) = split.ok_or(DecryptionError::Truncated)?;
    let end = sealed.len().checked_sub(TAG_BYTES);
    let (sealed, tag) = sealed.split_at(end.ok_or(DecryptionError::Truncated)?);
    let cipher = AesGcm::<A, U12>::new_from_slice(key).map_err(|_| DecryptionError::Tag)?;
    out.extend_from_slice(sealed);
    cipher
        .decrypt_in_place_detached(nonce.into(), etcd_key, out, tag.into())
        .map_err(|_| DecryptionError::Tag)
}

fn open_cbc<A>(key: &[u8], body: &[u8], out: &mut Vec<u8>) -> Result<(), DecryptionError>
where
    cbc::Decryptor<A>: KeyIvInit<IvSize = U16> + BlockDecryptMut,
    A: cbc::cipher::BlockCipher + BlockDecryptMut,
{
    let split = body.split_at_checked(BLOCK_BYTES);
    let (vector, sealed) = split.ok_or(DecryptionError::Truncated)?;
    if sealed.is_empty() || !sealed.len().is_multiple_of(BLOCK_BYTES) {
        return Err(DecryptionError::Truncated);
    }
    let cipher = cbc::Decryptor::<A>::new_from_slices(key, vector);
    let cipher = cipher.map_err(|_| DecryptionError::Padding)?;
    out.extend_from_slice(sealed);
    let plain = cipher.decrypt_padded_mut::<Pkcs7>(out);
    let len = plain.map_err(|_| DecryptionError::Padding)?.len();
    out.truncate(len);
    Ok(())
}

fn open_secretbox(key: &[u8], body: &[u8], out: &mut Vec<u8>) -> Result<(), DecryptionError> {
    let split = body.split_at_checked(SECRETBOX_NONCE_BYTES);
    let (nonce, sealed) = split.ok_or(DecryptionError::Truncated)?;
    let split = sealed.split_at_checked(TAG_BYTES);
    let (tag, sealed) = split.ok_or(DecryptionError::Truncated)?;
    let cipher = XSalsa20Poly1305::new_from_slice(key).map_err(|_| DecryptionError::Tag)?;
    out.extend_from_slice(sealed);
    cipher
        .decrypt_in_place_detached(nonce.into(), &[], out, tag.into())
        .map_err(|_| DecryptionError::Tag)
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.algorithm)
    }
}
