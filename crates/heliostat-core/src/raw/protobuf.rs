//! Fields of an object in protobuf, by the numbers of the schema.
//!
//! Protobuf allows a message to come in pieces, which are merged: of a value that comes twice the last
//! counts, and lists go on. So everything here is asked of [`Pieces`]; from a real server there is one.

use std::borrow::Cow;

use super::path::Step;
use super::schema::{Row, Rows, Shape, Type};
use super::value::{Failure, FieldValue};
use crate::wire::protobuf::field::{Field, Fields, Malformed, Value};

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
}

/// What to do with each thing that a path leads to.
type Visit<'a, 'v> = &'v mut dyn FnMut(Leaf<'a>) -> Result<(), Failure>;

/// The fields of a map's entry.
mod entry {
    pub(super) const KEY: u32 = 1;
    pub(super) const VALUE: u32 = 2;
}

/// The fields of `Time`, `MicroTime` and `Quantity`.
mod scalar {
    pub(super) const SECONDS: u32 = 1;
    pub(super) const NANOS: u32 = 2;
    pub(super) const STRING: u32 = 1;
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
    ) -> impl Iterator<Item = Result<Field<'a>, Malformed>> + use<'a, '_> {
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

    /// The message of this number.
    pub(super) fn message(&self, number: u32) -> Result<Self, Malformed> {
        let mut message = Self::default();
        for run in self.runs(number) {
            let run = run?;
            match message.first.is_empty() {
                true => message.first = run,
                false => message.more.push(run),
            }
        }
        Ok(message)
    }
}

/// Says whether the schema knows where the steps lead.
pub(super) fn check(rows: Rows, steps: &[Step]) -> Result<(), Failure> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(());
    };
    let Step::Name(name) = step else {
        return Err(Failure::UnknownPath);
    };
    let row = Row::find(rows, name).ok_or(Failure::UnknownPath)?;
    match (row.shape, rest) {
        (Shape::One(inner), rest) => check_type(inner, rest),
        (Shape::Many(_) | Shape::Map(_), [])
        | (Shape::Many(_), [Step::Name(_), ..])
        | (Shape::Map(_), [Step::Index(_), ..]) => match rest.is_empty() {
            true => Ok(()),
            false => Err(Failure::UnknownPath),
        },
        (Shape::Many(inner) | Shape::Map(inner), [_, rest @ ..]) => check_type(inner, rest),
    }
}

fn check_type(inner: Type, rest: &[Step]) -> Result<(), Failure> {
    match inner {
        Type::Message(rows) => check(rows, rest),
        _ if rest.is_empty() => Ok(()),
        _ => Err(Failure::UnknownPath),
    }
}

/// Goes along the steps, which the schema must know, and visits what they lead to.
pub(super) fn walk<'a>(
    message: &Pieces<'a>,
    rows: Rows,
    steps: &[Step],
    visit: Visit<'a, '_>,
) -> Result<(), Failure> {
    let Some((step, rest)) = steps.split_first() else {
        return visit(Leaf::Other);
    };
    let row = match step {
        Step::Name(name) => Row::find(rows, name).ok_or(Failure::UnknownPath)?,
        Step::Each | Step::Index(_) => return Err(Failure::UnknownPath),
    };
    let number = row.number;
    match (row.shape, rest) {
        (Shape::One(Type::Message(_)) | Shape::Many(_), []) => match message.runs(number).next() {
            Some(run) => run
                .map_err(Failure::malformed)
                .and_then(|_| visit(Leaf::Other)),
            None => Ok(()),
        },
        (Shape::One(Type::Message(rows)), rest) => {
            let inner = message.message(number).map_err(Failure::malformed)?;
            walk(&inner, rows, rest, visit)
        }
        (Shape::One(scalar), _) => {
            let mut last = None;
            for field in message.fields() {
                let field = field.map_err(Failure::malformed)?;
                if field.number == number {
                    last = scalar_value(scalar, field.value)?.or(last);
                }
            }
            match last {
                Some(value) if row.is_told_when_empty || !is_empty(&value) => {
                    visit(Leaf::Value(value))
                }
                _ => Ok(()),
            }
        }
        (Shape::Map(_), []) => visit(Leaf::Map(message.clone(), number)),
        (Shape::Map(inner), [Step::Name(key), rest @ ..]) => {
            let mut last = None;
            for entry in message.runs(number) {
                let (name, value) = map_entry(entry.map_err(Failure::malformed)?)?;
                if name == &**key {
                    last = Some(value);
                }
            }
            last.map_or(Ok(()), |value| element(inner, value, rest, visit))
        }
        (Shape::Map(inner), [_, rest @ ..]) => {
            for (_, value) in map_entries(message, number)? {
                element(inner, value, rest, visit)?;
            }
            Ok(())
        }
        (Shape::Many(inner), [step, rest @ ..]) => {
            for (index, run) in message.runs(number).enumerate() {
                let run = run.map_err(Failure::malformed)?;
                if matches!(step, Step::Each) || *step == Step::Index(index) {
                    element(inner, run, rest, visit)?;
                }
            }
            Ok(())
        }
    }
}

