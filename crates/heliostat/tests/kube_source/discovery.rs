//! Discovery against recorded documents: aggregated, older, mixed, broken.

use heliostat::ListerWatcher;
use heliostat::source::kube::discovery::ResolveError;
use heliostat::source::kube::{Discovery, KubeSource};
use kube_core::DynamicObject;

use super::connect;
use super::server::{Reply, Server};

fn not_found() -> Reply {
    Reply::capture("list-crd-missing")
}

/// A server that knows the older documents only. Of the groups but the core, apps alone answers.
fn older(target: &str) -> Reply {
    match target {
        "/api" => Reply::capture("discovery-api"),
        "/api/v1" => Reply::capture("discovery-core-v1"),
        "/apis" => Reply::capture("discovery-apis"),
        "/apis/apps/v1" => Reply::json(
            r#"{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"apps/v1","resources":[
                {"name":"deployments","singularName":"deployment","namespaced":true,"kind":"Deployment",
                 "verbs":["get","list","watch"],"shortNames":["deploy"]},
                {"name":"deployments/status","singularName":"","namespaced":true,"kind":"Deployment","verbs":["get"]}]}"#,
        ),
        _ => Reply::new(503, "text/plain", "service unavailable"),
    }
}

#[tokio::test]
async fn the_aggregated_document_is_enough() {
    let server = Server::start(|target| match target {
        "/api" => Reply::capture("discovery-aggregated-api"),
        _ => not_found(),
    })
    .await;
    let found = Discovery::of(&connect(&server.url).await).await.unwrap();
    assert!(found.undiscovered().is_empty());
    for name in ["pods", "po", "Pod", "pod"] {
        assert_eq!(found.resolve(name).unwrap().resource.plural, "pods");
    }
    let nodes = found.resolve("no").unwrap();
    assert!(!nodes.namespaced && nodes.is_mirrorable());
    assert!(found.by_kind("", "v1", "ConfigMap").is_some());
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for request in seen {
        let accept = request.header("accept").unwrap();
        assert!(
            accept.ends_with("as=APIGroupDiscoveryList,application/json"),
            "{accept}"
        );
    }
}

#[tokio::test]
async fn both_forms_tell_the_same_of_the_core_group() {
    let aggregated = Server::start(|target| match target {
        "/api" => Reply::capture("discovery-aggregated-api"),
        _ => not_found(),
    })
    .await;
    let listed = Server::start(|target| match target {
        "/apis" => not_found(),
        target => older(target),
    })
    .await;
    let aggregated = Discovery::of(&connect(&aggregated.url).await)
        .await
        .unwrap();
    let listed = Discovery::of(&connect(&listed.url).await).await.unwrap();
    assert!(listed.resources().len() > 10);
    assert_eq!(aggregated.resources(), listed.resources());
}

#[tokio::test]
async fn a_group_that_fails_is_noted_and_the_rest_is_there() {
    let server = Server::start(older).await;
    let found = Discovery::of(&connect(&server.url).await).await.unwrap();
    for name in [
        "deploy",
        "deployments.apps",
        "deployments.v1.apps",
        "Deployment",
    ] {
        assert_eq!(found.resolve(name).unwrap().full_name(), "deployments.apps");
    }
    assert!(found.resolve("pods").is_ok());
    assert!(
        found
            .undiscovered()
            .iter()
            .any(|group| group.starts_with("apiregistration.k8s.io/v1 ("))
    );
    let error = found.resolve("deploymnet").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("did you mean deployments.apps?"), "{text}");
    assert!(
        text.contains("could not be discovered: apiregistration.k8s.io/v1"),
        "{text}"
    );
    assert!(matches!(error, ResolveError::Unknown { .. }));
}

#[tokio::test]
async fn a_discovered_resource_becomes_a_source() {
    let server = Server::start(older).await;
    let cluster = connect(&server.url).await;
    let found = Discovery::of(&cluster).await.unwrap();
    let nodes = found.resolve("nodes").unwrap();
    let source = KubeSource::<DynamicObject>::of(&cluster, nodes).namespace("passed-over");
    assert_eq!(source.description(), "nodes");
    let pods = found.resolve("po").unwrap();
    let source = KubeSource::<DynamicObject>::of(&cluster, pods).namespace("shop");
    assert_eq!(source.description(), "pods in namespace shop");
    assert_eq!(source.resource().kind, "Pod");
}

#[tokio::test]
async fn a_server_without_discovery_is_an_error() {
    let server = Server::always(Reply::capture("list-unauthorized")).await;
    let error = Discovery::of(&connect(&server.url).await)
        .await
        .unwrap_err();
    assert!(error.status().unwrap().is_unauthorized());
    let server = Server::always(Reply::json("\"no document\"")).await;
    assert!(Discovery::of(&connect(&server.url).await).await.is_err());
}
