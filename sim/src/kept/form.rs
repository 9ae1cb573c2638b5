//! A widget as bytes, in either encoding, and back.

use std::fmt::Write as _;

use heliostat_core::object::GroupVersionKind;
use heliostat_core::raw::{Encoding, RawCodec, RawView};
use heliostat_core::version::ResourceVersion;
use heliostat_core::wire::Codec as _;

use crate::world::Widget;

/// The label that says what a widget is filed under.
pub(super) const RESIDUE: &str = "residue";

/// The label that says which write made this state: the history and the revision.
const REVISION: &str = "revision";

const API_VERSION: &str = "sim/v1";
const KIND: &str = "Widget";

/// From so many revisions to the next, widgets look alike: a dictionary of them is old after that, and
/// the longest stories have several.
const FASHION: u64 = 350;

/// How much of a widget is in fashion: half of its bytes.
const LOOK_LETTERS: usize = 160;

/// What widgets are.
pub(super) fn kind() -> GroupVersionKind {
    GroupVersionKind::new(API_VERSION, KIND)
}

/// The bytes of a widget under this version.
#[must_use]
pub fn bytes_of(widget: &Widget, version: &ResourceVersion, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => protobuf(widget, version),
        _ => json(widget, version).into_bytes(),
    }
}

/// Reads a widget.
pub(super) fn widget_of(view: RawView<'_>) -> Result<Widget, String> {
    let mut codec = match view.encoding() {
        Encoding::Protobuf => RawCodec::protobuf(),
        _ => RawCodec::json(),
    };
    let entry = codec.decode(view.bytes(), view.kind());
    let entry = entry.map_err(|reason| reason.to_string())?;
    let written = entry.object.label(REVISION).unwrap_or_default();
    let (history, revision) = written.split_once('-').unwrap_or_default();
    let uid = entry.header.uid.to_string();
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    let uid = number(uid.strip_prefix("uid-").unwrap_or_default())?;
    let widget = Widget::new(entry.header.key, uid, number(revision)?, true);
    let history = history
        .parse()
        .map_err(|_| format!("{history:?} is no number"))?;
    Ok(widget.in_history(history))
}

fn json(widget: &Widget, version: &ResourceVersion) -> String {
    let mut text = format!(r#"{{"apiVersion":"{API_VERSION}","kind":"{KIND}","metadata":{{"#);
    let (name, namespace) = (widget.key.name(), widget.key.namespace());
    let namespace = namespace.unwrap_or_default();
    let (uid, residue, revision) = (widget.uid, widget.residue(), widget.revision);
    // Writing to a text does not fail.
    let _ = write!(
        text,
        r#""name":"{name}","namespace":"{namespace}","uid":"uid-{uid}","#
    );
    let _ = write!(text, r#""resourceVersion":"{version}","labels":{{"#);
    let _ = write!(
        text,
        r#""{RESIDUE}":"{residue}","{REVISION}":"{}-{revision}"}}}},"#,
        widget.history
    );
    let _ = write!(text, r#""look":"{}"}}"#, look(revision));
    text
}

/// The message has its metadata where all kinds have it, and its look behind.
fn protobuf(widget: &Widget, version: &ResourceVersion) -> Vec<u8> {
    let mut metadata = Vec::new();
    field(&mut metadata, 1, widget.key.name().as_bytes());
    let namespace = widget.key.namespace().unwrap_or_default();
    field(&mut metadata, 3, namespace.as_bytes());
    field(&mut metadata, 5, format!("uid-{}", widget.uid).as_bytes());
    field(&mut metadata, 6, version.to_string().as_bytes());
    let revision = format!("{}-{}", widget.history, widget.revision);
    for (key, value) in [(RESIDUE, widget.residue()), (REVISION, &revision)] {
        let mut label = Vec::new();
        field(&mut label, 1, key.as_bytes());
        field(&mut label, 2, value.as_bytes());
        field(&mut metadata, 11, &label);
    }
    let mut message = Vec::new();
    field(&mut message, 1, &metadata);
    field(&mut message, 2, look(widget.revision).as_bytes());
    message
}

/// Appends a field of bytes with a number below 16.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    /// The wire type of what has a length.
    const WITH_LENGTH: u8 = 2;
    out.push(number << 3 | WITH_LENGTH);
    let mut len = bytes.len();
    while len > 0x7f {
        out.push(len.to_le_bytes()[0] | 0x80);
        len >>= 7;
    }
    out.push(len.to_le_bytes()[0]);
    out.extend_from_slice(bytes);
}

/// What widgets have in common for a while, and nothing else has.
fn look(revision: u64) -> String {
    let mut state = (revision / FASHION).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut letters = String::with_capacity(LOOK_LETTERS);
    while letters.len() < LOOK_LETTERS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        letters.extend(state.to_le_bytes().map(|byte| char::from(b'a' + byte % 26)));
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::widget_key;

    #[test]
    fn a_widget_comes_back_out_of_either_encoding() {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            for (number, version) in [(1, ResourceVersion::from(7)), (2, ResourceVersion::UNSET)] {
                let widget = Widget::new(widget_key(number), 5, 300 + number, true).in_history(2);
                let bytes = bytes_of(&widget, &version, encoding);
                let read = widget_of(RawView::new(encoding, None, &bytes)).unwrap();
                assert!(read.is_same_state(&widget) && read.key == widget.key);
                let cut = RawView::new(encoding, None, &bytes[..bytes.len() - 1]);
                assert!(widget_of(cut).is_err(), "{encoding:?}");
            }
        }
    }

    #[test]
    fn widgets_look_alike_for_a_while() {
        assert_eq!(look(FASHION), look(2 * FASHION - 1));
        assert_ne!(look(FASHION), look(2 * FASHION));
    }
}
