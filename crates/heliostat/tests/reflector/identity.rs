//! What a reflector is called.

use std::time::Duration;

use heliostat::Reflector;

use crate::support::{Recorder, source};

#[test]
fn r_04_r_05_the_name_is_given_or_what_the_source_says_of_itself() {
    let default = Reflector::new(source(&[]), Recorder::default());
    assert!(format!("{default:?}").contains("memory"), "{default:?}");
    let named = Reflector::new(source(&[]), Recorder::default()).name("pods of my node");
    assert!(format!("{named:?}").contains("pods of my node"));
}

#[tokio::test(start_paused = true)]
async fn r_28_the_running_mirror_tells_its_name_and_version() {
    let (reflector, store) = Reflector::with_indexer(source(&["a"]));
    let mirror = reflector.name("mine").start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(mirror.name(), "mine");
    assert_eq!(mirror.status().resource_version, store.resource_version());
}

#[tokio::test(start_paused = true)]
async fn r_27_the_convenience_constructor_gives_an_indexer_with_namespaces() {
    let (reflector, store) = Reflector::with_indexer(source(&["a/x", "a/y", "b/x"]));
    let mirror = reflector.start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(store.by_index("namespace", "a").unwrap().len(), 2);
    mirror.shutdown().await;
}
