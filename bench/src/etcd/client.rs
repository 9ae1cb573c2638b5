//! One measured process.

use std::time::Duration;

use clap::Args;
use heliostat::source::etcd::{Connection, EtcdSource, Registry};
use heliostat::source::{ListOptions, ListStream, ResourceVersionMatch, WatchOptions, WatchStream};
use heliostat::{
    ListerWatcher, Packed, Packing, RawObject, Reflector, ResourceVersion, SourceError,
};
use heliostat_bench::process::{Stopwatch, Usage};

use super::{Cost, Way, bare};

/// No run takes this long.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Args)]
pub(crate) struct ClientOptions {
    #[arg(long)]
    way: Way,
    #[arg(long)]
    endpoint: String,
    /// The revision before the updates.
    #[arg(long)]
    revision: u64,
    /// How many pods there are, or the revision of the last update.
    #[arg(long)]
    until: u64,
}

/// Measures, and prints one line of JSON.
pub(crate) async fn run_client(options: ClientOptions) -> Result<(), Box<dyn std::error::Error>> {
    let until = usize::try_from(options.until)?;
    let (after, last) = (
        i64::try_from(options.revision)?,
        i64::try_from(options.until)?,
    );
    let cost = match options.way {
        Way::BareRange => {
            let channel = bare::connect(&options.endpoint)?;
            let watch = Stopwatch::start()?;
            let count = bare::range(channel).await?;
            expect(count == until, "all pods")?;
            cost(&watch)?
        }
        Way::BareWatch => {
            let channel = bare::connect(&options.endpoint)?;
            let watch = Stopwatch::start()?;
            bare::watch(channel, after, last).await?;
            cost(&watch)?
        }
        Way::Mirror => {
            let source = source(&options.endpoint).await?;
            let watch = Stopwatch::start()?;
            let (reflector, pods) = Reflector::with_indexer(source);
            let mirror = reflector.start();
            mirror.wait_synced(PATIENCE).await?;
            let cost = cost(&watch)?;
            expect(pods.len() == until, "all pods")?;
            cost
        }
        Way::MirrorWatch => {
            let source = FromRevision {
                source: source(&options.endpoint).await?,
                revision: options.revision.into(),
            };
            let (reflector, pods) = Reflector::with_indexer(source);
            let mirror = reflector.start();
            mirror.wait_synced(PATIENCE).await?;
            let watch = Stopwatch::start()?;
            pods.wait_for(&ResourceVersion::from(options.until)).await?;
            cost(&watch)?
        }
    };
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}

async fn source(endpoint: &str) -> Result<Source, Box<dyn std::error::Error>> {
    let cluster = Connection::new().endpoint(endpoint).connect().await?;
    let pods = Registry::new(&cluster).without_managed_fields();
    Ok(pods.raw("", "pods").packed(&Packing::raw()))
}

type Source = EtcdSource<Packed<RawObject>>;

/// The source with its first list at a revision, from which the watch has everything to fetch.
struct FromRevision {
    source: Source,
    revision: ResourceVersion,
}

impl ListerWatcher for FromRevision {
    type Object = Packed<RawObject>;
    type Error = SourceError;

    async fn list(&self, options: ListOptions) -> Result<ListStream<Self::Object>, SourceError> {
        let options = ListOptions {
            resource_version: self.revision.clone(),
            resource_version_match: Some(ResourceVersionMatch::Exact),
            limit: None,
            ..options
        };
        self.source.list(options).await
    }

    async fn watch(&self, options: WatchOptions) -> Result<WatchStream<Self::Object>, SourceError> {
        self.source.watch(options).await
    }

    fn description(&self) -> String {
        self.source.description()
    }

    fn supports_watch_list(&self) -> bool {
        false
    }
}

fn cost(watch: &Stopwatch) -> std::io::Result<Cost> {
    let spent = watch.stop()?;
    Ok(Cost {
        wall: spent.wall,
        cpu: spent.cpu,
        peak: Usage::now()?.peak,
    })
}

fn expect(holds: bool, what: &str) -> Result<(), Box<dyn std::error::Error>> {
    match holds {
        true => Ok(()),
        false => Err(format!("a client did not get {what}").into()),
    }
}
