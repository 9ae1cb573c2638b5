//! Several runs, each a process of its own, and what they come to: medians, ratios, a table.

use std::path::Path;
use std::process::Stdio;

use clap::ValueEnum;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::process::Command;

/// Runs this program again with `arguments`, and reads the one line of JSON that it prints.
pub(crate) async fn measure<T: DeserializeOwned>(
    arguments: &[impl AsRef<str>],
) -> Result<T, Box<dyn std::error::Error>> {
    measure_with(&std::env::current_exe()?, arguments).await
}

/// Runs a program with `arguments`, and reads the one line of JSON that it prints.
pub(crate) async fn measure_with<T: DeserializeOwned>(
    program: &Path,
    arguments: &[impl AsRef<str>],
) -> Result<T, Box<dyn std::error::Error>> {
    let output = Command::new(program)
        .args(arguments.iter().map(AsRef::as_ref))
        .stderr(Stdio::inherit())
        .output()
        .await
        .map_err(|error| format!("{} does not run: {error}", program.display()))?;
    if !output.status.success() {
        let (program, name) = (
            program.display(),
            arguments.first().map_or("", AsRef::as_ref),
        );
        return Err(format!("{program} {name} failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The word for a choice on the command line.
pub(crate) fn word(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// The median of what `field` reads from each run.
pub(crate) fn median<T>(runs: &[T], field: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(field).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What is promised of a ratio.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Promise {
    AtMost(f64),
    AtLeast(f64),
    /// It is only shown.
    Nothing,
}

/// One measured thing, ours and the peer's.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: String,
    heliostat: f64,
    kube_rs: f64,
    ratio: f64,
    promise: Promise,
    holds: Option<bool>,
}

impl Row {
    pub(crate) fn new(what: String, heliostat: f64, kube_rs: f64, promise: Promise) -> Self {
        let ratio = heliostat / kube_rs;
        let holds = match promise {
            Promise::AtMost(most) => Some(ratio <= most),
            Promise::AtLeast(least) => Some(ratio >= least),
            Promise::Nothing => None,
        };
        Self {
            what,
            heliostat,
            kube_rs,
            ratio,
            promise,
            holds,
        }
    }
}

pub(crate) const fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "DOES NOT HOLD" }
}

pub(crate) fn print_rows(rows: &[Row], decimals: usize) {
    println!(
        "{:<38} {:>12} {:>12} {:>8} {:>10}",
        "", "heliostat", "kube-rs", "ratio", "promised"
    );
    for row in rows {
        let promised = match row.promise {
            Promise::AtMost(most) => format!("<= {most:.2}"),
            Promise::AtLeast(least) => format!(">= {least:.2}"),
            Promise::Nothing => String::new(),
        };
        println!(
            "{:<38} {:>12.decimals$} {:>12.decimals$} {:>8.2} {promised:>10}  {}",
            row.what,
            row.heliostat,
            row.kube_rs,
            row.ratio,
            row.holds.map_or("", verdict)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_kept_or_not() {
        let row = |promise| Row::new("x".to_owned(), 1.0, 4.0, promise);
        assert_eq!(row(Promise::AtMost(0.25)).holds, Some(true));
        assert_eq!(row(Promise::AtMost(0.2)).holds, Some(false));
        assert_eq!(row(Promise::AtLeast(0.3)).holds, Some(false));
        assert_eq!(row(Promise::Nothing).holds, None);
    }

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0], |value| *value) - 2.0).abs() < f64::EPSILON);
        assert!(median(&[], |value: &f64| *value).is_nan());
    }
}
