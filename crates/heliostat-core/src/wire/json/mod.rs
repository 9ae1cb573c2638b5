//! Lists and watches as `application/json`.
//!
//! | module | what lives there |
//! |---|---|
//! | `list`, `watch` | the two decoders: what the members of a list and of a frame mean |
//! | `bare_status` | a `Status` where a list or a frame should be |
//! | `codec` | an object by way of serde |
//! | [`header`] | name, version and kind of an object, read from its bytes alone |
//! | `split` | an object cut into its members and elements, at any chunk boundary |
//! | `members` | where the members of an object are in its bytes |
//! | `version` | an object's bytes with another resource version |
//! | `prune` | an object's bytes without managed fields, or with nothing but metadata |
//! | `scan` | where a value ends: the fast inner loop, and the strict check behind it |
//!
//! Every byte is looked at once to find the ends; what the codec does with an object's bytes is its
//! own affair (the one here copies them once, for a parser that works in place). The scan counts
//! brackets and knows strings and nothing else, so it needs no stack and no limit of depth; how deep
//! an object may be is for its codec to say (128 levels with serde).

mod list;

mod watch;

mod bare_status;

mod codec;

pub mod header;

mod split;

mod scan;

mod members;

mod prune;

mod version;

pub use codec::JsonCodec;
pub use list::ListDecoder;
pub use prune::{only_metadata, without_managed_fields};
pub use version::with_resource_version;
pub use watch::WatchDecoder;

#[cfg(test)]
mod tests;
