//! Listers by what they find, what they look at, and what they say of what is missing.

use std::sync::atomic::{AtomicUsize, Ordering};

use heliostat_core::object::Header;

use crate::store::IndexerWriter;

use super::*;

/// An object that counts how often somebody looks at its labels.
struct Object {
    number: u64,
    looks: Arc<AtomicUsize>,
}

impl HasLabels for Object {
    fn label(&self, key: &str) -> Option<&str> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        match key {
            "tenth" if self.number.is_multiple_of(10) => Some("yes"),
            "parity" if self.number.is_multiple_of(2) => Some("even"),
            "parity" => Some("odd"),
            _ => None,
        }
    }
}

/// `count` objects, in the namespaces `n0`, `n1` and `n2` by turns.
fn lister(count: u64) -> (Lister<Object>, Arc<AtomicUsize>) {
    let looks = Arc::new(AtomicUsize::new(0));
    let writer = IndexerWriter::new();
    let entries = (0..count).map(|number| {
        let header = Header {
            key: ObjectKey::namespaced(&format!("n{}", number % 3), &number.to_string()),
            resource_version: 1.into(),
            uid: "u".into(),
        };
        let looks = Arc::clone(&looks);
        Entry::new(header, Object { number, looks })
    });
    writer.replace(entries, &1.into());
    (Lister::new(&writer.indexer(), "things.example.com"), looks)
}

fn selector(text: &str) -> LabelSelector {
    text.parse().unwrap()
}

#[test]
fn h_03_a_selector_finds_what_matches_and_nothing_else() {
    let (lister, _) = lister(10_000);
    assert_eq!(lister.list(&selector("tenth=yes")).len(), 1_000);
    assert_eq!(lister.list(&selector("tenth,parity=odd")).len(), 0);
    assert_eq!(lister.list(&selector("!tenth,parity!=odd")).len(), 4_000);
    assert_eq!(lister.list(&selector("other")).len(), 0);
    assert_eq!(lister.list(&LabelSelector::everything()).len(), 10_000);
}

#[test]
fn h_03_everything_and_nothing_look_at_no_object() {
    let (lister, looks) = lister(100);
    assert_eq!(lister.list(&LabelSelector::everything()).len(), 100);
    assert_eq!(lister.namespace("n0").list(&selector("")).len(), 34);
    assert_eq!(lister.list(&LabelSelector::nothing()).len(), 0);
    assert_eq!(
        lister.namespace("n0").list(&LabelSelector::nothing()).len(),
        0
    );
    assert_eq!(looks.load(Ordering::Relaxed), 0);
    assert_eq!(lister.list(&selector("tenth")).len(), 10);
    assert_eq!(looks.load(Ordering::Relaxed), 100);
}

#[test]
fn h_04_a_namespace_needs_no_index_and_looks_at_its_own_objects_only() {
    let (lister, looks) = lister(99);
    assert!(
        lister.by_index("namespace", "n1").is_err(),
        "there is no index"
    );
    let found = lister.namespace("n1").list(&selector("parity=even"));
    assert_eq!(found.len(), 16);
    assert!(
        found
            .iter()
            .all(|entry| entry.key().namespace() == Some("n1"))
    );
    assert_eq!(looks.load(Ordering::Relaxed), 33);
    assert_eq!(lister.namespace("").list(&selector("parity")).len(), 99);
    assert_eq!(
        lister.namespace("nowhere").list(&selector("parity")).len(),
        0
    );
    // The same with an index.
    let index = crate::store::IndexFunc::by_namespace();
    lister.store().add_index("namespace", index).unwrap();
    assert_eq!(lister.by_index("namespace", "n1").unwrap().len(), 33);
    assert_eq!(
        lister.namespace("n1").list(&selector("parity=even")).len(),
        16
    );
}

#[test]
fn h_05_an_object_is_found_by_its_name() {
    let (lister, _) = lister(3);
    assert_eq!(lister.namespace("n2").get("2").unwrap().object.number, 2);
    let n1 = lister.namespace("n1");
    assert_eq!(n1.name(), "n1");
    assert_eq!(n1.get("1").unwrap().object.number, 1);
    assert!(n1.get("2").is_err(), "of another namespace");
    assert!(lister.get("1").is_err(), "in no namespace");
    let header = Header {
        key: ObjectKey::cluster("free"),
        resource_version: 2.into(),
        uid: "u".into(),
    };
    let looks = Arc::default();
    let writer = IndexerWriter::new();
    writer.upsert(Entry::new(header, Object { number: 7, looks }));
    let lister = Lister::new(&writer.indexer(), "things.example.com");
    assert_eq!(lister.get("free").unwrap().object.number, 7);
    assert_eq!(lister.namespace("").get("free").unwrap().object.number, 7);
}

