//! Fields of an object in protobuf, by the schema of the built-in kinds.
//!
//! Protobuf allows a message to come in pieces, which are merged: of a value that comes twice the last
//! counts, and lists go on. So everything here is asked of [`Pieces`]; from a real server there is one.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heliostat_kinds::TimeText;
use heliostat_kinds::schema::{Field, Message, Shape, ValueType};

use super::json;
use super::path::Step;
use super::value::{Failure, FieldValue};
use crate::wire::json::header::Cursor;
use crate::wire::protobuf::field::{self, Fields, Malformed, Value};

/// One message, in as many pieces as it comes in.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces<'a> {
    first: &'a [u8],
    more: Vec<&'a [u8]>,
}

/// What is at the end of a path.
pub(super) enum Leaf<'a> {
    Value(FieldValue<'a>),
    /// A map: its entries are the fields of this number.
    Map(Pieces<'a>, u32),
    /// A message or a list.
    Other,
    /// Inside JSON that the message carries.
    Json(json::Leaf<'a>),
}

/// What to do with each thing that a path leads to.
type Visit<'a, 'v> = &'v mut dyn FnMut(Leaf<'a>) -> Result<(), Failure>;

/// The fields of a map's entry.
mod entry {
    pub(super) const KEY: u32 = 1;
    pub(super) const VALUE: u32 = 2;
}

/// The fields of messages that are one value in JSON.
mod scalar {
    /// Of `Time` and `MicroTime`.
    pub(super) const SECONDS: u32 = 1;
    pub(super) const NANOS: u32 = 2;
    /// Of `Quantity`, and of the types that carry JSON.
    pub(super) const CONTENT: u32 = 1;
    /// Of `IntOrString`.
    pub(super) const TYPE: u32 = 1;
    pub(super) const INT: u32 = 2;
    pub(super) const STRING: u32 = 3;
    /// Of a list of strings that is the value of a map.
    pub(super) const ITEMS: u32 = 1;
}

impl<'a> Pieces<'a> {
    pub(super) const fn one(message: &'a [u8]) -> Self {
        Self {
            first: message,
            more: Vec::new(),
        }
    }

    pub(super) fn fields(
        &self,
    ) -> impl Iterator<Item = Result<field::Field<'a>, Malformed>> + use<'a, '_> {
        let pieces = std::iter::once(self.first).chain(self.more.iter().copied());
        pieces.flat_map(Fields::of)
    }

    /// The texts and messages of this number; what has another wire type is another field.
    pub(super) fn runs(
        &self,
        number: u32,
    ) -> impl Iterator<Item = Result<&'a [u8], Malformed>> + use<'a, '_> {
        self.fields().filter_map(move |field| match field {
            Ok(field) if field.number == number => field.value.as_bytes().map(Ok),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// The message of this number, if it is there.
    pub(super) fn message(&self, number: u32) -> Result<Option<Self>, Malformed> {
        let mut message: Option<Self> = None;
        for run in self.runs(number) {
            let run = run?;
            match &mut message {
                Some(message) => message.more.push(run),
                None => message = Some(Self::one(run)),
            }
        }
        Ok(message)
    }
}

/// Says whether the schema knows where the steps lead.
pub(super) fn check(message: &'static Message, steps: &[Step]) -> Result<(), Failure> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(());
    };
    let Step::Name(name) = step else {
        return Err(Failure::UnknownPath);
    };
    let (_, field) = find(message, name).ok_or(Failure::UnknownPath)?;
    match (field.shape(), rest) {
        (Shape::List | Shape::Map, []) => Ok(()),
        (Shape::List, [Step::Name(_), ..]) | (Shape::Map, [Step::Index(_), ..]) => {
            Err(Failure::UnknownPath)
        }
        (Shape::Singular, rest) | (Shape::List | Shape::Map, [_, rest @ ..]) => {
            check_type(field.value_type(), rest)
        }
    }
}

fn check_type(value_type: ValueType, rest: &[Step]) -> Result<(), Failure> {
    match (value_type, rest) {
        (ValueType::Message(message), rest) => check(message, rest),
        (
            ValueType::JsonSchemaPropsOrArray
            | ValueType::JsonSchemaPropsOrBool
            | ValueType::JsonSchemaPropsOrStringArray
            | ValueType::Any,
            _,
        ) => Err(Failure::UnknownPath),
        (ValueType::RawExtension | ValueType::FieldsV1 | ValueType::Json, _)
        | (_, [])
        | (ValueType::StringList, [Step::Each | Step::Index(_)]) => Ok(()),
        _ => Err(Failure::UnknownPath),
    }
}

/// The field of this name in JSON, and the inlined structs that it is in, from the outermost on.
fn find(message: &'static Message, name: &str) -> Option<(Vec<&'static Field>, &'static Field)> {
    let fields = message.fields().iter().filter(|field| field.number() > 0);
    let (inlined, own): (Vec<_>, Vec<_>) = fields.partition(|field| field.is_inline());
    if let Some(field) = own.into_iter().find(|field| field.name() == name) {
        return Some((Vec::new(), field));
    }
    inlined.into_iter().find_map(|inline| {
        let (mut around, field) = find(inline.message()?, name)?;
        around.insert(0, inline);
        Some((around, field))
    })
}

/// Goes along the steps, which the schema must know, and visits what they lead to.
pub(super) fn walk<'a>(
    message: &Pieces<'a>,
    schema: &'static Message,
    steps: &[Step],
    visit: Visit<'a, '_>,
) -> Result<(), Failure> {
    let Some((step, rest)) = steps.split_first() else {
        return visit(Leaf::Other);
    };
    let Step::Name(name) = step else {
        return Err(Failure::UnknownPath);
    };
    let (around, field) = find(schema, name).ok_or(Failure::UnknownPath)?;
    let mut message = Cow::Borrowed(message);
    for inline in around {
        let inner = message.message(inline.number());
        message = Cow::Owned(inner.map_err(Failure::malformed)?.unwrap_or_default());
    }
    match field.shape() {
        Shape::Singular => walk_singular(&message, field, rest, visit),
        Shape::List => walk_list(&message, field, rest, visit),
        Shape::Map => walk_map(&message, field, rest, visit),
    }
}

