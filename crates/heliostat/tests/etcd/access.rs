//! Who may read: users, certificates, endpoints that are none, proxies.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heliostat::source::ListOptions;
use heliostat::source::etcd::{Connection, EtcdSource};
use heliostat::{ListerWatcher as _, SourceError};
use serde_json::json;

use super::etcd_server::{Member, Options, PATIENCE, Version, free_address};
use super::support::{Mirror, PREFIX};

/// Users `root` and `reader`, of whom the second may read the prefix and nothing else. Tokens run out after
/// two seconds.
async fn with_users() -> Option<Member> {
    let options = Options {
        arguments: vec!["--auth-token-ttl=2".to_owned()],
        ..Options::default()
    };
    let member = Member::start_with(Version::Newest, &options).await?;
    let client = member.client();
    let range = json!({
        "permType": "READ",
        "key": STANDARD.encode(PREFIX),
        "range_end": STANDARD.encode("/app0"),
    });
    for (path, request) in [
        ("user/add", json!({"name": "root", "password": "secret"})),
        ("user/grant", json!({"user": "root", "role": "root"})),
        ("role/add", json!({"name": "reader"})),
        ("role/grant", json!({"name": "reader", "perm": range})),
        ("user/add", json!({"name": "reader", "password": "open"})),
        ("user/grant", json!({"user": "reader", "role": "reader"})),
        ("enable", json!({})),
    ] {
        client.call(&format!("/v3/auth/{path}"), &request).await;
    }
    Some(member)
}

fn as_user(member: &Member, name: &str, password: &str) -> Connection {
    Connection::new()
        .endpoint(member.url())
        .user(name, password)
}

async fn refusal(connection: Connection, prefix: &str) -> SourceError {
    let cluster = connection.connect().await.unwrap();
    let listed = EtcdSource::text(&cluster, prefix)
        .list(ListOptions::default())
        .await;
    listed.map(drop).unwrap_err()
}

#[tokio::test]
async fn a_user_reads_what_it_may_and_its_token_is_renewed() {
    let Some(member) = with_users().await else {
        return;
    };
    let root = member.client().as_user("root", "secret").await;
    root.put("/app/a", "1").await;
    let cluster = as_user(&member, "reader", "open").connect().await.unwrap();
    let mirror = Mirror::start(&cluster).await;
    // Whatever changes users makes every token invalid.
    let add = json!({"name": "another", "password": "x"});
    root.call("/v3/auth/user/add", &add).await;
    let root = member.client().as_user("root", "secret").await;
    let revision = root.put("/app/b", "1").await;
    mirror.equals_after(&root, revision).await;
    let again = Mirror::start(&cluster).await;
    assert_eq!(again.objects.len(), 2);
}

