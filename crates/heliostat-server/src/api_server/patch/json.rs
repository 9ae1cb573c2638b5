//! JSON patch, RFC 6902: a list of operations at JSON pointers, all or nothing.

use serde::Deserialize;
use serde_json::Value;

/// The most operations one patch may have, as in kube-apiserver.
const OPERATIONS_MAX: usize = 10_000;

/// One operation.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(crate) enum Operation {
    /// Puts a value in, moving list items behind it.
    Add {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Takes a value out.
    Remove {
        /// Where.
        path: String,
    },
    /// Puts a value in the place of another.
    Replace {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Takes a value out and puts it in elsewhere.
    Move {
        /// Whence.
        from: String,
        /// Where.
        path: String,
    },
    /// Puts a copy of a value in elsewhere.
    Copy {
        /// Whence.
        from: String,
        /// Where.
        path: String,
    },
    /// Fails the patch unless the value is there.
    Test {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
}

/// How many bytes all copies of one patch may add, as in kube-apiserver: without a bound a few
/// operations could double a document over and over.
const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;

/// How deep a patched document may be: what is stored must be readable again, and the parser stops
/// at 128.
const DEPTH_MAX: usize = 120;

/// Applies all operations to `target`, or says which one cannot be.
pub(super) fn apply(target: &mut Value, operations: &[Operation]) -> Result<(), String> {
    if operations.len() > OPERATIONS_MAX {
        let len = operations.len();
        return Err(format!(
            "the patch has {len} operations, at most {OPERATIONS_MAX} are allowed"
        ));
    }
    let mut copied = 0;
    for operation in operations {
        if let Operation::Copy { from, .. } = operation {
            copied += target
                .pointer(from)
                .map_or(0, |value| value.to_string().len());
            if copied > COPIED_BYTES_MAX {
                return Err(format!(
                    "the copies of the patch exceed {COPIED_BYTES_MAX} bytes"
                ));
            }
        }
        step(target, operation)?;
    }
    Ok(())
}

/// Refuses a value that would make the document too deep, before it is in: so no document here is
/// ever deeper than twice the limit.
fn check_depth(path: &str, value: &Value) -> Result<(), String> {
    if path.matches('/').count() + depth(value) > DEPTH_MAX {
        return Err(format!(
            "the document would have more than {DEPTH_MAX} levels"
        ));
    }
    Ok(())
}

/// How many levels a value has.
fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Array(list) => list.iter().map(depth).max(),
        Value::Object(map) => map.values().map(depth).max(),
        _ => return 0,
    };
    1 + below.unwrap_or(0)
}

fn step(target: &mut Value, operation: &Operation) -> Result<(), String> {
    match operation {
        Operation::Add { path, value } => add(target, path, value.clone()),
        Operation::Remove { path } => remove(target, path).map(drop),
        Operation::Replace { path, value } => {
            check_depth(path, value)?;
            let place = target
                .pointer_mut(path)
                .ok_or_else(|| missing("replace", path))?;
            *place = value.clone();
            Ok(())
        }
        Operation::Move { from, path } => {
            let value = remove(target, from)?;
            add(target, path, value)
        }
        Operation::Copy { from, path } => {
            let value = target
                .pointer(from)
                .cloned()
                .ok_or_else(|| missing("copy", from))?;
            add(target, path, value)
        }
        Operation::Test { path, value } if has(target, path, value) => Ok(()),
        Operation::Test { path, .. } => Err(format!("testing value {path} failed: test failed")),
    }
}

/// True if the value is at this path. A member that an object does not have is null, as for
/// kube-apiserver: clients test in this way that there are no finalizers.
fn has(target: &Value, path: &str, value: &Value) -> bool {
    match target.pointer(path) {
        Some(found) => found == value,
        None => {
            let parent = path.rsplit_once('/').and_then(|(it, _)| target.pointer(it));
            value.is_null() && parent.is_some_and(Value::is_object)
        }
    }
}

fn missing(operation: &str, path: &str) -> String {
    format!("{operation} operation does not apply: doc is missing path: {path:?}: missing value")
}

