//! The etcd source against real etcds: the newest that can be had, and 3.4.
#![cfg(feature = "etcd")]
#![expect(unreachable_pub, reason = "examples stand alone")]

#[path = "../examples/service_discovery.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod service_discovery;

#[path = "../examples/registry_pods.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod registry_pods;

mod etcd_server;

#[path = "etcd/support.rs"]
mod support;

#[path = "etcd/mirror.rs"]
mod mirror;

#[path = "etcd/history.rs"]
mod history;

#[path = "etcd/cluster.rs"]
mod cluster;

#[path = "etcd/registry.rs"]
mod registry;

#[path = "etcd/access.rs"]
mod access;

#[path = "etcd/examples.rs"]
mod examples;
