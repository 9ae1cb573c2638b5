//! A key with its value as a JSON document, with the metadata that an object of Kubernetes has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heliostat_core::object::ObjectKey;
use serde::Serialize;
use serde_json::value::RawValue;

use super::decode::KeyValue;
use super::keys::escape;

/// The document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    metadata: Metadata<'a>,
    key: String,
    create_revision: u64,
    mod_revision: u64,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    uid: String,
    resource_version: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

/// The document of a key.
pub(super) fn document(name: &ObjectKey, pair: &KeyValue<'_>) -> String {
    let text = str::from_utf8(pair.value).ok();
    let value = text.map(|text| match serde_json::from_str::<&RawValue>(text) {
        Ok(json) => Value::Json(json),
        Err(_) => Value::Text(text),
    });
    let document = Document {
        metadata: Metadata {
            name: name.name(),
            namespace: name.namespace(),
            uid: pair.create_revision.to_string(),
            resource_version: pair.mod_revision.to_string(),
        },
        key: escape(pair.key),
        create_revision: pair.create_revision,
        mod_revision: pair.mod_revision,
        version: pair.version,
        // As etcdctl shows it.
        lease: (pair.lease != 0).then(|| format!("{:x}", pair.lease)),
        value_base64: value.is_none().then(|| STANDARD.encode(pair.value)),
        value,
    };
    // Texts and numbers alone: this cannot fail.
    serde_json::to_string(&document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> serde_json::Value {
        let pair = KeyValue {
            key: b"/app/web/1",
            value,
            create_revision: 7,
            mod_revision: 9,
            version: 2,
            lease: 0x1f,
        };
        let name = ObjectKey::namespaced("web", "1");
        serde_json::from_str(&document(&name, &pair)).unwrap()
    }

    #[test]
    fn a_value_is_shown_as_what_it_is() {
        let json = of(br#" {"a": [1]} "#);
        assert_eq!(json["value"]["a"][0], 1);
        assert_eq!(json["metadata"]["namespace"], "web");
        assert_eq!(json["metadata"]["resourceVersion"], "9");
        assert_eq!(json["metadata"]["uid"], "7");
        assert_eq!(
            (&json["key"], &json["lease"]),
            (&"/app/web/1".into(), &"1f".into())
        );
        assert_eq!(of(b"10.0.0.1:80")["value"], "10.0.0.1:80");
        assert_eq!(of(b"")["value"], "");
        let bytes = of(b"\xff\0");
        assert_eq!(bytes["valueBase64"], "/wA=");
        assert!(bytes.get("value").is_none());
    }
}
