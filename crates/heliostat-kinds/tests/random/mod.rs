//! Random values by the schema.

use heliostat_kinds::schema::{Field, Kind, Message, Shape, ValueType};
use serde_json::{Map, Value, json};

/// Returns the JSON of an object of the kind, without its kind and API version.
pub(crate) fn random_object(kind: &'static Kind, seed: u64) -> Value {
    object(&mut Numbers(seed), kind.message(), 0)
}

/// Numbers that a seed decides.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

fn object(numbers: &mut Numbers, message: &'static Message, depth: u64) -> Value {
    let mut object = Map::new();
    add_fields(numbers, message, depth, &mut object);
    Value::Object(object)
}

fn add_fields(
    numbers: &mut Numbers,
    message: &'static Message,
    depth: u64,
    object: &mut Map<String, Value>,
) {
    for field in message.fields() {
        match field.message() {
            Some(message) if message.is_type_meta() => {}
            Some(message) if field.is_inline() => add_fields(numbers, message, depth, object),
            _ if numbers.below(3 + depth) < 2 => {
                object.insert(field.name().to_owned(), field_value(numbers, field, depth));
            }
            _ => {}
        }
    }
}

fn field_value(numbers: &mut Numbers, field: &'static Field, depth: u64) -> Value {
    let count = 1 + numbers.below(3);
    match field.shape() {
        Shape::Singular => single(numbers, field.value_type(), depth),
        Shape::List => (0..count)
            .map(|_| single(numbers, field.value_type(), depth))
            .collect(),
        Shape::Map => (0..count)
            .map(|at| (format!("k{at}"), single(numbers, field.value_type(), depth)))
            .collect(),
    }
}

fn single(numbers: &mut Numbers, value_type: ValueType, depth: u64) -> Value {
    let pick = 1 + numbers.below(1_000_000);
    match value_type {
        ValueType::String => json!(["a", "é<&>", "\u{2028}\n\"", "日本"][pick as usize % 4]),
        ValueType::Bool => json!(true),
        ValueType::Int32 => json!(-(pick as i32)),
        ValueType::Int64 => json!(pick as i64 * -4_000_000_000_000),
        ValueType::Float64 => json!(pick as f64 + 0.5),
        ValueType::Bytes => json!("AAEC"),
        ValueType::Time => json!(format!("20{:02}-02-28T23:59:59Z", pick % 100)),
        ValueType::MicroTime => json!(format!("2026-02-28T23:59:59.{pick:06}Z")),
        ValueType::Quantity => json!(["1", "100m", "3Gi", "0"][pick as usize % 4]),
        ValueType::IntOrString if pick.is_multiple_of(2) => json!("http"),
        ValueType::IntOrString => json!(pick),
        ValueType::RawExtension | ValueType::FieldsV1 => json!({"a": [pick, null, "é"]}),
        ValueType::Json => json!([pick, {"x": true}]),
        ValueType::StringList => json!(["a", "b"]),
        ValueType::JsonSchemaPropsOrBool if pick.is_multiple_of(2) => json!(true),
        ValueType::JsonSchemaPropsOrArray if pick.is_multiple_of(2) => json!([{"type": "a"}]),
        ValueType::JsonSchemaPropsOrStringArray if pick.is_multiple_of(2) => json!(["a"]),
        ValueType::JsonSchemaPropsOrBool
        | ValueType::JsonSchemaPropsOrArray
        | ValueType::JsonSchemaPropsOrStringArray => json!({"type": "a"}),
        ValueType::Message(message) => object(numbers, message, depth + 2),
        ValueType::Any => Value::Null,
    }
}
