//! One measured process of the peer: `kube_runtime::reflector` over `kube_runtime::watcher` with default settings, typed pods,
//! managed fields cleared, which is the least that it can hold.

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube_client::{Api, Client};
use kube_core::ResourceExt;
use kube_runtime::watcher::Event;
use kube_runtime::{WatchStreamExt, reflector, watcher};

use clap::Parser;
use heliostat_bench::replay_server::{Target, connect, drive};
use heliostat_bench::stages::{Failure, Meter, Stages, told};

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    target: Target,
}

fn main() -> Result<(), Failure> {
    let Options { target } = Options::parse();
    told(async move { Ok(serde_json::to_string(&run(&target).await?)?) })
}

async fn run(target: &Target) -> Result<Stages, Failure> {
    let client = connect(&target.server)?;
    drive(&client, "/reset").await?;
    let mut meter = Meter::new(target.sampled);
    meter.begin()?;
    let api: Api<Pod> = Api::all(client.clone());
    let (reader, writer) = reflector::store();
    let events = watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(|pod| pod.managed_fields_mut().clear());
    let mut events = Box::pin(reflector(writer, events));
    until(&mut events, |event| matches!(event, Event::InitDone)).await?;
    let sync = meter.end().await?;
    assert_eq!(reader.state().len(), target.pods, "the mirror is not whole");

    meter.begin()?;
    let last = ask(&client, "/updates").await?.to_string();
    until(&mut events, |event| match event {
        Event::Apply(pod) => pod.metadata.resource_version.as_ref() == Some(&last),
        _ => false,
    })
    .await?;
    let updates = meter.end().await?;

    let mut relists = Vec::new();
    for path in ["/expire", "/expire?changed"] {
        meter.begin()?;
        ask(&client, path).await?;
        until(&mut events, |event| matches!(event, Event::InitDone)).await?;
        relists.push(meter.end().await?);
    }
    assert_eq!(reader.state().len(), target.pods, "the mirror is not whole");
    Ok(Stages {
        sync,
        updates,
        relist: relists[0],
        changed: relists[1],
        samples: meter.samples(),
    })
}

/// The peer's watch is opened by polling it, which the server takes into account: what it is told now
/// is for a watch that is opened later, too.
async fn ask(client: &Client, path: &'static str) -> Result<u64, Failure> {
    let client = client.clone();
    tokio::spawn(async move { drive(&client, path).await }).await?
}

/// Polls until there is such an event. That a watch has expired is an error that the peer gets over.
async fn until(
    events: &mut (impl Stream<Item = watcher::Result<Event<Pod>>> + Unpin),
    is_last: impl Fn(&Event<Pod>) -> bool,
) -> Result<(), Failure> {
    while let Some(event) = events.next().await {
        match event {
            Ok(event) if is_last(&event) => return Ok(()),
            Ok(_) => {}
            Err(watcher::Error::WatchError(status)) if status.code == 410 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err("the watch ended".into())
}
