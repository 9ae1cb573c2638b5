//! JSON text to protobuf, led by the schema. There is no tree between.

use std::collections::HashSet;
use std::str;

use crate::schema::{Field, Message, Shape, ValueType};
use crate::tables::{JSON_SCHEMA_PROPS, MESSAGES};
use crate::text;
use crate::wire::BYTES;
use crate::write::encoder::{self, Encoder, Frame, Length, MapFrame, tag};
use crate::write::error::WriteError;
use crate::write::lexer::{Lexer, Quoted};
use crate::write::strict::{Findings, Step, go_element, go_type};
use crate::write::value::{self, Invalid};

/// Reads an object.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    lexer: Lexer<'a>,
    pub(crate) encoder: Encoder,
    pub(crate) findings: Findings<'a>,
    pub(crate) type_meta: TypeMeta<'a>,
    /// Whether null is the zero value behind a pointer, if that is null in JSON.
    pub(crate) null_is_zero: bool,
}

/// The kind and the API version that a text has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TypeMeta<'a> {
    pub(crate) kind: Option<Quoted<'a>>,
    pub(crate) api_version: Option<Quoted<'a>>,
}

/// Which fields of a message a text has, and where the next one is expected.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    slots: u64,
    next: usize,
}

impl<'a> TypeMeta<'a> {
    /// Looks for the kind and the API version of an object.
    pub(crate) fn find(mut lexer: Lexer<'a>) -> Result<Self, WriteError> {
        let mut found = Self::default();
        if lexer.peek() != b'{' || !lexer.open(b'}') {
            return Ok(found);
        }
        while found.kind.is_none() || found.api_version.is_none() {
            let key = lexer.key()?;
            let place = match &*key.text() {
                b"kind" => Some(&mut found.kind),
                b"apiVersion" => Some(&mut found.api_version),
                _ => None,
            };
            match place {
                Some(place) if lexer.peek() == b'"' => *place = Some(lexer.string()?),
                _ => drop(lexer.value()?),
            }
            if !lexer.go_on(b'}')? {
                break;
            }
        }
        Ok(found)
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(lexer: Lexer<'a>, encoder: Encoder, findings: Findings<'a>) -> Self {
        Self {
            lexer,
            encoder,
            findings,
            type_meta: TypeMeta::default(),
            null_is_zero: false,
        }
    }

    /// Reads the object, to the end of the text. Its message stays open.
    pub(crate) fn object(&mut self, message: &'static Message) -> Result<Frame, WriteError> {
        let frame = self.encoder.open(message)?;
        match self.lexer.peek() {
            b'{' => self.fields(&frame, message)?,
            b'n' => self.lexer.literal("null")?,
            _ => return Err(self.mismatch(go_element(ValueType::Message(message)))),
        }
        self.lexer.end()?;
        Ok(frame)
    }

    /// Reads a message as a field.
    fn message(&mut self, message: &'static Message, number: u32) -> Result<(), WriteError> {
        if self.lexer.peek() != b'{' {
            return Err(self.mismatch(go_element(ValueType::Message(message))));
        }
        let frame = self.encoder.open(message)?;
        self.fields(&frame, message)?;
        self.encoder.close(&frame, number);
        Ok(())
    }

    fn fields(&mut self, frame: &Frame, message: &'static Message) -> Result<(), WriteError> {
        if !self.lexer.open(b'}') {
            return Ok(());
        }
        let mut seen = Seen::default();
        loop {
            let key = self.lexer.key()?;
            let name = key.text();
            if let Some((slot, field)) = message.find_from(&mut seen.next, &name) {
                if seen.slots >> slot & 1 != 0 {
                    self.findings.report_duplicate(&name);
                }
                seen.slots |= 1 << slot;
                self.findings.push(Step::Field(message, field));
                if self.lexer.peek() == b'n' {
                    self.null(frame, slot, field)?;
                } else if slot < 2 && message.has_type_meta() {
                    self.type_meta(field)?;
                } else {
                    self.field(frame, slot, field)?;
                }
                self.findings.pop();
            } else {
                self.findings.report_unknown(&name);
                self.lexer.value()?;
            }
            if !self.lexer.go_on(b'}')? {
                return Ok(());
            }
        }
    }

    #[inline]
    fn field(
        &mut self,
        frame: &Frame,
        slot: usize,
        field: &'static Field,
    ) -> Result<(), WriteError> {
        let start = self.encoder.position();
        match field.shape() {
            Shape::Singular => self.value(field.value_type(), field.number())?,
            Shape::List => self.list(field)?,
            Shape::Map => self.map(field)?,
        }
        self.encoder.set(frame, slot, start);
        Ok(())
    }

    /// Null is the absence of a pointer, a list or a map, and changes nothing of others.
    fn null(
        &mut self,
        frame: &Frame,
        slot: usize,
        field: &'static Field,
    ) -> Result<(), WriteError> {
        self.lexer.literal("null")?;
        let value_type = field.value_type();
        let is_singular = field.shape() == Shape::Singular;
        let start = self.encoder.position();
        match value_type {
            ValueType::Message(_)
            | ValueType::String
            | ValueType::Bool
            | ValueType::Int32
            | ValueType::Int64
            | ValueType::Float64
                if is_singular && !field.is_pointer() => {}
            ValueType::Time
            | ValueType::MicroTime
            | ValueType::RawExtension
            | ValueType::FieldsV1
            | ValueType::Json
            | ValueType::JsonSchemaPropsOrArray
            | ValueType::JsonSchemaPropsOrStringArray
                if is_singular && self.null_is_zero && field.omits_empty() =>
            {
                self.encoder.zero(value_type, field.number());
                self.encoder.set(frame, slot, start);
            }
            _ => self.encoder.set(frame, slot, start),
        }
        Ok(())
    }

    /// Reads `kind` or `apiVersion`, which protobuf has in the envelope.
    fn type_meta(&mut self, field: &'static Field) -> Result<(), WriteError> {
        if self.lexer.peek() != b'"' {
            return Err(self.mismatch(go_type(field)));
        }
        let text = self.lexer.string()?;
        if self.encoder.is_outermost() {
            match field.name() {
                "kind" => self.type_meta.kind = Some(text),
                _ => self.type_meta.api_version = Some(text),
            }
        }
        Ok(())
    }

    fn list(&mut self, field: &'static Field) -> Result<(), WriteError> {
        if self.lexer.peek() != b'[' {
            return Err(self.mismatch(go_type(field)));
        }
        let mut is_open = self.lexer.open(b']');
        let mut index = 0;
        while is_open {
            self.findings.push(Step::Index(index));
            self.element(field.value_type(), field.number())?;
            self.findings.pop();
            index += 1;
            is_open = self.lexer.go_on(b']')?;
        }
        Ok(())
    }

    fn map(&mut self, field: &'static Field) -> Result<(), WriteError> {
        if self.lexer.peek() != b'{' {
            return Err(self.mismatch(go_type(field)));
        }
        let map = self.encoder.open_map();
        let mut is_open = self.lexer.open(b'}');
        let mut keys = None;
        while is_open {
            let key = self.lexer.key()?;
            let text = key.text();
            if self.findings.is_active() {
                self.check_key(&map, &mut keys, &text);
            }
            let entry = self.encoder.open_entry(field.number(), &text);
            self.findings.push(Step::Key(key));
            self.element(field.value_type(), 2)?;
            self.findings.pop();
            self.encoder.close_entry(&entry);
            is_open = self.lexer.go_on(b'}')?;
        }
        self.encoder.close_map(&map);
        Ok(())
    }

    /// Reports a key that the map has. Its keys are collected once one is out of order.
    fn check_key(&mut self, map: &MapFrame, keys: &mut Option<HashSet<Vec<u8>>>, key: &[u8]) {
        if keys.is_none() && self.encoder.is_last_key(map, key) {
            return;
        }
        let keys = keys.get_or_insert_with(|| self.encoder.keys(map));
        if !keys.insert(key.to_vec()) {
            self.findings.report_duplicate(key);
        }
    }

    /// Reads an element of a list, or of a map. Null is the zero value.
    #[inline]
    fn element(&mut self, value_type: ValueType, number: u32) -> Result<(), WriteError> {
        if self.lexer.peek() == b'n' {
            self.lexer.literal("null")?;
            self.encoder.zero(value_type, number);
            return Ok(());
        }
        self.value(value_type, number)
    }

    /// Reads a value that is not null.
    #[inline]
    fn value(&mut self, value_type: ValueType, number: u32) -> Result<(), WriteError> {
        match value_type {
            ValueType::Message(message) => self.message(message, number),
            ValueType::Bool => self.bool(number),
            ValueType::Int32 | ValueType::Int64 => {
                let value = self.int(value_type)?;
                encoder::varint(self.encoder.out(), number, value);
                Ok(())
            }
            ValueType::Float64 => self.float(number),
            ValueType::String
            | ValueType::Bytes
            | ValueType::Time
            | ValueType::MicroTime
            | ValueType::Quantity
            | ValueType::IntOrString => self.text(value_type, number),
            ValueType::RawExtension | ValueType::FieldsV1 | ValueType::Json => {
                let json = text::utf8(self.lexer.value()?);
                value::json(self.encoder.out(), number, json.as_bytes());
                Ok(())
            }
            ValueType::JsonSchemaPropsOrArray
            | ValueType::JsonSchemaPropsOrBool
            | ValueType::JsonSchemaPropsOrStringArray => self.schema_or(value_type, number),
            ValueType::StringList => {
                tag(self.encoder.out(), number, BYTES);
                let length = Length::start(self.encoder.out(), 0);
                self.elements(ValueType::String, 1)?;
                length.end(self.encoder.out());
                Ok(())
            }
            ValueType::Any => self.lexer.value().map(drop),
        }
    }

    #[inline]
    fn text(&mut self, value_type: ValueType, number: u32) -> Result<(), WriteError> {
        if self.lexer.peek() != b'"' {
            return self.number_for_text(value_type, number);
        }
        let text = self.lexer.string()?;
        let written = value::text(self.encoder.out(), number, value_type, &text.text());
        written.map_err(|invalid| self.invalid(invalid, value_type))
    }

    /// Reads a number where the type takes one in place of text.
    fn number_for_text(&mut self, value_type: ValueType, number: u32) -> Result<(), WriteError> {
        match value_type {
            ValueType::IntOrString => {
                let int = self.int(ValueType::Int32)?;
                // The number was checked to have 32 bits.
                value::int_or_string(self.encoder.out(), number, int as i32, None);
                Ok(())
            }
            ValueType::Quantity => {
                let text = str::from_utf8(self.lexer.value()?).unwrap_or_default();
                let written = value::quantity(self.encoder.out(), number, text);
                written.map_err(|invalid| self.invalid(invalid, value_type))
            }
            // These read themselves as strings.
            ValueType::Time | ValueType::MicroTime => Err(self.mismatch("string".to_owned())),
            _ => Err(self.mismatch(go_element(value_type))),
        }
    }

    #[cold]
    fn invalid(&self, invalid: Invalid, value_type: ValueType) -> WriteError {
        match invalid {
            Invalid::Type => {
                let expected = go_element(value_type);
                self.findings.mismatch("string".to_owned(), expected)
            }
            Invalid::Form(message) => self.findings.invalid(message),
        }
    }

    fn bool(&mut self, number: u32) -> Result<(), WriteError> {
        let value = match self.lexer.peek() {
            b't' => self.lexer.literal("true").map(|()| true)?,
            b'f' => self.lexer.literal("false").map(|()| false)?,
            _ => return Err(self.mismatch(go_element(ValueType::Bool))),
        };
        encoder::varint(self.encoder.out(), number, i64::from(value));
        Ok(())
    }

    fn int(&mut self, value_type: ValueType) -> Result<i64, WriteError> {
        if !matches!(self.lexer.peek(), b'-' | b'0'..=b'9') {
            return Err(self.mismatch(go_element(value_type)));
        }
        let digits = str::from_utf8(self.lexer.number()?).unwrap_or_default();
        let value = digits.parse::<i64>().ok();
        let fits = |value: &i64| value_type == ValueType::Int64 || i32::try_from(*value).is_ok();
        value.filter(fits).ok_or_else(|| {
            let expected = go_element(value_type);
            self.findings.mismatch(format!("number {digits}"), expected)
        })
    }

    fn float(&mut self, number: u32) -> Result<(), WriteError> {
        if !matches!(self.lexer.peek(), b'-' | b'0'..=b'9') {
            return Err(self.mismatch(go_element(ValueType::Float64)));
        }
        let digits = str::from_utf8(self.lexer.number()?).unwrap_or_default();
        let value = digits.parse::<f64>().ok().filter(|value| value.is_finite());
        let Some(value) = value else {
            let expected = go_element(ValueType::Float64);
            return Err(self.findings.mismatch(format!("number {digits}"), expected));
        };
        encoder::float(self.encoder.out(), number, value);
        Ok(())
    }

    /// Reads a schema, or what else may stand in its place. Its fields are not validated.
    fn schema_or(&mut self, value_type: ValueType, number: u32) -> Result<(), WriteError> {
        tag(self.encoder.out(), number, BYTES);
        let length = Length::start(self.encoder.out(), 1000);
        self.findings.set_lenient(true);
        let schema = &MESSAGES[JSON_SCHEMA_PROPS];
        match (self.lexer.peek(), value_type) {
            (b'{', ValueType::JsonSchemaPropsOrBool) => {
                encoder::varint(self.encoder.out(), 1, 1);
                self.message(schema, 2)?;
            }
            (b't' | b'f', ValueType::JsonSchemaPropsOrBool) => self.bool(1)?,
            (_, ValueType::JsonSchemaPropsOrBool) => {
                self.lexer.value()?;
                let message = "boolean or JSON schema expected".to_owned();
                return Err(self.findings.invalid(message));
            }
            (b'{', _) => self.message(schema, 1)?,
            (b'[', ValueType::JsonSchemaPropsOrArray) => {
                self.elements(ValueType::Message(schema), 2)?;
            }
            (b'[', _) => self.elements(ValueType::String, 2)?,
            // The server takes it as nothing.
            _ => drop(self.lexer.value()?),
        }
        self.findings.set_lenient(false);
        length.end(self.encoder.out());
        Ok(())
    }

    /// Reads the elements of a list that is no field.
    fn elements(&mut self, value_type: ValueType, number: u32) -> Result<(), WriteError> {
        if self.lexer.peek() != b'[' {
            return Err(self.mismatch(format!("[]{}", go_element(value_type))));
        }
        let mut is_open = self.lexer.open(b']');
        while is_open {
            self.element(value_type, number)?;
            is_open = self.lexer.go_on(b']')?;
        }
        Ok(())
    }

    /// The error for a value that is not of the expected type, unless it is no JSON.
    #[cold]
    fn mismatch(&mut self, expected: String) -> WriteError {
        let value = match self.lexer.peek() {
            b'"' => "string",
            b'{' => "object",
            b'[' => "array",
            b't' | b'f' => "bool",
            b'n' => "null",
            b'-' | b'0'..=b'9' => "number",
            _ => return self.lexer.no_value(),
        };
        self.findings.mismatch(value.to_owned(), expected)
    }
}
