//! The packed form: objects as compressed bytes, decoded while somebody reads them.
//!
//! Objects of one kind look alike, so each is compressed against a dictionary that is trained on the
//! first of them: a pod takes about half a kilobyte then, and no object needs its neighbours to be read.
//! A [`Packed<T>`] is an object like any other, so stores, indexes, snapshots, queues and informers hold
//! it as they hold a typed one. Whoever wants the object asks it: [`Packed::get`] gives an `Arc<T>`, and
//! keeps it for the next one who asks, as long as all that is kept stays within a *memory budget*.
//!
//! | module | what lives there |
//! |---|---|
//! | `packing` | [`Packing`]: what the objects of one collection share, and how they are decoded |
//! | `packer` | [`Packer`]: from the bytes of an object to its packed form |
//! | `object` | [`Packed`]: one object, the ways to read it, and which decoded objects are kept |
//! | `codec` | [`PackedCodec`]: packs while a list or a watch is decoded |
//! | `training` | when is a dictionary trained, and when is it replaced? |
//! | `shared` | what the packers of one collection share |
//! | `compression` | frames and dictionaries |

mod codec;

mod compression;

mod object;

mod packer;

mod packing;

mod shared;

mod training;

#[cfg(test)]
mod tests;

pub use codec::PackedCodec;
pub use compression::{Dictionary, UNPACKED_BYTES_MAX};
pub use object::Packed;

pub use crate::raw::UnpackError;
pub use packer::Packer;
pub use packing::{DEFAULT_MEMORY_BUDGET, Packing, PackingStats};
