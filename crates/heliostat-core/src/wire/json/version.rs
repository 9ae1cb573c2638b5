//! An object's bytes with another resource version.
//!
//! etcd stores objects without one: it is the revision at which the value was written.

use std::borrow::Cow;
use std::ops::Range;

use super::header::text;
use super::members::{Member, Members, skip_spaces};

/// Copies `object` into `scratch` with `metadata.resourceVersion` set to `version`, and returns the copy.
///
/// A new member is where Go writes it: after the uid in an object of a Go type, whose members have the
/// order of its fields, and in alphabetical order in a custom resource. Returns nothing if the bytes are
/// not an object with metadata.
///
/// ```
/// use heliostat_core::wire::json::with_resource_version;
///
/// let stored = br#"{"kind":"Node","metadata":{"name":"a","uid":"u","generation":1}}"#;
/// let mut scratch = Vec::new();
/// let object = with_resource_version(stored, 7, &mut scratch).unwrap();
/// assert_eq!(
///     object,
///     br#"{"kind":"Node","metadata":{"name":"a","uid":"u","resourceVersion":"7","generation":1}}"#
/// );
/// ```
pub fn with_resource_version<'a>(
    object: &[u8],
    version: u64,
    scratch: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    let (replaced, before, after) = place(object)?;
    scratch.clear();
    scratch.extend_from_slice(object.get(..replaced.start)?);
    scratch.extend_from_slice(before.as_bytes());
    scratch.extend_from_slice(format!("\"{version}\"").as_bytes());
    scratch.extend_from_slice(after.as_bytes());
    scratch.extend_from_slice(object.get(replaced.end..)?);
    Some(scratch)
}

/// Which bytes the version replaces, and what is written before and after it.
fn place(object: &[u8]) -> Option<(Range<usize>, &'static str, &'static str)> {
    // The metadata that a header is read from, however its name is written.
    let is_metadata = |member: &Member| {
        name(object, member) == "metadata" && object.get(member.value.start) == Some(&b'{')
    };
    let metadata = Members::of(object, 0)?.find(is_metadata)?;
    let mut members = Members::of(object, metadata.value.start)?;
    let mut order = Order::Unknown;
    // Where the members that precede the version end, and where one follows it.
    let (mut end, mut next) = (None, None);
    for member in members.by_ref() {
        let name = name(object, &member);
        if name == "resourceVersion" {
            return Some((member.value, "", ""));
        }
        order = order.after(&name);
        if order.precedes(&name) {
            end = Some(member.value.end);
        } else if next.is_none() {
            next = Some(member.name.start);
        }
    }
    Some(match (end, next) {
        (Some(end), _) => (end..end, ",\"resourceVersion\":", ""),
        (None, Some(next)) => (next..next, "\"resourceVersion\":", ","),
        (None, None) => {
            let start = skip_spaces(object, metadata.value.start) + 1;
            (start..start, "\"resourceVersion\":", "")
        }
    })
}

/// The name of a member, empty if it cannot be read.
fn name<'a>(object: &'a [u8], member: &Member) -> Cow<'a, str> {
    let name = object.get(member.name.clone()).unwrap_or_default();
    text(name).unwrap_or_default()
}

/// The order of the members of metadata.
#[derive(Clone, Copy)]
enum Order {
    /// Nothing was seen yet.
    Unknown,
    /// That of the fields of `ObjectMeta`, which begins with the name.
    Fields,
    /// Alphabetical, as in custom resources.
    Alphabetical,
}

impl Order {
    /// The order, by its first member: that of the fields begins with a name, and only there is a name
    /// first, since a stored object has a creation time.
    fn after(self, name: &str) -> Self {
        match self {
            Self::Unknown if matches!(name, "name" | "generateName") => Self::Fields,
            Self::Unknown => Self::Alphabetical,
            known => known,
        }
    }

    /// True if the member is written before the version.
    fn precedes(self, name: &str) -> bool {
        match self {
            Self::Unknown | Self::Alphabetical => name < "resourceVersion",
            Self::Fields => matches!(
                name,
                "name" | "generateName" | "namespace" | "selfLink" | "uid"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::wire::json::header::RawHeader;

    fn versioned(object: &str) -> Option<String> {
        let mut scratch = vec![b'x'];
        let object = with_resource_version(object.as_bytes(), 42, &mut scratch)?;
        Some(String::from_utf8(object.to_vec()).unwrap())
    }

    #[test]
    fn a_version_is_inserted_where_go_writes_it() {
        let check = |metadata: &str, expected: &str| {
            let object = |metadata| format!(r#"{{"spec":{{}},"metadata":{metadata},"data":"x"}}"#);
            assert_eq!(versioned(&object(metadata)).unwrap(), object(expected));
        };
        let version = r#""resourceVersion":"42""#;
        check(
            r#"{"name":"a","namespace":"n","uid":"u","generation":1}"#,
            &format!(r#"{{"name":"a","namespace":"n","uid":"u",{version},"generation":1}}"#),
        );
        check(
            r#"{"creationTimestamp":"t","name":"a","uid":"u"}"#,
            &format!(r#"{{"creationTimestamp":"t","name":"a",{version},"uid":"u"}}"#),
        );
        check(r#"{"uid":"u"}"#, &format!(r#"{{{version},"uid":"u"}}"#));
        check("{ }", &format!("{{{version} }}"));
        check(
            r#"{"name":"a", "resourceVersion" : "7","uid":"u"}"#,
            r#"{"name":"a", "resourceVersion" : "42","uid":"u"}"#,
        );
    }

    #[test]
    fn the_version_inserted_is_the_version_read() {
        for object in [
            r#"{"metadata":{"name":"a"}}"#,
            r#"{"metadata":{"name":"a","resource\u0056ersion":"1"}}"#,
            r#"{"metadata":{"resourceVersion":null,"name":"a"}}"#,
            r#"{"metad\u0061ta":{"name":"a"}}"#,
            r#"{"metadata":7,"metadata":{"name":"a"}}"#,
            r#" { "metadata" : { "labels" : { "resourceVersion" : "1" } , "name" : "a" } } "#,
        ] {
            let object = versioned(object).unwrap();
            let read = RawHeader::read(object.as_bytes());
            assert_eq!(read.resource_version.as_deref(), Some("42"), "{object}");
            let value: Value = serde_json::from_str(&object).unwrap();
            assert_eq!(value["metadata"]["resourceVersion"], "42");
        }
    }

    #[test]
    fn bytes_without_metadata_are_refused() {
        for object in ["", "7", "{", "{}", r#"{"metadata":7}"#, r#"{"metadata""#] {
            assert_eq!(versioned(object), None, "{object}");
        }
    }
}
