//! `coverage`: the table of behaviours with what covers each.

use crate::error::TaskError;
use crate::tidy::behaviour::{BehaviourId, Behaviours};
use crate::tidy::coverage::{self, Coverage, DECISIONS};
use crate::tidy::tree::Tree;
use crate::ui;
use crate::workspace::Workspace;

/// Print which test covers which behaviour of docs/behaviours.txt; fail when one has none
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print only the behaviours that nothing covers
    #[arg(long)]
    pub(crate) missing: bool,
}

/// Widths of the columns for the id and the title; longer titles push their row.
const ID_WIDTH: usize = 5;
const TITLE_WIDTH: usize = 58;

/// Prints the table and fails when a behaviour has neither a test nor a decision.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let tree = Tree::load(workspace)?;
    let table = table(&tree)?;
    for (id, title, coverage) in &table {
        let row = format!("{:ID_WIDTH$} {title:TITLE_WIDTH$} ", id.to_string());
        match coverage {
            Coverage::Missing => ui::bad(&format!("{row} MISSING")),
            _ if arguments.missing => {}
            Coverage::Tested { first, count: 1 } => ui::line(&format!("{row} {first}")),
            Coverage::Tested { first, count } => {
                ui::line(&format!("{row} {first} (+{})", count - 1));
            }
            Coverage::DecidedAgainst { line } => {
                ui::line(&format!("{row} decided against, {DECISIONS}:{line}"));
            }
        }
    }
    let count = |of: fn(&Coverage) -> bool| table.iter().filter(|(.., it)| of(it)).count();
    let missing = count(|it| *it == Coverage::Missing);
    let against = count(|it| matches!(it, Coverage::DecidedAgainst { .. }));
    ui::line(&format!(
        "{} behaviours: {} tested, {against} decided against, {missing} missing",
        table.len(),
        table.len() - against - missing
    ));
    if missing == 0 {
        return Ok(());
    }
    Err(TaskError::Found {
        what: format!("{missing} behaviours have no test"),
        next: format!(
            "name a test or a script after each (`w_03_title`), or write in {DECISIONS} on one line its id and `decided against`"
        ),
    })
}

/// Tells on one line what is missing, for a task that does not fail of it.
pub(crate) fn warn_of_missing(tree: &Tree) -> Result<(), TaskError> {
    let table = table(tree)?;
    let missing = table
        .iter()
        .filter(|(.., coverage)| *coverage == Coverage::Missing);
    let missing: Vec<String> = missing.map(|(id, ..)| id.to_string()).collect();
    if !missing.is_empty() {
        ui::warning(&format!(
            "{} behaviours have no test: {}",
            missing.len(),
            missing.join(" ")
        ));
    }
    Ok(())
}

fn table(tree: &Tree) -> Result<Vec<(BehaviourId, String, Coverage)>, TaskError> {
    let behaviours = Behaviours::load(tree)?;
    let coverage = coverage::of(tree, &behaviours);
    let rows = behaviours.rows().iter().cloned();
    Ok(rows
        .zip(coverage)
        .map(|((id, title), coverage)| (id, title, coverage))
        .collect())
}