/// The parent's pointer and the last part, unescaped.
fn split(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    check_depth(path, &value)?;
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    let place = split(path).and_then(|(parent, last)| Some((target.pointer_mut(parent)?, last)));
    match place {
        Some((Value::Object(map), key)) => {
            map.insert(key, value);
            Ok(())
        }
        Some((Value::Array(list), key)) => {
            let at = if key == "-" {
                Some(list.len())
            } else {
                key.parse().ok()
            };
            let at = at
                .filter(|at| *at <= list.len())
                .ok_or_else(|| missing("add", path))?;
            list.insert(at, value);
            Ok(())
        }
        _ => Err(missing("add", path)),
    }
}

fn remove(target: &mut Value, path: &str) -> Result<Value, String> {
    let place = split(path).and_then(|(parent, last)| Some((target.pointer_mut(parent)?, last)));
    let removed = match place {
        Some((Value::Object(map), key)) => map.remove(&key),
        Some((Value::Array(list), key)) => key
            .parse()
            .ok()
            .filter(|at: &usize| *at < list.len())
            .map(|at| list.remove(at)),
        _ => None,
    };
    removed.ok_or_else(|| missing("remove", path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(target: Value, patch: Value) -> Result<Value, String> {
        let operations: Vec<Operation> = serde_json::from_value(patch).unwrap();
        let mut target = target;
        apply(&mut target, &operations).map(|()| target)
    }

    #[test]
    fn every_operation_does_what_the_rfc_says() {
        let target = json!({"a": {"x/y": 1}, "list": [1, 2]});
        let patch = json!([
            {"op": "test", "path": "/a/x~1y", "value": 1},
            {"op": "add", "path": "/list/1", "value": 9},
            {"op": "add", "path": "/list/-", "value": 3},
            {"op": "replace", "path": "/list/0", "value": 0},
            {"op": "copy", "from": "/list/0", "path": "/b"},
            {"op": "move", "from": "/a/x~1y", "path": "/c"},
            {"op": "remove", "path": "/list/1"},
        ]);
        let expected = json!({"a": {}, "list": [0, 2, 3], "b": 0, "c": 1});
        assert_eq!(check(target, patch), Ok(expected));
    }

    #[test]
    fn a_member_that_is_missing_tests_as_null() {
        let target = json!({"a": {"x": null, "y": 1}, "list": [1]});
        for (path, passes) in [
            ("/a/x", true),
            ("/a/z", true),
            ("/a/y", false),
            ("/no/z", false),
            ("/list/7", false),
        ] {
            let patch = json!([{"op": "test", "path": path, "value": null}]);
            assert_eq!(check(target.clone(), patch).is_ok(), passes, "{path}");
        }
    }

    #[test]
    fn what_does_not_apply_says_so() {
        for patch in [
            json!([{"op": "remove", "path": "/no"}]),
            json!([{"op": "replace", "path": "/no", "value": 1}]),
            json!([{"op": "add", "path": "/list/7", "value": 1}]),
            json!([{"op": "add", "path": "/no/deep", "value": 1}]),
            json!([{"op": "test", "path": "/list", "value": []}]),
            json!([{"op": "copy", "from": "/no", "path": "/a"}]),
        ] {
            assert!(
                check(json!({"list": [1]}), patch.clone()).is_err(),
                "{patch}"
            );
        }
    }

    #[test]
    fn a_patch_cannot_blow_a_document_up() {
        let doubling: Vec<Value> = (0..64)
            .map(|index| json!({"op": "copy", "from": "", "path": format!("/c{index}")}))
            .collect();
        let error = check(json!({"a": "x".repeat(1_000)}), Value::Array(doubling)).unwrap_err();
        assert!(error.contains("exceed"), "{error}");
        let deepening: Vec<Value> = (0..200)
            .map(|index| json!({"op": "add", "path": "/a".repeat(index + 1), "value": {}}))
            .collect();
        let error = check(json!({}), Value::Array(deepening)).unwrap_err();
        assert!(error.contains("levels"), "{error}");
    }
}
