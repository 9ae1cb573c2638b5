//! Fields by path.

use crate::schema::{Field, Message, Shape, ValueType};

/// Where a path leads: to a field, or to an element of a list or map.
#[derive(Clone, Copy, Debug)]
pub struct Location {
    field: &'static Field,
    is_element: bool,
}

/// One step of a path.
enum Step<'a> {
    /// The name of a field, or the key of a map.
    Name(&'a str),
    /// An element of a list, or of a map whichever its key is.
    Element,
}

impl Location {
    /// Follows the path from the message.
    pub(crate) fn find(message: &'static Message, path: &str) -> Option<Self> {
        let (name, mut rest) = split_name(path)?;
        let mut location = Self::of_field(message, name)?;
        while !rest.is_empty() {
            let (step, tail) = split_step(rest)?;
            location = location.step(&step)?;
            rest = tail;
        }
        Some(location)
    }

    /// Returns the field, or the field that the element is of.
    #[must_use]
    pub fn field(&self) -> &'static Field {
        self.field
    }

    /// Returns true for an element of a list or map.
    #[must_use]
    pub fn is_element(&self) -> bool {
        self.is_element
    }

    /// Returns whether the path leads to one value, a list or a map.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match self.field.value_type() {
            _ if !self.is_element => self.field.shape(),
            ValueType::StringList => Shape::List,
            _ => Shape::Singular,
        }
    }

    /// Returns the type of the value, or of each value of a list or map.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        self.field.value_type()
    }

    fn of_field(message: &'static Message, name: &str) -> Option<Self> {
        message.field(name).map(|field| Self {
            field,
            is_element: false,
        })
    }

    fn step(self, step: &Step<'_>) -> Option<Self> {
        match (self.shape(), step) {
            (Shape::Singular, Step::Name(name)) => Self::of_field(self.field.message()?, name),
            (Shape::List, Step::Element) | (Shape::Map, _) if !self.is_element => Some(Self {
                is_element: true,
                ..self
            }),
            (Shape::Singular | Shape::List | Shape::Map, _) => None,
        }
    }
}

/// The step at the start of the path, and what follows.
fn split_step(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(rest) = path.strip_prefix('.') {
        return split_name(rest).map(|(name, rest)| (Step::Name(name), rest));
    }
    let bracketed = path.strip_prefix('[')?;
    for quote in ['\'', '"'] {
        if let Some(quoted) = bracketed.strip_prefix(quote) {
            let (key, rest) = quoted.split_once(quote)?;
            return Some((Step::Name(key), rest.strip_prefix(']')?));
        }
    }
    let (index, rest) = bracketed.split_once(']')?;
    let is_element = index == "*" || index.parse::<u32>().is_ok();
    is_element.then_some((Step::Element, rest))
}

fn split_name(path: &str) -> Option<(&str, &str)> {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    (!name.is_empty()).then_some((name, rest))
}