#[test]
fn h_05_what_is_missing_is_told_as_the_server_tells_it() {
    let store = IndexerWriter::<Object>::new().indexer();
    for (resource, name, text) in [
        ("pods", "web", r#"pods "web" not found"#),
        (
            "deployments.apps",
            "web",
            r#"deployments.apps "web" not found"#,
        ),
        (
            "widgets.shop.example.com",
            "a",
            r#"widgets.shop.example.com "a" not found"#,
        ),
    ] {
        let error = Lister::new(&store, resource)
            .namespace("n")
            .get(name)
            .err()
            .unwrap();
        assert_eq!(error.to_string(), text);
        assert_eq!(error.name(), name);
        let status = Status::from(error);
        assert!(status.is_not_found());
        assert_eq!((status.code, &*status.message), (404, text));
        let details = status.details.unwrap();
        assert_eq!(details.name, name);
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        assert_eq!((&*details.kind, &*details.group), (plural, group));
    }
}

#[test]
fn what_is_kept_alive_ends_with_the_last_lister() {
    let (first, second) = (Arc::new("first"), Arc::new("second"));
    let (lister, _) = lister(0);
    let lister = lister
        .keep_alive(Arc::clone(&first))
        .keep_alive(Arc::clone(&second));
    let namespace = lister.namespace("n");
    drop(lister);
    assert_eq!(
        (Arc::strong_count(&first), Arc::strong_count(&second)),
        (2, 2)
    );
    drop(namespace);
    assert_eq!(
        (Arc::strong_count(&first), Arc::strong_count(&second)),
        (1, 1)
    );
}

#[cfg(feature = "kube")]
#[test]
fn h_03_every_kubernetes_object_has_its_labels() {
    use k8s_openapi::api::core::v1::Pod;

    let pod: Pod = serde_json::from_value(serde_json::json!({
        "metadata": { "name": "web", "labels": { "app": "cart" } },
    }))
    .unwrap();
    assert_eq!(pod.label("app"), Some("cart"));
    assert_eq!(pod.label("tier"), None);
    assert_eq!(Pod::default().label("app"), None);
    let unlabelled = selector("!app");
    assert!(unlabelled.matches(|key| Pod::default().label(key).map(|_| "")));
}

#[cfg(feature = "kube")]
#[test]
fn h_05_a_kind_knows_its_resource() {
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::Pod;

    let missing = |error: NotFound| error.to_string();
    let pods = Lister::of_kind(&IndexerWriter::<Pod>::new().indexer());
    assert_eq!(
        pods.get("web").map_err(missing).err().unwrap(),
        r#"pods "web" not found"#
    );
    let deployments = Lister::of_kind(&IndexerWriter::<Deployment>::new().indexer());
    assert_eq!(
        deployments.resource(),
        &GroupResource::from("deployments.apps")
    );
}

#[test]
fn packed_and_raw_objects_are_selected_by_their_labels() {
    use heliostat_core::packed::Packing;
    use heliostat_core::raw::{Encoding, RawObject};

    let packing = Packing::raw();
    let (raw, packed) = (IndexerWriter::new(), IndexerWriter::new());
    for (name, app) in [("a", "cart"), ("b", "till"), ("c", "bank")] {
        let text = format!(r#"{{"metadata":{{"name":"{name}","labels":{{"app":"{app}"}}}}}}"#);
        let object = RawObject::new(Encoding::Json, None, text.into_bytes().into());
        let header = Header {
            key: ObjectKey::namespaced("shop", name),
            resource_version: "1".into(),
            uid: "u".into(),
        };
        let entry = Entry::new(header, object);
        packed.upsert(packing.pack(entry.clone()));
        raw.upsert(entry);
    }
    let selector = "app in (cart, till)".parse().unwrap();
    let names =
        |keys: Vec<ObjectKey>| -> Vec<_> { keys.iter().map(|key| key.name().to_owned()).collect() };
    let of_raw = Lister::new(&raw.indexer(), "pods").list(&selector);
    let of_packed = Lister::new(&packed.indexer(), "pods").list(&selector);
    let shop = Lister::new(&packed.indexer(), "pods")
        .namespace("shop")
        .list(&selector);
    assert_eq!(
        names(of_raw.iter().map(|e| e.key().clone()).collect()),
        ["a", "b"]
    );
    assert_eq!(
        names(of_packed.iter().map(|e| e.key().clone()).collect()),
        ["a", "b"]
    );
    assert_eq!(shop.len(), 2);
}
