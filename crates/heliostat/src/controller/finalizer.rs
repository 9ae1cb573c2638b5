//! `finalizer`: a reconciler whose cleanup is done before the object is gone.

use std::fmt;
use std::sync::Arc;

use kube_client::Api;
use kube_client::api::{Patch, PatchParams};
use kube_core::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::queue::Action;

/// What a reconciler with a finalizer has to do.
#[derive(Debug)]
pub enum FinalizerEvent<K> {
    /// Make the world as the object wants it. The object has the finalizer.
    Apply(Arc<K>),
    /// The object is being deleted: take down what [`Apply`](Self::Apply) made, as far as it is there.
    Cleanup(Arc<K>),
}

/// Why a reconciler with a finalizer failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinalizerError<E> {
    /// The reconciler failed.
    #[error("cannot apply the object: {0}")]
    Apply(E),
    /// The reconciler failed to clean up. The finalizer stays.
    #[error("cannot clean up after the object: {0}")]
    Cleanup(E),
    /// The finalizer could not be added, perhaps because the object has changed since it was read.
    #[error("cannot add the finalizer")]
    Add(#[source] kube_client::Error),
    /// The finalizer could not be removed, perhaps because the object has changed since it was read.
    #[error("cannot remove the finalizer")]
    Remove(#[source] kube_client::Error),
    /// The object has no name.
    #[error("the object has no name")]
    Unnamed,
}

/// Reconciles an object so that its cleanup is done before it is gone.
///
/// | finalizer | being deleted | what happens |
/// |---|---|---|
/// | no | no | the finalizer is added; the change leads to the next call |
/// | yes | no | `reconcile` gets [`FinalizerEvent::Apply`] |
/// | yes | yes | `reconcile` gets [`FinalizerEvent::Cleanup`]; then the finalizer is removed |
/// | no | yes | nothing |
///
/// Both branches can run more than once, and a cleanup can run without an apply before it. `api` has to
/// be of the object's namespace; `name` is a domain name with a path, such as `example.com/cleanup`, that
/// no other controller uses. kube-rs has the same function.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use heliostat::Action;
/// # use heliostat::controller::{FinalizerError, FinalizerEvent, finalizer};
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # use kube_client::{Api, Client, Error};
/// # use kube_core::ResourceExt as _;
/// async fn reconcile(
///     map: Arc<ConfigMap>,
///     client: Client,
/// ) -> Result<Action, FinalizerError<Error>> {
///     let api = Api::<ConfigMap>::namespaced(client, &map.namespace().unwrap_or_default());
///     finalizer(&api, "example.com/cleanup", map, async |event| match event {
///         FinalizerEvent::Apply(map) => Ok(Action::Done),
///         FinalizerEvent::Cleanup(map) => Ok(Action::Done),
///     })
///     .await
/// }
/// ```
///
/// # Errors
/// If `reconcile` fails, or a patch. A patch that is based on an old state of the object fails, and the
/// next call sees the new state.
pub async fn finalizer<K, E>(
    api: &Api<K>,
    name: &str,
    object: Arc<K>,
    reconcile: impl AsyncFnOnce(FinalizerEvent<K>) -> Result<Action, E>,
) -> Result<Action, FinalizerError<E>>
where
    K: Resource + Clone + DeserializeOwned + fmt::Debug,
{
    match Step::of(&*object, name) {
        Step::Add => {
            let tests = add(&*object, name);
            patch(api, &*object, tests, FinalizerError::Add).await?;
            Ok(Action::Done)
        }
        Step::Apply => {
            let applied = reconcile(FinalizerEvent::Apply(object)).await;
            applied.map_err(FinalizerError::Apply)
        }
        Step::Cleanup { place } => {
            let cleaned = reconcile(FinalizerEvent::Cleanup(Arc::clone(&object))).await;
            let action = cleaned.map_err(FinalizerError::Cleanup)?;
            patch(api, &*object, remove(place, name), FinalizerError::Remove).await?;
            Ok(action)
        }
        Step::Nothing => Ok(Action::Done),
    }
}

/// What the state of the object asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Add,
    Apply,
    /// The place of the finalizer among those of the object.
    Cleanup {
        place: usize,
    },
    Nothing,
}