#[tokio::test]
async fn who_may_not_read_is_told_where_and_what_to_do() {
    let Some(member) = with_users().await else {
        return;
    };
    let wrong = refusal(as_user(&member, "reader", "closed"), PREFIX).await;
    assert!(wrong.status().unwrap().is_unauthorized(), "{wrong}");
    let nobody = refusal(Connection::new().endpoint(member.url()), PREFIX).await;
    assert!(nobody.status().unwrap().is_unauthorized(), "{nobody}");
    let elsewhere = refusal(as_user(&member, "reader", "open"), "/other/").await;
    assert!(elsewhere.status().unwrap().is_forbidden(), "{elsewhere}");
    for (error, words) in [
        (&wrong, ["reader", "password"]),
        (&nobody, [PREFIX, "set a user"]),
        (&elsewhere, ["/other/", "permission"]),
    ] {
        let text = error.to_string();
        assert!(text.contains(member.url()), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
}

/// Waits until an endpoint that was started just now answers.
async fn wait_ready<T: Send + Sync + 'static>(source: &EtcdSource<T>) {
    let ready = async {
        while source.list(ListOptions::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, ready).await;
    waited.expect("an endpoint that starts");
}

fn tls(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/tls");
    PathBuf::from(folder).join(name)
}

#[tokio::test]
async fn tls_on_one_side_alone_and_an_unknown_authority_are_named() {
    let options = Options {
        arguments: vec![
            format!("--cert-file={}", tls("server.pem").display()),
            format!("--key-file={}", tls("server.key.pem").display()),
        ],
        is_secure: true,
        ..Options::default()
    };
    let Some(plain) = Member::start(Version::Newest).await else {
        return;
    };
    let Some(secure) = Member::start_secure(Version::Newest, &options) else {
        return;
    };
    let trusting = Connection::new()
        .endpoint(secure.url())
        .ca_file(tls("authority.pem"));
    let cluster = trusting.connect().await.unwrap();
    let source = EtcdSource::text(&cluster, PREFIX);
    wait_ready(&source).await;
    let unknown = refusal(Connection::new().endpoint(secure.url()), PREFIX).await;
    assert!(unknown.to_string().contains("CA certificate"), "{unknown}");
    let with_tls = plain.url().replace("http://", "https://");
    let wrong = refusal(Connection::new().endpoint(with_tls), PREFIX).await;
    assert!(wrong.to_string().contains("http://"), "{wrong}");
    let without_tls = secure.url().replace("https://", "http://");
    let wrong = refusal(Connection::new().endpoint(without_tls), PREFIX).await;
    assert!(wrong.to_string().contains("https://"), "{wrong}");
}

#[tokio::test]
async fn a_client_proves_who_it_is_with_its_certificate() {
    let options = Options {
        arguments: vec![
            format!("--cert-file={}", tls("server.pem").display()),
            format!("--key-file={}", tls("server.key.pem").display()),
            format!("--trusted-ca-file={}", tls("authority.pem").display()),
            "--client-cert-auth".to_owned(),
        ],
        is_secure: true,
        ..Options::default()
    };
    let Some(member) = Member::start_secure(Version::Newest, &options) else {
        return;
    };
    let trusting = Connection::new()
        .endpoint(member.url())
        .ca_file(tls("authority.pem"));
    let known = trusting
        .clone()
        .client_certificate(tls("first.pem"), tls("first.key.pem"));
    let source = EtcdSource::text(&known.connect().await.unwrap(), PREFIX);
    wait_ready(&source).await;
    let nobody = refusal(trusting, PREFIX).await;
    assert!(matches!(nobody, SourceError::Transport(_)), "{nobody:?}");
    assert!(nobody.to_string().contains(member.url()), "{nobody}");
}

#[tokio::test]
async fn every_endpoint_that_does_not_answer_is_named() {
    let (one, other) = (free_address(), free_address());
    let connection = Connection::new().endpoints([one.as_str(), other.as_str()]);
    let error = refusal(connection, PREFIX).await;
    assert!(matches!(error, SourceError::Transport(_)), "{error:?}");
    assert_eq!(error.class(), "refused");
    let text = error.to_string();
    assert!(text.contains(&one) && text.contains(&other), "{text}");
}

/// A gRPC proxy before a member, which ends with this.
struct Proxy {
    process: Child,
    address: String,
}

impl Proxy {
    fn start(member: &Member) -> Self {
        let address = free_address();
        let process = Command::new(member.program())
            .args(["grpc-proxy", "start"])
            .arg(format!("--endpoints={}", member.url()))
            .arg(format!("--listen-addr={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self {
            process: process.unwrap(),
            address,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The proxy has one watch for both, and makes up the response to the second; it answers no progress
/// requests.
#[tokio::test]
async fn mirrors_share_a_watch_of_a_proxy() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let client = member.client();
    client.put("/app/a", "1").await;
    let proxy = Proxy::start(&member);
    let cluster = Connection::new().endpoint(&proxy.address);
    let cluster = cluster.connect().await.unwrap();
    let source = EtcdSource::bytes(&cluster, PREFIX).progress_interval(Some(Duration::ZERO));
    wait_ready(&source).await;
    let mirrors = [
        Mirror::of(source.clone()).await,
        Mirror::of(source.clone()).await,
        Mirror::of(source).await,
    ];
    for key in ["/app/b", "/app/c"] {
        let revision = client.put(key, "1").await;
        for mirror in &mirrors {
            mirror.equals_after(&client, revision).await;
        }
    }
    for mirror in &mirrors {
        assert_eq!((mirror.relists(), mirror.counts().failures), (0, 0));
    }
}

#[tokio::test]
async fn the_first_endpoint_may_be_away() {
    let Some(member) = Member::start(Version::Newest).await else {
        return;
    };
    let away = free_address();
    let connection = Connection::new().endpoints([away.as_str(), member.url()]);
    let mirror = Mirror::start(&connection.connect().await.unwrap()).await;
    let revision = member.client().put("/app/a", "1").await;
    mirror.equals_after(&member.client(), revision).await;
}
