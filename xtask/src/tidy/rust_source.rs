//! As much of Rust's grammar as the checks need: what is code, what is a test, what is a function.
//!
//! The code is the text with the content of comments, strings and characters blanked out, byte for
//! byte, so that a position in the one is a position in the other and a word in a comment or a
//! message never looks like code. Whatever does not parse is taken as code: a check may then say
//! too much, never too little.

use std::ops::Range;

/// A Rust file as the checks see it.
#[derive(Debug)]
pub(crate) struct RustSource {
    code: String,
    hidden: Vec<Hidden>,
    attributes: Vec<Attribute>,
    tests: Vec<Range<usize>>,
}

/// A comment, or a literal of a string or character.
#[derive(Debug)]
pub(crate) struct Hidden {
    /// Where it is, its delimiters included.
    pub(crate) span: Range<usize>,
    /// Whether it is a comment.
    pub(crate) is_comment: bool,
}

/// An attribute, outer or inner.
#[derive(Debug)]
pub(crate) struct Attribute {
    /// Its path without arguments, e.g. `tokio::test`.
    pub(crate) path: String,
    /// The line on which it begins.
    pub(crate) line: usize,
    span: Range<usize>,
}

/// A function.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line on which its name stands.
    pub(crate) line: usize,
    /// Whether an attribute makes it a test.
    pub(crate) is_test: bool,
}

impl RustSource {
    /// Reads a file.
    pub(crate) fn parse(text: &str) -> Self {
        let (code, hidden) = blank_out(text);
        let attributes = find_attributes(&code);
        let tests = find_test_items(&code, &attributes);
        Self {
            code,
            hidden,
            attributes,
            tests,
        }
    }

    /// Every comment and literal, in order.
    pub(crate) fn hidden(&self) -> &[Hidden] {
        &self.hidden
    }

    /// Every attribute, in order.
    pub(crate) fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The text with comments, strings and characters blanked out.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// Every function with a name, in order.
    pub(crate) fn functions(&self) -> Vec<Function> {
        words(&self.code, "fn")
            .filter_map(|at| self.function(at))
            .collect()
    }

    /// Whether a position lies in an item that is compiled for tests only.
    pub(crate) fn is_in_test(&self, position: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&position))
    }

    /// The line of a position, counted from 1.
    pub(crate) fn line_of(&self, position: usize) -> usize {
        line_of(&self.code, position)
    }

    /// How many lines the file has without the items that are compiled for tests only.
    pub(crate) fn lines_without_tests(&self) -> usize {
        let of_tests: usize = self
            .tests
            .iter()
            .map(|range| lines(&self.code[range.clone()]))
            .sum();
        lines(&self.code).saturating_sub(of_tests)
    }

    fn function(&self, at: usize) -> Option<Function> {
        let rest = self.code[at + 2..].trim_start();
        let name: String = rest.chars().take_while(|&c| is_word(c)).collect();
        // `fn(..)` is a type.
        let first = name.chars().next()?;
        if first.is_ascii_digit() {
            return None;
        }
        let is_test = self.attributes_before(at).any(Attribute::is_test);
        Some(Function {
            name,
            line: self.line_of(at),
            is_test,
        })
    }

    /// The attributes between a position and the end of the item before it.
    fn attributes_before(&self, position: usize) -> impl Iterator<Item = &Attribute> {
        let before = self
            .attributes
            .iter()
            .rev()
            .skip_while(move |a| a.span.end > position);
        before.scan(position, |from, attribute| {
            let between = &self.code[attribute.span.end..*from];
            *from = attribute.span.start;
            (!between.contains(['{', '}', ';'])).then_some(attribute)
        })
    }
}

impl Attribute {
    /// Whether it makes a function a test: `test` itself and what runtimes name like it.
    fn is_test(&self) -> bool {
        self.path.rsplit("::").next() == Some("test")
    }
}

