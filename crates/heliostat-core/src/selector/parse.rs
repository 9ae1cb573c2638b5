//! The grammar of label selectors, with the messages that a Kubernetes API server puts into its 400.
//!
//! The words `in` and `notin` are operators only where an operator may stand, whitespace separates,
//! and an empty value is legal.

use std::collections::BTreeSet;

use super::{Requirement, SelectorError, Test};

/// Longest label value and longest name part of a key, from the API conventions.
const NAME_MAX: usize = 63;
/// Longest prefix of a key: a DNS subdomain.
const PREFIX_MAX: usize = 253;

/// The requirements that the text lists; none for an empty text.
pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser {
        tokens: tokens(text),
        at: 0,
    };
    let mut requirements = Vec::new();
    loop {
        match parser.peek() {
            Token::End => return Ok(requirements),
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
            Token::End => return Ok(requirements),
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

/// The requirement that a label has one value.
pub(super) fn equality(key: &str, value: &str) -> Result<Requirement, SelectorError> {
    let key = check_key(key).map_err(SelectorError)?;
    let value = check_value(&key, value).map_err(SelectorError)?;
    let test = Test::In([value].into());
    Ok(Requirement { key, test })
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
