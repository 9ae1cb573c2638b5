//! Many clients on real threads while writers write and streams break: every mirror ends equal to
//! the storage, and no client ever sees an event that does not fit what it has.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::{Next, Watch, config_map, get};
use heliostat_server::{ApiServer, RunningServer, StorageHandle};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

const MAPS: &str = "/api/v1/configmaps";
const CLIENTS: usize = 8;
const WRITERS: usize = 3;
const WRITES: usize = 400;
/// Long enough for any machine; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client has: versions by key, and the version up to which it has read.
#[derive(Default)]
struct Mirror {
    objects: BTreeMap<String, String>,
    version: String,
    relists: usize,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn key(object: &Value) -> String {
    let metadata = &object["metadata"];
    format!(
        "{}/{}",
        text(&metadata["namespace"]),
        text(&metadata["name"])
    )
}

impl Mirror {
    async fn list(&mut self, server: &RunningServer) {
        self.objects.clear();
        self.relists += 1;
        let mut path = format!("{MAPS}?limit=7");
        loop {
            let answer = get(server, &path).await;
            if answer.code == 410 {
                // The history went while paging.
                path = MAPS.to_owned();
                self.objects.clear();
                continue;
            }
            let page = answer.json();
            for item in page["items"].as_array().unwrap() {
                self.objects
                    .insert(key(item), text(&item["metadata"]["resourceVersion"]));
            }
            self.version = text(&page["metadata"]["resourceVersion"]);
            match page["metadata"]["continue"].as_str() {
                Some(token) => path = format!("{MAPS}?limit=7&continue={token}"),
                None => return,
            }
        }
    }

    /// Applies one event; false if the history is gone.
    fn apply(&mut self, event: &Value) -> bool {
        let object = &event["object"];
        let kind = event["type"].as_str().unwrap();
        if kind == "ERROR" {
            assert_eq!(object["code"], 410);
            return false;
        }
        let version = text(&object["metadata"]["resourceVersion"]);
        let number = |text: &str| text.parse::<u64>().unwrap();
        assert!(
            number(&version) > number(&self.version),
            "events go forward"
        );
        match kind {
            "ADDED" => assert!(self.objects.insert(key(object), version.clone()).is_none()),
            "MODIFIED" => assert!(self.objects.insert(key(object), version.clone()).is_some()),
            "DELETED" => assert!(self.objects.remove(&key(object)).is_some()),
            other => panic!("unexpected {other}"),
        }
        self.version = version;
        true
    }

    /// Lists and watches, whatever breaks, until the mark is there.
    async fn follow(&mut self, server: &RunningServer) {
        self.list(server).await;
        while !self.objects.contains_key("ns/mark") {
            let path = format!("{MAPS}?watch=1&resourceVersion={}", self.version);
            let mut watch = Watch::open(server, &path).await;
            while !self.objects.contains_key("ns/mark") {
                match watch.next().await {
                    Next::Event(event) if self.apply(&event) => {}
                    Next::Event(_) => {
                        self.list(server).await;
                        break;
                    }
                    Next::End(_) | Next::Broken(_) => break,
                }
            }
        }
    }
}

async fn write(storage: StorageHandle, server: Arc<RunningServer>, writer: usize) {
    for index in 0..WRITES {
        let name = format!("cm-{writer}-{}", index % 11);
        let key = format!("ns/{name}");
        let exists = storage.get("configmaps", &key).unwrap().is_some();
        match (exists, index % 5) {
            (false, _) => drop(
                storage
                    .create("configmaps", config_map(&name, "1"))
                    .unwrap(),
            ),
            (true, 0) => storage.delete("configmaps", &key).unwrap(),
            (true, _) => {
                let patch = json!({"data": {"k": index.to_string()}});
                storage.merge_patch("configmaps", &key, patch).unwrap();
            }
        }
        let faults = server.faults();
        match (writer, index % 100) {
            (0, 33) => faults.cut_watches(None),
            (1, 66) => faults.close_watches(None),
            (2, 99) => faults.expire_history(None),
            _ => {}
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_mirror_ends_equal_to_the_storage() {
    let server = ApiServer::builder()
        .event_window(64)
        .build()
        .serve_local()
        .await
        .unwrap();
    let server = Arc::new(server);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let server = Arc::clone(&server);
        clients.spawn(async move {
            let mut mirror = Mirror::default();
            timeout(PATIENCE, mirror.follow(&server))
                .await
                .expect("the client gets there");
            mirror
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(server.storage().clone(), Arc::clone(&server), writer));
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    server
        .storage()
        .create("configmaps", config_map("mark", "1"))
        .unwrap();
    let wanted = server.storage().versions("configmaps").unwrap();
    let mut relists = 0;
    while let Some(mirror) = clients.join_next().await {
        let mirror = mirror.unwrap();
        assert_eq!(mirror.objects, wanted);
        relists += mirror.relists;
    }
    assert!(relists >= CLIENTS);
    Arc::into_inner(server)
        .expect("the last handle")
        .shutdown()
        .await;
}
