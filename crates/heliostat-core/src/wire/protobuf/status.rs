//! A `Status` in protobuf.

use super::envelope::{Envelope, TypeMeta};
use super::field::{Fields, Value};
use crate::status::{Status, StatusCause, StatusDetails};

/// Reads the body of an answer, if it is a `Status` in its envelope.
#[must_use]
pub fn parse(body: &[u8]) -> Option<Status> {
    let envelope = Envelope::open(body).ok()?;
    is_status(envelope.kind).then(|| read(envelope.raw))
}

/// True for the kind under which a refusal comes, whatever was asked for.
pub(super) fn is_status(kind: Option<TypeMeta<'_>>) -> bool {
    kind.is_some_and(|kind| kind.kind == "Status" && kind.api_version == "v1")
}

/// Reads a `Status`. What cannot be read of it is left out: a refusal counts, however badly it is put.
pub(super) fn read(message: &[u8]) -> Status {
    let mut status = Status::failure(0, "", String::new());
    for field in Fields::of(message).map_while(Result::ok) {
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => status.metadata.continue_token = continue_token(bytes),
            (2, value) => status.status = text(value),
            (3, value) => status.message = text(value),
            (4, value) => status.reason = text(value),
            (5, Value::Bytes(bytes)) => status.details = Some(details(bytes)),
            (6, Value::Varint(code)) => status.code = u16::try_from(code).unwrap_or_default(),
            _ => {}
        }
    }
    status
}

fn details(message: &[u8]) -> StatusDetails {
    let mut details = StatusDetails::default();
    for field in Fields::of(message).map_while(Result::ok) {
        match (field.number, field.value) {
            (1, value) => details.name = text(value),
            (2, value) => details.group = text(value),
            (3, value) => details.kind = text(value),
            (4, Value::Bytes(bytes)) => details.causes.push(cause(bytes)),
            (5, Value::Varint(seconds)) => {
                // A negative number has its highest bit set.
                let seconds = u64::try_from(seconds.cast_signed()).unwrap_or_default();
                details.retry_after_seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
            }
            (6, value) => details.uid = text(value),
            _ => {}
        }
    }
    details
}

fn cause(message: &[u8]) -> StatusCause {
    let mut cause = StatusCause::default();
    for field in Fields::of(message).map_while(Result::ok) {
        match field.number {
            1 => cause.reason = text(field.value),
            2 => cause.message = text(field.value),
            3 => cause.field = text(field.value),
            _ => {}
        }
    }
    cause
}

fn text(value: Value<'_>) -> String {
    String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned()
}

/// Of the `ListMeta` of a status, all that is used.
fn continue_token(message: &[u8]) -> String {
    let mut fields = Fields::of(message).map_while(Result::ok);
    let token = fields.find(|field| field.number == 3);
    token.map_or_else(String::new, |field| text(field.value))
}
