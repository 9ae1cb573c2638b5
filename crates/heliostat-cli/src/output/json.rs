//! Indented JSON: a List as kubectl prints it; changes one after the other.

use std::io::{self, Write};

use heliostat::ResourceVersion;

use super::layout::Json;
use super::unprintable::{PrintError, Skipped};
use super::{Follow, Item, Message};

/// How many levels of the List enclose an item.
const LEVELS_OF_ITEMS: usize = 2;

/// Prints a List, object by object: a whole collection is never in memory as text. The List is
/// complete also where some of its objects cannot be printed.
pub(super) fn print(
    items: &[Item],
    version: Option<&ResourceVersion>,
    skipped: &mut Skipped,
    out: &mut dyn Write,
) -> io::Result<()> {
    let version = version.map(ToString::to_string).unwrap_or_default();
    let version = serde_json::to_string(&version)?;
    out.write_all(b"{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"List\",\n")?;
    writeln!(
        out,
        "    \"metadata\": {{\n        \"resourceVersion\": {version}\n    }},"
    )?;
    out.write_all(b"    \"items\": [")?;
    let mut separator = "\n        ";
    for item in items {
        let printed = item.read_text(|text| {
            out.write_all(separator.as_bytes())?;
            separator = ",\n        ";
            item.write(text, &mut Json::indented(LEVELS_OF_ITEMS), out)
        });
        skipped.note(printed)?;
    }
    let is_empty = skipped.count() == items.len() as u64;
    out.write_all(if is_empty { b"]\n}\n" } else { b"\n    ]\n}\n" })
}

#[derive(Debug)]
pub(super) struct Follower;

impl Follow for Follower {
    fn tell(&mut self, message: &Message, out: &mut dyn Write) -> Result<(), PrintError> {
        message.write(&mut Json::indented(0), out)?;
        Ok(out.write_all(b"\n")?)
    }
}