fn walk_singular<'a>(
    message: &Pieces<'a>,
    field: &'static Field,
    rest: &[Step],
    visit: Visit<'a, '_>,
) -> Result<(), Failure> {
    let (number, value_type) = (field.number(), field.value_type());
    let is_shown_when_absent = !field.is_pointer() && !field.omits_empty();
    if is_message(value_type) {
        let inner = message.message(number).map_err(Failure::malformed)?;
        return match (inner, value_type) {
            (Some(inner), _) => walk_value(&inner, value_type, rest, visit),
            // A struct is shown whether or not there is anything in it.
            (None, ValueType::Message(_)) if !field.is_pointer() && !rest.is_empty() => {
                walk_value(&Pieces::default(), value_type, rest, visit)
            }
            (None, ValueType::Quantity | ValueType::IntOrString) if is_shown_when_absent => {
                walk_value(&Pieces::default(), value_type, rest, visit)
            }
            (None, _) => Ok(()),
        };
    }
    let mut last = None;
    for found in message.fields() {
        let found = found.map_err(Failure::malformed)?;
        if found.number == number {
            last = scalar_value(value_type, found.value)?.or(last);
        }
    }
    if last.is_none() && is_shown_when_absent {
        last = zero(value_type);
    }
    match last {
        Some(value) if field.is_pointer() || !field.omits_empty() || !is_empty(&value) => {
            visit(Leaf::Value(value))
        }
        _ => Ok(()),
    }
}

