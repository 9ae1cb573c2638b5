//! Label selectors: `app=web,tier in (a,b),!legacy,weight>3`.
//!
//! Grammar and messages follow apimachinery's: words `in` and `notin` are operators only where an
//! operator may stand, whitespace separates, an empty value is legal, `!=` and `notin` also match
//! objects without the key.

use std::collections::BTreeSet;

use super::super::object::StoredObject;

/// Longest label value and longest name part of a key, from the API conventions.
const NAME_MAX: usize = 63;
/// Longest prefix of a key: a DNS subdomain.
const PREFIX_MAX: usize = 253;

/// All requirements must hold; none means everything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Test {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

impl LabelSelector {
    /// Parses the selector.
    ///
    /// # Errors
    /// The text that the real server puts into its 400.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser {
            tokens: tokens(text),
            at: 0,
        };
        let mut requirements = Vec::new();
        loop {
            match parser.peek() {
                Token::End => return Ok(Self { requirements }),
                Token::Word(_) | Token::Symbol("!") => {}
                Token::Symbol(found) => {
                    return Err(format!(
                        "found '{found}', expected: !, identifier, or 'end of string'"
                    ));
                }
            }
            requirements.push(
                parser
                    .requirement()
                    .map_err(|why| format!("unable to parse requirement: {why}"))?,
            );
            match parser.next() {
                Token::End => return Ok(Self { requirements }),
                Token::Symbol(",") => {}
                other => {
                    let found = other.text();
                    return Err(format!("found '{found}', expected: ',' or 'end of string'"));
                }
            }
            if !matches!(parser.peek(), Token::Word(_) | Token::Symbol("!")) {
                let found = parser.peek().text();
                return Err(format!("found '{found}', expected: identifier after ','"));
            }
        }
    }

    /// Whether everything matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether the object's labels meet every requirement.
    pub(crate) fn matches(&self, object: &StoredObject) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.test.holds(object.label(&requirement.key)))
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::In(values), Some(value)) => values.contains(value),
            (Self::NotIn(values), Some(value)) => !values.contains(value),
            (Self::Exists, value) => value.is_some(),
            (Self::NotIn(_) | Self::Absent, None) => true,
            (Self::Absent, Some(_)) | (Self::In(_) | Self::Above(_) | Self::Below(_), None) => {
                false
            }
            (Self::Above(bound), Some(value)) => {
                value.parse::<i64>().is_ok_and(|value| value > *bound)
            }
            (Self::Below(bound), Some(value)) => {
                value.parse::<i64>().is_ok_and(|value| value < *bound)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Symbol(&'a str),
    End,
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Token::Word(text) | Token::Symbol(text) => text,
            Token::End => "",
        }
    }
}

/// Two-character symbols come first: the longest one wins.
const SYMBOLS: &[&str] = &["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut rest = text.trim_start();
    let mut tokens = Vec::new();
    while !rest.is_empty() {
        let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
        let len = symbol.map_or_else(
            || {
                rest.find(|c: char| c.is_whitespace() || "=!(),<>".contains(c))
                    .unwrap_or(rest.len())
            },
            |symbol| symbol.len(),
        );
        let (token, behind) = rest.split_at(len);
        tokens.push(if symbol.is_some() {
            Token::Symbol(token)
        } else {
            Token::Word(token)
        });
        rest = behind.trim_start();
    }
    tokens
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.at).copied().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == Token::Symbol("!");
        if absent {
            self.at += 1;
        }
        let key = match self.next() {
            Token::Word(key) => check_key(key)?,
            other => return Err(format!("found '{}', expected: identifier", other.text())),
        };
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            let test = if absent { Test::Absent } else { Test::Exists };
            return Ok(Requirement { key, test });
        }
        if absent {
            let found = self.peek().text();
            return Err(format!("found '{found}', expected: ',' or 'end of string'"));
        }
        let test = match self.next() {
            Token::Symbol("=" | "==") => Test::In([self.value(&key)?].into()),
            Token::Symbol("!=") => Test::NotIn([self.value(&key)?].into()),
            Token::Symbol(">") => Test::Above(self.bound(&key)?),
            Token::Symbol("<") => Test::Below(self.bound(&key)?),
            Token::Word("in") => Test::In(self.values(&key)?),
            Token::Word("notin") => Test::NotIn(self.values(&key)?),
            other => {
                let found = other.text();
                return Err(format!(
                    "found '{found}', expected: in, notin, =, ==, !=, gt, lt"
                ));
            }
        };
        Ok(Requirement { key, test })
    }

    /// The value behind `=`: a word, or nothing, which is the empty value.
    fn value(&mut self, key: &str) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Symbol(",") => Ok(String::new()),
            Token::Word(value) => {
                self.at += 1;
                check_value(key, value)
            }
            Token::Symbol(found) => Err(format!("found '{found}', expected: identifier")),
        }
    }

    fn bound(&mut self, key: &str) -> Result<i64, String> {
        self.value(key)?
            .parse()
            .map_err(|_| "for 'Gt', 'Lt' operators, the value must be an integer".to_owned())
    }

    /// `(a, b)`; a missing word between commas or parentheses is the empty value.
    fn values(&mut self, key: &str) -> Result<BTreeSet<String>, String> {
        if self.next() != Token::Symbol("(") {
            let found = self
                .tokens
                .get(self.at - 1)
                .copied()
                .unwrap_or(Token::End)
                .text();
            return Err(format!("found '{found}' expected: '('"));
        }
        let mut values = BTreeSet::new();
        loop {
            let value = match self.peek() {
                Token::Word(value) => {
                    self.at += 1;
                    check_value(key, value)?
                }
                Token::Symbol(_) | Token::End => String::new(),
            };
            values.insert(value);
            match self.next() {
                Token::Symbol(",") => {}
                Token::Symbol(")") => return Ok(values),
                other => return Err(format!("found '{}', expected: ',' or ')'", other.text())),
            }
        }
    }
}

