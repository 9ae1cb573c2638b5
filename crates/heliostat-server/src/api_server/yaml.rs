//! YAML: another notation of the same JSON.

use serde_json::Value;
use serde_saphyr::options::DuplicateKeyPolicy;

use crate::collection::status::Status;

/// Reads YAML as JSON. Of a key that comes twice the last value counts, as in JSON.
///
/// # Errors
/// Why the text is not YAML, or has no JSON.
pub(crate) fn parse(text: &[u8]) -> Result<Value, String> {
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    serde_saphyr::from_slice_with_options(text, options).map_err(|error| error.to_string())
}

/// Writes JSON as YAML, with sorted keys.
///
/// # Errors
/// A 500 for an object that YAML cannot show.
pub(crate) fn from_json(json: &[u8]) -> Result<Vec<u8>, Status> {
    let failed = |error: String| {
        Status::internal_error(&format!("the object cannot be written as YAML: {error}"))
    };
    let value: Value = serde_json::from_slice(json).map_err(|error| failed(error.to_string()))?;
    let text = serde_saphyr::to_string(&value).map_err(|error| failed(error.to_string()))?;
    Ok(text.into_bytes())
}