fn walk_list<'a>(
    message: &Pieces<'a>,
    field: &'static Field,
    rest: &[Step],
    visit: Visit<'a, '_>,
) -> Result<(), Failure> {
    let (number, value_type) = (field.number(), field.value_type());
    let Some((step, rest)) = rest.split_first() else {
        let first = message.fields().find(|field| match field {
            Ok(field) => field.number == number,
            Err(_) => true,
        });
        return match first {
            Some(found) => found
                .map_err(Failure::malformed)
                .and_then(|_| visit(Leaf::Other)),
            None => Ok(()),
        };
    };
    let mut index = 0;
    let mut element = |value: Value<'a>| {
        let is_meant = matches!(step, Step::Each) || *step == Step::Index(index);
        index += 1;
        match is_meant {
            true => walk_element(value_type, value, rest, visit),
            false => Ok(()),
        }
    };
    let is_number = matches!(
        value_type,
        ValueType::Int32 | ValueType::Int64 | ValueType::Bool
    );
    for found in message.fields() {
        let found = found.map_err(Failure::malformed)?;
        match found.value {
            _ if found.number != number => {}
            Value::Bytes(packed) if is_number => {
                for bits in field::varints(packed) {
                    element(Value::Varint(bits.map_err(Failure::malformed)?))?;
                }
            }
            Value::Bytes(_) | Value::Fixed64(_) => element(found.value)?,
            Value::Varint(_) if is_number => element(found.value)?,
            Value::Varint(_) | Value::Fixed32(_) => {}
        }
    }
    Ok(())
}

fn walk_map<'a>(
    message: &Pieces<'a>,
    field: &'static Field,
    rest: &[Step],
    visit: Visit<'a, '_>,
) -> Result<(), Failure> {
    let (number, value_type) = (field.number(), field.value_type());
    match rest {
        [] => visit(Leaf::Map(message.clone(), number)),
        [Step::Name(key), rest @ ..] => {
            let mut last = None;
            for entry in message.runs(number) {
                let (name, value) = map_entry(entry.map_err(Failure::malformed)?)?;
                if name == &**key {
                    last = Some(value);
                }
            }
            last.map_or(Ok(()), |value| {
                walk_element(value_type, Value::Bytes(value), rest, visit)
            })
        }
        [_, rest @ ..] => {
            for (_, value) in map_entries(message, number)? {
                walk_element(value_type, Value::Bytes(value), rest, visit)?;
            }
            Ok(())
        }
    }
}

/// Goes on in one element of a list or one value of a map.
fn walk_element<'a>(
    value_type: ValueType,
    value: Value<'a>,
    rest: &[Step],
    visit: Visit<'a, '_>,
) -> Result<(), Failure> {
    match value {
        Value::Bytes(bytes) if is_message(value_type) => {
            walk_value(&Pieces::one(bytes), value_type, rest, visit)
        }
        value => match scalar_value(value_type, value)? {
            Some(value) => visit(Leaf::Value(value)),
            None => Ok(()),
        },
    }
}

/// Goes on in a value that is a message in protobuf, whatever it is in JSON.
fn walk_value<'a>(
    value: &Pieces<'a>,
    value_type: ValueType,
    rest: &[Step],
    visit: Visit<'a, '_>,
) -> Result<(), Failure> {
    match value_type {
        ValueType::Message(schema) => walk(value, schema, rest, visit),
        ValueType::Quantity => {
            let text = last_run(value, scalar::CONTENT)?.unwrap_or(b"0");
            let text = str::from_utf8(text).map_err(Failure::malformed)?;
            visit(Leaf::Value(FieldValue::Text(Cow::Borrowed(text))))
        }
        ValueType::IntOrString => visit(Leaf::Value(int_or_string(value)?)),
        ValueType::RawExtension | ValueType::FieldsV1 | ValueType::Json => {
            match last_run(value, scalar::CONTENT)? {
                None | Some([]) => Ok(()),
                Some(envelope) if envelope.starts_with(heliostat_kinds::MAGIC) => {
                    Err(Failure::malformed("there is protobuf in place of JSON"))
                }
                Some(text) => {
                    json::walk(Cursor::new(text), rest, &mut |leaf| visit(Leaf::Json(leaf)))
                }
            }
        }
        ValueType::StringList if rest.is_empty() => visit(Leaf::Other),
        ValueType::StringList => {
            for (index, item) in value.runs(scalar::ITEMS).enumerate() {
                let item = item.map_err(Failure::malformed)?;
                if matches!(rest, [Step::Each]) || matches!(rest, [Step::Index(it)] if *it == index)
                {
                    let text = str::from_utf8(item).map_err(Failure::malformed)?;
                    visit(Leaf::Value(FieldValue::Text(Cow::Borrowed(text))))?;
                }
            }
            Ok(())
        }
        _ => Err(Failure::UnknownPath),
    }
}

