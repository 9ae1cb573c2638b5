//! Rows of every table, from the data.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::kinds::data::Data;
use crate::kinds::rows::{
    ColumnRow, ConstraintRow, FieldRow, KindRow, Lists, MessageRow, ResourceRow, Run,
    SubresourceRow, Text, Texts,
};

/// Every table.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) version: String,
    pub(crate) texts: Texts,
    pub(crate) lists: Lists,
    pub(crate) constraints: Vec<ConstraintRow>,
    pub(crate) fields: Vec<FieldRow>,
    pub(crate) numbers: Vec<u8>,
    pub(crate) slots: Vec<usize>,
    pub(crate) messages: Vec<MessageRow>,
    pub(crate) kinds: Vec<KindRow>,
    pub(crate) resources: Vec<ResourceRow>,
    pub(crate) subresources: Vec<SubresourceRow>,
    pub(crate) columns: Vec<ColumnRow>,
    /// Messages that the code refers to, by the names of their constants.
    pub(crate) known: Vec<(&'static str, usize)>,
    places: BTreeMap<ConstraintRow, usize>,
}

/// Types that are no messages, in the order of their codes in `Field::value_type`.
const SCALARS: [&str; 17] = [
    "string",
    "bool",
    "int32",
    "int64",
    "float64",
    "bytes",
    "apis/meta/v1.Time",
    "apis/meta/v1.MicroTime",
    "api/resource.Quantity",
    "util/intstr.IntOrString",
    "runtime.RawExtension",
    "apis/meta/v1.FieldsV1",
    "apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON",
    "apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrArray",
    "apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrBool",
    "apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrStringArray",
    "[]string",
];

/// Messages whose JSON is not an object of their fields: their fields in protobuf, by name, number and type.
const SPECIAL_MESSAGES: [Special; 4] = [
    (
        "SCHEMA_OR_ARRAY",
        "JSONSchemaPropsOrArray",
        &[("schema", 1, SCHEMA), ("schemas", 2, SCHEMAS)],
    ),
    (
        "SCHEMA_OR_BOOL",
        "JSONSchemaPropsOrBool",
        &[("allows", 1, "bool"), ("schema", 2, SCHEMA)],
    ),
    (
        "SCHEMA_OR_STRINGS",
        "JSONSchemaPropsOrStringArray",
        &[("schema", 1, SCHEMA), ("strings", 2, "[]string")],
    ),
    ("STRING_LIST", "StringList", &[("items", 1, "[]string")]),
];

/// The constant, the name and the fields of a special message.
type Special = (
    &'static str,
    &'static str,
    &'static [(&'static str, u64, &'static str)],
);

const SCHEMA: &str = "apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaProps";
const SCHEMAS: &str = "[]apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaProps";

/// The code of a value of any type.
const ANY: usize = 31;

/// The code of the first message.
const MESSAGES_FROM: usize = 32;

// The flags of a field.
const SHAPE: u8 = 0b11;
const POINTER: u8 = 1 << 2;
const OMIT_EMPTY: u8 = 1 << 3;
const OMIT_ZERO: u8 = 1 << 4;
const INLINE: u8 = 1 << 5;

/// The most fields of a message: a bit of 64 for each.
const SLOTS_MAX: usize = 64;

/// No field has the number.
const NO_FIELD: u8 = u8::MAX;

const VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

