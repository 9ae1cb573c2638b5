//! The name of a test that begins with the id of a behaviour has one form: `w_03_title_of_it`.
//!
//! Only then does the coverage table find it, and a reader the test. Ids of families that the
//! table does not have are nobody's business here.

use crate::tidy::Finding;
use crate::tidy::behaviour::{BehaviourId, Behaviours};
use crate::tidy::tree::Tree;

const RULE: &str = "test-names";

/// Finds tests whose names begin with an id that is misspelt, unknown or all there is.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    // Whether the table itself is there and reads well is told by the coverage.
    let Ok(behaviours) = Behaviours::load(tree) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (file, rust) in tree.rust_files() {
        for test in rust
            .functions()
            .into_iter()
            .filter(|function| function.is_test)
        {
            if let Some(message) = objection(&test.name, &behaviours) {
                findings.push(Finding {
                    path: file.path.clone(),
                    line: test.line,
                    rule: RULE,
                    message: format!("the test `{}` {message}", test.name),
                });
            }
        }
    }
    findings
}

/// What is wrong with a name, if anything.
fn objection(name: &str, behaviours: &Behaviours) -> Option<String> {
    let mut parts = name.split('_');
    let first = parts.next()?;
    let glued = first.find(|c: char| c.is_ascii_digit()).and_then(|at| {
        let (family, number) = first.split_at(at);
        BehaviourId::parse(&format!("{}-{number}", family.to_uppercase()))
    });
    if let Some(id) = glued.filter(|id| behaviours.contains(id)) {
        return Some(format!(
            "should begin with `{}_{:02}_`",
            id.family, id.number
        ));
    }
    let highest = behaviours.highest(first)?;
    let number: u32 = parts.next()?.parse().ok()?;
    let id = BehaviourId {
        family: first.to_owned(),
        number,
    };
    if !behaviours.contains(&id) {
        return Some(format!(
            "names {id}, which is not in the table (the family ends with {highest})"
        ));
    }
    let title = parts.next().unwrap_or_default();
    let begins_well = title.starts_with(|c: char| c.is_ascii_lowercase());
    (!begins_well).then(|| format!("needs words after its id {id} that say the promise"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::behaviour::TABLE;

    fn check_name(name: &str, expected: Option<&str>) {
        let text = format!("//! Docs.\n#[test]\nfn {name}() {{}}\n");
        let findings = check(&Tree::of(&[
            ("a.rs", &text),
            (TABLE, "W-3 three\nW-12 twelve\n"),
        ]));
        match expected {
            None => assert_eq!(findings, [], "of {name}"),
            Some(part) => {
                assert_eq!(findings.len(), 1, "of {name}");
                assert!(
                    findings[0].message.contains(part),
                    "{}",
                    findings[0].message
                );
                assert_eq!(findings[0].line, 3);
            }
        }
    }

    #[test]
    fn names_of_the_right_form_pass() {
        check_name("w_03_added_moves_nothing", None);
        check_name("w_12_warns", None);
        check_name("w_03_w_12_both", None);
        check_name("added_moves_nothing", None);
    }

    #[test]
    fn misspelt_unknown_and_bare_ids_are_found() {
        check_name("w03_added", Some("`w_03_`"));
        check_name("w_99_added", Some("W-99"));
        check_name("w_03", Some("say the promise"));
        check_name("w_03_", Some("say the promise"));
    }

    #[test]
    fn names_that_only_look_alike_pass() {
        check_name("w8_is_no_behaviour", None);
        check_name("e2e_mirror", None);
        check_name("x_99_other_family", None);
        check_name("w_is_a_letter", None);
    }

    #[test]
    fn functions_that_are_no_tests_are_free() {
        let tree = Tree::of(&[("a.rs", "fn w_99_added() {}"), (TABLE, "W-3 three\n")]);
        assert_eq!(check(&tree), []);
    }
}