/// True for types that are messages in protobuf and are not read as one value here.
const fn is_message(value_type: ValueType) -> bool {
    !matches!(
        value_type,
        ValueType::String
            | ValueType::Bool
            | ValueType::Int32
            | ValueType::Int64
            | ValueType::Float64
            | ValueType::Bytes
            | ValueType::Time
            | ValueType::MicroTime
    )
}

fn last_run<'a>(message: &Pieces<'a>, number: u32) -> Result<Option<&'a [u8]>, Failure> {
    let mut last = None;
    for run in message.runs(number) {
        last = Some(run.map_err(Failure::malformed)?);
    }
    Ok(last)
}

fn int_or_string<'a>(message: &Pieces<'a>) -> Result<FieldValue<'a>, Failure> {
    let (mut kind, mut int, mut text) = (0, 0, "");
    for field in message.fields() {
        let field = field.map_err(Failure::malformed)?;
        match (field.number, field.value) {
            (scalar::TYPE, Value::Varint(bits)) => kind = bits,
            (scalar::INT, Value::Varint(bits)) => int = i64::from(bits as u32 as i32),
            (scalar::STRING, value) => {
                text = value.as_text().map_err(Failure::malformed)?.unwrap_or(text);
            }
            _ => {}
        }
    }
    match kind {
        0 => Ok(FieldValue::Integer(int)),
        1 => Ok(FieldValue::Text(Cow::Borrowed(text))),
        _ => Err(Failure::malformed("a number-or-string is neither")),
    }
}

/// The entries of a map in their order. Of a key that comes twice the last counts.
pub(super) fn map_entries<'a>(
    message: &Pieces<'a>,
    number: u32,
) -> Result<Vec<(&'a str, &'a [u8])>, Failure> {
    let mut entries: Vec<(&str, &[u8])> = Vec::new();
    for entry in message.runs(number) {
        let (key, value) = map_entry(entry.map_err(Failure::malformed)?)?;
        // Servers write maps sorted, so that a key which comes again follows itself; but nobody need.
        let is_sorted = entries.last().is_none_or(|(last, _)| *last < key);
        if !is_sorted && let Some(place) = entries.iter().position(|(earlier, _)| *earlier == key) {
            entries.remove(place);
        }
        entries.push((key, value));
    }
    Ok(entries)
}

