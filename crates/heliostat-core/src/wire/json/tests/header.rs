//! What is read from the bytes of an object alone.

use super::super::header::RawHeader;
use super::kind;

fn names(text: &str) -> [Option<String>; 3] {
    let header = RawHeader::read(text.as_bytes());
    let identity = RawHeader::read_identity(text.as_bytes());
    assert_eq!(identity.key(), header.key(), "{text}");
    assert_eq!(identity.uid, header.uid, "{text}");
    assert_eq!(identity.resource_version, header.resource_version, "{text}");
    [header.name, header.namespace, header.uid].map(|text| text.map(String::from))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn members_are_read_wherever_they_stand() {
    let expected = [some("a"), some("n"), some("u")];
    for text in [
        r#"{"metadata":{"name":"a","namespace":"n","uid":"u"}}"#,
        r#" { "x" : [ ] , "metadata" : { "uid" : "u" , "namespace":"n", "l":{}, "name" : "a" } } "#,
        r#"{"spec":{"metadata":{"name":"no"}},"metadata":{"labels":{"name":"no"},"uid":"u","name":"a","namespace":"n"}}"#,
        r#"{"m\u0065tadata":{"n\u0061me":"\u0061","namespace":"n","uid":"u"},"kind":"Pod","apiVersion":"v1"}"#,
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u"},"#,
    ] {
        assert_eq!(names(text), expected, "{text}");
    }
}

#[test]
fn what_comes_twice_counts_once() {
    let text = r#"{"metadata":{"name":"a","name":"b"},"metadata":{"name":"c","uid":"u"}}"#;
    assert_eq!(names(text), [some("a"), None, None]);
    // Metadata that is no object is as good as absent.
    let text = r#"{"metadata":7,"metadata":{"name":"c"}}"#;
    assert_eq!(names(text), [some("c"), None, None]);
}

#[test]
fn members_of_the_wrong_type_are_as_good_as_absent() {
    for text in [
        r#"{"metadata":{"name":7,"namespace":{"name":"x"},"uid":["u"]}}"#,
        r#"{"metadata":{"name":null}}"#,
        r#"{"metadata":[{"name":"a"}]}"#,
        r#"{"metadata":"name"}"#,
        r#"{"metadata":{}}"#,
        "{}",
        "[]",
        "7",
        "",
    ] {
        assert_eq!(names(text), [None, None, None], "{text}");
        assert_eq!(RawHeader::read(text.as_bytes()).key(), None);
    }
    let wrong = r#"{"kind":7,"apiVersion":null,"metadata":{"name":"a"}}"#;
    let header = RawHeader::read(wrong.as_bytes());
    assert_eq!(header.group_version_kind(), kind("", ""));
    assert_eq!(header.key().unwrap().as_str(), "a");
}

#[test]
fn an_empty_name_makes_no_key() {
    let header = RawHeader::read(br#"{"metadata":{"name":"","namespace":"n"}}"#);
    assert_eq!(header.key(), None);
    assert!(header.has_metadata);
}

#[test]
fn the_kind_is_read_after_metadata_too() {
    let text = br#"{"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"1","z":[{"kind":"No"}]},"kind":"Pod","apiVersion":"v1","spec":oops"#;
    assert!(RawHeader::read(text).is(&kind("v1", "Pod")));
    assert!(RawHeader::read_kind(text).is(&kind("v1", "Pod")));
    assert_eq!(RawHeader::read_identity(text).kind, None);
}

#[test]
fn reading_stops_at_bytes_that_cannot_be_followed() {
    assert_eq!(
        names(r#"{"metadata":{"name":"a";"uid":"u"}}"#),
        [some("a"), None, None]
    );
    assert_eq!(
        names(r#"{"metadata":{"name":"a","uid"}}"#),
        [some("a"), None, None]
    );
    assert_eq!(names(r#"{"metadata" {"name":"a"}}"#), [None, None, None]);
    let header = RawHeader::read(b"{\"metadata\":{\"name\":\"\xff\",\"uid\":\"u\"}}");
    assert_eq!((header.name, header.uid.as_deref()), (None, Some("u")));
}
