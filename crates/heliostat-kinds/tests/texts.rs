//! Texts that are wrong, hostile or random: what is said of them, and that nothing breaks.

mod random;

use heliostat_kinds::schema::{self, Kind};
use heliostat_kinds::{
    FieldValidation, Object, TextOptions, WriteError, WriteErrorKind, from_protobuf, to_json,
    to_protobuf_of, unknown_fields,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use random::random_object;

fn kind(api_version: &str, name: &str) -> &'static Kind {
    schema::kind(api_version, name).unwrap()
}

fn write(kind: &'static Kind, text: &[u8]) -> Result<Vec<u8>, WriteError> {
    let mut out = b"before".to_vec();
    let result = TextOptions::new()
        .with_kind(kind)
        .write_json(text, &mut out);
    if let Err(error) = result {
        assert_eq!(out, b"before", "nothing is half written");
        return Err(error);
    }
    Ok(out.split_off("before".len()))
}

fn json_of(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    to_json(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn strict(kind: &'static Kind, text: &str) -> String {
    let options = TextOptions::new().with_kind(kind);
    let strict = options.with_field_validation(FieldValidation::Strict);
    let error = strict.write_json(text.as_bytes(), &mut Vec::new());
    error.unwrap_err().to_string()
}

#[test]
fn unknown_and_duplicate_fields_are_reported_in_the_words_of_the_server() {
    let map = kind("v1", "ConfigMap");
    let pod = kind("v1", "Pod");
    assert_eq!(
        strict(
            map,
            r#"{"metadata":{"name":"fv"},"data":{"a":"1","a":"2"},"bogus":1}"#
        ),
        r#"strict decoding error: duplicate field "data.a", unknown field "bogus""#
    );
    assert_eq!(
        strict(
            map,
            r#"{"data":{"b":"1","a":"2","c":"","b":""},"data":null}"#
        ),
        r#"strict decoding error: duplicate field "data.b", duplicate field "data""#
    );
    assert_eq!(
        strict(
            pod,
            r#"{"spec":{"foo":{"x":[1]},"containers":[{},{"Name":"a","ports":[{"x":1}]}]}}"#
        ),
        "strict decoding error: unknown field \"spec.foo\", \
         unknown field \"spec.containers[1].Name\", \
         unknown field \"spec.containers[1].ports[0].x\""
    );
    let many: Vec<String> = (0..300).map(|at| format!("\"x{at}\":1")).collect();
    let text = format!("{{{},\"x0\":1}}", many.join(","));
    assert_eq!(strict(map, &text).matches("unknown field").count(), 100);
    let options = TextOptions::new().with_kind(map);
    let warn = options.with_field_validation(FieldValidation::Warn);
    let written = warn.write_json(text.as_bytes(), &mut Vec::new()).unwrap();
    assert_eq!(written.warnings().len(), 100);
    assert_eq!(written.warnings()[1], r#"unknown field "x1""#);
    let ignored = options.write_json(text.as_bytes(), &mut Vec::new());
    assert!(ignored.unwrap().warnings().is_empty());
}

#[test]
fn keys_of_yaml_that_occur_twice_are_duplicate_fields() {
    let options = TextOptions::new().with_field_validation(FieldValidation::Strict);
    let yaml = "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: x\n  a: z\n";
    let error = options.write_yaml(yaml, &mut Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"strict decoding error: duplicate field "data.a""#
    );
    let error = options.write_yaml("a: [", &mut Vec::new()).unwrap_err();
    assert!(matches!(error.kind(), WriteErrorKind::Yaml(_)), "{error}");
    let deep = "[".repeat(100_000);
    let error = options.write_yaml(&deep, &mut Vec::new()).unwrap_err();
    assert!(matches!(error.kind(), WriteErrorKind::Yaml(_)), "{error}");
}

#[test]
fn values_of_another_type_are_refused_in_the_words_of_the_server() {
    let (map, pod) = (kind("v1", "ConfigMap"), kind("v1", "Pod"));
    let deployment = kind("apps/v1", "Deployment");
    let check = |kind, text: &str, expected: &str| {
        let error = write(kind, text.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    };
    check(
        map,
        r#"{"metadata":{"generation":"x"}}"#,
        "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.generation of type int64",
    );
    check(
        pod,
        r#"{"spec":{"containers":[{"name":1}]}}"#,
        "json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string",
    );
    check(
        pod,
        r#"{"spec":{"containers":{}}}"#,
        "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
    );
    check(
        map,
        r#"{"data":[]}"#,
        "json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string",
    );
    check(
        map,
        "[]",
        "json: cannot unmarshal array into Go value of type v1.ConfigMap",
    );
    check(
        deployment,
        r#"{"spec":{"replicas":1.0}}"#,
        "json: cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    check(
        deployment,
        r#"{"spec":{"replicas":4294967296}}"#,
        "json: cannot unmarshal number 4294967296 into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    // What is no JSON counts more than a wrong value before it.
    check(
        map,
        r#"{"data":[],}"#,
        "invalid character '}' looking for beginning of object key string",
    );
    check(map, "{", "unexpected end of JSON input");
    check(
        map,
        r#"{"metadata":{"creationTimestamp":"now"}}"#,
        r#"parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006""#,
    );
    check(
        map,
        r#"{"binaryData":{"a":"?"}}"#,
        "illegal base64 data at input byte 0",
    );
    check(
        pod,
        r#"{"spec":{"overhead":{"cpu":"1x"}}}"#,
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
}

#[test]
fn the_kind_is_that_of_the_text_or_the_chosen_one() {
    let error = |options: TextOptions, text: &str| {
        options
            .write_json(text.as_bytes(), &mut Vec::new())
            .unwrap_err()
    };
    let any = TextOptions::new();
    assert!(matches!(error(any, "{}").kind(), WriteErrorKind::NoKind));
    let unknown = error(any, r#"{"kind":"Widget","apiVersion":"example.com/v1"}"#);
    assert!(matches!(unknown.kind(), WriteErrorKind::UnknownKind { .. }));
    let table = error(any, r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1"}"#);
    assert!(matches!(table.kind(), WriteErrorKind::NoProtobuf { .. }));
    let chosen = any.with_kind(kind("v1", "Pod"));
    let wrong = error(chosen, r#"{"kind":"Pod","apiVersion":"v2"}"#);
    assert!(
        matches!(wrong.kind(), WriteErrorKind::WrongKind { .. }),
        "{wrong}"
    );
    let value = json!({"kind": "ConfigMap", "apiVersion": "v1"});
    to_protobuf_of(kind("v1", "Pod"), &value, &mut Vec::new()).unwrap_err();
    for text in [
        r#"{"spec":{},"apiVersion":"v1","kind":"Pod"}"#,
        r#"{"kind":"","spec":null}"#,
    ] {
        let mut out = Vec::new();
        chosen.write_json(text.as_bytes(), &mut out).unwrap();
        assert!(json_of(&out).starts_with(r#"{"kind":"Pod","apiVersion":"v1","metadata":{}"#));
    }
}

#[test]
fn what_the_server_is_lenient_about_is_read() {
    let service = kind("v1", "Service");
    let text = r#"{"metadata":null,"spec":{"type":null,"selector":{"a":null},
        "ports":[{"port":80,"targetPort":"web"},{"targetPort":8080},null]},"status":null}"#;
    let written = json_of(&write(service, text.as_bytes()).unwrap());
    assert_eq!(
        written,
        r#"{"kind":"Service","apiVersion":"v1","metadata":{},"spec":{"ports":[{"port":80,"targetPort":"web"},{"port":0,"targetPort":8080},{"port":0,"targetPort":0}],"selector":{"a":""}},"status":{"loadBalancer":{}}}"#
    );
    let map = kind("v1", "ConfigMap");
    let text = b"{\"data\":{\"a\":\"\xff\\ud800\"},\"binaryData\":{\"x\":\"AA\\n==\"}}";
    let written = json_of(&write(map, text).unwrap());
    assert!(
        written.ends_with(r#""data":{"a":"��"},"binaryData":{"x":"AA=="}}"#),
        "{written}"
    );
    let time = br#"{"metadata":{"creationTimestamp":"2026-01-02T03:04:05.678+02:00"}}"#;
    let written = json_of(&write(map, time).unwrap());
    assert!(written.contains(r#""2026-01-02T01:04:05Z""#), "{written}");
}

#[test]
fn a_hundred_levels_are_written_and_more_refused() {
    let definition = kind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    let nested = |levels: usize| {
        let open = r#"{"properties":{"x":"#.repeat(levels);
        let close = "}}".repeat(levels);
        format!(
            r#"{{"spec":{{"versions":[{{"schema":{{"openAPIV3Schema":{open}{{}}{close}}}}}]}}}}"#
        )
    };
    let written = json_of(&write(definition, nested(100).as_bytes()).unwrap());
    assert_eq!(written.matches("properties").count(), 100);
    let error = write(definition, nested(100_000).as_bytes()).unwrap_err();
    assert!(matches!(error.kind(), WriteErrorKind::TooDeep), "{error}");
    let items = format!("{}{{}}{}", r#"{"items":"#.repeat(100), "}".repeat(100));
    let text = nested(0).replace(
        r#""openAPIV3Schema":{}"#,
        &format!(r#""openAPIV3Schema":{items}"#),
    );
    let written = json_of(&write(definition, text.as_bytes()).unwrap());
    assert_eq!(written.matches("items").count(), 100);
    let error = write(definition, "[".repeat(100_000).as_bytes()).unwrap_err();
    assert!(
        matches!(error.kind(), WriteErrorKind::Syntax { .. }),
        "{error}"
    );
}

#[test]
fn fields_in_protobuf_that_no_kind_has_are_found() {
    let bytes = write(kind("v1", "Pod"), br#"{"spec":{"containers":[{}]}}"#).unwrap();
    let object = Object::from_envelope(&bytes).unwrap();
    assert!(unknown_fields(&object).unwrap().is_empty());
    // Field 100 of the pod, and of a container of its spec.
    let container: &[u8] = &[0xa0, 6, 1];
    let spec = [&[0x12, container.len() as u8], container].concat();
    let pod = [&[0xa0, 6, 1, 0x12, spec.len() as u8], spec.as_slice()].concat();
    let object = Object::of_message(object.message(), &pod);
    let found = unknown_fields(&object).unwrap();
    assert_eq!(found, ["100", "spec.containers.100"]);
    unknown_fields(&Object::of_message(object.message(), &[0x12, 9])).unwrap_err();
}

/// Whether all of a value is in the other, in which zero values are shown as well.
fn is_in(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|whole| is_in(value, whole))),
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len()
                && part
                    .iter()
                    .zip(whole)
                    .all(|(part, whole)| is_in(part, whole))
        }
        _ => part == whole,
    }
}

fn check_round_trips(kind: &'static Kind, seed: u64) {
    let value = random_object(kind, seed);
    let bytes = write(kind, value.to_string().as_bytes()).unwrap();
    let json = json_of(&bytes);
    let read: Value = serde_json::from_str(&json).unwrap();
    assert!(is_in(&value, &read), "{kind:?} {value}\n{json}");
    assert_eq!(from_protobuf::<Value>(&bytes).unwrap(), read);
    assert!(
        write(kind, json.as_bytes()).unwrap() == bytes,
        "{kind:?} {json}"
    );
    let mut serialized = Vec::new();
    to_protobuf_of(kind, &value, &mut serialized).unwrap();
    assert!(serialized == bytes, "{kind:?} {value}");
    assert!(
        unknown_fields(&Object::from_envelope(&bytes).unwrap())
            .unwrap()
            .is_empty()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn a_random_value_of_every_kind_survives_both_round_trips(seed in any::<u64>()) {
        for kind in schema::kinds().iter().filter(|kind| kind.has_protobuf()) {
            check_round_trips(kind, seed);
        }
    }
}

proptest! {
    #[test]
    fn changed_texts_are_written_or_refused(
        seed in any::<u64>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        swaps in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(b"{}[]\",:\\0-.etn".to_vec())),
            0..6,
        ),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let kinds = ["Pod", "Service", "Secret", "Event"];
        let kind = kind("v1", kinds[seed as usize % 4]);
        let mut text = random_object(kind, seed).to_string().into_bytes();
        for (at, byte) in changes.into_iter().chain(swaps) {
            let at = at.index(text.len());
            text[at] = byte;
        }
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len()));
        }
        if let Ok(bytes) = write(kind, &text) {
            json_of(&bytes);
        }
        if serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_err()
            && let Ok(text) = std::str::from_utf8(&text)
        {
            let error = write(kind, text.as_bytes()).unwrap_err();
            prop_assert!(matches!(error.kind(), WriteErrorKind::Syntax { .. }), "{error}: {text}");
        }
    }
}
