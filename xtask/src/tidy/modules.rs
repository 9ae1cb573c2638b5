//! No circles of imports between the modules of a folder.
//!
//! Two modules of one parent depend on each other through every path in their files, and in those
//! below them, that leads into the other; tests are left out. Modules that form circles today are
//! listed in a file, and each list may only become shorter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::tidy::Finding;
use crate::tidy::tree::Tree;
use crate::tidy::use_paths;

const RULE: &str = "module-circles";

/// The circles that are known.
pub(crate) const KNOWN: &str = "xtask/ratchets/module-circles.txt";

/// The largest sets of modules of one folder of which each depends on each other, by folder.
pub(crate) type Circles = BTreeMap<String, Vec<BTreeSet<String>>>;

/// The dependencies between the modules of every folder.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    /// By folder: which module uses which, and the first place where it does.
    uses: BTreeMap<String, BTreeMap<(String, String), Place>>,
}

/// A file and a line.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Place {
    path: String,
    line: usize,
}

impl Modules {
    /// Reads the imports of every file that is not a test.
    pub(crate) fn of(tree: &Tree) -> Self {
        let roots: BTreeSet<&str> = tree
            .rust_files()
            .filter_map(|(it, _)| root(&it.path))
            .collect();
        let files = tree.rust_files().filter(|(file, _)| !file.is_test());
        let files: Vec<_> = files
            .filter_map(|(file, rust)| {
                let (root, module) = module(&file.path, &roots)?;
                Some((file, rust, root, module))
            })
            .collect();
        let known: BTreeSet<(&str, &[&str])> = files
            .iter()
            .map(|(_, _, root, module)| (*root, module.as_slice()))
            .collect();
        let mut modules = Self::default();
        for (file, rust, root, module) in &files {
            for (at, path) in use_paths::paths(rust.code()) {
                if rust.is_in_test(at) {
                    continue;
                }
                let target = target(module, &path, |it| known.contains(&(*root, it)));
                let place = || Place {
                    path: file.path.clone(),
                    line: rust.line_of(at),
                };
                modules.add(root, module, &target, place);
            }
        }
        modules
    }

    /// Every circle.
    pub(crate) fn circles(&self) -> Circles {
        let folders = self.uses.iter().map(|(folder, uses)| {
            let edges: BTreeSet<(&str, &str)> =
                uses.keys().map(|(from, to)| (&**from, &**to)).collect();
            (folder.clone(), circles(&edges))
        });
        folders.filter(|(_, circles)| !circles.is_empty()).collect()
    }

    /// Finds circles that are not within a known one.
    pub(crate) fn check(&self, known: &Circles) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (folder, circles) in self.circles() {
            let known = known.get(&folder).map_or(&[][..], Vec::as_slice);
            let new = circles
                .iter()
                .filter(|circle| !known.iter().any(|known| circle.is_subset(known)));
            findings.extend(new.map(|circle| self.finding(&folder, circle)));
        }
        findings
    }

    fn add(&mut self, root: &str, from: &[&str], to: &[&str], place: impl FnOnce() -> Place) {
        let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        // One of them is above the other, or both are the same.
        let (Some(first), Some(second)) = (from.get(shared), to.get(shared)) else {
            return;
        };
        let folder = [&[root], &from[..shared]].concat().join("/");
        let uses = self.uses.entry(folder).or_default();
        uses.entry(((*first).to_owned(), (*second).to_owned()))
            .or_insert_with(place);
    }

    /// A circle with every import that belongs to it.
    fn finding(&self, folder: &str, circle: &BTreeSet<String>) -> Finding {
        let names: Vec<&str> = circle.iter().map(String::as_str).collect();
        let mut message = format!(
            "modules use each other in a circle: {}; move what they share to one of its own:",
            names.join(", ")
        );
        for ((from, to), place) in &self.uses[folder] {
            if circle.contains(from) && circle.contains(to) {
                _ = write!(
                    message,
                    "\n    {from} → {to} at {}:{}",
                    place.path, place.line
                );
            }
        }
        Finding {
            path: folder.to_owned(),
            line: 0,
            rule: RULE,
            message,
        }
    }
}

/// Reads the known circles: a folder and the modules of one circle on each line.
pub(crate) fn known(tree: &Tree) -> Circles {
    let text = tree.file(KNOWN).map_or("", |file| file.text.as_str());
    let mut circles = Circles::new();
    for (folder, modules) in text.lines().filter_map(|line| line.split_once(": ")) {
        let modules = modules.split(' ').map(str::to_owned).collect();
        circles.entry(folder.to_owned()).or_default().push(modules);
    }
    circles
}

/// The circles as the file has them.
pub(crate) fn to_text(circles: &Circles) -> String {
    let mut text = String::new();
    for (folder, circles) in circles {
        for circle in circles {
            let names: Vec<&str> = circle.iter().map(String::as_str).collect();
            _ = writeln!(text, "{folder}: {}", names.join(" "));
        }
    }
    text
}

/// The folder that a crate's root file is the root of.
fn root(path: &str) -> Option<&str> {
    let (folder, name) = path.rsplit_once('/')?;
    let is_source = folder.split('/').any(|part| part == "src");
    (is_source && matches!(name, "lib.rs" | "main.rs")).then_some(folder)
}

