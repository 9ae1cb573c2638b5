//! What is logged of a server that cannot be reached: one line an attempt, with and without a proxy.

use std::time::Duration;

use heliostat::reflector::{BackoffConfig, WatchListMode};
use heliostat::source::kube::{Connection, KubeSource};
use heliostat::{Reflector, ReflectorConfig};
use k8s_openapi::api::core::v1::ConfigMap;
use tokio::net::TcpListener;

use crate::lines::{Lines, field};

use super::connection::{kubeconfig, two_contexts};

/// An address on which there is no listener.
async fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn an_attempt_that_does_not_connect_is_one_line() {
    const FAILURES: u64 = 3;
    let lines = Lines::collect();
    let second = closed_port().await;
    let proxied = two_contexts("http://cluster.invalid")
        .replace("server:", &format!("proxy-url: '{second}', server:"));
    let secure = proxied.replace("http://cluster", "https://cluster");
    for (number, text) in [two_contexts(&second), proxied, secure].iter().enumerate() {
        lines.clear();
        let path = kubeconfig(&format!("logs-{number}.yaml"), text);
        let cluster = Connection::new().kubeconfig(path).connect().await.unwrap();
        let pause = Duration::from_millis(1);
        let config = ReflectorConfig::default()
            .watch_list(WatchListMode::Off)
            .backoff(BackoffConfig::exponential(pause, pause));
        let (reflector, _store) = Reflector::with_indexer(KubeSource::<ConfigMap>::new(&cluster));
        let mirror = reflector.name("maps").config(config).start();
        let mut status = mirror.watch_status();
        let failed = status.wait_for(|status| status.counts.failures >= FAILURES);
        drop(failed.await.unwrap());
        mirror.shutdown().await;
        let all = lines.all();
        let attempts: Vec<_> = all
            .iter()
            .filter_map(|line| field(line, "attempt"))
            .collect();
        assert!(attempts.len() as u64 >= FAILURES, "{all:#?}");
        assert_eq!(attempts.len(), all.len(), "{all:#?}");
        let mut different = attempts.clone();
        different.dedup();
        assert_eq!(different, attempts, "{all:#?}");
        for line in &all {
            assert!(
                line.contains("request=\"GET /api/v1/configmaps at http"),
                "{line}"
            );
            assert!(line.contains("retry_in="), "{line}");
        }
    }
}
