//! A recorded pod, cut where the texts stand that are its own.

use bytes::{BufMut, BytesMut};
use memchr::memmem;

use super::facts::Facts;
use super::identity::{Identity, Own};
use super::protobuf::{self, Field};

/// A pod to be filled in.
pub(super) struct Template {
    parts: Vec<Part>,
    pub(super) facts: Facts,
}

/// A stretch of a pod.
enum Part {
    Text(Box<[u8]>),
    /// A text of the recorded length.
    Own(Own, usize),
    /// A text of any length, as it is.
    Plain(Value),
    /// A text of any length, after its length.
    Sized(Value),
    /// A message after its length.
    Message(Vec<Self>),
}

/// A text of any length.
#[derive(Clone, Copy)]
enum Value {
    Namespace,
    Node,
    Version,
}

impl Value {
    fn of(self, identity: &Identity) -> &str {
        match self {
            Self::Namespace => &identity.namespace,
            Self::Node => &identity.node,
            Self::Version => &identity.version,
        }
    }
}

/// The fields of a pod on whose way lengths change: `metadata` and `spec`.
const METADATA: u64 = 1;
const SPEC: u64 = 2;

impl Template {
    /// Cuts a pod in JSON.
    pub(super) fn json(text: &str, facts: Facts) -> Self {
        let mut parts = vec![Part::Text(text.as_bytes().into())];
        for (name, recorded, value) in [
            ("namespace", &facts.namespace, Value::Namespace),
            ("resourceVersion", &facts.version, Value::Version),
            ("nodeName", &facts.node, Value::Node),
        ] {
            let member = format!("\"{name}\":\"{recorded}\"");
            let before = name.len() + 4;
            parts = replace(parts, &member, before, recorded.len(), || {
                Part::Plain(value)
            });
        }
        Self {
            parts: replace_own(parts, &facts),
            facts,
        }
    }

    /// Cuts a pod in protobuf; none if it is broken.
    pub(super) fn protobuf(message: &[u8], facts: Facts) -> Option<Self> {
        let parts = cut_fields(message, &facts, |number, content| match number {
            METADATA => {
                let parts = cut_fields(content, &facts, |number, _| match number {
                    3 => Some(Part::Sized(Value::Namespace)),
                    6 => Some(Part::Sized(Value::Version)),
                    _ => None,
                })?;
                Some(Part::Message(parts))
            }
            SPEC => {
                let parts = cut_fields(content, &facts, |number, _| match number {
                    10 => Some(Part::Sized(Value::Node)),
                    _ => None,
                })?;
                Some(Part::Message(parts))
            }
            _ => None,
        })?;
        Some(Self { parts, facts })
    }

    pub(super) fn push(&self, out: &mut BytesMut, identity: &Identity) {
        push(&self.parts, out, identity, &self.facts);
    }

    pub(super) fn len(&self, identity: &Identity) -> usize {
        len(&self.parts, identity)
    }
}

fn push(parts: &[Part], out: &mut BytesMut, identity: &Identity, facts: &Facts) {
    for part in parts {
        match part {
            Part::Text(text) => out.put_slice(text),
            Part::Own(own, _) => identity.push(out, own, facts),
            Part::Plain(value) => out.put_slice(value.of(identity).as_bytes()),
            Part::Sized(value) => {
                let text = value.of(identity);
                protobuf::push_varint(out, text.len() as u64);
                out.put_slice(text.as_bytes());
            }
            Part::Message(parts) => {
                protobuf::push_varint(out, len(parts, identity) as u64);
                push(parts, out, identity, facts);
            }
        }
    }
}

fn len(parts: &[Part], identity: &Identity) -> usize {
    let sized = |len: usize| protobuf::varint_len(len as u64) + len;
    let len = |part: &Part| match part {
        Part::Text(text) => text.len(),
        Part::Own(_, len) => *len,
        Part::Plain(value) => value.of(identity).len(),
        Part::Sized(value) => sized(value.of(identity).len()),
        Part::Message(parts) => sized(len(parts, identity)),
    };
    parts.iter().map(len).sum()
}

/// Cuts a message at the fields of which `cut` makes something; it is given their contents. None if the
/// message is broken.
fn cut_fields(
    message: &[u8],
    facts: &Facts,
    cut: impl Fn(u64, &[u8]) -> Option<Part>,
) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    for field in protobuf::fields(message) {
        let Field {
            number,
            tag,
            whole,
            content,
        } = field?;
        match content.and_then(|content| cut(number, content)) {
            Some(part) => {
                text.extend_from_slice(tag);
                parts.push(Part::Text(std::mem::take(&mut text).into()));
                parts.push(part);
            }
            None => text.extend_from_slice(whole),
        }
    }
    parts.push(Part::Text(text.into()));
    Some(replace_own(parts, facts))
}

/// Cuts the texts of recorded length out of all that is text.
fn replace_own(mut parts: Vec<Part>, facts: &Facts) -> Vec<Part> {
    let uids = facts.uids.iter().zip(0..);
    let ids = facts.container_ids.iter().zip(0..);
    let all = uids
        .map(|(uid, number)| (uid, Own::Uid(number)))
        .chain(ids.map(|(id, number)| (id, Own::ContainerId(number, id.len()))))
        .chain([
            (&facts.template_hash, Own::TemplateHash),
            (&facts.address, Own::Address(facts.address.clone())),
        ]);
    for (recorded, own) in all {
        let len = recorded.len();
        parts = replace(parts, recorded, 0, len, || Part::Own(own.clone(), len));
    }
    parts
}

/// Replaces, wherever `find` stands in a text, the `len` bytes that come `before` bytes after its begin.
fn replace(
    parts: Vec<Part>,
    find: &str,
    before: usize,
    len: usize,
    with: impl Fn() -> Part,
) -> Vec<Part> {
    if find.is_empty() {
        return parts;
    }
    let mut out = Vec::new();
    for part in parts {
        let Part::Text(text) = part else {
            out.push(part);
            continue;
        };
        let mut rest = &*text;
        while let Some(at) = memmem::find(rest, find.as_bytes()) {
            let (head, tail) = rest.split_at(at + before);
            out.push(Part::Text(head.into()));
            out.push(with());
            rest = &tail[len..];
        }
        out.push(Part::Text(rest.into()));
    }
    out
}
