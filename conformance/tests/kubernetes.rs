//! The Kubernetes source keeps every promise over HTTP, in each of its forms.

#[path = "sources/kubernetes.rs"]
mod kubernetes;

use heliostat::source::kube::{Cluster, KubeSource, WireEncoding};
use heliostat::{Packed, Packing, RawObject};
use heliostat_conformance::{Promise, Report, run_all};
use heliostat_server::Kind;
use k8s_openapi::api::core::v1::ConfigMap;
use kube_core::{ApiResource, DynamicObject, GroupVersionKind};
use kubernetes::{KubeHarness, in_bytes, in_metadata};

fn check(report: &Report, not_tested: &[Promise]) {
    assert!(report.is_kept(), "\n{report}");
    let passed_over: Vec<Promise> = report.passed_over().collect();
    assert_eq!(passed_over, not_tested, "\n{report}");
}

fn config_maps(cluster: Cluster, namespace: &str) -> KubeSource<ConfigMap> {
    KubeSource::new(cluster).namespace(namespace)
}

fn config_maps_in_json(cluster: Cluster, namespace: &str) -> KubeSource<ConfigMap> {
    config_maps(cluster, namespace).encoding(WireEncoding::Json)
}

fn widgets(cluster: Cluster, namespace: &str) -> KubeSource<DynamicObject> {
    let kind = GroupVersionKind::gvk("example.com", "v1", "Widget");
    let resource = ApiResource::from_gvk_with_plural(&kind, "widgets");
    KubeSource::of(cluster, &resource).namespace(namespace)
}

#[tokio::test]
async fn typed_objects_keep_every_promise() {
    let harness = KubeHarness {
        resource: "configmaps",
        api_version: "v1",
        kind: "ConfigMap",
        custom: None,
        watch_list: true,
        source: config_maps_in_json,
        value: in_metadata,
        decodes: true,
    };
    check(&run_all(&harness).await, &[]);
}

/// The server has no object that it can write as protobuf and a client cannot read.
#[tokio::test]
async fn typed_objects_in_protobuf_keep_every_promise() {
    let harness = KubeHarness {
        resource: "configmaps",
        api_version: "v1",
        kind: "ConfigMap",
        custom: None,
        watch_list: true,
        source: config_maps,
        value: in_metadata,
        decodes: false,
    };
    check(&run_all(&harness).await, &NOT_DECODED);
}

#[tokio::test]
async fn metadata_alone_keeps_every_promise() {
    let harness = KubeHarness {
        resource: "configmaps",
        api_version: "v1",
        kind: "ConfigMap",
        custom: None,
        watch_list: true,
        source: |cluster: Cluster, namespace: &str| {
            config_maps_in_json(cluster, namespace).metadata()
        },
        value: in_metadata,
        decodes: true,
    };
    check(&run_all(&harness).await, &[]);
}

/// Custom resources come with their metadata after their items.
#[tokio::test]
async fn custom_objects_keep_every_promise() {
    let harness = KubeHarness {
        resource: "widgets.example.com",
        api_version: "example.com/v1",
        kind: "Widget",
        custom: Some(Kind::custom("example.com", "v1", "Widget", "widgets")),
        watch_list: true,
        source: widgets,
        value: in_metadata,
        decodes: true,
    };
    check(&run_all(&harness).await, &[]);
}

#[tokio::test]
async fn objects_without_a_watch_cache_keep_every_promise() {
    let kind = Kind::custom("example.com", "v1", "Widget", "widgets").without_watch_cache();
    let harness = KubeHarness {
        resource: "widgets.example.com",
        api_version: "example.com/v1",
        kind: "Widget",
        custom: Some(kind),
        watch_list: true,
        source: widgets,
        value: in_metadata,
        decodes: true,
    };
    check(&run_all(&harness).await, &[]);
}

#[tokio::test]
async fn only_its_check_is_passed_over_on_a_server_without_watch_lists() {
    let harness = KubeHarness {
        resource: "configmaps",
        api_version: "v1",
        kind: "ConfigMap",
        custom: None,
        watch_list: false,
        source: config_maps_in_json,
        value: in_metadata,
        decodes: true,
    };
    check(&run_all(&harness).await, &[Promise::WatchListEndsWithMark]);
}

/// What is no more than bytes cannot be broken in a way that a source would find, without breaking the
/// answer around it.
const NOT_DECODED: [Promise; 1] = [Promise::BadObjectIsOneItem];

#[tokio::test]
async fn raw_objects_keep_every_promise() {
    let harness = KubeHarness {
        resource: "configmaps",
        api_version: "v1",
        kind: "ConfigMap",
        custom: None,
        watch_list: true,
        source: |cluster: Cluster, namespace: &str| config_maps(cluster, namespace).raw(),
        value: in_bytes::<RawObject>,
        decodes: false,
    };
    check(&run_all(&harness).await, &NOT_DECODED);
}

/// Packed to be read as bytes, with hardly any room for what is decoded, and without the fields that
/// nobody wants.
#[tokio::test]
async fn packed_objects_keep_every_promise() {
    let packing = Packing::raw().memory_budget(1000);
    let harness = KubeHarness {
        resource: "configmaps",
        api_version: "v1",
        kind: "ConfigMap",
        custom: None,
        watch_list: true,
        source: |cluster: Cluster, namespace: &str| {
            let source = config_maps(cluster, namespace).without_managed_fields();
            source.packed(&packing)
        },
        value: in_bytes::<Packed<RawObject>>,
        decodes: false,
    };
    check(&run_all(&harness).await, &NOT_DECODED);
    assert!(packing.stats().packed_total > 0);
}

/// Packed to be read as a type.
#[tokio::test]
async fn packed_custom_objects_keep_every_promise() {
    let packing = Packing::<DynamicObject>::new();
    let harness = KubeHarness {
        resource: "widgets.example.com",
        api_version: "example.com/v1",
        kind: "Widget",
        custom: Some(Kind::custom("example.com", "v1", "Widget", "widgets")),
        watch_list: true,
        source: |cluster: Cluster, namespace: &str| widgets(cluster, namespace).packed(&packing),
        value: |object: &Packed<DynamicObject>| in_metadata(&object.decode().ok()?),
        decodes: false,
    };
    check(&run_all(&harness).await, &NOT_DECODED);
}
