//! The objects of `testdata/encodings.jsonl.gz`: what Go makes of them is what comes.
//!
//! Each row has an object in protobuf, which a Go program encoded, and the JSON that the Go encoder
//! makes of it once it is decoded.

use std::fmt::Debug;
use std::io::{BufRead as _, BufReader};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use heliostat_kinds::{Envelope, Object, from_protobuf, to_json};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Deserialize)]
struct Row {
    kind: String,
    sample: String,
    protobuf: String,
    json: String,
}

impl Row {
    fn protobuf(&self) -> Vec<u8> {
        STANDARD.decode(&self.protobuf).unwrap()
    }

    fn name(&self) -> String {
        format!("{} {}", self.kind, self.sample)
    }
}

fn rows() -> Vec<Row> {
    let packed: &[u8] = include_bytes!("../testdata/encodings.jsonl.gz");
    let lines = BufReader::new(GzDecoder::new(packed)).lines();
    let rows: Vec<Row> = lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert_eq!(rows.len(), 486);
    rows
}

fn json_of(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    to_json(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn json_is_byte_for_byte_what_go_writes() {
    for row in rows() {
        assert_eq!(json_of(&row.protobuf()), row.json, "{}", row.name());
    }
}

#[test]
fn the_deserializer_sees_what_is_in_the_json() {
    for row in rows() {
        let value: Value = from_protobuf(&row.protobuf()).unwrap();
        let expected: Value = serde_json::from_str(&row.json).unwrap();
        assert_eq!(value, expected, "{}", row.name());
    }
}

#[test]
fn bare_messages_have_no_kind() {
    for row in rows() {
        let bytes = row.protobuf();
        let envelope = Envelope::parse(&bytes).unwrap();
        let whole = Object::from_envelope(&bytes).unwrap();
        let bare = Object::of_message(whole.message(), envelope.raw());
        let mut expected: Value = serde_json::from_str(&row.json).unwrap();
        for name in ["kind", "apiVersion"] {
            expected.as_object_mut().unwrap().remove(name).unwrap();
        }
        assert_eq!(bare.decode::<Value>().unwrap(), expected, "{}", row.name());
    }
}

/// Decodes a row both ways; both are the same, or both fail.
fn typed<T: DeserializeOwned + Debug + PartialEq>(row: &Row) -> bool {
    let from_json = serde_json::from_str::<T>(&row.json);
    let from_protobuf = from_protobuf::<T>(&row.protobuf());
    match (from_json, from_protobuf) {
        (Ok(expected), Ok(object)) => assert_eq!(object, expected, "{}", row.name()),
        (Err(_), Err(_)) => return false,
        (expected, object) => panic!("{}: {object:?}, not {expected:?}", row.name()),
    }
    true
}

macro_rules! typed_rows {
    ($row:expr, $($kind:literal => $type:ty),* $(,)?) => {
        match $row.kind.as_str() {
            $($kind => Some(typed::<$type>($row)),)*
            _ => None,
        }
    };
}

#[test]
fn types_of_k8s_openapi_are_what_serde_json_makes_of_them() {
    use k8s_openapi::api::{apps::v1 as apps, batch::v1 as batch, core::v1 as core};
    use k8s_openapi::api::{
        networking::v1 as networking, rbac::v1 as rbac, storage::v1 as storage,
    };
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;

    let (mut read, mut refused) = (0, 0);
    for row in &rows() {
        let is_read = typed_rows!(
            row,
            "/v1/Pod" => core::Pod,
            "/v1/Service" => core::Service,
            "/v1/ConfigMap" => core::ConfigMap,
            "/v1/Secret" => core::Secret,
            "/v1/Namespace" => core::Namespace,
            "/v1/Node" => core::Node,
            "/v1/Event" => core::Event,
            "/v1/Endpoints" => core::Endpoints,
            "/v1/ServiceAccount" => core::ServiceAccount,
            "/v1/PersistentVolume" => core::PersistentVolume,
            "/v1/PersistentVolumeClaim" => core::PersistentVolumeClaim,
            "/v1/ReplicationController" => core::ReplicationController,
            "/v1/ResourceQuota" => core::ResourceQuota,
            "apps/v1/Deployment" => apps::Deployment,
            "apps/v1/ReplicaSet" => apps::ReplicaSet,
            "apps/v1/StatefulSet" => apps::StatefulSet,
            "apps/v1/DaemonSet" => apps::DaemonSet,
            "apps/v1/ControllerRevision" => apps::ControllerRevision,
            "batch/v1/Job" => batch::Job,
            "batch/v1/CronJob" => batch::CronJob,
            "networking.k8s.io/v1/Ingress" => networking::Ingress,
            "networking.k8s.io/v1/NetworkPolicy" => networking::NetworkPolicy,
            "rbac.authorization.k8s.io/v1/Role" => rbac::Role,
            "rbac.authorization.k8s.io/v1/ClusterRoleBinding" => rbac::ClusterRoleBinding,
            "storage.k8s.io/v1/StorageClass" => storage::StorageClass,
            "apiextensions.k8s.io/v1/CustomResourceDefinition" => apiextensions::CustomResourceDefinition,
        );
        match is_read {
            Some(true) => read += 1,
            Some(false) => refused += 1,
            None => {}
        }
    }
    assert_eq!((read, refused), (78, 0));
}
