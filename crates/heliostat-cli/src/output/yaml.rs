//! YAML: one document for each object or change.

use std::io::{self, Write};

use super::json_text::Token;
use super::layout::{Layout, Yaml};
use super::unprintable::{PrintError, Skipped};
use super::{Follow, Item, Message};

pub(super) fn print(items: &[Item], skipped: &mut Skipped, out: &mut dyn Write) -> io::Result<()> {
    for item in items {
        let printed = item.read_text(|text| {
            item.write(text, &mut Document::new(), out)?;
            out.write_all(b"\n")
        });
        skipped.note(printed)?;
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct Follower;

impl Follow for Follower {
    fn tell(&mut self, message: &Message, out: &mut dyn Write) -> Result<(), PrintError> {
        message.write(&mut Document::new(), out)?;
        Ok(out.write_all(b"\n")?)
    }
}

/// YAML with the mark of a document before it.
#[derive(Debug)]
pub(super) struct Document {
    yaml: Yaml,
    has_begun: bool,
}

impl Document {
    pub(super) const fn new() -> Self {
        Self {
            yaml: Yaml::new(),
            has_begun: false,
        }
    }
}

impl Layout for Document {
    fn token(&mut self, token: Token<'_>, out: &mut dyn Write) -> io::Result<()> {
        if !std::mem::replace(&mut self.has_begun, true) {
            out.write_all(b"---\n")?;
        }
        self.yaml.token(token, out)
    }
}