impl Tables {
    /// Makes the tables.
    pub(crate) fn of(data: &Data) -> Result<Self, String> {
        let mut tables = Self {
            version: string(&data.types, "version")?.to_owned(),
            ..Self::default()
        };
        let types = object(&data.types, "types")?;
        // Names of fields come first in the text, since they are stored with quotes.
        for field in types.values().flat_map(fields_of) {
            tables.texts.name(string(field, "name")?);
        }
        let ids: BTreeMap<&str, usize> = types.keys().map(String::as_str).zip(0..).collect();
        let id = |name: &str| {
            ids.get(name)
                .copied()
                .ok_or_else(|| format!("there is no type {name}"))
        };
        tables.known = vec![
            ("TYPE_META", id("apis/meta/v1.TypeMeta")?),
            ("JSON_SCHEMA_PROPS", id(SCHEMA)?),
        ];
        let empty = tables.texts.text("");
        tables.constraint(ConstraintRow {
            merge_key: empty,
            default: empty,
            ..ConstraintRow::default()
        });
        for (name, fields) in types {
            let schema = schema_of(data, types, name);
            tables.add_message(&ids, (name, fields), schema)?;
        }
        for (constant, name, fields) in SPECIAL_MESSAGES {
            let of = |&(name, number, it): &(&str, u64, &str)| json!({"name": name, "number": number, "type": it, "pointer": true, "omitempty": true});
            let fields = Value::Array(fields.iter().map(of).collect());
            let place = tables.messages.len();
            tables.add_message(&ids, (name, &fields), None)?;
            tables.known.push((constant, place));
        }
        for message in 0..tables.messages.len() {
            tables.place_slots(message)?;
        }
        for (kind, message) in object(&data.types, "kinds")? {
            let message = message.as_str().ok_or("a kind has no type")?;
            tables.add_kind(kind, id(message)?)?;
        }
        tables.kinds.sort_by_key(|row| row.key.clone());
        for (api_version, resources) in data.resources.as_object().into_iter().flatten() {
            for resource in resources.as_array().into_iter().flatten() {
                tables.add_resource(data, api_version, resource)?;
            }
        }
        Ok(tables)
    }

    fn add_message(
        &mut self,
        ids: &BTreeMap<&str, usize>,
        (name, fields): (&str, &Value),
        schema: Option<&Value>,
    ) -> Result<(), String> {
        let (fields_from, numbers_from) = (self.fields.len(), self.numbers.len());
        for field in fields_of(fields) {
            let row = self.field(ids, schema, field)?;
            self.fields.push(row);
        }
        let own = self.fields.get(fields_from..).unwrap_or_default();
        let count = own.iter().map(|field| field.number + 1).max().unwrap_or(0);
        for number in 0..count {
            let index = own
                .iter()
                .position(|field| number > 0 && field.number == number);
            let index = index.map_or(Ok(NO_FIELD), u8::try_from);
            self.numbers
                .push(index.map_err(|_| format!("{name} has too many fields"))?);
        }
        let comment = name.to_owned();
        self.messages.push(MessageRow {
            name: self.texts.text(name),
            fields: run(fields_from, self.fields.len()),
            numbers: run(numbers_from, self.numbers.len()),
            slots: Run::default(),
            shown: 0,
            map_type: optional(schema, "x-kubernetes-map-type"),
            comment,
        });
        Ok(())
    }

    fn field(
        &mut self,
        ids: &BTreeMap<&str, usize>,
        schema: Option<&Value>,
        field: &Value,
    ) -> Result<FieldRow, String> {
        let (name, go_type) = (string(field, "name")?, string(field, "type")?);
        let (shape, value) = match (
            go_type.strip_prefix("map[string]"),
            go_type.strip_prefix("[]"),
        ) {
            (Some(value), _) => (2_u8, value),
            (None, Some(value)) => (1, value),
            (None, None) => (0, go_type),
        };
        let value_type = if value == "interface" {
            ANY
        } else if let Some(scalar) = SCALARS.iter().position(|scalar| *scalar == value) {
            scalar
        } else {
            let id = ids
                .get(value)
                .ok_or_else(|| format!("there is no type {value}"))?;
            MESSAGES_FROM + id
        };
        let property = schema.and_then(|schema| schema.get("properties")?.get(name));
        let is_set = |key: &str| field.get(key).and_then(Value::as_bool) == Some(true);
        let required = schema
            .and_then(|schema| schema.get("required"))
            .map(strings);
        let is_required = required.is_some_and(|names| names.iter().any(|it| it == name));
        let flags = [
            is_set("pointer"),
            is_set("omitempty"),
            is_set("omitzero"),
            is_set("inline"),
            is_required,
        ];
        let bits = flags
            .iter()
            .zip(2..)
            .map(|(&flag, bit)| u8::from(flag) << bit);
        let constraint = self.constraint_row(field, property);
        Ok(FieldRow {
            name: self.texts.name(name),
            number: field.get("number").and_then(Value::as_u64).unwrap_or(0),
            value_type,
            flags: bits.fold(shape, |flags, bit| flags | bit),
            constraint: self.constraint(constraint),
            slot: 0,
            comment: format!("{name} {go_type}"),
        })
    }

