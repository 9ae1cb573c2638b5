//! `KeyHasher`: for small sets of keys that live for one call.
//!
//! Several times as fast as the hasher of the standard library, and the same in every run. Whoever
//! names objects could make its values clash, so a set of it must have a limit.

use std::hash::Hasher;

/// Folds eight bytes at a time into a product.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

/// An odd number without a pattern in its bits: the golden ratio's fraction, in 64 bits.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl KeyHasher {
    const fn fold(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(FACTOR).rotate_left(29);
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.fold(u64::from_le_bytes(last));
    }

    fn write_u8(&mut self, byte: u8) {
        self.fold(byte.into());
    }

    fn finish(&self) -> u64 {
        // The table looks at the highest bits and at the lowest.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::KeyHasher;

    #[test]
    fn keys_that_differ_little_are_spread_over_all_bits() {
        let hash = |key: &str| BuildHasherDefault::<KeyHasher>::default().hash_one(key);
        let keys = (0..4096).map(|number| format!("namespace-{}/pod-{number}", number % 16));
        let hashes: Vec<_> = keys.map(|key| hash(&key)).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 4096);
        // Each of 128 buckets would have 32.
        for shift in [0, 57] {
            let mut buckets = [0; 128];
            for hash in &hashes {
                let bucket = (hash >> shift) & 127;
                buckets[usize::try_from(bucket).unwrap()] += 1;
            }
            assert!(
                buckets.iter().all(|bucket| (4..96).contains(bucket)),
                "{buckets:?}"
            );
        }
    }
}
