//! Objects in protobuf of any bytes, read by the deserializer and written as JSON.

use heliostat_kinds::schema::Message;
use heliostat_kinds::{Object, ReadErrorKind};
use serde_json::Value;

/// Reads the input as an object with an envelope if it has one, or else as a message that its first two
/// bytes choose.
///
/// # Panics
///
/// If the two readings differ.
pub fn check(input: &[u8]) {
    if let Ok(object) = Object::from_envelope(input) {
        return check_object(&object);
    }
    let Some((id, bytes)) = input.split_first_chunk::<2>() else {
        return;
    };
    let id = usize::from(u16::from_le_bytes(*id)) % Message::count();
    let message = u16::try_from(id).ok().and_then(Message::from_id);
    let message = message.expect("there are fewer than 65,536 messages");
    check_object(&Object::of_message(message, bytes));
}

fn check_object(object: &Object<'_>) {
    let mut json = Vec::new();
    let written = object.to_json(&mut json);
    match (written, object.decode::<Value>()) {
        (Ok(()), Ok(value)) => {
            let expected: Value = serde_json::from_slice(&json).expect("it is JSON");
            assert_eq!(value, expected);
        }
        // JSON inside of the object may be beyond what a value can hold.
        (Ok(()), Err(error)) => {
            assert!(
                matches!(error.kind(), ReadErrorKind::EmbeddedJson(_)),
                "{error}"
            );
        }
        (Err(_), decoded) => assert!(decoded.is_err() && json.is_empty()),
    }
}
