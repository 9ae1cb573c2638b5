//! Indented JSON: a List as kubectl prints it; changes one after the other.

use std::io::{self, Write};

use heliostat::core::version::ResourceVersion;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::{Follow, Item, Message};

/// As kubectl indents.
const INDENT: &[u8] = b"    ";

/// Prints a List, object by object: a whole collection is never in memory as JSON.
pub(super) fn print(
    items: &[Item],
    version: Option<&ResourceVersion>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let version = version.map(ToString::to_string).unwrap_or_default();
    let version = serde_json::to_string(&version)?;
    out.write_all(b"{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"List\",\n")?;
    writeln!(
        out,
        "    \"metadata\": {{\n        \"resourceVersion\": {version}\n    }},"
    )?;
    if items.is_empty() {
        return out.write_all(b"    \"items\": []\n}\n");
    }
    out.write_all(b"    \"items\": [\n")?;
    let mut text = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.write_all(b",\n")?;
        }
        text.clear();
        pretty(&item.value()?, &mut text)?;
        let mut lines = text.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            out.write_all(b"        ")?;
            out.write_all(line)?;
            if lines.peek().is_some() {
                out.write_all(b"\n")?;
            }
        }
    }
    out.write_all(b"\n    ]\n}\n")
}

#[derive(Debug)]
pub(super) struct Follower;

impl Follow for Follower {
    fn tell(&mut self, message: &Message, out: &mut dyn Write) -> io::Result<()> {
        pretty(&message.to_record()?, &mut *out)?;
        out.write_all(b"\n")
    }
}

fn pretty(value: &impl Serialize, out: impl Write) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, PrettyFormatter::with_indent(INDENT));
    Ok(value.serialize(&mut serializer)?)
}
