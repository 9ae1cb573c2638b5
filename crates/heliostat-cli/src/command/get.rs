//! `heliostat get`: answers from a mirror, by name or by an index.

use std::time::Duration;

use clap::Args;
use heliostat::HandlerFuncs;
use heliostat::object::FieldPath;
use heliostat_core::printable::printable;

use crate::duration;
use crate::failure::Failure;
use crate::output::{Format, Item, Stored};
use crate::signals::Signals;

use super::fleet::{Fleet, FleetOptions};
use super::mirror::once;
use super::progress::Progress;
use super::selection::Selection;
use super::target::{DEFAULT_TIMEOUT, Target, Wanted};
use super::telling;
use super::wire::Wire;

/// What to look for.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(crate) struct GetArgs {
    /// The resource as kubectl takes it: pods, po, deployments.apps, a custom resource. Not with --prefix
    #[arg(required_unless_present = "prefix")]
    resource: Option<String>,

    /// Only the objects of these names
    names: Vec<String>,

    /// Only objects that have this value at this field, looked up in an index; several times: all of
    /// them
    #[arg(long, value_name = "FIELDPATH=VALUE", value_parser = parse_by, help_heading = "What to mirror")]
    by: Vec<By>,

    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    wire: Wire,

    /// Give up when nothing has come for this long
    #[arg(
        long,
        value_name = "DURATION",
        default_value = DEFAULT_TIMEOUT,
        value_parser = duration::parse,
        help_heading = "Output"
    )]
    timeout: Duration,

    /// The format
    #[arg(
        short,
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        help_heading = "Output"
    )]
    output: Format,
}

/// A field and the value that it must have.
#[derive(Clone, Debug)]
struct By {
    path: FieldPath,
    value: String,
}

/// Reads `spec.nodeName=n1`. A value may hold any character; a path holds `=` only within quotes or
/// after a backslash.
fn parse_by(text: &str) -> Result<By, String> {
    let mut quote = None;
    let mut is_escaped = false;
    let split = text.char_indices().find(|(_, character)| {
        let was_escaped = is_escaped;
        is_escaped = !was_escaped && *character == '\\';
        if was_escaped {
            return false;
        }
        match (quote, *character) {
            (None, '=') => return true,
            (None, '\'' | '"') => quote = Some(*character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
        false
    });
    let Some((at, _)) = split else {
        return Err(format!(
            "{text:?} has no `=`, want for example spec.nodeName=n1"
        ));
    };
    let (path, value) = text.split_at(at);
    Ok(By {
        path: path.parse().map_err(|error| format!("{error}"))?,
        value: value.trim_start_matches('=').to_owned(),
    })
}

/// Runs until the answer is printed, or a signal comes.
pub(crate) async fn run(args: GetArgs) -> Result<(), Failure> {
    let mut signals = Signals::install().map_err(Failure::Runtime)?;
    let mut names = args.names;
    let mut resources = Vec::new();
    match args.resource {
        // A prefix has keys and no resources: the first word is a name already.
        Some(name) if args.selection.etcd.has_prefix() => names.insert(0, name),
        Some(resource) => resources.push(resource),
        None => {}
    }
    let wanted = Wanted {
        resources: &resources,
        metadata_only: false,
        keeps_managed_fields: args.wire.keeps_managed_fields(),
        patience: Some(args.timeout),
    };
    let target = tokio::select! {
        biased;
        () = signals.wait() => return Err(Failure::Interrupted),
        target = Target::find(&args.selection, wanted) => target?,
    };
    let indexes: Vec<FieldPath> = args.by.iter().map(|by| by.path.clone()).collect();
    let options = FleetOptions {
        indexes: &indexes,
        wire: args.wire,
        output: Some(args.output),
        ..FleetOptions::default()
    };
    let mut fleet = Fleet::start::<HandlerFuncs<Stored>>(&target, &options, |_| None)?;
    let mut progress = Progress::new(&target.resources());
    let outcome = once::wait(args.timeout, &mut fleet, &mut signals, &mut progress).await;
    progress.clear();
    outcome?;
    let paths: Vec<String> = indexes.iter().map(ToString::to_string).collect();
    let values = args.by.iter().map(|by| by.value.as_str());
    let wanted: Vec<_> = paths.iter().map(String::as_str).zip(values).collect();
    let mut items = fleet.by_indexes(&wanted);
    let rejected = fleet.rejected().await;
    let unfiled = unfiled(&fleet, &paths);
    fleet.shutdown().await;
    let missing = missing(&names, &items, &target.resources());
    if !names.is_empty() {
        items.retain(|item| names.iter().any(|name| is_called(item, name)));
    }
    if items.is_empty() && missing.is_none() && args.output == Format::Table {
        telling::say(&format!("no {} found", target.resources()));
    }
    let unprinted = once::print(args.output, items, None, &mut signals).await?;
    let outcome = match missing {
        Some(text) => Err(Failure::NotFound(text)),
        None => once::complete(rejected, unprinted),
    };
    match unfiled {
        Some(unfiled) if outcome.is_ok() => Err(unfiled),
        Some(unfiled) => {
            telling::say(&unfiled.to_string());
            outcome
        }
        None => outcome,
    }
}

/// The failure for objects that are in no answer because the index of a field could not file them.
fn unfiled(fleet: &Fleet, names: &[String]) -> Option<Failure> {
    let counts: Vec<String> = names
        .iter()
        .map(|name| (name, fleet.index(name)))
        .filter(|(_, index)| index.failures > 0)
        .map(|(name, index)| {
            let reason = index.last_failure.unwrap_or_default();
            let reason = printable(&reason);
            format!("{} could not be filed by {name}: {reason}", index.failures)
        })
        .collect();
    (!counts.is_empty()).then(|| Failure::Unfiled(counts.join("; ")))
}

/// True if an object is called this, with its namespace or without.
fn is_called(item: &Item, name: &str) -> bool {
    let key = &item.header.key;
    key.name() == name || key.as_str() == name
}

/// Names that were asked for and are not there, in Kubernetes' words.
fn missing(names: &[String], items: &[Item], resource: &str) -> Option<String> {
    let is_there = |name: &str| items.iter().any(|item| is_called(item, name));
    let missing: Vec<String> = names
        .iter()
        .filter(|name| !is_there(name))
        .map(|name| format!("{resource} {name:?} not found"))
        .collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

const EXAMPLES: &str = "\
Examples:
  heliostat get pods -A --by spec.nodeName=n1
  heliostat get pods -n shop --by \"metadata.labels['app.kubernetes.io/name']=cart\" -o name
  heliostat get pods -A --by 'spec.containers[*].image=nginx:1.29' --by status.phase=Running
  heliostat get deployment cart -n shop -o yaml
  heliostat get --etcd http://127.0.0.1:2379 --prefix /my/app/ web/1 -o yaml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_a_path_and_a_value() {
        for (text, path, value) in [
            ("spec.nodeName=n1", "spec.nodeName", "n1"),
            ("metadata.labels['a=b']=c=d", "metadata.labels.a=b", "c=d"),
            (
                r"metadata.labels.a\=b\.c=d",
                "metadata.labels['a=b.c']",
                "d",
            ),
            ("spec.nodeName=", "spec.nodeName", ""),
        ] {
            let by = parse_by(text).unwrap();
            assert_eq!((&*by.path.to_string(), &*by.value), (path, value));
        }
        assert!(parse_by("spec.nodeName").is_err());
        assert!(parse_by("spec..x=1").is_err());
    }
}
