//! Rows of the tables: what they hold, before they are printed.

use std::collections::BTreeMap;

/// A piece of the one text.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Text {
    pub(crate) at: usize,
    pub(crate) len: usize,
}

/// A run of another table.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Run {
    pub(crate) first: usize,
    pub(crate) len: usize,
}

/// The one text that all rows refer to.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// What is printed, in pieces: each is one literal.
    pub(crate) pieces: Vec<String>,
    places: BTreeMap<String, Text>,
    len: usize,
}

impl Texts {
    /// The name of a field, which is stored between quotes and with a colon behind it.
    pub(crate) fn name(&mut self, name: &str) -> Text {
        self.add(name, "\"", "\":")
    }

    /// Any text. Names of fields are to be added first, or they are stored twice.
    pub(crate) fn text(&mut self, text: &str) -> Text {
        self.add(text, "", "")
    }

    fn add(&mut self, text: &str, before: &str, after: &str) -> Text {
        if let Some(&place) = self.places.get(text) {
            return place;
        }
        let place = Text {
            at: self.len + before.len(),
            len: text.len(),
        };
        let piece = format!("{before}{text}{after}");
        self.len += piece.len();
        self.pieces.push(piece);
        self.places.insert(text.to_owned(), place);
        place
    }
}

/// Lists of texts, each stored once.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub(crate) texts: Vec<(Text, String)>,
    places: BTreeMap<Vec<String>, Run>,
}

impl Lists {
    /// The place of the list.
    pub(crate) fn add(&mut self, texts: &mut Texts, list: &[String]) -> Run {
        if list.is_empty() {
            return Run::default();
        }
        if let Some(&place) = self.places.get(list) {
            return place;
        }
        let place = Run {
            first: self.texts.len(),
            len: list.len(),
        };
        let rows = list.iter().map(|text| (texts.text(text), text.clone()));
        self.texts.extend(rows);
        self.places.insert(list.to_vec(), place);
        place
    }
}

/// A field of a message.
#[derive(Debug)]
pub(crate) struct FieldRow {
    pub(crate) name: Text,
    pub(crate) number: u64,
    pub(crate) value_type: usize,
    pub(crate) flags: u8,
    pub(crate) constraint: usize,
    /// The place among the fields of the message and of the structs that it embeds.
    pub(crate) slot: usize,
    /// What the row is, for those who read it.
    pub(crate) comment: String,
}

/// What is known of a field beside its encoding; equal ones are one row.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct ConstraintRow {
    pub(crate) patch_strategy: String,
    pub(crate) merge_key: Text,
    pub(crate) list_type: String,
    pub(crate) map_type: String,
    pub(crate) list_map_keys: Run,
    pub(crate) default: Text,
    pub(crate) values: Run,
}

/// A message.
#[derive(Debug)]
pub(crate) struct MessageRow {
    pub(crate) name: Text,
    pub(crate) fields: Run,
    pub(crate) numbers: Run,
    /// The fields with those of embedded structs in their place.
    pub(crate) slots: Run,
    /// Which of them JSON shows when they are absent, a bit for each.
    pub(crate) shown: u64,
    pub(crate) map_type: String,
    pub(crate) comment: String,
}

/// A kind.
#[derive(Debug)]
pub(crate) struct KindRow {
    pub(crate) api_version: Text,
    pub(crate) name: Text,
    pub(crate) message: usize,
    /// The API version and the name, by which the rows are ordered.
    pub(crate) key: (String, String),
}

/// A resource.
#[derive(Debug)]
pub(crate) struct ResourceRow {
    pub(crate) api_version: Text,
    pub(crate) names: [Text; 3],
    pub(crate) scope: String,
    pub(crate) verbs: u8,
    pub(crate) short_names: Run,
    pub(crate) categories: Run,
    pub(crate) subresources: Run,
    pub(crate) columns: Run,
    pub(crate) comment: String,
}

/// A subresource.
#[derive(Debug)]
pub(crate) struct SubresourceRow {
    pub(crate) name: Text,
    pub(crate) api_version: Text,
    pub(crate) kind: Text,
    pub(crate) verbs: u8,
    pub(crate) comment: String,
}

/// A column.
#[derive(Debug)]
pub(crate) struct ColumnRow {
    pub(crate) name: Text,
    pub(crate) column_type: Text,
    pub(crate) format: Text,
    pub(crate) priority: u64,
    pub(crate) comment: String,
}
