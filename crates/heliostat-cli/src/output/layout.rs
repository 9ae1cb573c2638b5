//! How tokens are laid out: on one line, indented, or as YAML.
//!
//! Each layout is a loop over tokens that writes as it goes. From [`INDENTED_LEVELS`] levels of nesting
//! on, the rest stands on one line, also in YAML, of which JSON is a part: otherwise the indentation of
//! a small object that is nested deeply would be many times its size.

use std::borrow::Cow;
use std::io::{self, Write};

use heliostat_core::printable::is_harmful;

use super::json_text::{Bracket, Token, escape, unescape};

/// How many levels are indented. Objects of people have fewer than 50.
const INDENTED_LEVELS: usize = 64;

/// As kubectl indents JSON.
const JSON_INDENT: usize = 4;

/// As kubectl indents YAML.
const YAML_INDENT: usize = 2;

/// Longer names are written with a question mark: a YAML key without one has at most 1024 characters
/// (YAML 1.2, section 7.4.2).
const YAML_KEY_BYTES_MAX: usize = 1000;

/// Writes tokens.
pub(super) trait Layout {
    fn token(&mut self, token: Token<'_>, out: &mut dyn Write) -> io::Result<()>;
}

/// JSON, on one line or indented.
#[derive(Debug)]
pub(super) struct Json {
    /// How many levels enclose the text itself; `None` writes one line.
    indent: Option<usize>,
    open: Vec<Bracket>,
    /// The last token opened a bracket.
    is_fresh: bool,
    /// The last token was the name of a member.
    has_key: bool,
}

impl Json {
    /// On one line.
    pub(super) const fn compact() -> Self {
        Self {
            indent: None,
            open: Vec::new(),
            is_fresh: false,
            has_key: false,
        }
    }

    /// Indented, within so many levels.
    pub(super) const fn indented(levels: usize) -> Self {
        let mut json = Self::compact();
        json.indent = Some(levels);
        json
    }

    const fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// Before a member or an element.
    fn separate(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if std::mem::take(&mut self.has_key) || self.open.is_empty() {
            return Ok(());
        }
        if !std::mem::take(&mut self.is_fresh) {
            out.write_all(b",")?;
        }
        self.line(out)
    }

