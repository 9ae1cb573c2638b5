//! Where in a text the reader is, and which fields it does not know or has seen before.

use crate::schema::{Field, Message, Shape, ValueType};
use crate::write::error::{WriteError, WriteErrorKind};
use crate::write::lexer::Quoted;

/// What is done about unknown fields and fields that occur twice.
///
/// The names are those of the server's `fieldValidation`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FieldValidation {
    /// Passes over them.
    #[default]
    Ignore,
    /// Passes over them and reports them.
    Warn,
    /// Refuses the object.
    Strict,
}

/// One step from the object to a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    Field(&'static Message, &'static Field),
    Key(Quoted<'a>),
    Index(usize),
}

/// The path to the current value, and what was found on the way.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    validation: FieldValidation,
    path: Vec<Step<'a>>,
    found: Vec<String>,
    /// How many values around the current one are read without validation.
    lenient: usize,
}

/// The most fields that are reported, as in the server.
const FOUND_MAX: usize = 100;

impl<'a> Findings<'a> {
    pub(crate) fn new(validation: FieldValidation) -> Self {
        Self {
            validation,
            path: Vec::with_capacity(16),
            found: Vec::new(),
            lenient: 0,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, step: Step<'a>) {
        self.path.push(step);
    }

    #[inline]
    pub(crate) fn pop(&mut self) {
        self.path.pop();
    }

    /// Returns true if unknown fields and fields that occur twice are reported.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.lenient == 0 && self.validation != FieldValidation::Ignore
    }

    /// Starts or ends a value of which the server does not validate the fields.
    pub(crate) fn set_lenient(&mut self, is_lenient: bool) {
        if is_lenient {
            self.lenient += 1;
        } else {
            self.lenient = self.lenient.saturating_sub(1);
        }
    }

    pub(crate) fn report_unknown(&mut self, name: &[u8]) {
        self.report("unknown", name);
    }

    pub(crate) fn report_duplicate(&mut self, name: &[u8]) {
        self.report("duplicate", name);
    }

    #[cold]
    fn report(&mut self, what: &str, name: &[u8]) {
        if !self.is_active() || self.found.len() >= FOUND_MAX {
            return;
        }
        let mut path = self.path();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&String::from_utf8_lossy(name));
        let finding = format!("{what} field {path:?}");
        if !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    /// Returns what was found, or the error that it is.
    pub(crate) fn finish(self) -> Result<Vec<String>, WriteError> {
        if self.validation == FieldValidation::Strict && !self.found.is_empty() {
            return Err(WriteErrorKind::Strict(self.found).into());
        }
        Ok(self.found)
    }

    /// The path, like `spec.containers[0].name`.
    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            if !path.is_empty() && !matches!(step, Step::Index(_)) {
                path.push('.');
            }
            match step {
                Step::Field(_, field) => path.push_str(field.name()),
                Step::Key(key) => path.push_str(&String::from_utf8_lossy(&key.text())),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }

    /// The error for a value that is not of the type that is expected.
    #[cold]
    pub(crate) fn mismatch(&self, value: String, expected: String) -> WriteError {
        let mut fields = self.path.iter().filter_map(|step| match step {
            Step::Field(message, field) => Some((*message, *field)),
            Step::Key(_) | Step::Index(_) => None,
        });
        let names: Vec<&str> = fields.clone().map(|(_, field)| field.name()).collect();
        let target = match fields.next_back() {
            None => "value".to_owned(),
            Some((message, _)) => {
                let name = go_name(message).rsplit('.').next().unwrap_or_default();
                format!("struct field {name}.{}", names.join("."))
            }
        };
        WriteErrorKind::Type {
            value,
            target,
            expected,
        }
        .into()
    }

    /// The error for a value that is of the type but not of its form.
    #[cold]
    pub(crate) fn invalid(&self, message: String) -> WriteError {
        let field = self.path();
        WriteErrorKind::Value { message, field }.into()
    }
}

/// The type of a field in Go. Named strings and named maps are their underlying types here.
pub(crate) fn go_type(field: &'static Field) -> String {
    let element = go_element(field.value_type());
    match field.shape() {
        Shape::Singular => element,
        Shape::List => format!("[]{element}"),
        Shape::Map => format!("map[string]{element}"),
    }
}

/// The type in Go of a value, or of an element.
pub(crate) fn go_element(value_type: ValueType) -> String {
    let name = match value_type {
        ValueType::String => "string",
        ValueType::Bool => "bool",
        ValueType::Int32 => "int32",
        ValueType::Int64 => "int64",
        ValueType::Float64 => "float64",
        ValueType::Bytes => "[]uint8",
        ValueType::Time => "v1.Time",
        ValueType::MicroTime => "v1.MicroTime",
        ValueType::Quantity => "resource.Quantity",
        ValueType::IntOrString => "intstr.IntOrString",
        ValueType::RawExtension => "runtime.RawExtension",
        ValueType::FieldsV1 => "v1.FieldsV1",
        ValueType::Json => "v1.JSON",
        ValueType::JsonSchemaPropsOrArray => "v1.JSONSchemaPropsOrArray",
        ValueType::JsonSchemaPropsOrBool => "v1.JSONSchemaPropsOrBool",
        ValueType::JsonSchemaPropsOrStringArray => "v1.JSONSchemaPropsOrStringArray",
        ValueType::StringList => "[]string",
        ValueType::Any => "interface {}",
        ValueType::Message(message) => go_name(message),
    };
    name.to_owned()
}

/// The name of a message with the last part of its package, like `v1.Pod`.
fn go_name(message: &'static Message) -> &'static str {
    let name = message.name();
    name.rsplit('/').next().unwrap_or(name)
}
