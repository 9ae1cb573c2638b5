//! The entries of kubeconfig files, merged.
//!
//! An entry keeps its fields as they are until it is used, so that a mistake in one that is not used is
//! nobody's problem. What kubectl does not know is ignored.

use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use serde_saphyr::options::DuplicateKeyPolicy;

/// Kubeconfig files, merged.
#[derive(Debug, Default)]
pub(super) struct Kubeconfig {
    pub(super) current_context: Option<String>,
    pub(super) contexts: Vec<Entry>,
    pub(super) clusters: Vec<Entry>,
    pub(super) users: Vec<Entry>,
}

impl Kubeconfig {
    /// Reads the text of a file. Several documents in it are merged as several files are.
    ///
    /// # Errors
    ///
    /// What is wrong, without a piece of the text: there are secrets in it.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, String> {
        let text = decode_text(bytes)?;
        let documents: Vec<Document> = serde_saphyr::from_multiple_with_options(&text, lenient())
            .map_err(|error| error.without_snippet().to_string())?;
        let mut merged = Self::default();
        for document in documents {
            merged.merge(Self {
                current_context: document.current_context,
                contexts: Entry::list(document.contexts, "context", path),
                clusters: Entry::list(document.clusters, "cluster", path),
                users: Entry::list(document.users, "user", path),
            });
        }
        Ok(merged)
    }

    /// Adds the content of a file that comes later in `KUBECONFIG`: the first value that is set wins,
    /// and the first entry of a name.
    pub(super) fn merge(&mut self, next: Self) {
        self.current_context = self.current_context.take().or(next.current_context);
        Entry::merge(&mut self.contexts, next.contexts);
        Entry::merge(&mut self.clusters, next.clusters);
        Entry::merge(&mut self.users, next.users);
    }
}

/// Of a key that comes twice the last value counts, as for kubectl.
pub(in super::super) fn lenient() -> serde_saphyr::Options {
    serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins }
}

/// A named context, cluster or user.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// The file that it is in.
    pub(super) file: PathBuf,
    body: Value,
}

impl Entry {
    /// The entries of a list. One without a name cannot be used and is left out.
    fn list(entries: Option<Vec<Value>>, field: &str, file: &Path) -> Vec<Self> {
        let entries = entries.unwrap_or_default().into_iter();
        let named = entries.filter_map(|entry| {
            let Value::Object(mut entry) = entry else {
                return None;
            };
            let name = to_text(entry.remove("name")?).ok()??;
            Some(Self {
                name,
                file: file.to_owned(),
                body: entry.remove(field).unwrap_or_default(),
            })
        });
        let mut list = Vec::new();
        Self::merge(&mut list, named);
        list
    }

    fn merge(list: &mut Vec<Self>, more: impl IntoIterator<Item = Self>) {
        for entry in more {
            if !list.iter().any(|other| other.name == entry.name) {
                list.push(entry);
            }
        }
    }

    pub(super) fn find<'a>(list: &'a [Self], name: &str) -> Option<&'a Self> {
        list.iter().find(|entry| entry.name == name)
    }

    /// The fields, as the type that they are used as.
    pub(super) fn fields<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match &self.body {
            Value::Null => serde_json::from_value(Value::Object(Map::new())),
            body => serde_json::from_value(body.clone()),
        }
    }

    /// The path that a field of this entry names: a relative one starts at the entry's file.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        match self.file.parent() {
            Some(folder) => folder.join(text),
            None => PathBuf::from(text),
        }
    }
}

#[derive(Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[derive(Default)]
struct Document {
    #[serde(deserialize_with = "text")]
    current_context: Option<String>,
    contexts: Option<Vec<Value>>,
    clusters: Option<Vec<Value>>,
    users: Option<Vec<Value>>,
}

/// A text; an empty one is unset. A number or a truth value is taken as it is usually written, since
/// YAML needs quotes to tell them from a text.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    to_text(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A text that is sent as it is: a number is refused, since how it was written is not known any more.
pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        _ => Err(D::Error::custom(
            "a secret must be a string; put it in quotes",
        )),
    }
}

