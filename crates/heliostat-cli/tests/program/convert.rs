//! `heliostat convert`, over what servers and etcd recorded, and over hostile bytes.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::thread;

use serde_json::Value;

use crate::common::{command, folder};

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!(
            "../../../heliostat-kinds/testdata/captures/",
            $name
        ))
        .as_slice()
    };
}

const WIDGET: &[u8] = include_bytes!("../../testdata/etcd-value-widget.json");

const CONFIG_MAP: &[u8] = recorded!("etcd-value-configmap.bin");

/// What a run left behind.
struct Converted {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Converted {
    fn text(&self) -> &str {
        str::from_utf8(&self.stdout).unwrap()
    }

    fn succeeded(self) -> Self {
        assert_eq!((self.code, &*self.stderr), (Some(0), ""));
        self
    }
}

fn convert(arguments: &[&str], input: &[u8]) -> Converted {
    let mut child = command(&[&["convert"], arguments].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may end before it has read everything.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Converted {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Go's encodings of every built-in kind: the envelope and the JSON.
fn golden() -> Vec<(Vec<u8>, String)> {
    let zipped = include_bytes!("../../../heliostat-kinds/testdata/encodings.jsonl.gz");
    let mut rows = String::new();
    flate2::read::MultiGzDecoder::new(zipped.as_slice())
        .read_to_string(&mut rows)
        .unwrap();
    let row = |row: &str| {
        let row: Value = serde_json::from_str(row).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let engine = &base64::engine::general_purpose::STANDARD;
        let bytes = base64::Engine::decode(engine, text("protobuf")).unwrap();
        (bytes, text("json"))
    };
    rows.lines().map(row).collect()
}

/// What a text means. Null is the same as absent, and protobuf does not have it.
fn value(text: &str) -> Value {
    fn without_nulls(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|_, value| !value.is_null());
                members.values_mut().for_each(without_nulls);
            }
            Value::Array(elements) => elements.iter_mut().for_each(without_nulls),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    without_nulls(&mut value);
    value
}

#[test]
fn what_etcd_stores_is_shown_and_stored_again() {
    for end in ["", "\n"] {
        let stored = [CONFIG_MAP, end.as_bytes()].concat();
        let yaml = convert(&["-o", "yaml"], &stored).succeeded();
        assert!(
            yaml.text()
                .starts_with("---\napiVersion: v1\nkind: ConfigMap\n")
        );
        let back = convert(&["-o", "protobuf"], &yaml.stdout).succeeded();
        assert_eq!(back.stdout, CONFIG_MAP);
    }
    // As `etcdctl get --prefix --print-value-only` prints values, of built-in kinds and others.
    let pod = recorded!("etcd-value-pod.bin");
    let values = [CONFIG_MAP, b"\n", WIDGET, b"\n", pod, b"\n"].concat();
    let names = convert(&["-o", "name"], &values).succeeded();
    assert_eq!(names.text().lines().count(), 3, "{}", names.text());
    let json = convert(&["-o", "jsonl"], &values).succeeded();
    assert_eq!(
        json.text().lines().nth(1).map(str::as_bytes),
        WIDGET.strip_suffix(b"\n")
    );
    let back = convert(&["-o", "protobuf"], &json.stdout).succeeded();
    assert_eq!(back.stdout, [CONFIG_MAP, WIDGET, pod].concat());
}

#[test]
fn every_kind_goes_there_and_back() {
    let (mut stored, mut texts) = (Vec::new(), Vec::new());
    for (bytes, text) in golden() {
        // Lists are taken apart.
        if !text.contains("List\",\"apiVersion\"") {
            stored.extend(bytes);
            texts.push(text);
        }
    }
    assert!(texts.len() > 200, "{}", texts.len());
    let json = convert(&["-o", "jsonl"], &stored).succeeded();
    let lines: Vec<&str> = json.text().split_terminator('\n').collect();
    assert_eq!(lines.len(), texts.len());
    for (line, text) in lines.iter().zip(&texts) {
        assert_eq!(value(line), value(text));
    }
    for format in ["json", "yaml", "protobuf"] {
        let converted = convert(&["-o", format], &json.stdout).succeeded();
        let again = convert(&["-o", "jsonl"], &converted.stdout).succeeded();
        for (line, text) in again.text().split_terminator('\n').zip(&texts) {
            assert_eq!(value(line), value(text), "{format}");
        }
        assert_eq!(again.text().split_terminator('\n').count(), texts.len());
    }
}

#[test]
fn lists_and_watches_are_taken_apart_in_both_encodings() {
    for (json, protobuf) in [
        (recorded!("list-json.body"), recorded!("list-protobuf.body")),
        (recorded!("get-json.body"), recorded!("get-protobuf.body")),
    ] {
        for format in ["json", "jsonl", "yaml", "name"] {
            let json = convert(&["-o", format], json).succeeded();
            let protobuf = convert(&["-o", format], protobuf).succeeded();
            assert!(!json.stdout.is_empty());
            assert_eq!(json.text(), protobuf.text(), "{format}");
        }
        let of_json = convert(&["-o", "protobuf"], json).succeeded();
        let of_protobuf = convert(&["-o", "protobuf"], protobuf).succeeded();
        assert_eq!(of_json.stdout, of_protobuf.stdout);
    }
    let json = convert(&["-o", "name"], recorded!("watch-json.body")).succeeded();
    let protobuf = convert(&["-o", "name"], recorded!("watch-protobuf.body")).succeeded();
    for names in [json.text(), protobuf.text()] {
        assert!(names.lines().count() > 1, "{names}");
        assert!(names.lines().all(|name| name.contains('/')), "{names}");
    }
    let list = br#"{"kind":"List","apiVersion":"v1","items":[{"kind":"X","apiVersion":"e.io/v1","metadata":{"name":"a"}}]}"#;
    let yaml = convert(&["-o", "yaml"], list).succeeded();
    assert_eq!(
        yaml.text(),
        "---\napiVersion: e.io/v1\nkind: X\nmetadata:\n  name: a\n"
    );
}

#[test]
fn files_are_read_in_their_order_and_documents_in_theirs() {
    let folder = folder("convert");
    let (first, second) = (folder.join("first.yaml"), folder.join("second.bin"));
    let documents = "# two\n---\nkind: A\nmetadata: {name: a}\n---\n# none\n---\nkind: B\nmetadata:\n  name: b\n";
    std::fs::write(&first, documents).unwrap();
    std::fs::write(&second, CONFIG_MAP).unwrap();
    let paths = [first.to_str().unwrap(), "-", second.to_str().unwrap()];
    let stdin = br#"{"metadata":{"name":"c","namespace":"n"}}"#;
    let names = convert(&[&paths[..], &["-o", "name"]].concat(), stdin).succeeded();
    let lines: Vec<&str> = names.text().lines().collect();
    assert_eq!(&lines[..3], ["a", "b", "n/c"]);
    assert_eq!(lines.len(), 4);
    let missing = convert(&["/nonexistent/file", paths[2], "-o", "name"], b"");
    assert_eq!(missing.code, Some(1));
    assert_eq!(missing.text().lines().count(), 1);
    assert!(
        missing.stderr.contains("object 1 of /nonexistent/file"),
        "{}",
        missing.stderr
    );
}

#[test]
fn what_cannot_be_converted_is_named_and_the_rest_is_written() {
    let objects = br#"
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n"},"spec":{"nodeName":5}}
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"},"spec":{"nodeNam":"x"}}
        {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"good"}}
        {"metadata":{"name":"d"}}
        [{"apiVersion":"v1","kind":"Secret","metadata":{"name":"e"},"data":{"x":"?"}}, 5]
        {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"better"}}
        {"apiVersion":"v1","#;
    let converted = convert(&["-o", "protobuf"], objects);
    assert_eq!(converted.code, Some(1));
    for expected in [
        "object 1 of stdin (v1 Pod n/a): json: cannot unmarshal number into Go",
        "object 2 of stdin (v1 Pod b): strict decoding error: unknown field \"spec.nodeNam\"",
        "object 4 of stdin (d): it has no apiVersion and kind",
        "object 5 of stdin (v1 Secret e): illegal base64 data",
        "object 6 of stdin: ",
        "object 8 of stdin: the input ends within the object",
        "6 of 8 objects cannot be converted",
    ] {
        assert!(
            converted.stderr.contains(expected),
            "{expected}: {}",
            converted.stderr
        );
    }
    let names = convert(&["-o", "name"], &converted.stdout).succeeded();
    assert_eq!(names.text(), "good\nbetter\n");
    let unknown = b"k8s\0\x0a\x0a\x0a\x04e/v1\x12\x02Xy\x12\x00";
    let converted = convert(&["-o", "json"], unknown);
    assert!(
        converted
            .stderr
            .contains("(e/v1 Xy): Xy is not a built-in kind"),
        "{}",
        converted.stderr
    );
    let same = convert(&["-o", "protobuf"], unknown).succeeded();
    assert!(same.stdout.starts_with(unknown));
}

#[test]
fn hostile_input_is_refused_and_never_a_panic() {
    let deep_json = "[".repeat(100_000) + &"]".repeat(100_000);
    let deep_object = "{\"kind\":\"A\",\"a\":".to_owned() + &deep_json + "}";
    let deep_yaml = "a: ".to_owned() + &deep_json;
    let mut lists = String::from("{}");
    for _ in 0..50 {
        lists = format!("{{\"kind\":\"List\",\"items\":[{lists}]}}");
    }
    let lying = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\xff\xff\xff\xff\x07x";
    let inner = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x02\x0a\x7f";
    let not_utf8 = b"k8s\0\x0a\x04\x0a\x02\xff\xff\x12\x00";
    let inputs: [&[u8]; 16] = [
        b"\xff\xfe",
        b"\0",
        b"\0\0\0\x01\xff",
        b"\xff\xff\xff\xff\x0a",
        b"k8s\0",
        b"k8s",
        lying,
        inner,
        not_utf8,
        b"{\"kind\":\"Pod\xff\"}",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":1e999}",
        deep_json.as_bytes(),
        deep_yaml.as_bytes(),
        lists.as_bytes(),
        b"a: &a [*a, *a]\nb: : :\n",
    ];
    for input in inputs {
        for format in ["json", "yaml", "protobuf", "name"] {
            let converted = convert(&["-o", format], input);
            let what = input.get(..40.min(input.len())).unwrap().escape_ascii();
            assert!(
                matches!(converted.code, Some(0 | 1)),
                "{what}: {}",
                converted.stderr
            );
            assert!(
                !converted.stderr.contains("panicked"),
                "{what}: {}",
                converted.stderr
            );
            let is_said = converted.stderr.contains("cannot convert object");
            assert_eq!(
                converted.code == Some(1),
                is_said,
                "{what}: {}",
                converted.stderr
            );
        }
        for from in ["json", "protobuf", "yaml"] {
            let converted = convert(&["--from", from, "-o", "protobuf"], input);
            assert!(
                matches!(converted.code, Some(0 | 1)),
                "{}",
                converted.stderr
            );
        }
    }
    for format in ["json", "protobuf"] {
        let deep = convert(&["-o", format], deep_object.as_bytes());
        assert!(matches!(deep.code, Some(0 | 1)), "{}", deep.stderr);
    }
}

#[test]
fn any_part_of_a_value_and_any_changed_byte_is_safe() {
    for length in (0..CONFIG_MAP.len()).step_by(23) {
        let converted = convert(&[], &CONFIG_MAP[..length]);
        assert!(
            matches!(converted.code, Some(0 | 1)),
            "{}",
            converted.stderr
        );
        let mut changed = CONFIG_MAP.to_vec();
        changed[length] ^= 0x55;
        let converted = convert(&["-o", "yaml"], &changed);
        assert!(
            matches!(converted.code, Some(0 | 1)),
            "{}",
            converted.stderr
        );
    }
}

#[test]
fn reports_of_one_kind_are_limited_and_their_number_is_told() {
    let items = vec!["{}"; 20_000].join(",");
    let list = format!(r#"{{"kind":"PodList","apiVersion":"v1","items":[{items}]}}"#);
    let converted = convert(&["-o", "name"], list.as_bytes());
    assert_eq!(converted.code, Some(1));
    let lines = converted.stderr.lines().count();
    assert!((2..1000).contains(&lines), "{lines}");
    let said = "20000 of 20000 objects cannot be converted";
    assert!(converted.stderr.contains(said), "{}", converted.stderr);
}

#[test]
fn null_is_the_zero_value_also_in_names() {
    for metadata in [
        r#"{"namespace":null,"name":"web"}"#,
        r#"{"name":"web","namespace":""}"#,
    ] {
        let pod = format!(r#"{{"kind":"Pod","apiVersion":"v1","metadata":{metadata}}}"#);
        let named = convert(&["-o", "name"], pod.as_bytes()).succeeded();
        assert_eq!(named.text(), "web\n");
    }
}
