//! Lists and watches as `application/vnd.kubernetes.protobuf`.
//!
//! | module | what lives there |
//! |---|---|
//! | `list`, `watch` | the two decoders: where an item, a frame and the list's own metadata lie |
//! | `codec` | [`ProtobufCodec`]: objects as types of prost or serde |
//! | [`envelope`] | the magic number and the message around every top-level object |
//! | [`header`] | name, version and kind of an object, read from its bytes alone |
//! | [`field`] | the fields of one message, in the order in which they lie |
//! | `gather` | a run of bytes that chunks may cut |
//! | `version` | an object's bytes with another resource version |
//! | `status` | a refusal |
//! | `prune` | an object's bytes without managed fields, or with nothing but metadata |
//!
//! Nothing here knows a schema beyond what all Kubernetes objects share: that the first field of an
//! object is its metadata, and of a list its metadata and its items. The numbers are those of the
//! `generated.proto` files of `k8s.io/apimachinery`.

mod list;

mod watch;

mod codec;

pub mod envelope;

pub mod header;

pub mod field;

mod gather;

mod prune;

mod version;

mod status;

#[cfg(test)]
pub(crate) mod naive;

#[cfg(test)]
mod tests;

pub use codec::ProtobufCodec;
pub use list::ListDecoder;
pub use prune::{only_metadata, without_managed_fields};
pub use status::parse as parse_status;
pub use version::with_resource_version;
pub use watch::WatchDecoder;
