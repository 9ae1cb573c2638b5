//! The formats, on objects and messages made by hand.

use anstyle::AnsiColor;
use heliostat::object::Encoding;
use heliostat::{ObjectKey, Packing};
use serde_json::{Value, json};

use super::*;

fn pods() -> Arc<Kind> {
    Arc::new(Kind {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        resource: "pods".to_owned(),
        namespaced: true,
        metadata_only: false,
        is_one_of_several: false,
        is_warned_of_fields: Arc::default(),
    })
}

/// Packs an object as it comes in a list: without its kind.
fn packed(name: &str, version: u64, object: &Value) -> Entry<Stored> {
    let header = Header {
        key: ObjectKey::namespaced("ns", name),
        resource_version: version.into(),
        uid: name.into(),
    };
    let bytes = object.to_string().into_bytes().into();
    let raw = RawObject::new(Encoding::Json, None, bytes);
    Packing::raw().pack(Entry::new(header, raw))
}

fn entry(name: &str, version: u64, phase: &str) -> Entry<Stored> {
    let object = json!({
        "metadata": {"name": name, "namespace": "ns"},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": phase},
    });
    packed(name, version, &object)
}

fn items(entries: &[Entry<Stored>]) -> Vec<Item> {
    let pods = pods();
    let entries = entries.iter().cloned();
    entries
        .map(|entry| Item::new(&pods, entry, Reading::Once))
        .collect()
}

fn printed(format: Format, entries: &[Entry<Stored>]) -> String {
    let mut out = Vec::new();
    let version = ResourceVersion::from(9);
    let skipped = format.print(&items(entries), Some(&version), Destination::Pipe, &mut out);
    assert_eq!(skipped.unwrap(), 0);
    String::from_utf8(out).unwrap()
}

/// What is printed of these notifications, colours and all.
fn followed(format: Format, notifications: Vec<Notification<Stored>>) -> String {
    let mut follower = format.follow(Destination::Pipe);
    let mut out = Vec::new();
    let kind = pods();
    for notification in notifications {
        let message = Message::of(&kind, notification, format.reading());
        let message = message.unwrap_or_else(|| Message::Synced {
            kind: Arc::clone(&kind),
            source: "pods".into(),
            version: 1.into(),
        });
        follower.tell(&message, &mut out).unwrap();
    }
    String::from_utf8(out).unwrap()
}

fn added(name: &str, version: u64) -> Notification<Stored> {
    Notification::Added {
        entry: entry(name, version, "Pending"),
        is_in_initial_list: false,
    }
}

fn story() -> Vec<Notification<Stored>> {
    let told_again = entry("b", 3, "Pending");
    vec![
        added("a", 1),
        Notification::Synced,
        Notification::Updated {
            old: entry("a", 1, "Pending"),
            new: entry("a", 2, "Running"),
        },
        added("b", 3),
        Notification::Deleted {
            last: entry("a", 2, "Running"),
            tombstone: true,
        },
        Notification::Updated {
            old: told_again.clone(),
            new: told_again,
        },
    ]
}

fn without_colours(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn a_list_is_json_whether_empty_or_not() {
    let entries = [entry("a", 1, "Running"), entry("b", 2, "Running")];
    for entries in [&entries[..], &[]] {
        let list: Value = serde_json::from_str(&printed(Format::Json, entries)).unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), entries.len());
        assert_eq!(list["metadata"]["resourceVersion"], "9");
    }
}

#[test]
fn items_of_lists_get_the_kind_that_they_came_without() {
    let line = printed(Format::Jsonl, &[entry("a", 1, "Running")]);
    let object: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&object["apiVersion"], &object["kind"]),
        (&json!("v1"), &json!("Pod"))
    );
}

#[test]
fn yaml_keeps_texts_that_look_like_something_else() {
    let texts =
        json!({"a": "yes", "b": "1.0", "c": "null", "d": "x: y", "e": "two\nlines\n", "f": ""});
    let odd = packed("a", 1, &json!({"metadata": {"annotations": texts}}));
    let text = printed(Format::Yaml, &[odd]);
    for word in [
        "a: \"yes\"",
        "b: \"1.0\"",
        "c: \"null\"",
        "d: \"x: y\"",
        "f: \"\"",
    ] {
        assert!(
            text.replace('\'', "\"").contains(word),
            "no {word} in {text}"
        );
    }
    assert!(text.starts_with("---\napiVersion: v1\n"), "{text}");
}

