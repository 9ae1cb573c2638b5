//! The arguments of `heliostat mirror`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use heliostat::core::reflector::{ReflectorConfig, WatchListMode};

use crate::duration;
use crate::output::Format;

/// What to mirror, from where, and how to print it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(crate) struct MirrorArgs {
    /// The resource as kubectl takes it: pods, po, deployments.apps, a custom resource
    pub(super) resource: String,

    /// Only this namespace; may be given several times or as a,b,c. Without it and -A: the
    /// namespace of the context
    #[arg(
        short,
        long,
        value_name = "NS",
        value_delimiter = ',',
        help_heading = "What to mirror"
    )]
    pub(super) namespace: Vec<String>,

    /// All namespaces
    #[arg(
        short = 'A',
        long,
        conflicts_with = "namespace",
        help_heading = "What to mirror"
    )]
    pub(super) all_namespaces: bool,

    /// Only objects with these labels: app=cart, 'tier in (web,api)', '!canary'
    #[arg(
        short = 'l',
        long,
        value_name = "LABELS",
        help_heading = "What to mirror"
    )]
    pub(super) selector: Option<String>,

    /// Only objects with these fields: spec.nodeName=n1, status.phase!=Running
    #[arg(long, value_name = "FIELDS", help_heading = "What to mirror")]
    pub(super) field_selector: Option<String>,

    /// Only the metadata of the objects; the server sends nothing else
    #[arg(long, help_heading = "What to mirror")]
    pub(super) metadata_only: bool,

    /// The kubeconfig to use, in place of $KUBECONFIG and ~/.kube/config
    #[arg(long, value_name = "FILE", help_heading = "Where from")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig to use, in place of its current one
    #[arg(long, value_name = "NAME", help_heading = "Where from")]
    context: Option<String>,

    /// The address of the server. Without --kubeconfig and --context no configuration is read and
    /// no credentials are sent
    #[arg(short, long, value_name = "URL", help_heading = "Where from")]
    server: Option<String>,

    /// Whether to ask for the first state as a stream
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        help_heading = "How"
    )]
    pub(super) watch_list: WatchList,

    /// At most so many objects in a page of a list; 0 leaves it to the rule: 500, unless that costs
    /// the server more than the whole
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "How")]
    page_size: u32,

    /// Tell all objects again, as Resynced, every so often
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, help_heading = "How")]
    resync: Option<Duration>,

    /// Serve metrics for Prometheus at http://ADDR/metrics, and /healthz and /readyz
    #[arg(long, value_name = "ADDR", help_heading = "How")]
    pub(super) metrics_addr: Option<String>,

    /// Print the objects once, sorted by key, and end
    #[arg(long, help_heading = "Output")]
    pub(super) once: bool,

    /// Do not print the first state, only what changes after it
    #[arg(long, conflicts_with = "once", help_heading = "Output")]
    pub(super) watch_only: bool,

    /// With --once: give up when nothing has come for this long
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = duration::parse,
        help_heading = "Output"
    )]
    pub(super) timeout: Duration,

    /// The format
    #[arg(
        short,
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        help_heading = "Output"
    )]
    pub(super) output: Format,
}

/// Whether the first state is streamed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum WatchList {
    /// Try it, and list where the server will not
    #[default]
    Auto,
    /// The same, and say on stderr when it had to list
    On,
    /// Always list
    Off,
}

impl MirrorArgs {
    /// How to reach the cluster.
    pub(super) fn connection(&self) -> heliostat::source::kube::Connection {
        let mut connection = heliostat::source::kube::Connection::new();
        if let Some(path) = &self.kubeconfig {
            connection = connection.kubeconfig(path);
        }
        if let Some(name) = &self.context {
            connection = connection.context(name);
        }
        if let Some(url) = &self.server {
            connection = connection.server(url);
        }
        connection
    }

    /// The options of the reflectors.
    pub(super) fn config(&self) -> ReflectorConfig {
        let mode = match self.watch_list {
            WatchList::Auto | WatchList::On => WatchListMode::Auto,
            WatchList::Off => WatchListMode::Off,
        };
        ReflectorConfig::default()
            .watch_list(mode)
            .page_size(self.page_size)
            .resync_period(self.resync.unwrap_or_default())
    }
}

const EXAMPLES: &str = "\
Without --once it follows the mirror until SIGINT or SIGTERM, then prints a summary on stderr. \
What is told is what changed in the mirror: after a cut connection or an expired version only what \
really differs, and what vanished meanwhile as deleted.

How changes are printed:
  table  a line with + new, ~ changed, - deleted, = told again
  name   + key, ~ key, - key, = key
  jsonl  {\"type\":\"Added\",\"key\":\"ns/name\",\"resourceVersion\":\"7\",\"object\":{..}}
  json   the same, indented
  yaml   the same, as documents
The type is Added, Updated, Deleted (with \"tombstone\":true where the end itself was not seen), \
Resynced, Synced (a whole list is in) or Error (with the time to the next try).

Examples:
  heliostat mirror pods -A
  heliostat mirror po -n shop,payments -l tier=web
  heliostat mirror pods -A --field-selector spec.nodeName=n1 -o jsonl
  heliostat mirror deployments.apps --once -o name
  heliostat mirror secrets -A --metadata-only --once -o yaml
  heliostat mirror nodes --metrics-addr 127.0.0.1:9090";
