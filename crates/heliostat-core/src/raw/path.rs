//! `FieldPath`: where in an object a field is.
//!
//! Any text is safe to parse. A path that was parsed has at least one step and no more than
//! [`STEPS_MAX`], and its text parses to the same path again.

use std::fmt;
use std::str::FromStr;

/// Where in an object a field is, or several of them.
///
/// Names are joined by dots. A name that has dots, brackets or quotes itself stands in brackets and
/// quotes, or has backslashes before them; `[*]` is every element of a list or value of a map, `[0]`
/// the first element of a list.
///
/// ```
/// use heliostat_core::raw::FieldPath;
///
/// for text in ["spec.nodeName", "metadata.labels['app.kubernetes.io/name']", "spec.containers[*].image"] {
///     assert_eq!(text.parse::<FieldPath>()?.to_string(), text);
/// }
/// assert_eq!(r".metadata.labels.k8s\.io/app".parse::<FieldPath>()?.to_string(), "metadata.labels['k8s.io/app']");
/// assert!("spec..nodeName".parse::<FieldPath>().is_err());
/// # Ok::<(), heliostat_core::raw::FieldPathError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FieldPath(Box<[Step]>);

/// One step of a path. There are no others.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// To the member of an object, or to the value of a map, with this name.
    Name(Box<str>),
    /// To every element of a list, or to every value of a map.
    Each,
    /// To one element of a list, counted from zero.
    Index(usize),
}

/// A text that is no path.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path:?} is no path to a field: {reason} at byte {place}")]
pub struct FieldPathError {
    path: String,
    place: usize,
    reason: &'static str,
}

/// How many steps a path may have. No field of a built-in kind is deeper than half of that, and a limit
/// bounds what recursion over a path may cost.
pub const STEPS_MAX: usize = 32;

/// How many bytes the text of a path may have, as it is written and as it is shown: room for a label's key, which has up to 317, and to spare.
pub const PATH_BYTES_MAX: usize = 1024;

impl FieldPath {
    pub(super) fn of_steps(steps: impl Into<Box<[Step]>>) -> Self {
        Self(steps.into())
    }

    /// The steps from the object to the field.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

impl FromStr for FieldPath {
    type Err = FieldPathError;