/// Where a word stands alone in code, as byte positions.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| {
            let before = code[..at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

pub(crate) fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn line_of(text: &str, position: usize) -> usize {
    text.as_bytes()[..position]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
        + 1
}

fn lines(text: &str) -> usize {
    text.lines().count()
}

/// Blanks out the content of comments, strings and characters; newlines stay.
fn blank_out(text: &str) -> (String, Vec<Hidden>) {
    let mut code = String::with_capacity(text.len());
    let mut all = Vec::new();
    let mut rest = text;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        let hidden = hidden_length(rest, before).min(rest.len());
        if hidden == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let start = code.len();
            all.push(Hidden {
                span: start..start + hidden,
                is_comment: first == '/',
            });
            let blank = |byte: u8| if byte == b'\n' { '\n' } else { ' ' };
            code.extend(rest.bytes().take(hidden).map(blank));
            rest = &rest[hidden..];
        }
        before = Some(first);
    }
    (code, all)
}

/// The length of the comment or literal that the text begins with, 0 if it begins with neither.
fn hidden_length(text: &str, before: Option<char>) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment_length(text);
    }
    if text.starts_with('"') {
        return quoted_length(text, '"');
    }
    if text.starts_with('\'') {
        return character_length(text);
    }
    if before.is_some_and(is_word) {
        return 0;
    }
    raw_string_length(text)
}

fn block_comment_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal; 0 for a lifetime, which begins with the same sign.
fn character_length(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => quoted_length(text, '\''),
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

fn raw_string_length(text: &str) -> usize {
    let Some(rest) = ["br", "cr", "r"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
    else {
        return 0;
    };
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    if !rest[hashes..].starts_with('"') {
        return 0;
    }
    let start = text.len() - rest.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    text[start..]
        .find(&end)
        .map_or(text.len(), |at| start + at + end.len())
}

fn find_attributes(code: &str) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    for (at, _) in code.match_indices('#') {
        let rest = code[at + 1..].trim_start_matches('!');
        if !rest.starts_with('[') {
            continue;
        }
        let open = code.len() - rest.len();
        let end = closing(code, open, '[', ']');
        let content = code[open + 1..end].trim_start();
        let path = content
            .chars()
            .take_while(|&c| is_word(c) || c == ':')
            .collect();
        attributes.push(Attribute {
            path,
            line: line_of(code, at),
            span: at..end,
        });
    }
    attributes
}

/// The position after the bracket that closes the one at `open`.
fn closing(code: &str, open: usize, opens: char, closes: char) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        if c == opens {
            depth += 1;
        } else if c == closes {
            depth -= 1;
            if depth == 0 {
                return open + at + c.len_utf8();
            }
        }
    }
    code.len()
}

/// The items that are compiled for tests only, each with the attribute that says so.
fn find_test_items(code: &str, attributes: &[Attribute]) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    for attribute in attributes {
        let text: String = code[attribute.span.clone()].split_whitespace().collect();
        let for_tests = text.starts_with("#[cfg(test)") || text.starts_with("#[cfg(all(test");
        let start = attribute.span.start;
        if !for_tests || items.last().is_some_and(|item| item.contains(&start)) {
            continue;
        }
        items.push(start..end_of_item(code, attributes, attribute.span.end));
    }
    items
}