#[test]
fn records_have_the_type_first_and_tombstones_are_marked() {
    let text = followed(Format::Jsonl, story());
    let starts: Vec<&str> = text
        .lines()
        .map(|line| line.split(",\"object\"").next().unwrap())
        .collect();
    assert_eq!(
        starts,
        [
            r#"{"type":"Added","key":"ns/a","resourceVersion":"1""#,
            r#"{"type":"Synced","source":"pods","resourceVersion":"1"}"#,
            r#"{"type":"Updated","key":"ns/a","resourceVersion":"2""#,
            r#"{"type":"Added","key":"ns/b","resourceVersion":"3""#,
            r#"{"type":"Deleted","key":"ns/a","resourceVersion":"2","tombstone":true"#,
            r#"{"type":"Resynced","key":"ns/b","resourceVersion":"3""#,
        ]
    );
}

#[test]
fn an_error_tells_its_class_and_the_next_try() {
    let mut follower = Format::Jsonl.follow(Destination::Pipe);
    let mut out = Vec::new();
    let message = Message::Error {
        source: "pods".into(),
        class: "refused",
        message: "nobody there".to_owned(),
        retry_in: Some(Duration::from_micros(1_234_567)),
    };
    follower.tell(&message, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"type\":\"Error\",\"source\":\"pods\",\"class\":\"refused\",\
         \"message\":\"nobody there\",\"retryInSeconds\":1.235}\n"
    );
}

#[test]
fn names_follow_with_signs() {
    let text = followed(Format::Name, story());
    assert_eq!(text, "+ ns/a\n~ ns/a\n+ ns/b\n- ns/a\n= ns/b\n");
}

#[test]
fn a_table_begins_with_the_first_state_and_goes_on_with_signs() {
    let text = followed(Format::Table, story());
    let plain = without_colours(&text);
    let words: Vec<String> = plain
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        words,
        [
            "NAMESPACE NAME READY STATUS RESTARTS NODE AGE",
            "ns a 0/1 Pending 0 <none> <none>",
            "~ ns a 0/1 Running 0 <none> <none>",
            "+ ns b 0/1 Pending 0 <none> <none>",
            "- ns a 0/1 Running 0 <none> <none>",
            "= ns b 0/1 Pending 0 <none> <none>",
        ]
    );
    let starts: Vec<usize> = plain.lines().filter_map(|line| line.find("0/1")).collect();
    assert_eq!(starts, [starts[0]; 5], "columns are aligned");
    let updated = text.lines().nth(2).unwrap();
    let yellow = AnsiColor::Yellow.on_default().bold().render().to_string();
    assert!(updated.contains(&format!("{yellow}Running")), "{updated:?}");
    assert_eq!(updated.matches(&yellow).count(), 1, "only what changed");
}

#[test]
fn an_object_cannot_write_to_the_terminal() {
    let text = printed(Format::Table, &[entry("a", 1, "\x1b]0;owned\x07Running")]);
    assert!(
        !without_colours(&text).contains(['\x1b', '\x07']),
        "{text:?}"
    );
    let escaped = r"\u{1b}]0;owned\u{7}Running";
    assert!(text.contains(escaped), "{text:?}");
}

