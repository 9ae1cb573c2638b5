//! Pictures of what was measured, as SVG: plain text, readable on light and on dark ground.

mod bars;

mod svg;

mod timeline;

use std::fs;
use std::io;
use std::path::Path;

use super::table::Table;
use heliostat_bench::stages::Stages;

/// Draws the comparison, and the memory over the time of one run of ours and one of the peer's.
pub(super) fn draw(folder: &Path, table: &Table, timelines: &[Stages; 2]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("comparison.svg"), bars::draw(&table.rows))?;
    let [ours, theirs] = timelines;
    fs::write(folder.join("memory.svg"), timeline::draw(ours, theirs))
}
