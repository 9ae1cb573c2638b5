//! A client of etcd's JSON gateway: the other side of each test.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::PATIENCE;

/// Writes to one member.
#[derive(Clone, Debug)]
pub(crate) struct EtcdClient {
    address: String,
    token: Option<String>,
}

/// A key to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Put<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) lease: Option<i64>,
}

/// A key as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stored {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) create_revision: u64,
    pub(crate) mod_revision: u64,
}

impl EtcdClient {
    pub(crate) fn new(url: &str) -> Self {
        let (_, address) = url.split_once("://").unwrap();
        Self {
            address: address.to_owned(),
            token: None,
        }
    }

    /// Waits until the member answers.
    pub(crate) async fn wait_ready(&self) {
        let ready = async {
            let nothing = json!({"key": encode(b"\0")});
            while self.try_call("/v3/kv/range", &nothing).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, ready).await;
        waited.expect("an etcd that starts");
    }

    /// Writes a key; returns the revision.
    pub(crate) async fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> u64 {
        let request = json!({"key": encode(key.as_ref()), "value": encode(value.as_ref())});
        revision(&self.call("/v3/kv/put", &request).await)
    }

    /// Deletes a key; returns the revision.
    pub(crate) async fn delete(&self, key: impl AsRef<[u8]>) -> u64 {
        let request = json!({"key": encode(key.as_ref())});
        revision(&self.call("/v3/kv/deleterange", &request).await)
    }

    /// Deletes all keys that begin with this; returns the revision.
    pub(crate) async fn delete_prefix(&self, prefix: &str) -> u64 {
        let mut end = prefix.as_bytes().to_vec();
        *end.last_mut().unwrap() += 1;
        let request = json!({"key": encode(prefix.as_bytes()), "range_end": encode(&end)});
        revision(&self.call("/v3/kv/deleterange", &request).await)
    }

    /// Writes several keys in one revision.
    pub(crate) async fn put_all(&self, puts: &[Put<'_>]) -> u64 {
        let operation = |put: &Put<'_>| {
            let mut request = json!({"key": encode(put.key), "value": encode(put.value)});
            if let Some(lease) = put.lease {
                request["lease"] = json!(lease.to_string());
            }
            json!({"requestPut": request})
        };
        let operations: Vec<Value> = puts.iter().map(operation).collect();
        let request = json!({"success": operations});
        revision(&self.call("/v3/kv/txn", &request).await)
    }

    /// The present revision.
    pub(crate) async fn revision(&self) -> u64 {
        let request = json!({"key": encode(b"\0")});
        revision(&self.call("/v3/kv/range", &request).await)
    }

    /// All keys that begin with this, with their values and revisions.
    pub(crate) async fn all(&self, prefix: &str) -> Vec<Stored> {
        let mut end = prefix.as_bytes().to_vec();
        *end.last_mut().unwrap() += 1;
        let request = json!({"key": encode(prefix.as_bytes()), "range_end": encode(&end)});
        let answer = self.call("/v3/kv/range", &request).await;
        let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
        let pairs = answer["kvs"].as_array().into_iter().flatten();
        let number = |value: &Value| value.as_str().unwrap().parse().unwrap();
        let pair = |pair: &Value| Stored {
            key: bytes(&pair["key"]),
            value: bytes(&pair["value"]),
            create_revision: number(&pair["create_revision"]),
            mod_revision: number(&pair["mod_revision"]),
        };
        pairs.map(pair).collect()
    }

    /// Forgets all revisions before this one.
    pub(crate) async fn compact(&self, revision: u64) {
        let request = json!({"revision": revision.to_string(), "physical": true});
        self.call("/v3/kv/compaction", &request).await;
    }

    /// A lease of so many seconds.
    pub(crate) async fn grant(&self, seconds: u64) -> i64 {
        let request = json!({"TTL": seconds.to_string()});
        let answer = self.call("/v3/lease/grant", &request).await;
        answer["ID"].as_str().unwrap().parse().unwrap()
    }

    /// Ends a lease, and with it its keys.
    pub(crate) async fn revoke(&self, lease: i64) {
        let request = json!({"ID": lease.to_string()});
        self.call("/v3/lease/revoke", &request).await;
    }

    /// The same client as a user.
    pub(crate) async fn as_user(&self, name: &str, password: &str) -> Self {
        let request = json!({"name": name, "password": password});
        let answer = self.call("/v3/auth/authenticate", &request).await;
        Self {
            token: answer["token"].as_str().map(str::to_owned),
            ..self.clone()
        }
    }

    /// Calls anything that the gateway has.
    pub(crate) async fn call(&self, path: &str, request: &Value) -> Value {
        let answer = tokio::time::timeout(PATIENCE, self.try_call(path, request)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{path} is not answered"));
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The same, where it may fail.
    pub(crate) async fn try_call(&self, path: &str, request: &Value) -> Result<Value, String> {
        let body = request.to_string();
        let token = self.token.as_ref();
        let token = token.map_or_else(String::new, |token| format!("Authorization: {token}\r\n"));
        // Version 1.0: the answer ends with the connection, and comes in one piece.
        let head = format!(
            "POST {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\n{token}Content-Length: \
             {}\r\n\r\n",
            self.address,
            body.len()
        );
        let answer = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = answer.await.map_err(|error| error.to_string())?;
        let answer = String::from_utf8(answer).map_err(|error| error.to_string())?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
        match head.lines().next() {
            Some(line) if line.contains(" 200 ") => {
                serde_json::from_str(body).map_err(|error| error.to_string())
            }
            line => Err(format!("{}: {body}", line.unwrap_or_default())),
        }
    }
}

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn revision(answer: &Value) -> u64 {
    let revision = answer["header"]["revision"].as_str();
    revision.unwrap().parse().unwrap()
}