/// One entry of a map whose keys are texts.
pub(super) fn map_entry(entry: &[u8]) -> Result<(&str, &[u8]), Failure> {
    let (mut key, mut value) = ("", &b""[..]);
    for field in Fields::of(entry) {
        let field = field.map_err(Failure::malformed)?;
        match (field.number, field.value) {
            (entry::KEY, text) => {
                key = text.as_text().map_err(Failure::malformed)?.unwrap_or(key);
            }
            (entry::VALUE, Value::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Ok((key, value))
}

/// The value as JSON would show it; none for a field of another wire type, or a time that is not set.
fn scalar_value(
    value_type: ValueType,
    value: Value<'_>,
) -> Result<Option<FieldValue<'_>>, Failure> {
    Ok(match (value_type, value) {
        (ValueType::String, value) => {
            let text = value.as_text().map_err(Failure::malformed)?;
            text.map(|text| FieldValue::Text(Cow::Borrowed(text)))
        }
        (ValueType::Int32, Value::Varint(bits)) => {
            Some(FieldValue::Integer(i64::from(bits as u32 as i32)))
        }
        (ValueType::Int64, Value::Varint(bits)) => Some(FieldValue::Integer(bits.cast_signed())),
        (ValueType::Bool, Value::Varint(bits)) => Some(FieldValue::Bool(bits != 0)),
        (ValueType::Float64, Value::Fixed64(bits)) => Some(number(f64::from_le_bytes(bits))?),
        (ValueType::Bytes, Value::Bytes(bytes)) => {
            Some(FieldValue::Text(Cow::Owned(STANDARD.encode(bytes))))
        }
        (ValueType::Time, Value::Bytes(message)) => time(message, false)?,
        (ValueType::MicroTime, Value::Bytes(message)) => time(message, true)?,
        _ => None,
    })
}

/// Returns the number as JSON has it, where a whole number and an integer are the same.
fn number(number: f64) -> Result<FieldValue<'static>, Failure> {
    /// Beyond it JSON has digits that no integer has.
    const INTEGER_MAX: f64 = i64::MAX as f64;
    if !number.is_finite() {
        return Err(Failure::malformed(format!("JSON has no number {number}")));
    }
    let is_integer = number.fract() == 0.0 && number.abs() < INTEGER_MAX;
    let is_minus_zero = number == 0.0 && number.is_sign_negative();
    Ok(match is_integer && !is_minus_zero {
        true => FieldValue::Integer(number as i64),
        false => FieldValue::Float(number),
    })
}

/// What JSON shows of a value that is absent and not left out.
const fn zero(value_type: ValueType) -> Option<FieldValue<'static>> {
    Some(match value_type {
        ValueType::String => FieldValue::Text(Cow::Borrowed("")),
        ValueType::Bool => FieldValue::Bool(false),
        ValueType::Int32 | ValueType::Int64 | ValueType::Float64 => FieldValue::Integer(0),
        _ => return None,
    })
}

fn is_empty(value: &FieldValue<'_>) -> bool {
    match value {
        FieldValue::Text(text) => text.is_empty(),
        FieldValue::Integer(number) => *number == 0,
        FieldValue::Bool(truth) => !truth,
        FieldValue::Float(number) => *number == 0.0,
    }
}

/// A `Time`, of which JSON has seconds, or a `MicroTime`, of which it has microseconds.
fn time(message: &[u8], micro: bool) -> Result<Option<FieldValue<'_>>, Failure> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields::of(message) {
        let field = field.map_err(Failure::malformed)?;
        match (field.number, field.value) {
            (scalar::SECONDS, Value::Varint(bits)) => seconds = bits.cast_signed(),
            (scalar::NANOS, Value::Varint(bits)) => nanos = bits as u32 as i32,
            _ => {}
        }
    }
    let micros = if micro { i64::from(nanos / 1000) } else { 0 };
    let seconds: i64 = seconds.saturating_add(micros.div_euclid(1_000_000));
    let micros = micros.rem_euclid(1_000_000) as u32;
    // Go's zero time is an empty message, and null in JSON.
    if message.is_empty() || (seconds, micros) == (ZERO_TIME_SECONDS, 0) {
        return Ok(None);
    }
    let text = match micro {
        true => TimeText::of_micros(seconds, micros),
        false => TimeText::of_seconds(seconds),
    };
    Ok(Some(FieldValue::Text(Cow::Owned(text.as_str().to_owned()))))
}

/// 0001-01-01T00:00:00Z, Go's zero time, in seconds since 1970.
const ZERO_TIME_SECONDS: i64 = -62_135_596_800;

/// The time in a message, if there is one.
pub(super) fn time_text(message: &[u8]) -> Option<Cow<'_, str>> {
    match time(message, false) {
        Ok(Some(FieldValue::Text(text))) => Some(text),
        _ => None,
    }
}