impl Step {
    fn of<K: Resource>(object: &K, name: &str) -> Self {
        let place = object.finalizers().iter().position(|it| it == name);
        match (place, object.meta().deletion_timestamp.is_some()) {
            (None, false) => Self::Add,
            (Some(_), false) => Self::Apply,
            (Some(place), true) => Self::Cleanup { place },
            (None, true) => Self::Nothing,
        }
    }
}

/// Adds a finalizer, unless the finalizers have changed or the object is another one by now.
fn add<K: Resource>(object: &K, name: &str) -> Value {
    let (found, path, value) = match object.finalizers() {
        [] => (Value::Null, "/metadata/finalizers", json!([name])),
        found => (json!(found), "/metadata/finalizers/-", json!(name)),
    };
    json!([
        {"op": "test", "path": "/metadata/uid", "value": object.meta().uid},
        {"op": "test", "path": "/metadata/finalizers", "value": found},
        {"op": "add", "path": path, "value": value},
    ])
}

/// Removes the finalizer at this place, unless that is another one by now.
fn remove(place: usize, name: &str) -> Value {
    let path = format!("/metadata/finalizers/{place}");
    json!([
        {"op": "test", "path": path, "value": name},
        {"op": "remove", "path": path},
    ])
}

async fn patch<K, E>(
    api: &Api<K>,
    object: &K,
    operations: Value,
    failed: impl Fn(kube_client::Error) -> FinalizerError<E>,
) -> Result<(), FinalizerError<E>>
where
    K: Resource + Clone + DeserializeOwned + fmt::Debug,
{
    let name = object.meta().name.as_deref();
    let name = name.ok_or(FinalizerError::Unnamed)?;
    let patch = serde_json::from_value(operations).map_err(kube_client::Error::SerdeError);
    let patch = Patch::Json::<()>(patch.map_err(&failed)?);
    let patched = api.patch(name, &PatchParams::default(), &patch).await;
    patched.map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    const NAME: &str = "example.com/cleanup";

    fn object(finalizers: &[&str], is_deleted: bool) -> ConfigMap {
        let deleted = is_deleted.then_some("2026-01-01T00:00:00Z");
        let metadata = json!({
            "name": "map", "uid": "u", "finalizers": finalizers, "deletionTimestamp": deleted,
        });
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    }

    #[test]
    fn the_state_of_the_object_decides() {
        let step =
            |finalizers: &[&str], is_deleted| Step::of(&object(finalizers, is_deleted), NAME);
        assert_eq!(step(&[], false), Step::Add);
        assert_eq!(step(&["other"], false), Step::Add);
        assert_eq!(step(&["other", NAME], false), Step::Apply);
        assert_eq!(step(&["other", NAME], true), Step::Cleanup { place: 1 });
        assert_eq!(step(&["other"], true), Step::Nothing);
    }

    #[test]
    fn a_patch_tests_what_it_is_based_on() {
        let operations = |patch: &Value| -> Vec<String> {
            let operations = patch.as_array().unwrap().iter();
            let text = |it: &Value| format!("{} {} {}", it["op"], it["path"], it["value"]);
            operations.map(text).collect()
        };
        assert_eq!(
            operations(&add(&object(&[], false), NAME)),
            [
                r#""test" "/metadata/uid" "u""#,
                r#""test" "/metadata/finalizers" null"#,
                r#""add" "/metadata/finalizers" ["example.com/cleanup"]"#,
            ]
        );
        assert_eq!(
            operations(&add(&object(&["other"], false), NAME))[1..],
            [
                r#""test" "/metadata/finalizers" ["other"]"#,
                r#""add" "/metadata/finalizers/-" "example.com/cleanup""#,
            ]
        );
        assert_eq!(
            operations(&remove(1, NAME)),
            [
                r#""test" "/metadata/finalizers/1" "example.com/cleanup""#,
                r#""remove" "/metadata/finalizers/1" null"#,
            ]
        );
    }
}
