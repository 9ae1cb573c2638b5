//! `heliostat serve`: a mirror of a cluster for other clients.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use heliostat::source::VersionProbe;
use heliostat::source::kube::{
    Cluster, DiscoveredResource, Discovery, DynamicObject, KubeSource, WireEncoding,
};
use heliostat::{Packing, Reflector, ReflectorHandle, ReflectorStatus};
use heliostat_server::{CacheServer, Kind, RunningCacheServer, WatchCache};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::time::{interval, timeout};

use crate::duration;
use crate::endpoint::{self, UPKEEP_PERIOD};
use crate::failure::Failure;
use crate::signals::Signals;

use super::find::reach;
use super::selection::ClusterArgs;
use super::target::{self, Wanted};
use super::wire::is_whole_in_protobuf;

/// How long the source may take to say its version before this program's own is served.
const VERSION_TIMEOUT: Duration = Duration::from_secs(5);

/// Resources that `--all` leaves out: secrets are mirrored only when they are named, and events are not
/// cached by an API server either.
const NOT_IN_ALL: [&str; 3] = ["secrets", "events", "events.events.k8s.io"];

/// What to mirror, and where to serve it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// The resources to mirror, in all namespaces: pods services deployments.apps, also as pods,services
    #[arg(
        value_name = "RESOURCE",
        value_delimiter = ',',
        required_unless_present = "all"
    )]
    resources: Vec<String>,

    /// Mirror every resource that can be watched, but for secrets and events
    #[arg(long, conflicts_with = "resources")]
    all: bool,

    /// Where the objects come from
    #[arg(
        long,
        value_name = "SOURCE",
        default_value = "kube",
        help_heading = "Where from"
    )]
    from: From,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// Where to listen; port 0 takes a free one. Only loopback addresses: nothing authenticates clients
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8001")]
    listen: SocketAddr,

    /// What is done with reads that must not be older than the request: asked of the source (on), or
    /// refused (off)
    #[arg(long, value_name = "WHETHER", default_value = "on")]
    consistent_reads: ConsistentReads,

    /// How long a server that does not answer is waited for at the start; 0s for ever
    #[arg(long, value_name = "DURATION", default_value = target::DEFAULT_TIMEOUT, value_parser = duration::parse)]
    timeout: Duration,
}

/// Where objects come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum From {
    /// A Kubernetes API server
    Kube,
}

/// What is done with consistent reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum ConsistentReads {
    On,
    Off,
}

const EXAMPLES: &str = "\
When it listens it prints one line, `listening on http://ADDR`; /readyz says when all resources are \
there. It serves get, list and watch until SIGINT or SIGTERM, and takes no writes. Versions are those \
of the source, so clients may go from one to the other without listing again.

Examples:
  heliostat serve pods services deployments.apps
  kubectl --server http://127.0.0.1:8001 get pods -A --watch
  heliostat serve --all --listen 127.0.0.1:0
  heliostat serve secrets --kubeconfig ~/.kube/config";

/// Serves until a signal comes.
pub(crate) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let From::Kube = args.from;
    if !args.listen.ip().is_loopback() {
        return Err(Failure::NotLoopback {
            address: args.listen,
        });
    }
    let mut signals = Signals::install().map_err(Failure::Runtime)?;
    let recorder = endpoint::install_recorder()?;
    let listen_failed = |error| Failure::Listen {
        address: args.listen.to_string(),
        error,
    };
    // First the address, so that one that is taken is reported before anything is asked.
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(listen_failed)?;
    let wanted = Wanted {
        resources: &args.resources,
        metadata_only: false,
        keeps_managed_fields: true,
        patience: (!args.timeout.is_zero()).then_some(args.timeout),
    };
    let (cluster, discovery) = tokio::select! {
        reached = reach(&args.cluster, wanted) => reached?,
        () = signals.wait() => return Ok(()),
    };
    let resources = resources(&args, &discovery)?;
    let (mirrors, caches): (Vec<ReflectorHandle>, Vec<WatchCache>) = resources
        .iter()
        .map(|resource| mirror(&cluster, resource, args.consistent_reads))
        .unzip();
    let server = server(&cluster, caches, &recorder).await;
    let running = server.serve(listener).map_err(listen_failed)?;
    let mut stdout = std::io::stdout();
    // Who closed stdout does not want to know the address; serving goes on.
    let _ = writeln!(stdout, "listening on {}", running.url()).and_then(|()| stdout.flush());
    serve_until_signal(&mut signals, &recorder).await;
    shutdown(running, mirrors).await;
    Ok(())
}

async fn serve_until_signal(signals: &mut Signals, recorder: &PrometheusHandle) {
    let mut upkeep = interval(UPKEEP_PERIOD);
    loop {
        tokio::select! {
            () = signals.wait() => return,
            _ = upkeep.tick() => recorder.run_upkeep(),
        }
    }
}

