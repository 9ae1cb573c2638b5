//! `FieldPath`: where in an object a value lies, as people write it: `spec.nodeName`,
//! `metadata.labels['app.kubernetes.io/name']`, `spec.containers[*].image`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// A path from an object to values in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FieldPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    /// Into the member of this name.
    Member(String),
    /// Into the element of this number.
    Element(usize),
    /// Into every element, or every member's value.
    Each,
}

/// A text that is no path.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is no field path: {reason} at character {column}")]
pub(crate) struct InvalidPath {
    text: String,
    column: usize,
    reason: &'static str,
}

impl FieldPath {
    /// The path as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The scalars that the path leads to, as text: none, one, or with `[*]` several.
    pub(crate) fn values(&self, object: &Value) -> Vec<String> {
        let mut here = vec![object];
        for step in &self.steps {
            here = here
                .into_iter()
                .flat_map(|value| step.follow(value))
                .collect();
        }
        here.into_iter().filter_map(scalar).collect()
    }
}

impl Step {
    fn follow<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Member(name), Value::Object(members)) => members.get(name).into_iter().collect(),
            (Self::Element(index), Value::Array(elements)) => {
                elements.get(*index).into_iter().collect()
            }
            (Self::Each, Value::Array(elements)) => elements.iter().collect(),
            (Self::Each, Value::Object(members)) => members.values().collect(),
            _ => Vec::new(),
        }
    }
}

/// A scalar as text; lists, objects and null have none.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl FromStr for FieldPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let mut parser = Parser {
            text,
            // kubectl's leading dot means nothing.
            at: usize::from(text.starts_with('.')),
        };
        let mut steps = vec![parser.step(true)?];
        while parser.at < text.len() {
            steps.push(parser.step(false)?);
        }
        Ok(Self {
            text: text.trim_start_matches('.').to_owned(),
            steps,
        })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn step(&mut self, first: bool) -> Result<Step, InvalidPath> {
        if self.eat('[') {
            return self.bracket();
        }
        if !first && !self.eat('.') {
            return Err(self.wrong("expected `.` or `[`"));
        }
        let rest = self.rest();
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        if name.is_empty() {
            return Err(self.wrong("expected a name"));
        }
        self.at += end;
        Ok(Step::Member(name.to_owned()))
    }

    /// What stands in brackets: `*`, a number, or a name in quotes.
    fn bracket(&mut self) -> Result<Step, InvalidPath> {
        let step = if self.eat('*') {
            Step::Each
        } else if let Some(quote) = ['\'', '"'].into_iter().find(|quote| self.eat(*quote)) {
            let Some((name, _)) = self.rest().split_once(quote) else {
                return Err(self.wrong("the quote is not closed"));
            };
            self.at += name.len() + 1;
            Step::Member(name.to_owned())
        } else {
            let rest = self.rest();
            let end = rest.find(']').unwrap_or(rest.len());
            let Ok(index) = rest.get(..end).unwrap_or_default().parse() else {
                return Err(self.wrong("expected `*`, a number or a name in quotes"));
            };
            self.at += end;
            Step::Element(index)
        };
        if self.eat(']') {
            Ok(step)
        } else {
            Err(self.wrong("expected `]`"))
        }
    }

    fn eat(&mut self, wanted: char) -> bool {
        let here = self.rest().starts_with(wanted);
        if here {
            self.at += wanted.len_utf8();
        }
        here
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, reason: &'static str) -> InvalidPath {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        InvalidPath {
            text: self.text.to_owned(),
            column: before.chars().count() + 1,
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(path: &str, object: &Value) -> Vec<String> {
        path.parse::<FieldPath>().unwrap().values(object)
    }

    #[test]
    fn a_path_leads_to_scalars() {
        let pod = json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "cart", "tier": "web"}},
            "spec": {"nodeName": "n1", "hostNetwork": true, "containers": [
                {"image": "a", "ports": [{"containerPort": 80}]},
                {"image": "b", "ports": [{"containerPort": 81}, {"containerPort": 82}]},
            ]},
        });
        for (path, expected) in [
            ("spec.nodeName", vec!["n1"]),
            (".spec.nodeName", vec!["n1"]),
            ("spec.hostNetwork", vec!["true"]),
            ("spec.containers[*].image", vec!["a", "b"]),
            ("spec.containers[1].image", vec!["b"]),
            (
                "spec.containers[*].ports[*].containerPort",
                vec!["80", "81", "82"],
            ),
            ("metadata.labels['app.kubernetes.io/name']", vec!["cart"]),
            ("metadata.labels[\"tier\"]", vec!["web"]),
            ("metadata.labels[*]", vec!["cart", "web"]),
            ("spec.containers", vec![]),
            ("spec.nothing.at.all", vec![]),
            ("spec.containers[9].image", vec![]),
        ] {
            assert_eq!(values(path, &pod), expected, "{path}");
        }
    }

    #[test]
    fn a_wrong_path_tells_where() {
        for (path, column) in [
            ("", 1),
            ("spec.", 6),
            ("spec..x", 6),
            ("spec[", 6),
            ("spec[x]", 6),
            ("spec['a]", 7),
            ("spec[*", 7),
            ("spec[*]x", 8),
        ] {
            let error = path.parse::<FieldPath>().unwrap_err();
            assert_eq!(error.column, column, "{error}");
        }
    }
}
