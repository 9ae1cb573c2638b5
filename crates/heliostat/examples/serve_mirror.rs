//! Kubernetes' API over data that is no Kubernetes: a mirror of a source of your own, served to kubectl,
//! informers and every other client, with lists, watches that resume, selectors and tables.
//!
//! `cargo run --example serve_mirror` serves orders from memory until Ctrl-C; try
//! `kubectl --server URL get orders -A --watch`.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::time::Duration;

use heliostat::source::VersionProbe;
use heliostat::source::memory::MemorySource;
use heliostat::{ListerWatcher, RawObject, Reflector, ReflectorHandle};
use heliostat_core::raw::Encoding;
use heliostat_server::{CacheServer, Kind, RunningCacheServer, WatchCache};
use serde_json::json;

/// Serves a mirror of any source of objects that are JSON.
pub async fn serve<S>(source: S) -> Result<(ReflectorHandle, RunningCacheServer), Box<dyn Error>>
where
    S: ListerWatcher<Object = RawObject> + Clone,
{
    let orders = WatchCache::new(Kind::custom("shop.example", "v1", "Order", "orders"));
    let mirror = Reflector::new(source.clone(), orders.writer()).start();
    let (newest, progress) = (VersionProbe::new(source.clone()), VersionProbe::new(source));
    let orders = orders.consistent_reads(move || newest.newest(), move |at| progress.progress(at));
    let server = CacheServer::builder().cache(orders).build();
    Ok((mirror, server.serve_local().await?))
}

/// An order, as bytes of JSON.
pub fn order(customer: &str, number: u32, state: &str) -> RawObject {
    let order = json!({
        "apiVersion": "shop.example/v1",
        "kind": "Order",
        "metadata": {"namespace": customer, "name": format!("order-{number}"), "labels": {"state": state}},
        "spec": {"items": number % 3 + 1},
    });
    RawObject::new(Encoding::Json, None, order.to_string().into_bytes().into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let source = MemorySource::<RawObject>::new();
    let (mirror, server) = serve(source.clone()).await?;
    println!("kubectl --server {} get orders -A --watch", server.url());
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for number in 0.. {
        tokio::select! {
            _ = ticks.tick() => {
                let key = format!("acme/order-{number}").parse()?;
                source.create(key, order("acme", number, "new"))?;
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    server.shutdown().await;
    mirror.shutdown().await;
    Ok(())
}