    /// Gives each field of the message its slot, and notes which fields are shown when absent.
    fn place_slots(&mut self, message: usize) -> Result<(), String> {
        let run = self.messages[message].fields;
        let mut slot = 0;
        for field in run.first..run.first + run.len {
            self.fields[field].slot = slot;
            slot += self.slots_of_field(field).len();
        }
        let fields = (run.first..run.first + run.len).flat_map(|it| self.slots_of_field(it));
        let fields: Vec<usize> = fields.collect();
        let bits = fields.iter().zip(0_u32..);
        let shown = bits.filter(|(field, _)| is_shown_when_absent(&self.fields[**field]));
        let row = &mut self.messages[message];
        row.shown = shown.fold(0, |bits, (_, bit)| bits | 1 << bit);
        row.slots = run_of(self.slots.len(), fields.len());
        self.slots.extend(&fields);
        if fields.len() > SLOTS_MAX {
            return Err(format!("{} has too many fields", row.comment));
        }
        Ok(())
    }

    /// The field, or those of the struct that it embeds.
    fn slots_of_field(&self, field: usize) -> Vec<usize> {
        let row = &self.fields[field];
        if row.flags & INLINE == 0 {
            return vec![field];
        }
        let inner = self.messages[row.value_type - MESSAGES_FROM].fields;
        let inner = inner.first..inner.first + inner.len;
        inner.flat_map(|field| self.slots_of_field(field)).collect()
    }

    fn constraint_row(&mut self, field: &Value, property: Option<&Value>) -> ConstraintRow {
        let keys = property.and_then(|it| it.get("x-kubernetes-list-map-keys"));
        let keys = keys.map(strings).unwrap_or_default();
        // The values of a map or list may be limited, too.
        let values = property.and_then(|it| {
            let of = |part: &str| it.get(part).and_then(|part| part.get("enum"));
            it.get("enum")
                .or_else(|| of("items"))
                .or_else(|| of("additionalProperties"))
        });
        let values = values.map(strings).unwrap_or_default();
        let default = property.and_then(|it| it.get("default"));
        let default = default.map(Value::to_string).unwrap_or_default();
        ConstraintRow {
            patch_strategy: optional(Some(field), "patch"),
            merge_key: self.texts.text(&optional(Some(field), "mergeKey")),
            list_type: optional(property, "x-kubernetes-list-type"),
            map_type: optional(property, "x-kubernetes-map-type"),
            list_map_keys: self.lists.add(&mut self.texts, &keys),
            default: self.texts.text(&default),
            values: self.lists.add(&mut self.texts, &values),
        }
    }

    fn constraint(&mut self, row: ConstraintRow) -> usize {
        let next = self.constraints.len();
        let place = *self.places.entry(row.clone()).or_insert(next);
        if place == next {
            self.constraints.push(row);
        }
        place
    }

    fn add_kind(&mut self, path: &str, message: usize) -> Result<(), String> {
        let (api_version, name) = path.rsplit_once('/').ok_or("a kind has no version")?;
        let api_version = api_version.trim_start_matches('/');
        self.kinds.push(KindRow {
            api_version: self.texts.text(api_version),
            name: self.texts.text(name),
            message,
            key: (api_version.to_owned(), name.to_owned()),
        });
        Ok(())
    }

