//! Prefixes of a real etcd for the suite.

use std::time::Duration;

use heliostat::source::etcd::{Cluster, EtcdSource};
use heliostat::{Header, ObjectKey};
use heliostat_conformance::{Ability, Harness, HarnessError, Scope};

use super::etcd_server::{EtcdClient, Member};

/// A prefix of its own for each check.
pub(crate) struct EtcdHarness {
    pub(crate) member: Member,
    pub(crate) cluster: Cluster,
    /// Whether the server can be asked for the progress of a watch.
    pub(crate) answers_progress: bool,
    /// Whether other keys of the etcd change all the time.
    pub(crate) among_others: bool,
}

pub(crate) struct EtcdScope {
    client: EtcdClient,
    source: EtcdSource<u64>,
    prefix: String,
    answers_progress: bool,
    among_others: bool,
}

impl Harness for EtcdHarness {
    type Scope = EtcdScope;

    async fn open(&self, name: &str) -> Result<EtcdScope, HarnessError> {
        let prefix = format!("/{name}/");
        let source = EtcdSource::decoded_with(&self.cluster, &prefix, |pair| {
            String::from_utf8_lossy(pair.value).parse::<u64>()
        });
        let source = source.progress_interval(Some(Duration::from_millis(100)));
        Ok(EtcdScope {
            client: self.member.client(),
            source,
            prefix,
            answers_progress: self.answers_progress,
            among_others: self.among_others,
        })
    }
}

impl EtcdScope {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn put(&self, name: &str, value: &str) -> Result<Header, HarnessError> {
        self.let_others_write().await;
        let key = self.key(name);
        self.client.put(&key, value).await;
        let pairs = self.client.all(&self.prefix).await;
        let pair = pairs.into_iter().find(|pair| pair.key == key.as_bytes());
        let pair = pair.ok_or_else(|| HarnessError::new("what was written is not there"))?;
        Ok(Header {
            key: ObjectKey::cluster(name),
            resource_version: pair.mod_revision.into(),
            uid: (&*pair.create_revision.to_string()).into(),
        })
    }

    async fn let_others_write(&self) {
        if self.among_others {
            self.client.put("/other", "x").await;
        }
    }
}

impl Scope for EtcdScope {
    type Source = EtcdSource<u64>;

    fn source(&self) -> &EtcdSource<u64> {
        &self.source
    }

    fn value(&self, object: &u64) -> Option<u64> {
        Some(*object)
    }

    async fn create(&self, name: &str, value: u64) -> Result<Header, HarnessError> {
        self.put(name, &value.to_string()).await
    }

    async fn update(&self, name: &str, value: u64) -> Result<Header, HarnessError> {
        let key = self.key(name).into_bytes();
        let pairs = self.client.all(&self.prefix).await;
        let last = pairs.iter().find(|pair| pair.key == key);
        // What is spoiled stays so.
        let is_spoiled = last.is_some_and(|pair| pair.value.starts_with(SPOILED.as_bytes()));
        let value = match is_spoiled {
            true => format!("{SPOILED}{value}"),
            false => value.to_string(),
        };
        self.put(name, &value).await
    }

    async fn delete(&self, name: &str) -> Result<(), HarnessError> {
        self.let_others_write().await;
        self.client.delete(self.key(name)).await;
        Ok(())
    }

    async fn give_up(&self) {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }

    async fn expire_history(&self) -> Result<Ability, HarnessError> {
        let revision = self.client.revision().await;
        self.client.compact(revision).await;
        Ok(Ability::Done)
    }

    async fn send_bookmark(&self) -> Result<Ability, HarnessError> {
        if !self.answers_progress {
            return Ok(Ability::Lacking);
        }
        self.source.request_progress();
        Ok(Ability::Done)
    }

    async fn spoil(&self, name: &str) -> Result<Ability, HarnessError> {
        self.put(name, SPOILED).await?;
        Ok(Ability::Done)
    }
}

/// What no number begins with.
const SPOILED: &str = "spoiled";
