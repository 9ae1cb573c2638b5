//! Field selectors: `metadata.name=a,spec.nodeName!=b`.
//!
//! A term names a field that the kind has; the storage has the values of those fields at hand for
//! every object, so a selector never decodes one.

use super::super::kind::Kind;
use super::super::object::StoredObject;
use super::super::status::Status;

/// All terms must hold; none means everything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Term {
    field: Field,
    value: String,
    /// Whether the field must be the value, or must not.
    equal: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    Name,
    Namespace,
    /// Position among the kind's selectable fields.
    Of(usize),
}

impl FieldSelector {
    /// Parses the selector for a kind.
    ///
    /// # Errors
    /// A 400 for what cannot be parsed and for fields that the kind does not have.
    pub(crate) fn parse(kind: &Kind, text: &str) -> Result<Self, Status> {
        let mut terms = Vec::new();
        for term in split_terms(text)
            .into_iter()
            .filter(|term| !term.is_empty())
        {
            let Some((name, operator, value)) = split_operator(&term) else {
                return Err(Status::bad_request(format!(
                    "invalid selector: '{text}'; can't understand '{term}'"
                )));
            };
            let value = unescape(value).ok_or_else(|| {
                Status::bad_request(format!("invalid field selector: invalid value: {value:?}"))
            })?;
            let field = field(kind, name)?;
            terms.push(Term {
                field,
                value,
                equal: operator != "!=",
            });
        }
        Ok(Self { terms })
    }

    /// Whether everything matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether every term is about the name or the namespace.
    pub(crate) fn is_by_key(&self) -> bool {
        let mut fields = self.terms.iter().map(|term| term.field);
        fields.all(|field| matches!(field, Field::Name | Field::Namespace))
    }

    /// The name that an object must have.
    pub(crate) fn name(&self) -> Option<&str> {
        self.wanted(Field::Name)
    }

    /// The namespace that an object must be in.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.wanted(Field::Namespace)
    }

    /// A selectable field, by its number, and the value that it must have.
    pub(crate) fn value(&self) -> Option<(usize, &str)> {
        let equal = self.terms.iter().filter(|term| term.equal);
        equal
            .filter_map(|term| match term.field {
                Field::Of(index) => Some((index, term.value.as_str())),
                Field::Name | Field::Namespace => None,
            })
            .next()
    }

    fn wanted(&self, field: Field) -> Option<&str> {
        let mut equal = self.terms.iter().filter(|term| term.equal);
        let term = equal.find(|term| term.field == field)?;
        Some(&term.value)
    }

    /// Whether the object's fields meet every term.
    pub(crate) fn matches(&self, object: &StoredObject) -> bool {
        self.terms.iter().all(|term| {
            let value = match term.field {
                Field::Name => object.name(),
                Field::Namespace => object.namespace(),
                Field::Of(index) => object.field(index),
            };
            (value == term.value) == term.equal
        })
    }
}

fn field(kind: &Kind, name: &str) -> Result<Field, Status> {
    // Pods keep answering to the old name of the node field.
    let name = if name == "spec.host" && kind.qualified() == "pods" {
        "spec.nodeName"
    } else {
        name
    };
    match name {
        "metadata.name" => return Ok(Field::Name),
        "metadata.namespace" => return Ok(Field::Namespace),
        _ => {}
    }
    let known = kind.selectable_fields();
    if let Some(index) = known.iter().position(|field| field == name) {
        return Ok(Field::Of(index));
    }
    Err(Status::bad_request(
        if kind.is_custom() || !known.is_empty() {
            format!("field label not supported: {name}")
        } else {
            format!(
                "{name:?} is not a known field selector: only \"metadata.name\", \
             \"metadata.namespace\""
            )
        },
    ))
}

/// Splits at commas that are not escaped.
fn split_terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        let splits = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        if splits {
            terms.push(String::new());
        } else if let Some(term) = terms.last_mut() {
            term.push(c);
        }
    }
    terms
}

/// Splits at the first operator.
fn split_operator(term: &str) -> Option<(&str, &str, &str)> {
    for (at, _) in term.char_indices() {
        let (name, rest) = term.split_at(at);
        for operator in ["!=", "==", "="] {
            if let Some(value) = rest.strip_prefix(operator) {
                return Some((name, operator, value));
            }
        }
    }
    None
}

/// Undoes `\\`, `\,` and `\=`; anything else escaped, or an `=` or `,` that is not, is an error.
fn unescape(value: &str) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next().filter(|c| matches!(c, '\\' | ',' | '='))?),
            ',' | '=' => return None,
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::builtin;
    use crate::collection::event_type::EventType;

    fn pods() -> Kind {
        builtin::kinds()
            .find(|kind| kind.plural() == "pods")
            .unwrap()
    }

    fn pod() -> StoredObject {
        let value = serde_json::json!({
            "metadata": {"name": "web", "namespace": "ns"},
            "spec": {"nodeName": "node,1", "hostNetwork": true},
            "status": {"phase": "Running"},
        });
        StoredObject::encode(
            &pods(),
            "ns/web".into(),
            value.as_object().unwrap(),
            1,
            EventType::Added,
        )
    }

    #[test]
    fn terms_compare_names_and_the_fields_of_the_kind() {
        let table = [
            ("", true),
            ("metadata.name=web", true),
            ("metadata.name==web,metadata.namespace=ns", true),
            ("metadata.name!=web", false),
            ("metadata.namespace=other", false),
            (r"spec.nodeName=node\,1", true),
            (r"spec.host=node\,1", true),
            ("spec.nodeName=", false),
            ("spec.hostNetwork=true", true),
            ("status.phase!=Running", false),
            (",status.phase=Running,", true),
            ("status.podIP=", true),
        ];
        for (selector, expected) in table {
            let parsed = FieldSelector::parse(&pods(), selector).unwrap();
            assert_eq!(parsed.matches(&pod()), expected, "{selector}");
        }
    }

    #[test]
    fn unknown_fields_and_broken_terms_are_bad_requests() {
        let maps = Kind::builtin("", "v1", "ConfigMap", "configmaps");
        let widgets = Kind::custom("example.com", "v1", "Widget", "widgets");
        let table = [
            (
                &maps,
                "spec.foo=bar",
                "\"spec.foo\" is not a known field selector: only \"metadata.name\", \
                 \"metadata.namespace\"",
            ),
            (
                &widgets,
                "spec.foo=bar",
                "field label not supported: spec.foo",
            ),
            (
                &maps,
                "nonsense",
                "invalid selector: 'nonsense'; can't understand 'nonsense'",
            ),
        ];
        for (kind, selector, message) in table {
            let status = FieldSelector::parse(kind, selector).unwrap_err();
            assert_eq!((status.code(), status.message()), (400, message));
        }
        for selector in [
            r"metadata.name=a\b",
            "metadata.name=a=b",
            r"metadata.name=a\",
        ] {
            assert!(FieldSelector::parse(&maps, selector).is_err(), "{selector}");
        }
    }
}
