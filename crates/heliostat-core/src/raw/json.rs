//! Fields of an object in JSON, by skipping to them.
//!
//! What comes before a field is skipped, and what comes after it is not looked at. Of a member that
//! comes twice the first counts, as everywhere with JSON here.

use std::borrow::Cow;

use super::path::Step;
use super::value::{Failure, FieldValue};
use crate::wire::json::header::{Cursor, Members, text};

/// What is at the end of a path.
pub(super) enum Leaf<'a> {
    Value(FieldValue<'a>),
    /// The members follow.
    Object(Cursor<'a>),
    List,
}

/// What to do with each thing that a path leads to.
type Visit<'a, 'v> = &'v mut dyn FnMut(Leaf<'a>) -> Result<(), Failure>;

/// Goes along the steps, and visits what they lead to. What is not there, or `null`, is not visited.
pub(super) fn walk<'a>(
    mut cursor: Cursor<'a>,
    steps: &[Step],
    visit: Visit<'a, '_>,
) -> Result<(), Failure> {
    let Some((step, rest)) = steps.split_first() else {
        return leaf(cursor)?.map_or(Ok(()), visit);
    };
    let first = cursor.peek().ok_or_else(broken)?;
    match step {
        Step::Name(name) if first == b'{' => match member(cursor, name)? {
            Some(value) => walk(value, rest, visit),
            None => Ok(()),
        },
        Step::Each if first == b'{' => {
            let mut members = MemberValues::of(cursor);
            while let Some((_, value)) = members.next()? {
                walk(value, rest, visit)?;
            }
            Ok(())
        }
        Step::Each if first == b'[' => {
            let mut elements = Elements::of(cursor);
            while let Some(value) = elements.next()? {
                walk(value, rest, visit)?;
            }
            Ok(())
        }
        Step::Index(index) if first == b'[' => {
            let mut elements = Elements::of(cursor);
            for _ in 0..*index {
                if elements.next()?.is_none() {
                    return Ok(());
                }
            }
            match elements.next()? {
                Some(value) => walk(value, rest, visit),
                None => Ok(()),
            }
        }
        Step::Name(_) | Step::Each | Step::Index(_) => Ok(()),
    }
}

/// The member of this name, at its value.
pub(super) fn member<'a>(cursor: Cursor<'a>, name: &str) -> Result<Option<Cursor<'a>>, Failure> {
    let mut members = MemberValues::of(cursor);
    loop {
        match members.next_key()? {
            Some(key) if key == name => return Ok(Some(members.cursor)),
            Some(_) => members.skip_value()?,
            None => return Ok(None),
        }
    }
}

/// Goes through the members of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberValues<'a> {
    cursor: Cursor<'a>,
    members: Members,
}

impl<'a> MemberValues<'a> {
    pub(super) const fn of(object: Cursor<'a>) -> Self {
        Self {
            cursor: object,
            members: Members::Before,
        }
    }

    /// The next member, by its name and at its value.
    pub(super) fn next(&mut self) -> Result<Option<(Cow<'a, str>, Cursor<'a>)>, Failure> {
        let Some(key) = self.next_key()? else {
            return Ok(None);
        };
        let value = self.cursor;
        self.skip_value()?;
        Ok(Some((key, value)))
    }

    /// The name of the next member; the cursor is then before its value.
    fn next_key(&mut self) -> Result<Option<Cow<'a, str>>, Failure> {
        match self.members.next_key(&mut self.cursor) {
            None if !self.members.is_over() => Err(broken()),
            key => Ok(key),
        }
    }

    fn skip_value(&mut self) -> Result<(), Failure> {
        self.cursor.value().map(|_| ()).ok_or_else(broken)
    }
}

/// Goes through the elements of an array.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a> {
    cursor: Cursor<'a>,
    begun: bool,
}

impl<'a> Elements<'a> {
    pub(super) const fn of(array: Cursor<'a>) -> Self {
        Self {
            cursor: array,
            begun: false,
        }
    }

    /// The next element.
    pub(super) fn next(&mut self) -> Result<Option<Cursor<'a>>, Failure> {
        let separator = match self.begun {
            false => b'[',
            true => b',',
        };
        match self.cursor.peek() {
            Some(b']') if self.begun => return Ok(None),
            Some(byte) if byte == separator => self.cursor.take(),
            _ => return Err(broken()),
        };
        if !self.begun && self.cursor.peek() == Some(b']') {
            self.begun = true;
            return Ok(None);
        }
        self.begun = true;
        let element = self.cursor;
        self.cursor.value().ok_or_else(broken)?;
        Ok(Some(element))
    }
}

/// The text at the cursor, if there is one.
pub(super) fn text_at(mut cursor: Cursor<'_>) -> Option<Cow<'_, str>> {
    text(cursor.value()?)
}

fn leaf(mut cursor: Cursor<'_>) -> Result<Option<Leaf<'_>>, Failure> {
    match cursor.peek() {
        Some(b'{') => return Ok(Some(Leaf::Object(cursor))),
        Some(b'[') => return Ok(Some(Leaf::List)),
        _ => {}
    }
    let value = match cursor.value().ok_or_else(broken)? {
        b"null" => return Ok(None),
        b"true" => FieldValue::Bool(true),
        b"false" => FieldValue::Bool(false),
        string if string.starts_with(b"\"") => {
            FieldValue::Text(text(string).ok_or_else(|| Failure::malformed("a text is broken"))?)
        }
        number => {
            let checked: serde_json::Number =
                serde_json::from_slice(number).map_err(Failure::malformed)?;
            match checked.as_i64() {
                Some(whole) => FieldValue::Integer(whole),
                // The number nearest to the text, which `serde_json` may miss by one bit.
                None => {
                    let number = str::from_utf8(number).ok().and_then(|it| it.parse().ok());
                    FieldValue::Float(number.ok_or_else(broken)?)
                }
            }
        }
    };
    Ok(Some(Leaf::Value(value)))
}

fn broken() -> Failure {
    Failure::malformed("it is not JSON")
}