/// The root that a file belongs to, and its module from there.
fn module<'a>(path: &'a str, roots: &BTreeSet<&'a str>) -> Option<(&'a str, Vec<&'a str>)> {
    let is_below = |root: &&&str| {
        path.strip_prefix(**root)
            .is_some_and(|it| it.starts_with('/'))
    };
    let root = roots
        .iter()
        .filter(is_below)
        .max_by_key(|root| root.len())?;
    let mut module: Vec<&str> = path[root.len() + 1..].split('/').collect();
    let name = module.pop()?.strip_suffix(".rs")?;
    let is_folder = name == "mod" || (module.is_empty() && matches!(name, "lib" | "main"));
    if !is_folder {
        module.push(name);
    }
    Some((root, module))
}

/// The module that a path of `module` leads to.
fn target<'a>(
    module: &[&'a str],
    path: &[&'a str],
    is_module: impl Fn(&[&'a str]) -> bool,
) -> Vec<&'a str> {
    let mut target = Vec::new();
    for (index, name) in path.iter().enumerate() {
        match *name {
            "crate" => target.clear(),
            "self" if index == 0 => target = module.to_vec(),
            "self" => {}
            "super" => {
                if index == 0 {
                    target = module.to_vec();
                }
                target.pop();
            }
            name => {
                target.push(name);
                if !is_module(&target) {
                    // From here on it is an item.
                    target.pop();
                    break;
                }
            }
        }
    }
    target
}

/// The strongly connected components of more than one node, by who reaches whom.
fn circles(edges: &BTreeSet<(&str, &str)>) -> Vec<BTreeSet<String>> {
    let nodes: BTreeSet<&str> = edges.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> = nodes
        .iter()
        .map(|node| (*node, reach(node, edges)))
        .collect();
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for node in nodes {
        let circle: BTreeSet<&str> = reached[node]
            .iter()
            .copied()
            .filter(|other| reached[other].contains(node))
            .collect();
        if circle.len() > 1 && seen.insert(circle.clone()) {
            circles.push(circle.into_iter().map(str::to_owned).collect());
        }
    }
    circles
}

/// Every node that a path of at least one edge leads to.
fn reach<'a>(node: &str, edges: &BTreeSet<(&'a str, &'a str)>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let next = |from: &str| -> Vec<&'a str> {
        let edges = edges.iter().filter(|(it, _)| *it == from);
        edges.map(|(_, to)| *to).collect()
    };
    let mut open = next(node);
    while let Some(node) = open.pop() {
        if reached.insert(node) {
            open.extend(next(node));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &str) {
        let circles = Modules::of(&Tree::of(files)).circles();
        assert_eq!(to_text(&circles), expected);
    }

    #[test]
    fn modules_of_one_folder_that_use_each_other_are_a_circle() {
        let files = [
            ("a/src/lib.rs", "mod one; mod two;"),
            ("a/src/one.rs", "use crate::two::Two;"),
            ("a/src/two.rs", "use super::one::One;"),
        ];
        check(&files, "a/src: one two\n");
        check(&files[..2], "");
    }

    #[test]
    fn a_circle_may_be_long_and_lead_through_folders() {
        let files = [
            ("a/src/lib.rs", ""),
            ("a/src/one/mod.rs", ""),
            ("a/src/one/deep.rs", "use crate::two::Two;"),
            ("a/src/two.rs", "use crate::three::Three;"),
            ("a/src/three.rs", "fn f() { crate::one::g() }"),
            ("a/src/four.rs", "use crate::one::One;"),
        ];
        check(&files, "a/src: one three two\n");
    }

    #[test]
    fn a_parent_and_its_children_are_no_circle() {
        let files = [
            ("a/src/lib.rs", "pub use crate::one::One;"),
            ("a/src/one/mod.rs", "use self::deep::Deep; use crate::One;"),
            ("a/src/one/deep.rs", "use super::One; use crate::Other;"),
        ];
        check(&files, "");
    }

    #[test]
    fn circles_below_the_root_are_found() {
        let files = [
            ("a/src/lib.rs", ""),
            ("a/src/one/mod.rs", ""),
            ("a/src/one/b.rs", "use super::c::{self, C};"),
            ("a/src/one/c.rs", "use crate::one::{b::B, D};"),
        ];
        check(&files, "a/src/one: b c\n");
    }

    #[test]
    fn tests_and_other_roots_do_not_count() {
        let files = [
            ("a/src/lib.rs", ""),
            ("a/src/one.rs", "use crate::two::Two;"),
            (
                "a/src/two.rs",
                "#[cfg(test)]\nmod tests { use crate::one::One; }",
            ),
            ("a/src/two/tests.rs", "use crate::one::One;"),
            ("a/src/bin/main.rs", ""),
            ("a/src/bin/two.rs", "use crate::one::One;"),
        ];
        check(&files, "");
    }

    #[test]
    fn a_known_circle_may_shrink_and_not_grow() {
        let tree = Tree::of(&[
            ("a/src/lib.rs", ""),
            ("a/src/one.rs", "use crate::two::Two;"),
            ("a/src/two.rs", "\nuse crate::one::One;"),
            (KNOWN, "a/src: one three two\n"),
        ]);
        let modules = Modules::of(&tree);
        assert_eq!(modules.check(&known(&tree)), []);
        let other = Circles::from([("a/src".to_owned(), Vec::new())]);
        let findings = modules.check(&other);
        assert_eq!(findings.len(), 1);
        let text = findings[0].to_string();
        assert!(text.contains("two → one at a/src/two.rs:2"), "{text}");
    }
}