fn check_key(key: &str) -> Result<String, String> {
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("", key));
    if name.is_empty() || !is_label_text(name) {
        return Err(format!(
            "key: Invalid value: {key:?}: name part must consist of alphanumeric characters, '-', \
             '_' or '.', and must start and end with an alphanumeric character"
        ));
    }
    let slash_without_prefix = prefix.is_empty() && key.contains('/');
    if slash_without_prefix || prefix.len() > PREFIX_MAX || prefix.contains('/') {
        return Err(format!(
            "key: Invalid value: {key:?}: prefix part must be a lowercase RFC 1123 subdomain"
        ));
    }
    Ok(key.to_owned())
}

fn check_value(key: &str, value: &str) -> Result<String, String> {
    if is_label_text(value) {
        return Ok(value.to_owned());
    }
    Err(format!(
        "values[0][{key}]: Invalid value: {value:?}: a valid label must be an empty string or \
         consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
         alphanumeric character"
    ))
}

/// Empty, or at most 63 of the label alphabet with alphanumeric ends.
fn is_label_text(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= NAME_MAX
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && edge(text.chars().next())
        && edge(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::super::super::kind::Kind;
    use super::super::super::object::EventType;
    use super::*;

    fn object(labels: &str) -> StoredObject {
        let kind = Kind::builtin("", "v1", "ConfigMap", "configmaps");
        let text = format!(r#"{{"metadata":{{"labels":{labels}}}}}"#);
        let value = serde_json::from_str(&text).unwrap();
        StoredObject::encode(&kind, "a/b".into(), &value, 1, EventType::Added)
    }

    #[test]
    fn every_form_of_the_grammar_selects_what_it_says() {
        let web = r#"{"app":"web","weight":"5","empty":"","in":"notin"}"#;
        let table = [
            ("", true),
            ("app", true),
            ("other", false),
            ("!other", true),
            ("!app", false),
            ("app=web", true),
            ("app==web", true),
            ("app = web , weight", true),
            ("app=db", false),
            ("app!=db", true),
            ("app!=web", false),
            ("other!=x", true),
            ("other=", false),
            ("empty=", true),
            ("empty=,app", true),
            ("app in (web,db)", true),
            ("app in (db)", false),
            ("app notin (db)", true),
            ("app notin (web)", false),
            ("other notin (web)", true),
            ("empty in ()", true),
            ("empty in (,a)", true),
            ("app in (,a)", false),
            ("weight>4", true),
            ("weight>5", false),
            ("weight<6", true),
            ("app>1", false),
            ("other<1", false),
            ("in=notin", true),
            ("in in (in,notin)", true),
            ("example.com/app!=x", true),
        ];
        for (selector, expected) in table {
            let parsed = LabelSelector::parse(selector).unwrap();
            assert_eq!(parsed.matches(&object(web)), expected, "{selector}");
        }
    }

    #[test]
    fn what_is_not_a_selector_tells_what_was_expected() {
        let table = [
            (
                "a===b",
                "unable to parse requirement: found '=', expected: identifier",
            ),
            ("a,", "found '', expected: identifier after ','"),
            (
                ",a",
                "found ',', expected: !, identifier, or 'end of string'",
            ),
            (
                "a in (b",
                "unable to parse requirement: found '', expected: ',' or ')'",
            ),
            (
                "a in b",
                "unable to parse requirement: found 'b' expected: '('",
            ),
            (
                "a b",
                "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
            ),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            (
                "a>b",
                "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer",
            ),
        ];
        for (selector, expected) in table {
            assert_eq!(
                LabelSelector::parse(selector).unwrap_err(),
                expected,
                "{selector}"
            );
        }
        for selector in ["-a=b", "a=-b", "/a", "a/", "a=b%", "!", "!a=b"] {
            assert!(LabelSelector::parse(selector).is_err(), "{selector}");
        }
    }
}
