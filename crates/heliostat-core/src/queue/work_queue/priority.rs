//! `Priority`: how urgent a key is, beside other keys of its queue.

/// How urgent a key is. The larger goes first; any number will do.
///
/// Meant for a few classes, such as what a list brought at the start, what just changed, and what a
/// person waits for.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Priority(i32);

impl Priority {
    /// What can wait: objects of an initial list or of a resync, which may well be as they should be.
    /// The number is that of controller-runtime's `LowPriority`.
    pub const LOW: Self = Self(-100);

    /// What just changed. The default.
    pub const NORMAL: Self = Self(0);

    /// What a person waits for.
    pub const HIGH: Self = Self(100);

    /// A priority of one's own.
    #[must_use]
    pub const fn new(priority: i32) -> Self {
        Self(priority)
    }

    /// The priority as a number.
    #[must_use]
    pub const fn as_i32(self) -> i32 {
        self.0
    }
}

impl From<i32> for Priority {
    fn from(priority: i32) -> Self {
        Self(priority)
    }
}
