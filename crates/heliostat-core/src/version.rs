//! `ResourceVersion`: opaque on the wire, compared only where both sides are decimal.
//!
//! Kubernetes documents the versions of its own resources as comparable decimal integers
//! (KEP-5504, 1.35). Other servers may send anything, so order is a question that can have no answer.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The version of an object or of a list.
///
/// Keeps the text exactly as the server sent it. A decimal version takes no allocation.
///
/// ```
/// use heliostat_core::version::ResourceVersion;
///
/// let old = ResourceVersion::from("99");
/// let new = ResourceVersion::from("100");
/// assert!(old.is_older_than(&new));
/// assert!(!ResourceVersion::from("abc").is_older_than(&new));
/// assert_eq!(new.to_string(), "100");
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct ResourceVersion(Repr);

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
enum Repr {
    #[default]
    Unset,
    Decimal(u64),
    Opaque(Arc<str>),
}

impl ResourceVersion {
    /// No version: on a request "the most recent state".
    pub const UNSET: Self = Self(Repr::Unset);

    /// The version `0`: on a request "any state that is at hand".
    pub const ANY: Self = Self(Repr::Decimal(0));

    /// The version as a number, where it is one in canonical decimal form.
    #[must_use]
    pub const fn as_decimal(&self) -> Option<u64> {
        match self.0 {
            Repr::Decimal(number) => Some(number),
            Repr::Unset | Repr::Opaque(_) => None,
        }
    }

    /// True for the empty version.
    #[must_use]
    pub const fn is_unset(&self) -> bool {
        matches!(self.0, Repr::Unset)
    }

    /// True for `0`.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        matches!(self.0, Repr::Decimal(0))
    }

    /// True for a version that names a state: neither empty nor `0`.
    #[must_use]
    pub const fn is_real(&self) -> bool {
        !self.is_unset() && !self.is_any()
    }

    /// Which of two versions is newer, if that can be said at all.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self.as_decimal(), other.as_decimal()) {
            (Some(mine), Some(theirs)) => Some(mine.cmp(&theirs)),
            _ => (self == other).then_some(Ordering::Equal),
        }
    }

    /// True only if both versions can be compared and this one is strictly older.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.compare(other) == Some(Ordering::Less)
    }
}

impl From<&str> for ResourceVersion {
    fn from(text: &str) -> Self {
        if text.is_empty() {
            return Self::UNSET;
        }
        // Only the canonical form is a number: "007" and "+7" must be given back as they came.
        let canonical = text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'));
        match text.parse::<u64>() {
            Ok(number) if canonical => Self(Repr::Decimal(number)),
            _ => Self(Repr::Opaque(Arc::from(text))),
        }
    }
}

impl From<u64> for ResourceVersion {
    fn from(number: u64) -> Self {
        Self(Repr::Decimal(number))
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Unset => Ok(()),
            Repr::Decimal(number) => number.fmt(f),
            Repr::Opaque(text) => f.write_str(text),
        }
    }
}

/// Up to where a source proves that it has sent every change after some version.
///
/// The changes after that version, up to [`complete_up_to`](Self::complete_up_to), end with
/// [`last_change`](Self::last_change): a mirror that has applied that one misses nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VersionProgress {
    /// The version of the last change, if there was any.
    pub last_change: Option<u64>,
    /// The version up to which there was no other.
    pub complete_up_to: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_as_it_was() {
        for text in [
            "",
            "0",
            "7",
            "007",
            "+7",
            "18446744073709551615",
            "18446744073709551616",
            "é",
        ] {
            assert_eq!(ResourceVersion::from(text).to_string(), text);
        }
    }

    #[test]
    fn order_exists_only_between_decimals() {
        let older = |a: &str, b: &str| ResourceVersion::from(a).is_older_than(&b.into());
        assert!(older("9", "10"));
        assert!(!older("10", "9"));
        assert!(!older("", "9"));
        assert!(!older("x", "9"));
        assert!(!older("9", "09"));
        assert_eq!(
            ResourceVersion::from("x").compare(&"x".into()),
            Some(Ordering::Equal)
        );
        assert_eq!(ResourceVersion::from("x").compare(&"y".into()), None);
    }
}
