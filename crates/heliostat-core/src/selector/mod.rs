//! Label selectors: `app=web,tier in (a,b),!legacy,weight>3`.
//!
//! A selector that was parsed needs no check later. What it means is Kubernetes' meaning: all
//! requirements must hold, and `!=` and `notin` also match objects without the key.

mod parse;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::str::FromStr;

/// Says of an object, by its labels, whether it is asked for. The default asks for everything.
///
/// ```
/// use heliostat_core::selector::LabelSelector;
///
/// let selector: LabelSelector = "app=web,tier notin (test,stage),!legacy".parse()?;
/// let labels = |key: &str| (key == "app").then_some("web");
/// assert!(selector.matches(labels));
/// assert!(!LabelSelector::nothing().matches(labels));
/// # Ok::<(), heliostat_core::selector::SelectorError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LabelSelector {
    /// All must hold; none means everything.
    requirements: Vec<Requirement>,
    nothing: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Test {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

/// A text that is no label selector; in the words of a Kubernetes API server.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(String);

impl LabelSelector {
    /// Asks for every object.
    #[must_use]
    pub const fn everything() -> Self {
        Self {
            requirements: Vec::new(),
            nothing: false,
        }
    }

    /// Asks for no object: what an absent selector means where one has to be given.
    #[must_use]
    pub const fn nothing() -> Self {
        Self {
            requirements: Vec::new(),
            nothing: true,
        }
    }

    /// Asks for the objects that have all of these labels, as a service selects its pods.
    ///
    /// # Errors
    /// If a key or a value is none that a label can have.
    pub fn of_labels<'a>(
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SelectorError> {
        let requirements = labels
            .into_iter()
            .map(|(key, value)| parse::equality(key, value))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            requirements,
            nothing: false,
        })
    }

    /// True if every object is asked for, whatever its labels.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// True if the selector was made to ask for no object. A selector that contradicts itself is not
    /// found out.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.nothing
    }

    /// Whether an object with these labels is asked for; `label` gives the value of a key.
    #[must_use]
    pub fn matches<V: AsRef<str>>(&self, label: impl Fn(&str) -> Option<V>) -> bool {
        let holds = |requirement: &Requirement| {
            let value = label(&requirement.key);
            requirement.test.holds(value.as_ref().map(V::as_ref))
        };
        !self.nothing && self.requirements.iter().all(holds)
    }
}

impl FromStr for LabelSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let requirements = parse::requirements(text).map_err(SelectorError)?;
        Ok(Self {
            requirements,
            nothing: false,
        })
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::In(values), Some(value)) => values.contains(value),
            (Self::NotIn(values), Some(value)) => !values.contains(value),
            (Self::Exists, value) => value.is_some(),
            (Self::NotIn(_) | Self::Absent, None) => true,
            (Self::Absent, Some(_)) | (Self::In(_) | Self::Above(_) | Self::Below(_), None) => {
                false
            }
            (Self::Above(bound), Some(value)) => {
                value.parse::<i64>().is_ok_and(|value| value > *bound)
            }
            (Self::Below(bound), Some(value)) => {
                value.parse::<i64>().is_ok_and(|value| value < *bound)
            }
        }
    }
}
