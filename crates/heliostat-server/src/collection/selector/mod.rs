//! Label and field selectors: parsed once per request into a type that needs no check later.

mod field;

pub(crate) use field::FieldSelector;
use heliostat_core::selector::{LabelSelector, SelectorError};

use super::kind::Kind;
use super::object::StoredObject;
use super::scope::Scope;
use super::status::Status;

/// Both selectors and the namespace of a list or watch, as one question about an object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Selection {
    /// Key prefix, `namespace/`; empty for all.
    prefix: String,
    labels: LabelSelector,
    fields: FieldSelector,
    scope: Scope,
}

impl Selection {
    /// Parses both selectors for a kind within a namespace (`None`: all of them).
    ///
    /// # Errors
    /// A 400 with the real server's text for a selector that cannot be parsed or a field that the
    /// kind does not have.
    pub(crate) fn parse(
        kind: &Kind,
        namespace: Option<&str>,
        labels: &str,
        fields: &str,
    ) -> Result<Self, Status> {
        let fields = FieldSelector::parse(kind, fields)?;
        Ok(Self {
            prefix: namespace.map(|name| format!("{name}/")).unwrap_or_default(),
            labels: labels
                .parse()
                .map_err(|error: SelectorError| Status::bad_request(error.to_string()))?,
            scope: scope(kind, namespace, &fields),
            fields,
        })
    }

    /// The narrowest scope of everything that matches.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether the object is asked for.
    pub(crate) fn matches(&self, object: &StoredObject) -> bool {
        object.key().starts_with(&self.prefix)
            && self.labels.matches(|key| object.label(key))
            && self.fields.matches(object)
    }

    /// Whether something beyond the namespace is asked: then counts of what remains are unknown.
    pub(crate) fn selects(&self) -> bool {
        !self.labels.is_everything() || !self.fields.is_empty()
    }

    /// Whether the keys of objects alone say which are asked for: an object that is asked for once always
    /// was.
    pub(crate) fn is_by_key(&self) -> bool {
        self.labels.is_everything() && self.fields.is_by_key()
    }

    /// The key prefix of all that can match.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
}

fn scope(kind: &Kind, namespace: Option<&str>, fields: &FieldSelector) -> Scope {
    let namespace = namespace.or_else(|| fields.namespace());
    let is_known = namespace.is_some() || !kind.is_namespaced();
    match (fields.name(), fields.value(), namespace) {
        (Some(name), _, namespace) if is_known => {
            Scope::Object(kind.key(namespace.unwrap_or_default(), name).into())
        }
        (_, Some((index, value)), _) => Scope::Field(index, value.into()),
        (_, None, Some(namespace)) if kind.is_namespaced() => Scope::Namespace(namespace.into()),
        (_, None, _) => Scope::All,
    }
}
