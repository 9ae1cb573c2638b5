//! YAML: one document for each object or change.

use std::io::{self, Write};

use serde::Serialize;

use super::{Follow, Item, Message};

pub(super) fn print(items: &[Item], out: &mut dyn Write) -> io::Result<()> {
    for item in items {
        document(&item.value()?, out)?;
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct Follower;

impl Follow for Follower {
    fn tell(&mut self, message: &Message, out: &mut dyn Write) -> io::Result<()> {
        document(&message.to_record()?, out)
    }
}

fn document(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_saphyr::to_string(value).map_err(io::Error::other)?;
    writeln!(out, "---\n{}", text.trim_end_matches('\n'))
}