    /// Begins a line, where lines are.
    fn line(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.indent {
            Some(levels) if self.open.len() <= INDENTED_LEVELS => {
                line((levels + self.open.len()) * JSON_INDENT, out)
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Layout for Json {
    fn token(&mut self, token: Token<'_>, out: &mut dyn Write) -> io::Result<()> {
        match token {
            Token::Begin(bracket) => {
                self.separate(out)?;
                self.open.push(bracket);
                self.is_fresh = true;
                out.write_all(bracket.open().as_bytes())
            }
            Token::End => {
                let was_indented = self.open.len() <= INDENTED_LEVELS;
                let Some(bracket) = self.open.pop() else {
                    return Ok(());
                };
                if !std::mem::take(&mut self.is_fresh) && was_indented {
                    self.line(out)?;
                }
                out.write_all(bracket.close().as_bytes())
            }
            Token::Key(name) => {
                self.separate(out)?;
                self.has_key = true;
                json_scalar(name, out)?;
                let is_indented = self.indent.is_some() && self.open.len() <= INDENTED_LEVELS;
                out.write_all(if is_indented { b": " } else { b":" })
            }
            Token::Scalar(scalar) => {
                self.separate(out)?;
                json_scalar(scalar, out)
            }
        }
    }
}

/// YAML in blocks.
#[derive(Debug)]
pub(super) struct Yaml {
    open: Vec<Block>,
    place: Place,
    /// What is nested too deeply for blocks.
    deep: Option<Json>,
}

/// A mapping or a sequence.
#[derive(Debug)]
struct Block {
    bracket: Bracket,
    indent: usize,
    is_empty: bool,
    /// Where it begins.
    place: Place,
}

/// Where a value begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Start,
    AfterKey,
    AfterDash,
}

impl Yaml {
    pub(super) const fn new() -> Self {
        Self {
            open: Vec::new(),
            place: Place::Start,
            deep: None,
        }
    }

    fn begin(&mut self, bracket: Bracket, out: &mut dyn Write) -> io::Result<()> {
        self.element(out)?;
        if self.open.len() >= INDENTED_LEVELS {
            out.write_all(b" ")?;
            let mut json = Json::compact();
            json.token(Token::Begin(bracket), out)?;
            self.deep = Some(json);
            return Ok(());
        }
        let outer = self.open.last().map_or(0, |block| block.indent);
        let indent = match (self.place, bracket) {
            (Place::Start, _) => 0,
            // The dashes of a sequence stand below its name.
            (Place::AfterKey, Bracket::Array) => outer,
            (Place::AfterKey, Bracket::Object) | (Place::AfterDash, _) => outer + YAML_INDENT,
        };
        self.open.push(Block {
            bracket,
            indent,
            is_empty: true,
            place: self.place,
        });
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match self.open.pop() {
            Some(block) if block.is_empty => {
                let space = if block.place == Place::Start { "" } else { " " };
                let (open, close) = (block.bracket.open(), block.bracket.close());
                write!(out, "{space}{open}{close}")
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Begins a member or an element of the innermost block.
    fn child(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Some(block) = self.open.last_mut() else {
            return Ok(());
        };
        let is_first = std::mem::take(&mut block.is_empty);
        match block.place {
            Place::Start if is_first => Ok(()),
            Place::AfterDash if is_first => out.write_all(b" "),
            Place::Start | Place::AfterKey | Place::AfterDash => line(block.indent, out),
        }
    }

    /// Writes the dash of an element, where a value is one.
    fn element(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let is_element = matches!(self.open.last(), Some(block) if block.bracket == Bracket::Array);
        if is_element {
            self.child(out)?;
            out.write_all(b"-")?;
            self.place = Place::AfterDash;
        }
        Ok(())
    }

    fn key(&mut self, name: &str, out: &mut dyn Write) -> io::Result<()> {
        self.child(out)?;
        let text = unescape(name);
        if text.len() > YAML_KEY_BYTES_MAX {
            out.write_all(b"? ")?;
            json_scalar(&plain_escapes(name), out)?;
            line(self.open.last().map_or(0, |block| block.indent), out)?;
        } else if is_plain(&text) {
            out.write_all(text.as_bytes())?;
        } else {
            json_scalar(&plain_escapes(name), out)?;
        }
        self.place = Place::AfterKey;
        out.write_all(b":")
    }

    fn scalar(&mut self, scalar: &str, out: &mut dyn Write) -> io::Result<()> {
        self.element(out)?;
        if self.place != Place::Start {
            out.write_all(b" ")?;
        }
        if !scalar.starts_with('"') {
            return out.write_all(scalar.as_bytes());
        }
        let text = unescape(scalar);
        if is_plain(&text) {
            return out.write_all(text.as_bytes());
        }
        if !is_block(&text) || self.place == Place::Start {
            return json_scalar(&plain_escapes(scalar), out);
        }
        let (chomping, lines) = match text.strip_suffix('\n') {
            None => ("|-", &*text),
            Some(lines) if lines.ends_with('\n') => ("|+", lines),
            Some(lines) => ("|", lines),
        };
        out.write_all(chomping.as_bytes())?;
        let indent = self.open.last().map_or(0, |block| block.indent) + YAML_INDENT;
        for text in lines.split('\n') {
            line(if text.is_empty() { 0 } else { indent }, out)?;
            out.write_all(text.as_bytes())?;
        }
        Ok(())
    }
}

impl Layout for Yaml {
    fn token(&mut self, token: Token<'_>, out: &mut dyn Write) -> io::Result<()> {
        if let Some(json) = &mut self.deep {
            match token {
                Token::Key(name) => json.token(Token::Key(&plain_escapes(name)), out),
                Token::Scalar(scalar) => json.token(Token::Scalar(&plain_escapes(scalar)), out),
                Token::Begin(_) | Token::End => json.token(token, out),
            }?;
            if json.is_over() {
                self.deep = None;
            }
            return Ok(());
        }
        match token {
            Token::Begin(bracket) => self.begin(bracket, out),
            Token::End => self.end(out),
            Token::Key(name) => self.key(name, out),
            Token::Scalar(scalar) => self.scalar(scalar, out),
        }
    }
}

/// Begins a line.
fn line(indent: usize, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "\n{:indent$}", "")
}

/// A scalar as JSON, in which characters that a terminal obeys are escaped. They mean the same so.
fn json_scalar(scalar: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut from = 0;
    for (at, character) in scalar.char_indices().filter(|(_, it)| is_harmful(*it)) {
        out.write_all(scalar.get(from..at).unwrap_or_default().as_bytes())?;
        // All of them have four digits.
        write!(out, "\\u{:04x}", u32::from(character))?;
        from = at + character.len_utf8();
    }
    out.write_all(scalar.get(from..).unwrap_or_default().as_bytes())
}

/// A scalar of JSON without pairs of surrogates, which YAML does not know: the character takes their place.
fn plain_escapes(scalar: &str) -> Cow<'_, str> {
    if scalar.starts_with('"') && scalar.contains("\\u") {
        Cow::Owned(escape(&unescape(scalar)))
    } else {
        Cow::Borrowed(scalar)
    }
}

/// True for a text that YAML takes for itself without quotes, in every version of YAML.
fn is_plain(text: &str) -> bool {
    const OTHERS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let begins_plainly = |first: u8| first.is_ascii_alphabetic() || matches!(first, b'_' | b'/');
    text.bytes().next().is_some_and(begins_plainly)
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !OTHERS.iter().any(|other| text.eq_ignore_ascii_case(other))
}

/// True for a text of several lines that can be written line by line.
fn is_block(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text.contains(|it| is_harmful(it) && !matches!(it, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::json_text::JsonText;
    use super::*;

    /// Lays a text out that has its kind.
    fn laid_out(text: &str, layout: &mut dyn Layout) -> String {
        let mut out = Vec::new();
        let checked = JsonText::check(text.as_bytes()).unwrap();
        checked
            .visit::<io::Error>("v1", "Pod", &mut |token| layout.token(token, &mut out))
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    fn yaml(value: &Value) -> String {
        laid_out(&value.to_string(), &mut Yaml::new())
    }

    #[test]
    fn yaml_looks_as_people_write_it() {
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "data": {"a.sh": "echo a\n\necho b\n", "b": "x\ny", "c": "x\ny\n\n", "d": "one\n"},
            "empty": [{}, [], "", null],
            "list": [{"name": "a", "ports": [80, 1.5]}, ["b", true]],
        });
        assert_eq!(
            yaml(&object),
            r#"apiVersion: v1
data:
  a.sh: |
    echo a

    echo b
  b: |-
    x
    y
  c: |+
    x
    y

  d: "one\n"
empty:
- {}
- []
- ""
- null
kind: ConfigMap
list:
- name: a
  ports:
  - 80
  - 1.5
- - b
  - true"#
        );
    }

    #[test]
    fn digits_order_and_repeated_members_are_kept() {
        let text = r#"{"kind":"A","apiVersion":"b","z":12345678901234567890.10,"a":1E+2,"a":-0}"#;
        assert_eq!(laid_out(text, &mut Json::compact()), text);
        let indented = "{\n    \"kind\": \"A\",\n    \"apiVersion\": \"b\",\n    \"z\": \
                        12345678901234567890.10,\n    \"a\": 1E+2,\n    \"a\": -0\n}";
        assert_eq!(laid_out(text, &mut Json::indented(0)), indented);
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped_in_every_layout() {
        let text = "{\"apiVersion\":\"v1\",\"kind\":\"A\",\"a\u{9b}\":[\"\u{7f}\u{202e}\",\"x\\n\u{85}y\"]}";
        let layouts: [&mut dyn Layout; 3] = [
            &mut Json::compact(),
            &mut Json::indented(1),
            &mut Yaml::new(),
        ];
        for layout in layouts {
            let shown = laid_out(text, layout);
            let is_harmful = |it| is_harmful(it) && it != '\n';
            assert!(!shown.contains(is_harmful), "{shown:?}");
        }
    }

    #[test]
    fn the_output_of_a_deep_object_is_not_many_times_its_size() {
        let deep = format!("{}1{}", "{\"a\":[".repeat(5_000), "]}".repeat(5_000));
        let text = format!(r#"{{"apiVersion":"v1","kind":"A","spec":{deep}}}"#);
        assert_eq!(laid_out(&text, &mut Json::compact()), text);
        for layout in [&mut Json::indented(2) as &mut dyn Layout, &mut Yaml::new()] {
            let shown = laid_out(&text, layout);
            assert!(shown.len() < 2 * text.len(), "{}", shown.len());
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let texts = prop_oneof![
            "[ -~\n\t]{0,12}",
            "[a-z]{1,3}[ -~\n]{0,5}\n{0,3}",
            "\\PC{0,8}",
            Just("\u{1f600}\u{7f}".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            texts.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(texts.clone(), inner, 0..5)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_layout_means_the_same_object(spec in values(), escapes: bool) {
            let object = json!({"apiVersion": "v1", "kind": "A", "spec": spec});
            let mut text = object.to_string();
            if escapes {
                text = text.replace('\u{1f600}', "\\ud83d\\ude00");
            }
            for layout in [&mut Json::compact() as &mut dyn Layout, &mut Json::indented(2)] {
                let shown = laid_out(&text, layout);
                prop_assert_eq!(&serde_json::from_str::<Value>(&shown).unwrap(), &object);
            }
            let shown = laid_out(&text, &mut Yaml::new()) + "\n";
            let read = serde_saphyr::from_str::<Value>(&shown);
            prop_assert!(read.is_ok(), "{:?}\n{}", read, shown);
            prop_assert_eq!(read.unwrap(), object, "{}", shown);
        }
    }
}
