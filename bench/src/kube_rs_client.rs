//! The peer: `kube_runtime::reflector` over `kube_runtime::watcher`, typed pods, default settings.

use futures_util::StreamExt;
use heliostat_bench::replay_server::{connect, drive};
use k8s_openapi::api::core::v1::Pod;
use kube_client::Api;
use kube_core::ResourceExt;
use kube_runtime::{WatchStreamExt, reflector, watcher};

use crate::client::{Cost, Initial, ManagedFields, Meter, Options};

pub(crate) async fn run(options: Options) -> Result<Cost, Box<dyn std::error::Error>> {
    // On a task of the runtime, where programs run their watchers.
    tokio::spawn(async move { mirror(&options).await.map_err(|error| error.to_string()) })
        .await?
        .map_err(Into::into)
}

async fn mirror(options: &Options) -> Result<Cost, Box<dyn std::error::Error + Send + Sync>> {
    let client = connect(&options.server)?;
    drive(&client, "/reset").await?;
    let mut meter = Meter::begin()?;
    let api: Api<Pod> = Api::all(client.clone());
    let (reader, writer) = reflector::store();
    let cleared = options.managed_fields == ManagedFields::Cleared;
    let config = match options.initial {
        Initial::List => watcher::Config::default(),
        Initial::WatchList => watcher::Config::default().streaming_lists(),
    };
    let events = watcher(api, config).default_backoff().modify(move |pod| {
        if cleared {
            pod.managed_fields_mut().clear();
        }
    });
    let mut events = Box::pin(reflector(writer, events));
    while let Some(event) = events.next().await {
        if matches!(event?, watcher::Event::InitDone) {
            break;
        }
    }
    meter.synced()?;
    assert_eq!(
        reader.state().len(),
        options.pods,
        "the mirror is not whole"
    );

    meter.updates_begin()?;
    let asking = client.clone();
    // The peer's watch is opened by polling it, so the start signal is sent from a task of its own.
    let last = tokio::spawn(async move { drive(&asking, "/updates").await }).await??;
    let last = last.to_string();
    loop {
        match events.next().await {
            Some(event) => match event? {
                watcher::Event::Apply(pod)
                    if pod.metadata.resource_version.as_ref() == Some(&last) =>
                {
                    break;
                }
                _ => {}
            },
            None => return Err("the watch ended before its last update".into()),
        }
    }
    let cost = meter.updated()?;
    assert_eq!(
        reader.state().len(),
        options.pods,
        "the mirror is not whole"
    );
    Ok(cost)
}