#[test]
fn names_are_escaped_for_a_terminal_and_raw_in_a_pipe() {
    let name = "a\x1b[2J\nb";
    let items = items(&[entry(name, 1, "Running")]);
    let names = |destination| {
        let mut out = Vec::new();
        Format::Name
            .print(&items, None, destination, &mut out)
            .unwrap();
        let mut follower = Format::Name.follow(destination);
        let change = Message::of(&pods(), added(name, 1), Reading::Once).unwrap();
        follower.tell(&change, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let raw = format!("ns/{name}\n+ ns/{name}\n");
    assert_eq!(names(Destination::Pipe), raw);
    let escaped = r"a\u{1b}[2J\nb";
    assert_eq!(
        names(Destination::Terminal),
        format!("ns/{escaped}\n+ ns/{escaped}\n")
    );
    assert!(printed(Format::Table, &[entry(name, 1, "Running")]).contains(escaped));
}

/// An object of this name, with this JSON in its spec.
fn raw(name: &str, spec: &str) -> Entry<Stored> {
    let header = entry(name, 1, "Running").header;
    let text = format!(r#"{{"metadata":{{"name":"{name}"}},"spec":{spec}}}"#);
    let bytes = text.into_bytes().into();
    Packing::raw().pack(Entry::new(
        header,
        RawObject::new(Encoding::Json, None, bytes),
    ))
}

const WHOLE: [Format; 3] = [Format::Json, Format::Jsonl, Format::Yaml];

#[test]
fn objects_that_cannot_be_printed_are_passed_over() {
    let defects = [r#""\ud800""#, "1e400", "tru", "[1}"];
    for format in WHOLE {
        for at in 0..3 {
            for defect in defects {
                let mut entries = [raw("a", "1"), raw("b", "2"), raw("c", "3")];
                entries[at] = raw("bad", defect);
                let mut out = Vec::new();
                let skipped = format
                    .print(&items(&entries), None, Destination::Pipe, &mut out)
                    .unwrap();
                assert_eq!(skipped, 1, "{format:?} {defect}");
                let text = String::from_utf8(out).unwrap();
                assert!(!text.contains("bad"), "{text}");
                let documents = match format {
                    Format::Json => {
                        let list: Value = serde_json::from_str(&text).unwrap();
                        list["items"].as_array().unwrap().len()
                    }
                    Format::Jsonl => {
                        let lines = text.lines().map(serde_json::from_str::<Value>);
                        lines.filter(Result::is_ok).count()
                    }
                    _ => text.matches("---\napiVersion: v1\nkind: Pod\n").count(),
                };
                assert_eq!(documents, 2, "{text}");
            }
        }
        let mut out = Vec::new();
        let bad = items(&[raw("bad", "1e400")]);
        assert_eq!(
            format
                .print(&bad, None, Destination::Pipe, &mut out)
                .unwrap(),
            1
        );
        if format == Format::Json {
            let list: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(list["items"], json!([]));
        } else {
            assert_eq!(out, b"");
        }
    }
}

#[test]
fn objects_that_are_nested_deeply_are_printed() {
    let deep = format!("{}1{}", r#"{"a":["#.repeat(100), "]}".repeat(100));
    for format in WHOLE {
        let text = printed(format, &[raw("deep", &deep)]);
        let dense: String = text.split_whitespace().collect();
        assert!(dense.ends_with(match format {
            Format::Json => "}]}",
            Format::Jsonl => "}",
            _ => "]",
        }));
        assert_eq!(
            text.matches('1').count() - text.matches("v1").count(),
            1,
            "{text}"
        );
    }
    assert_eq!(
        printed(Format::Jsonl, &[raw("deep", &deep)]),
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"deep\"}},\
             \"spec\":{deep}}}\n"
        )
    );
}

#[test]
fn a_follow_names_what_it_cannot_print() {
    for format in WHOLE {
        let mut follower = format.follow(Destination::Pipe);
        let mut out = Vec::new();
        let added = Notification::Added {
            entry: raw("bad", r#""\ud800""#),
            is_in_initial_list: true,
        };
        let message = Message::of(&pods(), added, Reading::Once).unwrap();
        let Err(PrintError::Object(unprintable)) = follower.tell(&message, &mut out) else {
            panic!("{format:?} printed it");
        };
        assert_eq!(out, b"", "{format:?}");
        let message = Message::Unprintable(unprintable);
        follower.tell(&message, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for word in ["Error", "ns/bad", "unprintable", "surrogate"] {
            assert!(text.contains(word), "{text}");
        }
    }
}

#[test]
fn fields_of_a_newer_server_are_left_out_with_a_warning() {
    let pods = pods();
    let is_warned = || pods.is_warned_of_fields.load(Ordering::Relaxed);
    let known = b"\x0a\x03\x0a\x01a";
    let text = pods.json_of_protobuf(known).unwrap();
    assert!(!is_warned());
    // The same with field 100.
    let unknown = [known.as_slice(), &[0xa0, 6, 1]].concat();
    assert_eq!(pods.json_of_protobuf(&unknown).unwrap(), text);
    assert!(is_warned());
}
