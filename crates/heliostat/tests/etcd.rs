//! The etcd source against real etcds: the newest that can be had, and 3.4.
#![cfg(feature = "etcd")]

mod etcd_server;

#[path = "etcd/support.rs"]
mod support;

#[path = "etcd/mirror.rs"]
mod mirror;

#[path = "etcd/history.rs"]
mod history;

#[path = "etcd/cluster.rs"]
mod cluster;
