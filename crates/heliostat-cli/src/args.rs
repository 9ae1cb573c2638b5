//! What can be said on the command line. The arguments of a command stand with the command.

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Parser, Subcommand};

use crate::command::{apiserver, completions, convert, demo, get, mirror, serve, top};
use crate::log::Filter;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "heliostat",
    version,
    about = "A mirror of Kubernetes objects that stays true",
    long_about = "A mirror of Kubernetes objects that stays true.\n\n\
        It lists a collection once, watches it from the version the list ended at, survives cut \
        connections, expired versions and restarted servers, and never loses a change: what \
        vanished while it could not see is told as deleted.",
    after_help = EXAMPLES,
    after_long_help = EXAMPLES,
    arg_required_else_help = true,
    propagate_version = true,
    max_term_width = 100,
    styles = STYLES,
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// What is logged on stderr: a level (error, warn, info, debug, trace), or directives such as
    /// `heliostat=debug,warn`. Without it RUST_LOG decides, else `warn`
    #[arg(long, global = true, value_name = "FILTER", value_parser = Filter::parse)]
    pub(crate) log: Option<Filter>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Mirror resources and print what they hold or how they change
    Mirror(Box<mirror::MirrorArgs>),
    /// Look objects up in a mirror: by name, or by the value of any field
    Get(Box<get::GetArgs>),
    /// Watch mirrors at work: state, versions, rates, lag
    Top(Box<top::TopArgs>),
    /// See it work: a server, churn, faults, and a mirror that stays true
    Demo(demo::DemoArgs),
    /// Serve a Kubernetes-style API from memory
    Apiserver(apiserver::ApiserverArgs),
    /// Serve a mirror of a cluster to other clients, read-only
    Serve(serve::ServeArgs),
    /// Convert objects between JSON, YAML and protobuf, as etcd stores them
    Convert(convert::ConvertArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

const EXAMPLES: &str = "\
Examples:
  heliostat demo                             see it work, without a cluster
  heliostat mirror pods -A                   all pods, and every change
  heliostat mirror deploy -n shop -o jsonl   one JSON object for each change
  heliostat mirror pods -A --once -o name    the keys, once
  heliostat get pods -A --by spec.nodeName=n1 all pods of a node, from an index
  heliostat top pods,nodes -A                how the mirrors of both are doing, live
  heliostat apiserver --pods 500 --churn 20  a server to try things on
  heliostat serve pods deployments.apps      a read-only API server over a mirror
  heliostat convert -o yaml value.bin        what etcd stores, readable
  heliostat completions fish                 for your shell";

/// The colours of cargo's help.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn patience_is_longer_than_that_for_two_documents_of_a_discovery() {
        for arguments in [
            ["heliostat", "get", "pods"],
            ["heliostat", "mirror", "pods"],
            ["heliostat", "top", "pods"],
        ] {
            let matches = Cli::command().get_matches_from(arguments);
            let (_, command) = matches.subcommand().unwrap();
            let timeout = command.get_one::<Duration>("timeout");
            assert_eq!(timeout, Some(&Duration::from_secs(30)), "{arguments:?}");
        }
    }
}
