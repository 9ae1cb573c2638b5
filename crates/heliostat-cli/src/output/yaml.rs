//! YAML: one document for each object or change.

use std::io::{self, Write};

use serde::Serialize;

use super::{Follow, Item, Kind, Message};

pub(super) fn print(kind: &Kind, items: &[Item], out: &mut dyn Write) -> io::Result<()> {
    for item in items {
        document(&item.value(kind)?, out)?;
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct Follower {
    kind: Kind,
}

impl Follower {
    pub(super) const fn new(kind: Kind) -> Self {
        Self { kind }
    }
}

impl Follow for Follower {
    fn tell(&mut self, message: &Message, out: &mut dyn Write) -> io::Result<()> {
        document(&message.to_record(&self.kind)?, out)
    }
}

fn document(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_saphyr::to_string(value).map_err(io::Error::other)?;
    writeln!(out, "---\n{}", text.trim_end_matches('\n'))
}
