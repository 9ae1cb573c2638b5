//! `heliostat top`: how mirrors are doing, live.

mod model;

mod view;

mod screen;

mod plain;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::{Args, ValueEnum};
use heliostat::{HandlerFuncs, HandlerOptions};

use crate::duration;
use crate::failure::Failure;
use crate::signals::Signals;

use super::fleet::{Fleet, FleetOptions};
use super::selection::Selection;
use super::target::{DEFAULT_TIMEOUT, Target, Wanted};
use super::wire::Wire;

use model::Sampler;

/// What to watch, and how it is shown.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(crate) struct TopArgs {
    /// The resources as kubectl takes them; several, or as a,b,c. Without any: pods, services, nodes,
    /// configmaps and workloads, as far as the server has them
    #[arg(value_name = "RESOURCE", value_delimiter = ',')]
    resources: Vec<String>,

    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    wire: Wire,

    /// How often the view is renewed
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1s",
        value_parser = duration::parse_interval,
        help_heading = "Output"
    )]
    interval: Duration,

    /// List what cannot be watched at this interval; without it such resources are only shown with --once
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration::parse_interval,
        conflicts_with = "once",
        help_heading = "How"
    )]
    poll: Option<Duration>,

    /// End after this long
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse, help_heading = "Output")]
    period: Option<Duration>,

    /// Print once, when all mirrors are complete, and end
    #[arg(long, conflicts_with = "period", help_heading = "Output")]
    once: bool,

    /// With --once: give up when nothing has come for this long
    #[arg(
        long,
        value_name = "DURATION",
        default_value = DEFAULT_TIMEOUT,
        value_parser = duration::parse,
        help_heading = "Output"
    )]
    timeout: Duration,

    /// How it is shown; where there is no terminal, `live` is `table`
    #[arg(
        short,
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        help_heading = "Output"
    )]
    output: Shown,
}

/// How it is shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Shown {
    /// A picture that renews itself
    #[default]
    Live,
    /// A table every interval
    Table,
    /// One object for each mirror every interval
    Jsonl,
}

/// What is mirrored if nothing is named.
const USUAL: [&str; 9] = [
    "pods",
    "services",
    "nodes",
    "namespaces",
    "configmaps",
    "deployments.apps",
    "replicasets.apps",
    "daemonsets.apps",
    "jobs.batch",
];

/// Runs until somebody has seen enough.
pub(crate) async fn run(args: TopArgs) -> Result<(), Failure> {
    let mut signals = Signals::install().map_err(Failure::Runtime)?;
    let usual: Vec<String> = USUAL.map(str::to_owned).into();
    let is_named = !args.resources.is_empty();
    let wanted = Wanted {
        resources: if is_named { &args.resources } else { &usual },
        metadata_only: false,
        keeps_managed_fields: args.wire.keeps_managed_fields(),
        patience: args.once.then_some(args.timeout),
    };
    let target = tokio::select! {
        biased;
        () = signals.wait() => return Ok(()),
        target = async {
            if is_named {
                Target::find(&args.selection, wanted).await
            } else {
                Target::find_served(&args.selection, wanted).await
            }
        } => target?,
    };
    if !args.once {
        target.check_followed(args.poll)?;
    }
    let live = args.output == Shown::Live && !args.once && std::io::stdout().is_terminal();
    if live && let Some(cluster) = &target.cluster {
        // The picture is all of the terminal: a plugin that runs again must not ask anything on it.
        cluster.set_interactive(false);
    }
    // A handler that does nothing: its lag is that of any handler that keeps up.
    let options = FleetOptions {
        wire: args.wire,
        poll: args.poll,
        ..FleetOptions::default()
    };
    let mut fleet = Fleet::start(&target, &options, |_| {
        Some((HandlerFuncs::new(), HandlerOptions::new().name("top")))
    })?;
    let mut sampler = Sampler::new(&fleet);
    let outcome = if live {
        screen::run(&args, &fleet, &mut sampler, &mut signals).await
    } else {
        plain::run(&args, &mut fleet, &mut sampler, &mut signals).await
    };
    fleet.shutdown().await;
    outcome
}

const EXAMPLES: &str = "\
Keys: q quit, s sort by the next column, up and down select, p pause, ? help.

Examples:
  heliostat top                              the usual kinds of the namespace
  heliostat top pods,nodes -A                pods and nodes everywhere
  heliostat top pods -A --for 10s -o jsonl   ten seconds for a program";