/// Goes on in one element of a list or one value of a map.
fn element<'a>(
    inner: Type,
    run: &'a [u8],
    rest: &[Step],
    visit: Visit<'a, '_>,
) -> Result<(), Failure> {
    match inner {
        Type::Message(rows) => walk(&Pieces::one(run), rows, rest, visit),
        scalar => match scalar_value(scalar, Value::Bytes(run))? {
            Some(value) => visit(Leaf::Value(value)),
            None => Ok(()),
        },
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
fn scalar_value(scalar: Type, value: Value<'_>) -> Result<Option<FieldValue<'_>>, Failure> {
    Ok(match (scalar, value) {
        (Type::Text, value) => {
            let text = value.as_text().map_err(Failure::malformed)?;
            text.map(|text| FieldValue::Text(Cow::Borrowed(text)))
        }
        (Type::Integer, Value::Varint(bits)) => Some(FieldValue::Integer(bits.cast_signed())),
        (Type::Bool, Value::Varint(bits)) => Some(FieldValue::Bool(bits != 0)),
        (Type::Bytes, Value::Bytes(bytes)) => Some(FieldValue::Text(Cow::Owned(base64(bytes)))),
        (Type::Quantity, Value::Bytes(message)) => {
            let mut text = "";
            for run in Pieces::one(message).runs(scalar::STRING) {
                let run = run.map_err(Failure::malformed)?;
                text = str::from_utf8(run).map_err(Failure::malformed)?;
            }
            Some(FieldValue::Text(Cow::Borrowed(text)))
        }
        (Type::Time, Value::Bytes(message)) => time(message, false)?,
        (Type::MicroTime, Value::Bytes(message)) => time(message, true)?,
        _ => None,
    })
}

fn is_empty(value: &FieldValue<'_>) -> bool {
    match value {
        FieldValue::Text(text) => text.is_empty(),
        FieldValue::Integer(number) => *number == 0,
        FieldValue::Bool(truth) => !truth,
        FieldValue::Float(_) => false,
    }
}

/// A `Time`, of which JSON knows seconds, or a `MicroTime`, of which it knows microseconds.
fn time(message: &[u8], micro: bool) -> Result<Option<FieldValue<'_>>, Failure> {
    if message.is_empty() {
        // What Go writes for its zero time.
        return Ok(None);
    }
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields::of(message) {
        let field = field.map_err(Failure::malformed)?;
        match (field.number, field.value) {
            (scalar::SECONDS, Value::Varint(bits)) => seconds = bits.cast_signed(),
            (scalar::NANOS, Value::Varint(bits)) => nanos = bits.cast_signed(),
            _ => {}
        }
    }
    let text = rfc3339(seconds, micro.then_some(nanos / 1000));
    let text = text.ok_or_else(|| Failure::malformed("a time is beyond its range"))?;
    Ok(Some(FieldValue::Text(Cow::Owned(text))))
}

/// The time that a message tells, if it tells one.
pub(super) fn time_text(message: &[u8]) -> Option<Cow<'_, str>> {
    match time(message, false) {
        Ok(Some(FieldValue::Text(text))) => Some(text),
        _ => None,
    }
}

const DAY: i64 = 24 * 60 * 60;

/// Seconds since 1970 in the form of RFC 3339, which has years from 0 to 9999.
///
/// Days become a date by counting from the first of March of the year 0 in eras of 400 years, after
/// which the calendar repeats; a year that begins in March has its leap day at its end.
fn rfc3339(seconds: i64, micros: Option<i64>) -> Option<String> {
    const ERA_DAYS: i64 = 146_097;
    const MARCH_0000_TO_1970_DAYS: i64 = 719_468;
    let days = seconds
        .div_euclid(DAY)
        .checked_add(MARCH_0000_TO_1970_DAYS)?;
    let (era, day) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    // Leap days: one in four years, but not at the end of three of the four centuries.
    let year = (day - day / 1460 + day / 36_524 - day / (ERA_DAYS - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, five months have 153 days, whatever five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, past_december) = match month {
        0..10 => (month + 3, 0),
        _ => (month - 9, 1),
    };
    let year = era.checked_mul(400)? + year + past_december;
    if !(0..=9999).contains(&year) || micros.is_some_and(|micros| !(0..1_000_000).contains(&micros))
    {
        return None;
    }
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = micros.map_or_else(String::new, |micros| format!(".{micros:06}"));
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    ))
}

/// Bytes as JSON shows them (RFC 4648, section 4, with padding).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0u32, |bits, &byte| bits << 8 | u32::from(byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * place) & 63) as usize);
            match letter {
                Some(&letter) if place <= chunk.len() => text.push(char::from(letter)),
                _ => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_json_tells_them() {
        for (seconds, micros, expected) in [
            (0, None, "1970-01-01T00:00:00Z"),
            (951_782_399, None, "2000-02-28T23:59:59Z"),
            (951_782_400, None, "2000-02-29T00:00:00Z"),
            (951_868_800, Some(5), "2000-03-01T00:00:00.000005Z"),
            (4_107_542_400, None, "2100-03-01T00:00:00Z"),
            (4_107_456_000, None, "2100-02-28T00:00:00Z"),
            (-1, None, "1969-12-31T23:59:59Z"),
            (-62_135_596_800, None, "0001-01-01T00:00:00Z"),
            (
                253_402_300_799,
                Some(999_999),
                "9999-12-31T23:59:59.999999Z",
            ),
        ] {
            assert_eq!(rfc3339(seconds, micros).as_deref(), Some(expected));
        }
        for seconds in [253_402_300_800, i64::MAX, i64::MIN, -62_167_219_201] {
            assert_eq!(rfc3339(seconds, None), None, "{seconds}");
        }
        assert_eq!(rfc3339(0, Some(-1)), None);
    }

    #[test]
    fn bytes_are_told_as_json_tells_them() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xff, 0xef, 0xbe]), "/+++");
    }
}
