//! Who a grown pod is: its own texts, made from its index alone.

use bytes::{BufMut, BytesMut};

use super::facts::Facts;

/// The texts of one pod that may be longer or shorter than the recorded ones, and the seed of those
/// that are not.
pub(super) struct Identity {
    pub(super) namespace: String,
    pub(super) node: String,
    pub(super) version: String,
    seed: u64,
    generation: u64,
}

/// Texts of a fixed length.
#[derive(Clone, Debug)]
pub(super) enum Own {
    /// Hexadecimal, with hyphens where a uid has them. Each number is another uid.
    Uid(u64),
    /// So many hexadecimal digits. Each number is another id.
    ContainerId(u64, usize),
    /// It begins as the recorded one, so that names stay in their order.
    TemplateHash,
    /// An address whose parts have as many digits as these.
    Address(String),
}

/// How far apart the seeds of different texts are.
const STEP: u64 = 1 << 32;

/// How many digits at the end of a template's hash are a grown pod's own.
const HASH_DIGITS_OWN: usize = 4;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl Identity {
    pub(super) fn new(facts: &Facts, index: usize, generation: usize, version: u64) -> Self {
        Self {
            namespace: format!("c{generation:04}-{}", facts.namespace),
            node: format!("{}-{generation:04}", facts.node),
            version: version.to_string(),
            seed: index as u64,
            generation: generation as u64,
        }
    }

    pub(super) fn push(&self, out: &mut BytesMut, own: &Own, facts: &Facts) {
        match own {
            Own::Uid(number) => {
                for (part, digits) in [8, 4, 4, 4, 12].into_iter().enumerate() {
                    if part > 0 {
                        out.put_u8(b'-');
                    }
                    self.push_hex(out, number * 8 + part as u64, digits);
                }
            }
            Own::ContainerId(number, digits) => {
                for part in 0..digits.div_ceil(16) {
                    let digits = (digits - part * 16).min(16);
                    self.push_hex(out, (number + 16) * 8 + part as u64, digits);
                }
            }
            Own::TemplateHash => {
                let hash = &facts.template_hash;
                let kept = hash.len().saturating_sub(HASH_DIGITS_OWN);
                out.put_slice(&hash.as_bytes()[..kept]);
                push_hex(out, mixed(self.generation), hash.len() - kept);
            }
            Own::Address(shape) => {
                for (part, recorded) in shape.split('.').enumerate() {
                    if part > 0 {
                        out.put_u8(b'.');
                    }
                    let random = mixed(self.seed + (part as u64 + 1) * STEP);
                    out.put_slice(number_of(recorded.len(), random).as_bytes());
                }
            }
        }
    }

    fn push_hex(&self, out: &mut BytesMut, salt: u64, digits: usize) {
        push_hex(out, mixed(self.seed + (salt + 8) * STEP), digits);
    }
}

fn push_hex(out: &mut BytesMut, mut random: u64, digits: usize) {
    for _ in 0..digits {
        out.put_u8(DIGITS[(random & 15) as usize]);
        random >>= 4;
    }
}

/// A part of an address with so many digits.
fn number_of(digits: usize, random: u64) -> String {
    let number = match digits {
        0 | 1 => random % 10,
        2 => 10 + random % 90,
        _ => 100 + random % 156,
    };
    number.to_string()
}

/// The finalizer of SplitMix64: every bit of the result depends on every bit of the seed.
const fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
