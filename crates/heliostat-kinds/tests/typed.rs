//! Types of `k8s-openapi` from protobuf are what `serde_json` makes of the JSON: all kinds of which both
//! have one.

mod random;
mod rows;

use std::fmt::Debug;

use heliostat_kinds::schema::{self, Kind};
use heliostat_kinds::{Object, TextOptions, from_protobuf, to_json};
use k8s_openapi::Resource;
use k8s_openapi::api::admissionregistration::v1 as admissionregistration;
use k8s_openapi::api::admissionregistration::v1alpha1 as admissionregistration_v1alpha1;
use k8s_openapi::api::admissionregistration::v1beta1 as admissionregistration_v1beta1;
use k8s_openapi::api::apiserverinternal::v1alpha1 as apiserverinternal_v1alpha1;
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::authentication::v1 as authentication;
use k8s_openapi::api::authorization::v1 as authorization;
use k8s_openapi::api::autoscaling::v1 as autoscaling;
use k8s_openapi::api::autoscaling::v2 as autoscaling_v2;
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::certificates::v1 as certificates;
use k8s_openapi::api::certificates::v1alpha1 as certificates_v1alpha1;
use k8s_openapi::api::certificates::v1beta1 as certificates_v1beta1;
use k8s_openapi::api::coordination::v1 as coordination;
use k8s_openapi::api::coordination::v1alpha2 as coordination_v1alpha2;
use k8s_openapi::api::coordination::v1beta1 as coordination_v1beta1;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::events::v1 as events;
use k8s_openapi::api::flowcontrol::v1 as flowcontrol;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::api::networking::v1beta1 as networking_v1beta1;
use k8s_openapi::api::node::v1 as node;
use k8s_openapi::api::policy::v1 as policy;
use k8s_openapi::api::rbac::v1 as rbac;
use k8s_openapi::api::resource::v1 as resource;
use k8s_openapi::api::resource::v1alpha3 as resource_v1alpha3;
use k8s_openapi::api::resource::v1beta1 as resource_v1beta1;
use k8s_openapi::api::resource::v1beta2 as resource_v1beta2;
use k8s_openapi::api::scheduling::v1 as scheduling;
use k8s_openapi::api::scheduling::v1alpha2 as scheduling_v1alpha2;
use k8s_openapi::api::storage::v1 as storage;
use k8s_openapi::api::storage::v1beta1 as storage_v1beta1;
use k8s_openapi::api::storagemigration::v1beta1 as storagemigration_v1beta1;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use proptest::prelude::*;
use serde::de::DeserializeOwned;

use random::random_object;
use rows::rows;

/// A type: its kind, and what decodes an object of it both ways and returns whether it can be decoded.
type Type = (&'static str, &'static str, fn(&[u8]) -> bool);

macro_rules! types {
    ($($type:ty),* $(,)?) => {
        [$((<$type>::API_VERSION, <$type>::KIND, compare::<$type>)),*]
    };
}

