//! The ids of behaviours: `W-3` in prose, `w_03` in the names of tests and scripts.
//!
//! The table of `docs/behaviours.txt` says which ids exist and what they are called.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::TaskError;
use crate::tidy::tree::Tree;

/// Where the table lies.
pub(crate) const TABLE: &str = "docs/behaviours.txt";

/// The id of a behaviour.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct BehaviourId {
    /// The family in lower case, e.g. `wl`.
    pub(crate) family: String,
    /// The number in its family.
    pub(crate) number: u32,
}

/// Every behaviour of the table.
#[derive(Debug)]
pub(crate) struct Behaviours {
    /// In the order of the table: id and title.
    rows: Vec<(BehaviourId, String)>,
    /// The highest number of each family.
    families: BTreeMap<String, u32>,
}

impl BehaviourId {
    /// Reads an id as prose has it: `W-3`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (family, number) = text.split_once('-')?;
        let is_family = !family.is_empty() && family.bytes().all(|byte| byte.is_ascii_uppercase());
        let number = parse_number(number)?;
        is_family.then(|| Self {
            family: family.to_lowercase(),
            number,
        })
    }

    /// Every id in the name of a test or script: `w_03_l_8_title` has two.
    pub(crate) fn all_in_name(name: &str) -> Vec<Self> {
        let parts: Vec<&str> = name.split('_').collect();
        let pairs = parts.windows(2).filter_map(|pair| match pair {
            [family, number] => {
                let letters =
                    !family.is_empty() && family.bytes().all(|byte| byte.is_ascii_lowercase());
                let number = parse_number(number)?;
                letters.then(|| Self {
                    family: (*family).to_owned(),
                    number,
                })
            }
            _ => None,
        });
        pairs.collect()
    }
}

impl fmt::Display for BehaviourId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.family.to_uppercase(), self.number)
    }
}

impl Behaviours {
    /// Reads the table of a tree.
    ///
    /// # Errors
    ///
    /// When there is no table or a line of it is no `ID title`.
    pub(crate) fn load(tree: &Tree) -> Result<Self, TaskError> {
        let table = tree.file(TABLE).ok_or_else(|| TaskError::Found {
            what: format!("there is no {TABLE}"),
            next: "restore it: it lists every behaviour that has to be tested".to_owned(),
        })?;
        Self::parse(&table.text).map_err(|what| TaskError::Found {
            what: format!("{TABLE}: {what}"),
            next: "write each line as an id, a space and a title: `W-3 title`".to_owned(),
        })
    }

    /// Reads a table; lines that are empty or begin with `#` are for people.
    pub(crate) fn parse(table: &str) -> Result<Self, String> {
        let mut rows: Vec<(BehaviourId, String)> = Vec::new();
        let mut families = BTreeMap::new();
        for line in table.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let row = line
                .split_once(' ')
                .and_then(|(id, title)| Some((BehaviourId::parse(id)?, title.trim().to_owned())));
            let (id, title) = row.ok_or_else(|| format!("`{line}` is no `ID title`"))?;
            if rows.iter().any(|(other, _)| *other == id) {
                return Err(format!("{id} is there twice"));
            }
            let highest = families.entry(id.family.clone()).or_insert(id.number);
            *highest = (*highest).max(id.number);
            rows.push((id, title));
        }
        Ok(Self { rows, families })
    }

    /// Every id with its title, in the order of the table.
    pub(crate) fn rows(&self) -> &[(BehaviourId, String)] {
        &self.rows
    }

    /// Whether the table has an id.
    pub(crate) fn contains(&self, id: &BehaviourId) -> bool {
        self.rows.iter().any(|(other, _)| other == id)
    }

    /// The highest number of a family, if the table has the family.
    pub(crate) fn highest(&self, family: &str) -> Option<u32> {
        self.families.get(family).copied()
    }
}

fn parse_number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> BehaviourId {
        BehaviourId::parse(text).unwrap()
    }

    #[test]
    fn ids_in_names_are_found_with_or_without_leading_zeros() {
        let check = |name: &str, ids: &[&str]| {
            let ids: Vec<BehaviourId> = ids.iter().copied().map(id).collect();
            assert_eq!(BehaviourId::all_in_name(name), ids, "of {name}");
        };
        check("w_03_added_moves_nothing", &["W-3"]);
        check("w_3_added_moves_nothing", &["W-3"]);
        check("wl_12_warns", &["WL-12"]);
        check("r_20_l_03_expired", &["R-20", "L-3"]);
        check("expired_r_20", &["R-20"]);
        check("w03_added", &[]);
        check("w_x_3", &["X-3"]);
        check("added_moves_nothing", &[]);
        check("w_", &[]);
    }

    #[test]
    fn ids_are_written_as_prose_has_them() {
        assert_eq!(id("WL-3").to_string(), "WL-3");
        assert_eq!(BehaviourId::parse("WL3"), None);
        assert_eq!(BehaviourId::parse("wl-3"), None);
        assert_eq!(BehaviourId::parse("-3"), None);
        assert_eq!(BehaviourId::parse("W-+3"), None);
        assert_eq!(BehaviourId::parse("W-"), None);
    }

    #[test]
    fn a_table_is_read_with_its_order_titles_and_families() {
        let table = Behaviours::parse("# Words.\n\nW-2 second\nW-10 tenth thing\nL-1 x\n").unwrap();
        assert_eq!(table.rows().len(), 3);
        assert_eq!(table.rows()[1], (id("W-10"), "tenth thing".to_owned()));
        assert!(table.contains(&id("L-1")) && !table.contains(&id("L-2")));
        assert_eq!(table.highest("w"), Some(10));
        assert_eq!(table.highest("x"), None);
    }

    #[test]
    fn a_table_with_a_bad_or_repeated_line_is_refused() {
        assert!(Behaviours::parse("W-1").unwrap_err().contains("`W-1`"));
        assert!(
            Behaviours::parse("w-1 title")
                .unwrap_err()
                .contains("`w-1 title`")
        );
        assert!(
            Behaviours::parse("W-1 a\nW-1 b")
                .unwrap_err()
                .contains("W-1 is there twice")
        );
    }
}