    fn from_str(text: &str) -> Result<Self, FieldPathError> {
        let mut parser = Parser { text, rest: text };
        match parser.path() {
            Ok(path) => Ok(path),
            Err(reason) => Err(FieldPathError {
                path: text.chars().take(PATH_BYTES_MAX).collect(),
                place: parser.text.len() - parser.rest.len(),
                reason,
            }),
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Name(name) if is_plain(name) && index == 0 => f.write_str(name)?,
                Step::Name(name) if is_plain(name) => write!(f, ".{name}")?,
                Step::Name(name) => {
                    f.write_str("['")?;
                    for letter in name.chars() {
                        if matches!(letter, '\'' | '\\') {
                            f.write_str("\\")?;
                        }
                        write!(f, "{letter}")?;
                    }
                    f.write_str("']")?;
                }
                Step::Each => f.write_str("[*]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

type Parsed<T> = Result<T, &'static str>;

impl Parser<'_> {
    fn path(&mut self) -> Parsed<FieldPath> {
        if self.text.len() > PATH_BYTES_MAX {
            return Err("it is longer than 1024 bytes");
        }
        let path = FieldPath::of_steps(self.steps()?);
        // Quotes may make a path longer than it was written, and its text must parse too.
        match path.to_string().len() > PATH_BYTES_MAX {
            true => Err("it is longer than 1024 bytes with its quotes"),
            false => Ok(path),
        }
    }

    fn steps(&mut self) -> Parsed<Vec<Step>> {
        // As kubectl writes paths.
        self.takes('.');
        let mut steps = Vec::new();
        loop {
            if steps.len() == STEPS_MAX {
                return Err("there are more than 32 steps");
            }
            let step = match self.takes('[') {
                true => self.bracket()?,
                false => Step::Name(self.name()?),
            };
            steps.push(step);
            if self.rest.is_empty() {
                return Ok(steps);
            }
            if !self.rest.starts_with('[') && !self.takes('.') {
                return Err("expected `.` or `[`");
            }
        }
    }

    fn name(&mut self) -> Parsed<Box<str>> {
        let mut name = String::new();
        while let Some(letter) = self.rest.chars().next() {
            if letter == '\\' {
                self.takes(letter);
                name.push(self.take().ok_or("expected a character after `\\`")?);
            } else if is_plain_letter(letter) {
                self.takes(letter);
                name.push(letter);
            } else {
                break;
            }
        }
        match name.is_empty() {
            true => Err("expected a name"),
            false => Ok(name.into()),
        }
    }

    fn bracket(&mut self) -> Parsed<Step> {
        let step = if self.takes('*') {
            Step::Each
        } else if self.takes('\'') {
            Step::Name(self.quoted('\'')?)
        } else if self.takes('"') {
            Step::Name(self.quoted('"')?)
        } else {
            Step::Index(self.index()?)
        };
        match self.takes(']') {
            true => Ok(step),
            false => Err("expected `]`"),
        }
    }

    fn quoted(&mut self, quote: char) -> Parsed<Box<str>> {
        let mut name = String::new();
        loop {
            match self.take().ok_or("the quote is not closed")? {
                letter if letter == quote => return Ok(name.into()),
                '\\' => name.push(self.take().ok_or("expected a character after `\\`")?),
                letter => name.push(letter),
            }
        }
    }

    fn index(&mut self) -> Parsed<usize> {
        let end = self.rest.find(|letter: char| !letter.is_ascii_digit());
        let digits = self.rest.get(..end.unwrap_or(self.rest.len()));
        let digits = digits.filter(|digits| !digits.is_empty());
        let digits = digits.ok_or("expected `*`, a number or a quoted name")?;
        let index = digits.parse().map_err(|_| "the number is too large")?;
        self.rest = self.rest.get(digits.len()..).unwrap_or_default();
        Ok(index)
    }

    fn take(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let letter = letters.next()?;
        self.rest = letters.as_str();
        Some(letter)
    }

    fn takes(&mut self, letter: char) -> bool {
        match self.rest.strip_prefix(letter) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_plain_letter)
}

/// True for what may stand in a name without quotes. A star may not: `a.*` would read as `a[*]`.
fn is_plain_letter(letter: char) -> bool {
    !letter.is_whitespace()
        && !letter.is_control()
        && !matches!(letter, '.' | '[' | ']' | '\'' | '"' | '\\' | '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steps(text: &str) -> Vec<Step> {
        text.parse::<FieldPath>().unwrap().steps().to_vec()
    }

    fn name(name: &str) -> Step {
        Step::Name(name.into())
    }

    #[test]
    fn paths_are_names_brackets_and_quotes() {
        assert_eq!(steps("spec.nodeName"), [name("spec"), name("nodeName")]);
        assert_eq!(steps(".a"), [name("a")]);
        assert_eq!(
            steps("a['b.c'][\"d'e\"][*][12].f"),
            [
                name("a"),
                name("b.c"),
                name("d'e"),
                Step::Each,
                Step::Index(12),
                name("f")
            ]
        );
        assert_eq!(steps(r"a.b\.c/d"), [name("a"), name("b.c/d")]);
        assert_eq!(steps("['']"), [name("")]);
    }

    #[test]
    fn what_is_no_path_says_where() {
        for (text, place, reason) in [
            ("", 0, "expected a name"),
            (".", 1, "expected a name"),
            ("a..b", 2, "expected a name"),
            ("a.", 2, "expected a name"),
            ("a b", 1, "expected `.` or `[`"),
            ("a[b]", 2, "expected `*`, a number or a quoted name"),
            ("a[-1]", 2, "expected `*`, a number or a quoted name"),
            ("a['b]", 5, "the quote is not closed"),
            ("a['b'", 5, "expected `]`"),
            ("a[0]b", 4, "expected `.` or `[`"),
            ("a.*", 2, "expected a name"),
            ("a[99999999999999999999]", 2, "the number is too large"),
            ("a\\", 2, "expected a character after `\\`"),
        ] {
            let error = text.parse::<FieldPath>().unwrap_err();
            assert_eq!((error.place, error.reason), (place, reason), "{text:?}");
            assert!(error.to_string().contains(reason));
        }
        let deep = |steps: usize| vec!["a"; steps].join(".").parse::<FieldPath>();
        assert!(deep(STEPS_MAX).is_ok() && deep(STEPS_MAX + 1).is_err());
        assert!("a".repeat(PATH_BYTES_MAX).parse::<FieldPath>().is_ok());
        assert!("a".repeat(PATH_BYTES_MAX + 1).parse::<FieldPath>().is_err());
    }

    #[test]
    fn a_path_that_its_quotes_make_too_long_is_refused() {
        // Each backslash stands for itself twice, as it is written here and as it is shown.
        let written = |backslashes: usize| "\\".repeat(2 * backslashes);
        let shown = |backslashes: usize| 2 * backslashes + "['']".len();
        assert_eq!(shown(510), PATH_BYTES_MAX);
        let longest: FieldPath = written(510).parse().unwrap();
        assert_eq!(longest.to_string().parse(), Ok(longest));
        assert!(written(511).len() <= PATH_BYTES_MAX);
        assert!(written(511).parse::<FieldPath>().is_err());
    }

    proptest! {
        #[test]
        fn the_text_of_a_path_is_the_path_again(text in "[a-c.\\[\\]'\"\\\\*0-9é ]{0,12}|.{0,12}") {
            if let Ok(path) = text.parse::<FieldPath>() {
                prop_assert_eq!(path.to_string().parse(), Ok(path));
            }
        }
    }
}