/// Clients first, so that they resume elsewhere with all that is known here.
async fn shutdown(running: RunningCacheServer, mirrors: Vec<ReflectorHandle>) {
    running.shutdown().await;
    for mirror in mirrors {
        mirror.shutdown().await;
    }
}

/// What is to be mirrored, each resource once.
fn resources(args: &ServeArgs, discovery: &Discovery) -> Result<Vec<DiscoveredResource>, Failure> {
    let mut resources: Vec<DiscoveredResource> = Vec::new();
    let mut add = |resource: &DiscoveredResource| {
        let is_it = |other: &DiscoveredResource| other.full_name() == resource.full_name();
        if !resources.iter().any(is_it) {
            resources.push(resource.clone());
        }
    };
    if args.all {
        let all = discovery.resources().iter();
        let all = all.filter(|it| it.is_mirrorable());
        all.filter(|it| !NOT_IN_ALL.contains(&&*it.full_name()))
            .for_each(&mut add);
    }
    for name in &args.resources {
        let resource = discovery.resolve(name)?;
        if !resource.is_watchable() {
            return Err(Failure::Unwatchable {
                what: resource.full_name(),
            });
        }
        add(resource);
    }
    Ok(resources)
}

/// Starts the mirror of one resource.
fn mirror(
    cluster: &Cluster,
    resource: &DiscoveredResource,
    consistent_reads: ConsistentReads,
) -> (ReflectorHandle, WatchCache) {
    // What is read often is kept by the cache in the encodings of its clients.
    let packing = Packing::raw().memory_budget(0);
    let names = &resource.resource;
    let encoding = match is_whole_in_protobuf(&names.api_version, &names.kind) {
        true => WireEncoding::Auto,
        false => WireEncoding::Json,
    };
    let source = KubeSource::<DynamicObject>::of(cluster, resource).encoding(encoding);
    let source = source.packed(&packing);
    let cache = WatchCache::new(kind(resource));
    let mirror = Reflector::new(source.clone(), cache.writer()).start();
    let status = mirror.watch_status();
    let cache = cache.explained_by(move || last_error(&status.borrow()));
    let cache = match consistent_reads {
        ConsistentReads::Off => cache,
        ConsistentReads::On => {
            let probe = VersionProbe::new(source);
            let newest = probe.clone();
            cache.consistent_reads(move || newest.newest(), move |after| probe.progress(after))
        }
    };
    (mirror, cache)
}

fn last_error(status: &ReflectorStatus) -> Option<String> {
    status
        .last_error
        .as_ref()
        .map(|error| error.message.clone())
}

/// The kind as the server of the mirror knows it: names from discovery, the rest from the built-in kind.
fn kind(resource: &DiscoveredResource) -> Kind {
    let names = &resource.resource;
    let mut kind = Kind::known(&names.group, &names.version, &names.kind, &names.plural);
    if !resource.singular.is_empty() {
        kind = kind.with_singular(&resource.singular);
    }
    for name in &resource.short_names {
        if !kind.short_names().contains(name) {
            kind = kind.with_short_name(name);
        }
    }
    match resource.namespaced {
        true => kind,
        false => kind.cluster_scoped(),
    }
}

async fn server(
    cluster: &Cluster,
    caches: Vec<WatchCache>,
    recorder: &PrometheusHandle,
) -> CacheServer {
    let recorder = recorder.clone();
    let mut server = CacheServer::builder().metrics(move || recorder.render());
    let documents = cluster.clone();
    server = server.openapi(move |path| {
        let cluster = documents.clone();
        async move { document(&cluster, &path).await }
    });
    if let Some(address) = cluster.server() {
        server = server.write_to(address);
    }
    if let Some(version) = version(cluster).await {
        server = server.version(version);
    }
    for cache in caches {
        server = server.cache(cache);
    }
    server.build()
}

/// The source's `/version`, which clients look at to know what it can do.
async fn version(cluster: &Cluster) -> Option<String> {
    match timeout(VERSION_TIMEOUT, document(cluster, "/version")).await {
        Ok(version) => version,
        Err(_) => {
            tracing::warn!("the server did not say its version in time");
            None
        }
    }
}

/// A document of the source, in JSON.
async fn document(cluster: &Cluster, path: &str) -> Option<String> {
    let request = http::Request::get(path).header(http::header::ACCEPT, "application/json");
    let asked = cluster
        .client()
        .request_text(request.body(Vec::new()).ok()?);
    let answer = asked.await;
    answer
        .inspect_err(|error| tracing::warn!(%error, path, "the server did not send a document"))
        .ok()
}
