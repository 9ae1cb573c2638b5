//! Longer stories of indexes, as they are told of the reference.

use super::*;

/// Objects by the users that they name.
fn users(store: &IndexedObjects<Labels>) -> String {
    let view = store.view();
    let users = ["ernie", "bert", "elmo", "oscar", "elmo1"];
    let told = users.map(|user| format!("{user}{:?}", labelled(view, user)));
    told.join(" ").replace('"', "")
}

#[test]
fn x_01_an_object_has_no_value_one_or_several() {
    let mut store = store();
    for (name, labels) in [("none", ""), ("one", "x"), ("several", "x,y,x")] {
        store.add(entry(name, 1, labels)).unwrap();
    }
    assert_eq!(values(store.view(), "label"), ["x", "y"]);
    assert_eq!(labelled(store.view(), "x"), ["one", "several"]);
    assert_eq!(labelled(store.view(), "y"), ["several"]);
}

#[test]
fn x_02_x_04_an_index_follows_its_objects_as_they_change_and_go() {
    let mut store = store_of(&[
        ("one", "ernie,bert"),
        ("two", "bert,oscar"),
        ("tre", "ernie,elmo"),
    ]);
    assert_eq!(
        users(&store),
        "ernie[one, tre] bert[one, two] elmo[tre] oscar[two] elmo1[]"
    );
    store.delete(&key("tre"), None).unwrap();
    assert_eq!(
        users(&store),
        "ernie[one] bert[one, two] elmo[] oscar[two] elmo1[]"
    );
    store.update(entry("two", 2, "oscar")).unwrap();
    assert_eq!(
        users(&store),
        "ernie[one] bert[one] elmo[] oscar[two] elmo1[]"
    );
}

#[test]
fn x_04_a_value_that_several_share_is_told_once() {
    let store = store_of(&[("one", "bar"), ("two", "bar"), ("tre", "biz")]);
    assert_eq!(values(store.view(), "label"), ["bar", "biz"]);
}

#[test]
fn x_04_an_object_finds_those_that_share_a_value_with_it() {
    let store = store_of(&[("a", "b"), ("c", "b"), ("e", "f"), ("g", "h")]);
    let sharing = |value: &str| {
        let probe = entry("probe", 1, value);
        names(store.view().sharing("label", &probe).unwrap()).join(" ")
    };
    assert_eq!(["b", "f", "h", "z"].map(sharing), ["a c", "e", "g", ""]);
}

#[test]
fn x_10_functions_and_results_have_the_type_of_the_store() {
    // One function serves two names, and other stores of the same type: names and results are kept.
    let func: IndexFunc<Labels> = by_label();
    let mut first = IndexedObjects::new();
    first
        .add_indexes([("one", func.clone()), ("two", func.clone())])
        .unwrap();
    first.add(entry("a", 1, "x")).unwrap();
    let mut second = IndexedObjects::new();
    let funcs = first.view().indexes();
    let funcs: Vec<_> = funcs
        .map(|(name, func)| (Arc::clone(name), func.clone()))
        .collect();
    second.add_indexes(funcs).unwrap();
    second.add(entry("a", 1, "x")).unwrap();
    for store in [&first, &second] {
        for name in ["one", "two"] {
            let found: Vec<&Entry<Labels>> = store.view().by_index(name, "x").unwrap().collect();
            assert_eq!(found[0].object.0, ["x"]);
        }
    }
    assert!(second.view().by_index("three", "x").is_err());
    let refused = second.add_indexes([("three", func.clone()), ("one", func)]);
    assert!(matches!(refused, Err(IndexError::Exists(name)) if name == "one"));
    assert!(
        second.view().by_index("three", "x").is_err(),
        "nothing was added"
    );
}

proptest::proptest! {
    #[test]
    fn s_02_s_04_a_key_is_at_most_two_parts_and_keeps_its_text(text in "[a-i/]{0,12}") {
        let parts: Vec<&str> = text.split('/').collect();
        match (text.parse::<ObjectKey>(), parts.as_slice()) {
            (Err(error), [_, _, _, ..]) => {
                proptest::prop_assert!(error.to_string().contains(&text));
            }
            (Ok(key), [name]) => {
                proptest::prop_assert_eq!((key.namespace(), key.name()), (None, *name));
                proptest::prop_assert_eq!(key.to_string(), text);
            }
            (Ok(key), [namespace, name]) => {
                proptest::prop_assert_eq!(key.namespace(), Some(*namespace));
                proptest::prop_assert_eq!(key.name(), *name);
                // The text comes back, also with the empty namespace that the parts cannot tell.
                proptest::prop_assert_eq!(key.to_string(), text.clone());
                let again = ObjectKey::namespaced(namespace, name);
                proptest::prop_assert_eq!(again == key, !namespace.is_empty());
            }
            (parsed, _) => proptest::prop_assert!(false, "{text:?} became {parsed:?}"),
        }
    }
}
