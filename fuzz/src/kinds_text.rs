//! JSON text of any bytes, written as protobuf, read as JSON, and written again.

use heliostat_kinds::schema::{self, Kind};
use heliostat_kinds::{FieldValidation, TextOptions, WriteErrorKind, to_json};
use serde::de::IgnoredAny;

/// Writes the text behind the first two bytes, which choose the kind.
///
/// # Panics
///
/// If what was written cannot be read, or what is read is written otherwise; if a text that is no JSON
/// is written; if validation changes what is written.
pub fn check(input: &[u8]) {
    let Some((id, text)) = input.split_first_chunk::<2>() else {
        return;
    };
    let kinds = schema::kinds();
    let kind = &kinds[usize::from(u16::from_le_bytes(*id)) % kinds.len()];
    let options = TextOptions::new().with_kind(kind).with_null_as_zero();
    let mut bytes = Vec::new();
    let result = options.write_json(text, &mut bytes);
    check_validation(options, text, &bytes);
    match result {
        Ok(_) => check_written(kind, &bytes),
        Err(_) => assert!(bytes.is_empty()),
    }
    if let Ok(text) = str::from_utf8(text)
        && kind.has_protobuf()
        && serde_json::from_str::<IgnoredAny>(text).is_err()
    {
        let error = options.write_json(text.as_bytes(), &mut bytes);
        let error = error.expect_err("it is no JSON");
        let is_expected = matches!(
            error.kind(),
            WriteErrorKind::Syntax { .. } | WriteErrorKind::TooDeep
        );
        assert!(is_expected, "{error}");
    }
}

fn check_written(kind: &'static Kind, bytes: &[u8]) {
    let mut json = Vec::new();
    to_json(bytes, &mut json).expect("what is written is read");
    let mut again = Vec::new();
    let options = TextOptions::new().with_kind(kind).with_null_as_zero();
    // Years before 0 and after 9999 are written but not read.
    if options.write_json(&json, &mut again).is_ok() {
        let mut read = Vec::new();
        to_json(&again, &mut read).expect("what is written is read");
        assert_eq!(read, json);
    }
}

fn check_validation(options: TextOptions, text: &[u8], expected: &[u8]) {
    let mut bytes = Vec::new();
    let warn = options.with_field_validation(FieldValidation::Warn);
    let warned = warn.write_json(text, &mut bytes);
    assert_eq!(bytes, expected);
    let strict = options.with_field_validation(FieldValidation::Strict);
    let refused = strict.write_json(text, &mut Vec::new());
    if let Ok(written) = warned {
        assert_eq!(refused.is_ok(), written.warnings().is_empty());
    }
}
