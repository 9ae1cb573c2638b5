//! The types of watch events, and the frame of JSON around an object.

use bytes::Bytes;

/// The kinds of watch events, as the wire spells them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum EventType {
    /// The object came into view.
    Added,
    /// The object changed.
    Modified,
    /// The object went out of view; the object is its last state.
    Deleted,
    /// Only the version moved.
    Bookmark,
    /// The stream ends; the object is a `Status`.
    Error,
}

impl EventType {
    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
            Self::Error => "ERROR",
        }
    }

    /// A frame of this type around an encoded object.
    pub(crate) fn frame(self, object: &[u8]) -> Bytes {
        let mut frame = Vec::with_capacity(object.len() + 40);
        self.open(&mut frame);
        frame.extend_from_slice(object);
        frame.extend_from_slice(b"}\n");
        frame.into()
    }

    pub(super) fn open(self, frame: &mut Vec<u8>) {
        frame.extend_from_slice(b"{\"type\":\"");
        frame.extend_from_slice(self.as_str().as_bytes());
        frame.extend_from_slice(b"\",\"object\":");
    }
}
