//! Selectors by what they select, and texts that are none by what is said of them.

use proptest::prelude::*;

use super::*;

/// The labels of an object, to ask for one by its key.
fn labels<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<&'a str> {
    |wanted| {
        let mut pairs = pairs.iter();
        pairs
            .find(|(key, _)| *key == wanted)
            .map(|(_, value)| *value)
    }
}

#[test]
fn every_form_of_the_grammar_selects_what_it_says() {
    let web = [
        ("app", "web"),
        ("weight", "5"),
        ("empty", ""),
        ("in", "notin"),
    ];
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
        let parsed = selector.parse::<LabelSelector>().unwrap();
        assert_eq!(parsed.matches(labels(&web)), expected, "{selector}");
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
            selector.parse::<LabelSelector>().unwrap_err().to_string(),
            expected,
            "{selector}"
        );
    }
    for selector in ["-a=b", "a=-b", "/a", "a/", "a=b%", "!", "!a=b"] {
        assert!(selector.parse::<LabelSelector>().is_err(), "{selector}");
    }
}

#[test]
fn h_03_everything_and_nothing_do_not_ask_for_labels() {
    let asked = |_: &str| -> Option<&str> { panic!("nobody needs this label") };
    assert!(LabelSelector::everything().matches(asked));
    assert!(LabelSelector::default().is_everything());
    assert!("".parse::<LabelSelector>().unwrap().is_everything());
    assert!(!LabelSelector::nothing().matches(asked));
    assert!(LabelSelector::nothing().is_nothing() && !LabelSelector::nothing().is_everything());
}

#[test]
fn a_set_of_labels_selects_what_has_them_all() {
    let selector = LabelSelector::of_labels([("app", "web"), ("tier", "")]).unwrap();
    assert_eq!(selector, "app=web,tier=".parse().unwrap());
    assert!(selector.matches(labels(&[("app", "web"), ("tier", "")])));
    assert!(!selector.matches(labels(&[("app", "web")])));
    assert!(LabelSelector::of_labels([]).unwrap().is_everything());
    assert!(LabelSelector::of_labels([("a b", "c")]).is_err());
    assert!(LabelSelector::of_labels([("a", "-")]).is_err());
}

proptest! {
    #[test]
    fn any_text_is_a_selector_or_refused_with_words(text in "[a-c=!<>(),/. \\-é]{0,24}|.{0,24}") {
        if let Err(error) = text.parse::<LabelSelector>() {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