fn to_text(value: Value) -> Result<Option<String>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
        Value::Bool(value) => Ok(Some(value.to_string())),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err("want a string; put it in quotes")
        }
    }
}

/// UTF-8 with or without a byte order mark, or UTF-16 with one, as Windows' shell writes.
fn decode_text(bytes: &[u8]) -> Result<String, String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (units, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|pair| unit(*pair)).collect();
        match (String::from_utf16(&units), rest) {
            (Ok(text), []) => Ok(text),
            _ => Err("it is not UTF-16".to_owned()),
        }
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => match str::from_utf8(rest) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(format!("it is not UTF-8: {error}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: impl AsRef<[u8]>) -> Result<Kubeconfig, String> {
        Kubeconfig::parse(text.as_ref(), Path::new("/etc/k/config"))
    }

    fn names(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.name.as_str()).collect()
    }

    #[test]
    fn an_empty_string_is_unset_before_merging() {
        let mut merged = parse("current-context: ''").unwrap();
        merged.merge(parse("current-context: b\ncontexts: [{name: b}]").unwrap());
        merged.merge(parse("current-context: c").unwrap());
        assert_eq!(merged.current_context.as_deref(), Some("b"));
    }

    #[test]
    fn what_is_not_used_need_not_be_whole() {
        let text = "
apiVersion: v1
preferences: 7
extensions: [{name: foo}]
contexts:
- {name: half, context: {user: u}}
- {name: used, context: {cluster: c}, extensions: [x]}
- {name: wrong, context: {cluster: [1]}}
- {name: null}
- nonsense
clusters: [{name: c, cluster: {server: 's', extensions: [{name: foo}], certificate-authority-data: '*'}}]
users: null
unknown: {a: 1}
";
        let kubeconfig = parse(text).unwrap();
        assert_eq!(names(&kubeconfig.contexts), ["half", "used", "wrong"]);
        assert_eq!(names(&kubeconfig.clusters), ["c"]);
    }

    #[test]
    fn the_first_entry_of_a_name_counts_also_among_documents() {
        let text =
            "users: [{name: a, user: {n: 1}}]\n---\nusers: [{name: a, user: {n: 2}}, {name: b}]";
        let kubeconfig = parse(text).unwrap();
        assert_eq!(names(&kubeconfig.users), ["a", "b"]);
        let fields: Value = kubeconfig.users[0].fields().unwrap();
        assert_eq!(fields["n"], 1);
    }

    #[test]
    fn of_a_key_that_comes_twice_the_last_value_counts() {
        let text = "
current-context: a
current-context: b
users: [{name: old}]
users: [{name: ann, name: bob, user: {token: t, exec: {command: one, env: [], command: two}, token: u}}]
";
        let kubeconfig = parse(text).unwrap();
        assert_eq!(kubeconfig.current_context.as_deref(), Some("b"));
        assert_eq!(names(&kubeconfig.users), ["bob"]);
        let fields: Value = kubeconfig.users[0].fields().unwrap();
        assert_eq!(
            (&fields["token"], &fields["exec"]["command"]),
            (&"u".into(), &"two".into())
        );
    }

    #[test]
    fn an_empty_file_is_an_empty_kubeconfig() {
        for text in ["", "\n", "---\n", "# nothing\n", "null"] {
            let kubeconfig = parse(text).unwrap();
            assert!(kubeconfig.contexts.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn texts_may_be_utf_16() {
        let units: Vec<u16> = "\u{feff}current-context: ä".encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let marked = [b"\xEF\xBB\xBF".as_slice(), "current-context: ä".as_bytes()].concat();
        for bytes in [little.clone(), big, marked] {
            let kubeconfig = parse(&bytes).unwrap();
            assert_eq!(kubeconfig.current_context.as_deref(), Some("ä"));
        }
        assert!(
            parse(&little[..little.len() - 1])
                .unwrap_err()
                .contains("UTF-16")
        );
        assert!(parse(b"\x80").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn errors_do_not_repeat_the_text() {
        for text in [
            "users: [{name: u, user: {token: top-secret}}",
            "users: [{name: u, user: {token: top-secret}}]\ncontexts: 3",
            "token: top-secret\n  x: [",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.contains("top-secret"), "{error}");
        }
    }
}