/// All types of objects, without those of discovery and of aggregation.
const TYPES: [Type; 98] = types![
    admissionregistration::MutatingAdmissionPolicy,
    admissionregistration::MutatingAdmissionPolicyBinding,
    admissionregistration::MutatingWebhookConfiguration,
    admissionregistration::ValidatingAdmissionPolicy,
    admissionregistration::ValidatingAdmissionPolicyBinding,
    admissionregistration::ValidatingWebhookConfiguration,
    admissionregistration_v1alpha1::MutatingAdmissionPolicy,
    admissionregistration_v1alpha1::MutatingAdmissionPolicyBinding,
    admissionregistration_v1beta1::MutatingAdmissionPolicy,
    admissionregistration_v1beta1::MutatingAdmissionPolicyBinding,
    apiserverinternal_v1alpha1::StorageVersion,
    apps::ControllerRevision,
    apps::DaemonSet,
    apps::Deployment,
    apps::ReplicaSet,
    apps::StatefulSet,
    authentication::SelfSubjectReview,
    authentication::TokenRequest,
    authentication::TokenReview,
    authorization::LocalSubjectAccessReview,
    authorization::SelfSubjectAccessReview,
    authorization::SelfSubjectRulesReview,
    authorization::SubjectAccessReview,
    autoscaling::HorizontalPodAutoscaler,
    autoscaling::Scale,
    autoscaling_v2::HorizontalPodAutoscaler,
    batch::CronJob,
    batch::Job,
    certificates::CertificateSigningRequest,
    certificates_v1alpha1::ClusterTrustBundle,
    certificates_v1beta1::ClusterTrustBundle,
    certificates_v1beta1::PodCertificateRequest,
    coordination::Lease,
    coordination_v1alpha2::LeaseCandidate,
    coordination_v1beta1::LeaseCandidate,
    core::Binding,
    core::ComponentStatus,
    core::ConfigMap,
    core::Endpoints,
    core::Event,
    core::LimitRange,
    core::Namespace,
    core::Node,
    core::PersistentVolume,
    core::PersistentVolumeClaim,
    core::Pod,
    core::PodTemplate,
    core::ReplicationController,
    core::ResourceQuota,
    core::Secret,
    core::Service,
    core::ServiceAccount,
    discovery::EndpointSlice,
    events::Event,
    flowcontrol::FlowSchema,
    flowcontrol::PriorityLevelConfiguration,
    networking::IPAddress,
    networking::Ingress,
    networking::IngressClass,
    networking::NetworkPolicy,
    networking::ServiceCIDR,
    networking_v1beta1::IPAddress,
    networking_v1beta1::ServiceCIDR,
    node::RuntimeClass,
    policy::Eviction,
    policy::PodDisruptionBudget,
    rbac::ClusterRole,
    rbac::ClusterRoleBinding,
    rbac::Role,
    rbac::RoleBinding,
    resource::DeviceClass,
    resource::ResourceClaim,
    resource::ResourceClaimTemplate,
    resource::ResourceSlice,
    resource_v1alpha3::DeviceTaintRule,
    resource_v1alpha3::ResourcePoolStatusRequest,
    resource_v1beta1::DeviceClass,
    resource_v1beta1::ResourceClaim,
    resource_v1beta1::ResourceClaimTemplate,
    resource_v1beta1::ResourceSlice,
    resource_v1beta2::DeviceClass,
    resource_v1beta2::DeviceTaintRule,
    resource_v1beta2::ResourceClaim,
    resource_v1beta2::ResourceClaimTemplate,
    resource_v1beta2::ResourceSlice,
    scheduling::PriorityClass,
    scheduling_v1alpha2::PodGroup,
    scheduling_v1alpha2::Workload,
    storage::CSIDriver,
    storage::CSINode,
    storage::CSIStorageCapacity,
    storage::StorageClass,
    storage::VolumeAttachment,
    storage::VolumeAttributesClass,
    storage_v1beta1::VolumeAttributesClass,
    storagemigration_v1beta1::StorageVersionMigration,
    apiextensions::CustomResourceDefinition,
    meta::Status,
];

/// The types do not allow a zero time, which is null in JSON, where they require a time.
fn compare<T: DeserializeOwned + Debug + PartialEq>(protobuf: &[u8]) -> bool {
    let mut json = Vec::new();
    to_json(protobuf, &mut json).unwrap();
    let expected = serde_json::from_slice::<T>(&json);
    let decoded = from_protobuf::<T>(protobuf);
    match (decoded, expected) {
        (Ok(decoded), Ok(expected)) => assert_eq!(decoded, expected),
        (Err(_), Err(_)) => return false,
        (decoded, expected) => panic!("{decoded:?}, not {expected:?}"),
    }
    true
}

fn kind((api_version, name, _): &Type) -> &'static Kind {
    schema::kind(api_version, name).unwrap()
}

#[test]
fn what_go_encoded_is_the_same_by_way_of_json() {
    let rows = rows();
    let (mut compared, mut refused) = (0, Vec::new());
    for row in &rows {
        let bytes = row.protobuf();
        let message = Object::from_envelope(&bytes).unwrap().message();
        let is_its = |found: &&Type| std::ptr::eq(kind(found).message(), message);
        if let Some((.., compare)) = TYPES.iter().find(is_its) {
            compared += 1;
            if !compare(&bytes) {
                refused.push(row.name());
            }
        }
    }
    // Three samples of each kind but of `Status`, of which there are none.
    assert_eq!(compared, 3 * (TYPES.len() - 1));
    // Zero times where the type requires one.
    assert_eq!(refused.len(), 6, "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn random_objects_of_every_kind_are_the_same_by_way_of_json(seed in any::<u64>()) {
        let mut decoded = 0;
        for found in &TYPES {
            let kind = kind(found);
            let text = random_object(kind, seed).to_string();
            let mut bytes = Vec::new();
            let options = TextOptions::new().with_kind(kind);
            options.write_json(text.as_bytes(), &mut bytes).unwrap();
            decoded += usize::from((found.2)(&bytes));
        }
        prop_assert!(decoded > TYPES.len() * 3 / 4, "{decoded} can be decoded");
    }
}