    fn add_resource(&mut self, data: &Data, version: &str, it: &Value) -> Result<(), String> {
        let plural = string(it, "resource")?;
        let subresources_from = self.subresources.len();
        for subresource in it.get("subresources").into_iter().flat_map(fields_of) {
            let row = self.subresource(version, subresource)?;
            self.subresources.push(row);
        }
        let columns_from = self.columns.len();
        let root = if version.contains('/') {
            "/apis"
        } else {
            "/api"
        };
        let columns = data.columns.get(format!("{root}/{version}/{plural}"));
        for column in columns.into_iter().flat_map(fields_of) {
            self.columns.push(ColumnRow {
                name: self.texts.text(string(column, "name")?),
                column_type: self.texts.text(string(column, "type")?),
                format: self.texts.text(string(column, "format")?),
                priority: column.get("priority").and_then(Value::as_u64).unwrap_or(0),
                comment: string(column, "name")?.to_owned(),
            });
        }
        let kind = it.get("responseKind").ok_or("a resource has no kind")?;
        let names = [
            plural,
            string(it, "singularResource")?,
            string(kind, "kind")?,
        ];
        let list = |key: &str| it.get(key).map(strings).unwrap_or_default();
        let row = ResourceRow {
            api_version: self.texts.text(version),
            names: names.map(|name| self.texts.text(name)),
            scope: string(it, "scope")?.to_owned(),
            verbs: verbs(it)?,
            short_names: self.lists.add(&mut self.texts, &list("shortNames")),
            categories: self.lists.add(&mut self.texts, &list("categories")),
            subresources: run(subresources_from, self.subresources.len()),
            columns: run(columns_from, self.columns.len()),
            comment: format!("{version} {plural}"),
        };
        self.resources.push(row);
        Ok(())
    }

    fn subresource(&mut self, version: &str, it: &Value) -> Result<SubresourceRow, String> {
        let kind = it.get("responseKind").ok_or("a subresource has no kind")?;
        let (group, kind_version) = (string(kind, "group")?, string(kind, "version")?);
        // A kind without a version is of the version of its resource.
        let api_version = match (group, kind_version) {
            (_, "") => version.to_owned(),
            ("", kind_version) => kind_version.to_owned(),
            (group, kind_version) => format!("{group}/{kind_version}"),
        };
        let name = string(it, "subresource")?;
        Ok(SubresourceRow {
            name: self.texts.text(name),
            api_version: self.texts.text(&api_version),
            kind: self.texts.text(string(kind, "kind")?),
            verbs: verbs(it)?,
            comment: name.to_owned(),
        })
    }

    /// The place of the empty text, which absent texts refer to.
    pub(crate) fn is_empty(text: Text) -> bool {
        text.len == 0
    }
}

/// The schema of the type, or of a type that embeds it, since schemas show embedded fields only there.
fn schema_of<'a>(data: &'a Data, types: &Map<String, Value>, name: &str) -> Option<&'a Value> {
    data.schema(name).or_else(|| {
        let embeds = |(_, fields): &(&String, &Value)| {
            fields_of(fields).any(|field| field.get("inline").is_some() && field["type"] == name)
        };
        let mut parents = types.iter().filter(embeds);
        parents.find_map(|(parent, _)| schema_of(data, types, parent))
    })
}

fn verbs(it: &Value) -> Result<u8, String> {
    let names = it.get("verbs").map(strings).unwrap_or_default();
    names.iter().try_fold(0, |bits, name| {
        let bit = VERBS.iter().position(|verb| verb == name);
        bit.map(|bit| bits | 1 << bit)
            .ok_or_else(|| format!("the verb {name} is unknown"))
    })
}

/// Whether JSON shows the field when the bytes do not have it: as null, zero, or an empty object.
fn is_shown_when_absent(field: &FieldRow) -> bool {
    let has = |flag: u8| field.flags & flag != 0;
    if has(OMIT_ZERO) {
        return false;
    }
    // Structs are never empty; only six codes are of types that are none.
    let is_struct = field.flags & (SHAPE | POINTER) == 0 && !(0..6).contains(&field.value_type);
    is_struct || !has(OMIT_EMPTY)
}

fn run_of(first: usize, len: usize) -> Run {
    Run { first, len }
}

fn run(first: usize, end: usize) -> Run {
    Run {
        first,
        len: end - first,
    }
}

fn fields_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn strings(value: &Value) -> Vec<String> {
    fields_of(value)
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

fn optional(value: Option<&Value>, key: &str) -> String {
    let text = value.and_then(|value| value.get(key)?.as_str());
    text.unwrap_or_default().to_owned()
}

fn string<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    let text = value.get(key).and_then(Value::as_str);
    text.ok_or_else(|| format!("{key} is missing in {value}"))
}

fn object<'a>(value: &'a Value, key: &str) -> Result<&'a Map<String, Value>, String> {
    let object = value.get(key).and_then(Value::as_object);
    object.ok_or_else(|| format!("{key} is missing"))
}
