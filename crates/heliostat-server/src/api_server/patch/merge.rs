//! JSON merge patch, RFC 7386: objects merge, null removes, everything else replaces.

use serde_json::{Map, Value};

/// Applies `patch` to `target`.
pub(super) fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            apply(target.entry(key.as_str()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_merge_and_null_removes() {
        let mut target = json!({"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 5});
        apply(
            &mut target,
            &json!({"a": {"b": null, "x": {"y": null}}, "d": [3], "e": {"f": 1}}),
        );
        assert_eq!(
            target,
            json!({"a": {"c": 2, "x": {}}, "d": [3], "e": {"f": 1}})
        );
    }
}
