//! Strategic merge patch for built-in kinds: as a merge patch, but lists whose items have a merge
//! key are merged item by item.
//!
//! The merge keys are those of the built-in types, by field name; a list under any other name is
//! replaced. Known directives: `$patch: replace|delete|merge`, `$deleteFromPrimitiveList/..`,
//! `$retainKeys`; `$setElementOrder/..` only orders and is dropped.

use serde_json::{Map, Value};

/// Lists that merge, and the fields that tell their items apart, best first.
const MERGE_KEYS: &[(&str, &[&str])] = &[
    ("conditions", &["type"]),
    ("containers", &["name"]),
    ("env", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ownerReferences", &["uid"]),
    ("podIPs", &["ip"]),
    ("ports", &["containerPort", "port"]),
    ("resourceClaims", &["name"]),
    ("secrets", &["name"]),
    ("taints", &["key"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

/// Lists of plain values that merge as sets.
const MERGED_SETS: &[&str] = &["finalizers"];

const DIRECTIVE: &str = "$patch";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";

/// Applies `patch` to `target`.
pub(super) fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() || directive(patch) == Some("replace") {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        return;
    };
    if directive(patch) == Some("delete") {
        target.clear();
        return;
    }
    if let Some(Value::Array(kept)) = patch.get(RETAIN_KEYS) {
        target.retain(|key, _| kept.iter().any(|name| name == key));
    }
    for (key, value) in patch {
        if key == DIRECTIVE || key == RETAIN_KEYS || key.starts_with(ORDER) {
            continue;
        }
        if let Some(name) = key.strip_prefix(DELETE_FROM) {
            delete_values(target.get_mut(name), value);
        } else if value.is_null() {
            target.remove(key);
        } else {
            member(
                key,
                target.entry(key.as_str()).or_insert(Value::Null),
                value,
            );
        }
    }
}

fn directive(patch: &Map<String, Value>) -> Option<&str> {
    patch.get(DIRECTIVE).and_then(Value::as_str)
}

fn member(name: &str, target: &mut Value, patch: &Value) {
    let Value::Array(items) = patch else {
        return apply(target, patch);
    };
    let known = MERGE_KEYS
        .iter()
        .find(|(list, _)| *list == name)
        .map_or(&[][..], |(_, keys)| keys);
    let key = known.iter().find(|key| {
        items
            .iter()
            .all(|item| item.get(**key).is_some() || is_replace(item))
    });
    match (target, key) {
        (Value::Array(list), Some(key)) => merge_items(list, items, key),
        (Value::Array(list), None) if MERGED_SETS.contains(&name) => {
            for item in items {
                if !list.contains(item) {
                    list.push(item.clone());
                }
            }
        }
        (target, _) => {
            let kept = items.iter().filter(|item| item.get(DIRECTIVE).is_none());
            *target = Value::Array(kept.cloned().collect());
        }
    }
}

fn is_replace(item: &Value) -> bool {
    item.get(DIRECTIVE)
        .is_some_and(|directive| directive == "replace")
}

fn merge_items(list: &mut Vec<Value>, items: &[Value], key: &str) {
    if items.iter().any(is_replace) {
        list.clear();
    }
    for item in items
        .iter()
        .filter(|item| !is_replace(item) || item.get(key).is_some())
    {
        let at = list
            .iter()
            .position(|known| known.get(key) == item.get(key));
        let deletes = item
            .get(DIRECTIVE)
            .is_some_and(|directive| directive == "delete");
        match (at, deletes) {
            (Some(at), true) => {
                list.remove(at);
            }
            (None, true) => {}
            (Some(at), false) => {
                if let Some(known) = list.get_mut(at) {
                    apply(known, item);
                }
            }
            (None, false) => {
                let mut fresh = Value::Null;
                apply(&mut fresh, item);
                list.push(fresh);
            }
        }
    }
}

fn delete_values(target: Option<&mut Value>, values: &Value) {
    if let (Some(Value::Array(list)), Value::Array(values)) = (target, values) {
        list.retain(|value| !values.contains(value));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(mut target: Value, patch: &Value, expected: &Value) {
        apply(&mut target, patch);
        assert_eq!(&target, expected);
    }

    #[test]
    fn lists_with_a_merge_key_merge_item_by_item() {
        check(
            json!({"containers": [{"name": "a", "image": "1", "tty": true}, {"name": "b"}]}),
            &json!({
                "$setElementOrder/containers": [{"name": "a"}],
                "containers": [{"name": "a", "image": "2"}, {"name": "b", "$patch": "delete"}, {"name": "c"}],
            }),
            &json!({"containers": [{"name": "a", "image": "2", "tty": true}, {"name": "c"}]}),
        );
        check(
            json!({"ports": [{"port": 80}, {"port": 81}]}),
            &json!({"ports": [{"port": 80, "name": "web"}]}),
            &json!({"ports": [{"port": 80, "name": "web"}, {"port": 81}]}),
        );
    }

    #[test]
    fn other_lists_are_replaced_and_directives_leave_no_trace() {
        check(
            json!({"args": [1, 2]}),
            &json!({"args": [3]}),
            &json!({"args": [3]}),
        );
        check(
            json!({"a": {"x": 1}}),
            &json!({"a": {"$patch": "replace", "y": 2}}),
            &json!({"a": {"y": 2}}),
        );
        check(
            json!({"a": {"x": 1}}),
            &json!({"a": {"$patch": "delete"}}),
            &json!({"a": {}}),
        );
        check(
            json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}}),
            &json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}),
            &json!({"strategy": {"type": "Recreate"}}),
        );
        check(
            json!({"finalizers": ["a", "b"]}),
            &json!({"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}),
            &json!({"finalizers": ["b", "c"]}),
        );
    }
}
