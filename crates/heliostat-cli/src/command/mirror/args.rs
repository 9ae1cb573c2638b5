//! The arguments of `heliostat mirror`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use heliostat::ReflectorConfig;
use heliostat::object::FieldPath;
use heliostat::reflector::WatchListMode;

use crate::command::selection::Selection;
use crate::command::target::DEFAULT_TIMEOUT;
use crate::command::wire::Wire;
use crate::output::Format;
use crate::{duration, size};

/// What to mirror, from where, and how to print it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(crate) struct MirrorArgs {
    /// The resources as kubectl takes them: pods, po, deployments.apps, a custom resource; several,
    /// or as a,b,c
    #[arg(
        required_unless_present = "prefix",
        conflicts_with = "prefix",
        value_name = "RESOURCE",
        value_delimiter = ','
    )]
    pub(super) resources: Vec<String>,

    #[command(flatten)]
    pub(super) selection: Selection,

    /// Only the metadata of the objects; the server sends nothing else
    #[arg(
        long,
        conflicts_with_all = ["endpoints", "prefix"],
        help_heading = "What to mirror"
    )]
    pub(super) metadata_only: bool,

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

    /// List what cannot be watched, such as pods.metrics.k8s.io, at this interval; without it such
    /// resources are only printed with --once
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration::parse_interval,
        conflicts_with = "once",
        help_heading = "How"
    )]
    pub(super) poll: Option<Duration>,

    /// Tell all objects again, as Resynced, every so often; a second at least
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, help_heading = "How")]
    pub(super) resync: Option<Duration>,

    /// Keep an index by this field: `spec.nodeName`, `metadata.labels['app']`,
    /// `spec.containers[*].image`; may be given several times. The summary tells how many values it has
    #[arg(long, value_name = "FIELDPATH", help_heading = "How")]
    pub(super) index: Vec<FieldPath>,

    #[command(flatten)]
    pub(super) wire: Wire,

    /// How much memory objects that were unpacked may take: all objects are kept compressed, and in a
    /// table those that change stay unpacked for their next change. 0 keeps none
    #[arg(
        long,
        value_name = "SIZE",
        default_value = MEMORY_BUDGET,
        value_parser = size::parse,
        help_heading = "How"
    )]
    pub(super) memory_budget: usize,

    /// Serve metrics for Prometheus at http://ADDR/metrics, and /healthz and /readyz
    #[arg(long, value_name = "ADDR", help_heading = "How")]
    pub(super) metrics_addr: Option<String>,

    /// Print the objects once, sorted by key, and end
    #[arg(long, help_heading = "Output")]
    pub(super) once: bool,

    /// With --once: tell on stderr what was mirrored and what it took, also where that is no terminal
    #[arg(long, requires = "once", help_heading = "Output")]
    pub(super) summary: bool,

    /// Do not print the first state, only what changes after it
    #[arg(long, conflicts_with = "once", help_heading = "Output")]
    pub(super) watch_only: bool,

    /// With --once: give up when nothing has come for this long
    #[arg(
        long,
        value_name = "DURATION",
        default_value = DEFAULT_TIMEOUT,
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
    /// The options of the reflectors.
    pub(super) fn config(&self) -> ReflectorConfig {
        let mode = match self.watch_list {
            WatchList::Auto | WatchList::On => WatchListMode::Auto,
            WatchList::Off => WatchListMode::Off,
        };
        ReflectorConfig::default()
            .watch_list(mode)
            .page_size(self.page_size)
    }
}

/// The library's default, as it is written.
const MEMORY_BUDGET: &str = "64MiB";

const EXAMPLES: &str = "\
Without --once it follows the mirrors until SIGINT or SIGTERM, then prints a summary on stderr. \
What is told is what changed in the mirror: after a cut connection or an expired version only what \
really differs, and what vanished meanwhile as deleted. Where the output is read too slowly, only the \
newest state of each object is kept for it; no deletion is lost by that.

Objects are kept as the bytes they came in, compressed. The summary tells what came in and what it \
takes; with --once it is printed where stderr is a terminal, or with --summary.

Several resources are mirrored side by side. Each object then says what it is of: in the name \
(`pods/ns/name`), or in the member `resource` of jsonl, json and yaml. A resource that may not be \
listed ends the command, as it does alone.

How changes are printed:
  table  a line with + new, ~ changed, - deleted, = told again
  name   + key, ~ key, - key, = key
  jsonl  {\"type\":\"Added\",\"key\":\"ns/name\",\"resourceVersion\":\"7\",\"object\":{..}}
  json   the same, indented
  yaml   the same, as documents
The type is Added, Updated, Deleted (with \"tombstone\":true where the end itself was not seen), \
Resynced, Synced (the first state is complete) or Error (with the time to the next try; at most five of a \
class in five seconds). An object that cannot be printed is an Error with its key.

Examples:
  heliostat mirror pods -A
  heliostat mirror po -n shop,payments -l tier=web
  heliostat mirror pods,services,deployments -n shop
  heliostat mirror pods -A --field-selector spec.nodeName=n1 -o jsonl
  heliostat mirror deployments.apps --once -o name
  heliostat mirror secrets -A --metadata-only --once -o yaml
  heliostat mirror pods -A --once --summary -o name >/dev/null
  heliostat mirror pods.metrics.k8s.io -A --poll 30s
  heliostat mirror --etcd http://127.0.0.1:2379 --prefix /my/app/ -o jsonl
  heliostat mirror pods --etcd https://10.0.0.1:2379
  heliostat mirror nodes --metrics-addr 127.0.0.1:9090";

#[cfg(test)]
mod tests {
    use heliostat::object::DEFAULT_MEMORY_BUDGET;

    use super::*;

    #[test]
    fn the_default_is_that_of_the_library() {
        assert_eq!(size::parse(MEMORY_BUDGET), Ok(DEFAULT_MEMORY_BUDGET));
    }
}
