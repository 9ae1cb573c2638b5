//! The paths in code that begin with `crate`, `self` or `super`.
//!
//! A scan of tokens, not a parser: such a path reads the same in an import, an expression and a type.

/// A path with the position at which it begins; an import in braces is one path for each name.
pub(crate) type UsePath<'a> = (usize, Vec<&'a str>);

/// Every path that begins with `crate`, `self` or `super`, in order. `code` has no comments and
/// literals.
pub(crate) fn paths(code: &str) -> Vec<UsePath<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((start, word)) = next_word(code, at) {
        at = start + word.len();
        let is_root = matches!(word, "crate" | "self" | "super");
        let before = code[..start].trim_end();
        // `$crate` is another crate, `pub(in crate::a)` is a visibility and `a::self` no root.
        let is_part = before.ends_with("::") || before.ends_with('$') || before.ends_with("(in");
        if is_root && !is_part && code[at..].trim_start().starts_with("::") {
            let mut names = Vec::new();
            at = read(code, start, &mut Vec::new(), &mut names);
            found.extend(names.into_iter().map(|path| (start, path)));
        }
    }
    found
}

/// Reads a path that continues `prefix`, into `found` when it ends; returns the position after it.
fn read<'a>(
    code: &'a str,
    at: usize,
    prefix: &mut Vec<&'a str>,
    found: &mut Vec<Vec<&'a str>>,
) -> usize {
    let mut at = skip_space(code, at);
    if code[at..].starts_with('{') {
        at = skip_space(code, at + 1);
        while at < code.len() && !code[at..].starts_with('}') {
            let len = prefix.len();
            let next = read(code, at, prefix, found);
            prefix.truncate(len);
            at = skip_to_next(code, next);
        }
        return (at + 1).min(code.len());
    }
    let name = word_at(code, at);
    if name.is_empty() {
        // A glob, or the type arguments of a path.
        found.push(prefix.clone());
        return at;
    }
    prefix.push(name);
    let end = at + name.len();
    let after = skip_space(code, end);
    if code[after..].starts_with("::") {
        return read(code, after + 2, prefix, found);
    }
    found.push(prefix.clone());
    end
}

/// The position behind the comma that ends a name in braces, or of the closing brace.
fn skip_to_next(code: &str, at: usize) -> usize {
    let end = code[at..]
        .find([',', '}'])
        .map_or(code.len(), |end| at + end);
    if code[end..].starts_with(',') {
        skip_space(code, end + 1)
    } else {
        end
    }
}

fn next_word(code: &str, from: usize) -> Option<(usize, &str)> {
    let start = from + code[from..].find(is_word)?;
    Some((start, word_at(code, start)))
}

fn word_at(code: &str, at: usize) -> &str {
    let rest = &code[at..];
    &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
}

fn skip_space(code: &str, at: usize) -> usize {
    at + (code[at..].len() - code[at..].trim_start().len())
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, expected: &[&str]) {
        let found: Vec<String> = paths(code)
            .into_iter()
            .map(|(_, path)| path.join("::"))
            .collect();
        assert_eq!(found, expected, "of {code}");
    }

    #[test]
    fn imports_are_one_path_for_each_name() {
        check("use crate::a::B;", &["crate::a::B"]);
        check(
            "use crate::{a::{self, B}, c::*, d as e};\nuse super::f;",
            &[
                "crate::a::self",
                "crate::a::B",
                "crate::c",
                "crate::d",
                "super::f",
            ],
        );
        check("use super::super::a;", &["super::super::a"]);
        check("use crate::{};", &[]);
    }

    #[test]
    fn paths_in_expressions_and_types_are_found() {
        check(
            "crate::a::b(self.c, super::d::E)",
            &["crate::a::b", "super::d::E"],
        );
        check("fn f(a: Vec<crate::a::B<u8>>) {}", &["crate::a::B"]);
        check("crate::a::f::<u8>()", &["crate::a::f"]);
        check("self::a::b()", &["self::a::b"]);
    }

    #[test]
    fn other_uses_of_the_words_are_no_paths() {
        check("pub(crate) fn f(&self) { self.super_ }", &[]);
        check("use a::{self, crate_};", &[]);
        check("pub(in crate::a) fn f() {}", &[]);
        check("$crate::a::b!()", &[]);
        check("use std::fmt;", &[]);
    }

    #[test]
    fn code_that_is_cut_off_ends_the_scan() {
        check("use crate::{a, ", &["crate::a"]);
        check("use crate::", &["crate"]);
    }
}