/// Where the item ends that begins after an attribute: at its `;` or its closing brace.
fn end_of_item(code: &str, attributes: &[Attribute], after: usize) -> usize {
    let mut at = after;
    // Further attributes of the item may hold brackets of their own.
    while let Some(next) = attributes
        .iter()
        .find(|attribute| attribute.span.start >= at)
    {
        if !code[at..next.span.start].trim().is_empty() {
            break;
        }
        at = next.span.end;
    }
    match code[at..].find(['{', ';']).map(|offset| at + offset) {
        Some(found) if code.as_bytes()[found] == b'{' => closing(code, found, '{', '}'),
        Some(found) => found + 1,
        None => code.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_code(text: &str, code: &str) {
        assert_eq!(RustSource::parse(text).code(), code, "of {text}");
    }

    #[test]
    fn comments_strings_and_characters_are_no_code() {
        check_code("a // b\nc", "a     \nc");
        check_code("a /* b /* c */ d */ e", "a                   e");
        check_code(r#"f("a\"b") + 1"#, "f(      ) + 1");
        check_code(r##"f(r#"a"b"#) + 1"##, "f(        ) + 1");
        check_code("f('a', '\\'', '\"')", "f(   ,     ,    )");
        check_code("\"a\nb\"", "  \n  ");
    }

    #[test]
    fn lifetimes_and_names_that_end_in_r_are_code() {
        check_code("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check_code("var\"x\"", "var   ");
        check_code("for r in rows {}", "for r in rows {}");
    }

    #[test]
    fn an_open_string_or_comment_ends_with_the_file() {
        check_code("a \"b", "a   ");
        check_code("a /* b", "a     ");
        check_code("a r#\"b\"", "a      ");
    }

    #[test]
    fn positions_stay_the_same_beside_wide_characters() {
        let source = RustSource::parse("// é\nfn f() {}");
        assert_eq!(source.code().len(), "// é\nfn f() {}".len());
        assert_eq!(source.functions()[0].line, 2);
    }

    fn check_tests(text: &str, names: &[&str]) {
        let functions = RustSource::parse(text).functions();
        let tests: Vec<&str> = functions
            .iter()
            .filter(|f| f.is_test)
            .map(|f| f.name.as_str())
            .collect();
        assert_eq!(tests, names, "of {text}");
    }

    #[test]
    fn tests_are_known_by_their_attribute() {
        check_tests("#[test]\nfn a() {}\nfn b() {}", &["a"]);
        check_tests(
            "#[tokio::test(start_paused = true)]\nasync fn a() {}",
            &["a"],
        );
        check_tests(
            "#[test]\n/// Docs.\n#[cfg(x)]\npub(crate) fn a() {}",
            &["a"],
        );
        check_tests(
            "#[cfg(x)]\n#[test]\nfn a() {}\n#[inline]\nfn b() {}",
            &["a"],
        );
        check_tests("proptest! {\n#[test]\nfn a(x in 0..3) {}\n}", &["a"]);
        check_tests("// #[test]\nfn a() {}", &[]);
        check_tests("#[test_only]\nfn a() {}", &[]);
        check_tests(
            "#[cfg(test)]\nmod t {\nfn helper() {}\n#[test]\nfn a() {}\n}",
            &["a"],
        );
    }

    #[test]
    fn function_types_are_no_functions() {
        assert_eq!(RustSource::parse("type F = fn(u8);").functions(), []);
    }

    #[test]
    fn items_for_tests_are_not_counted() {
        let text = "a();\n#[cfg(test)]\nmod tests {\n    fn f() { {} }\n}\nb();\n";
        let source = RustSource::parse(text);
        assert_eq!(source.lines_without_tests(), 2);
        assert!(source.is_in_test(text.find("fn f").unwrap()));
        assert!(!source.is_in_test(text.find("b()").unwrap()));
    }

    #[test]
    fn an_item_for_tests_may_have_more_attributes_or_no_body() {
        let text = "#[cfg(test)]\n#[expect(x, reason = \"{\")]\nuse a::{b, c};\nd();\n";
        assert_eq!(RustSource::parse(text).lines_without_tests(), 1);
        let text = "#[cfg(test)]\nmod tests;\nd();\n";
        assert_eq!(RustSource::parse(text).lines_without_tests(), 1);
    }

    #[test]
    fn words_stand_alone() {
        let at: Vec<usize> = words("ab b b_ (b)", "b").collect();
        assert_eq!(at, [3, 9]);
    }
}
