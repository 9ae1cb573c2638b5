//! Credentials over their life: what is sent, what follows from a refusal, how often a plugin runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heliostat::source::kube::{Cluster, Connection, KubeSource};
use heliostat_core::error::SourceError;
use k8s_openapi::api::core::v1::ConfigMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::lines::Lines;

use super::connection::{asked, kubeconfig, two_contexts};
use super::list;
use super::server::{Reply, Seen, Server};

/// A kubeconfig whose user has these fields.
fn of_user(name: &str, url: &str, user: &str) -> PathBuf {
    let text = two_contexts(url).replace("{token: anns-token}", &format!("{{{user}}}"));
    kubeconfig(name, &text)
}

/// The fields of a user whose plugin is a shell script.
fn plugin(name: &str, script: &str) -> String {
    let script = kubeconfig(&format!("{name}.sh"), script);
    format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, \
         args: ['{}'], interactiveMode: Never}}",
        script.display()
    )
}

/// A script that counts its runs in a file, `$n` in what it prints.
fn counting(name: &str, output: &str) -> (PathBuf, String) {
    counting_and(name, output, "")
}

/// A counting script with more commands.
fn counting_and(name: &str, output: &str, more: &str) -> (PathBuf, String) {
    let runs = kubeconfig(&format!("{name}.runs"), "");
    let path = runs.display();
    let script =
        format!("echo run >> '{path}'; n=$(($(wc -l < '{path}'))); printf '%s' \"{output}\"{more}");
    (runs, plugin(name, &script))
}

fn lines_of(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap().lines().count()
}

/// A server that refuses all but one `Authorization`.
async fn accepting(wanted: &str) -> Server {
    let wanted = wanted.to_owned();
    Server::start_by(move |request| {
        if request.header("authorization") == Some(&wanted) {
            Reply::capture("list-json-empty")
        } else {
            unauthorized()
        }
    })
    .await
}

fn unauthorized() -> Reply {
    let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized",
                     "reason":"Unauthorized","code":401}"#;
    Reply::new(401, "application/json", status)
}

async fn list_once(cluster: &Cluster) -> Result<(), SourceError> {
    let page =
        list(&KubeSource::<ConfigMap>::new(cluster).namespace(cluster.default_namespace())).await;
    page.end.map(|_| ())
}

fn sent(server: &Server) -> Vec<String> {
    let header = |seen: &Seen| seen.header("authorization").unwrap_or("none").to_owned();
    server.seen().iter().map(header).collect()
}

#[tokio::test]
async fn an_empty_credential_is_none() {
    let server = Server::always(Reply::capture("list-json-empty")).await;
    let (_, from_plugin) = counting("empty-beside", "{status: {token: t$n}}");
    for (user, expected) in [
        (
            format!("token: '', tokenFile: '', {from_plugin}"),
            Some("Bearer t1"),
        ),
        (
            "username: '', password: '', token: t, auth-provider: null, exec: {}".to_owned(),
            Some("Bearer t"),
        ),
        (
            "username: ann, token: ''".to_owned(),
            Some("Basic YW5uOg=="),
        ),
        ("token: ' ', username: ''".to_owned(), None),
    ] {
        let path = of_user("empty.yaml", &server.url, &user);
        let (_, header) = asked(&server, Connection::new().kubeconfig(path)).await;
        assert_eq!(header.as_deref(), expected, "{user}");
    }
}

#[tokio::test]
async fn a_token_file_is_read_again_after_a_refusal() {
    let server = accepting("Bearer second").await;
    let token = kubeconfig("rotated-token", "first\n");
    let user = format!("tokenFile: '{}'", token.display());
    let path = of_user("rotated.yaml", &server.url, &user);
    let connection = Connection::new().kubeconfig(path);
    let cluster = connection.connect().await.unwrap();
    std::fs::write(token, "second\n").unwrap();
    list_once(&cluster).await.unwrap();
    assert_eq!(sent(&server), ["Bearer first", "Bearer second"]);
}

#[tokio::test]
async fn a_plugin_runs_again_after_a_refusal_and_the_request_is_sent_once_more() {
    let server = accepting("Bearer t2").await;
    let (runs, user) = counting("refused", "{status: {token: t$n}}");
    let path = of_user("refused.yaml", &server.url, &user);
    let cluster = Connection::new().kubeconfig(path).connect().await.unwrap();
    assert_eq!(lines_of(&runs), 1, "one run for token and certificate");
    let all = (0..4).map(|_| list_once(&cluster));
    for outcome in futures_util::future::join_all(all).await {
        outcome.unwrap();
    }
    assert_eq!(lines_of(&runs), 2, "one run for all that were refused");
}

#[tokio::test]
async fn what_a_plugin_says_is_logged_while_the_terminal_is_in_use() {
    let lines = Lines::collect();
    let server = accepting("Bearer t2").await;
    let script = "; printf 'open\\033[2J this\\nand' >&2";
    let (runs, user) = counting_and("in-use", "{status: {token: t$n}}", script);
    let path = of_user("in-use.yaml", &server.url, &user);
    let cluster = Connection::new().kubeconfig(&path).connect().await.unwrap();
    assert!(lines.all().is_empty());
    cluster.clone().set_interactive(false);
    list_once(&cluster).await.unwrap();
    assert_eq!(lines_of(&runs), 2);
    let said = lines.with("a credential plugin writes: ");
    let texts: Vec<&str> = said
        .iter()
        .filter_map(|line| line.split_once("writes: "))
        .map(|it| it.1)
        .collect();
    assert!(texts[0].starts_with(r"open\u{1b}[2J this"), "{texts:?}");
    assert!(texts[1].starts_with("and"), "{texts:?}");
    assert_eq!(texts.len(), 2);
    for line in &said {
        assert!(line.contains("user=\"user "), "{line}");
        assert!(line.contains(" command=/bin/sh "), "{line}");
    }
}

#[tokio::test]
async fn the_lines_of_one_plugin_do_not_hold_back_those_of_another() {
    let lines = Lines::collect();
    let server = accepting("Bearer t2").await;
    let script = "; for n in 1 2 3 4 5 6 7 8 9; do echo line >&2; done";
    for name in ["first", "second"] {
        lines.clear();
        let (_, user) = counting_and(name, "{status: {token: t$n}}", script);
        let path = of_user(&format!("{name}.yaml"), &server.url, &user);
        let cluster = Connection::new().kubeconfig(&path).connect().await.unwrap();
        cluster.clone().set_interactive(false);
        list_once(&cluster).await.unwrap();
        assert_eq!(lines.with("writes: line").len(), 5, "{name}");
    }
}

#[tokio::test]
async fn credentials_that_stay_refused_are_an_error() {
    let server = accepting("Bearer never").await;
    let (runs, user) = counting("hopeless", "{status: {token: t$n}}");
    let path = of_user("hopeless.yaml", &server.url, &user);
    let cluster = Connection::new().kubeconfig(path).connect().await.unwrap();
    for _ in 0..3 {
        let error = list_once(&cluster).await.unwrap_err();
        let is_refusal = matches!(&error, SourceError::Api(status) if status.is_unauthorized());
        assert!(is_refusal, "{error}");
    }
    assert!((2..=4).contains(&lines_of(&runs)), "{}", lines_of(&runs));
    assert!(server.seen().len() <= 6, "each is sent once more at most");

    let path = of_user("fixed.yaml", &server.url, "token: t");
    let cluster = Connection::new().kubeconfig(path).connect().await.unwrap();
    let before = server.seen().len();
    assert!(list_once(&cluster).await.is_err());
    assert_eq!(
        server.seen().len(),
        before + 1,
        "there is nothing else to try"
    );
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_names_user_and_file() {
    let token = kubeconfig("broken-token", "to\nken\n");
    let (_, from_plugin) = counting("broken-plugin", "{status: {token: \\\"to\\\\nken\\\"}}");
    for user in [
        r#"token: "to\nken""#.to_owned(),
        format!("tokenFile: '{}'", token.display()),
        from_plugin,
    ] {
        let path = of_user("broken-token.yaml", "http://127.0.0.1:1", &user);
        let connection = Connection::new().kubeconfig(&path);
        let text = connection.connect().await.unwrap_err().to_string();
        let place = path.to_str().unwrap();
        for said in ["user \"ann\"", place, "line break"] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_user_names_it_and_does_not_repeat_its_secrets() {
    for (user, said) in [
        ("token: 12345", "a secret must be a string"),
        (
            "client-key-data: 'top*secret'",
            "client-key-data is not base64",
        ),
        ("client-key-data: 'dG9wc2VjcmV0'", "no client certificate"),
        (
            "client-certificate-data: 'dG9w', client-key-data: 'dG9wc2VjcmV0'",
            "user \"ann\"",
        ),
        ("auth-provider: {name: gcp}", "\"gcp\" is not supported"),
        ("as: \"a\\nb\"", "as has a line break"),
    ] {
        let path = of_user("wrong-user.yaml", "http://127.0.0.1:1", user);
        let connection = Connection::new().kubeconfig(&path);
        let text = connection.connect().await.unwrap_err().to_string();
        assert!(text.contains(said), "{user}: {text}");
        for secret in ["12345", "topsecret", "top*secret", "dG9wc2VjcmV0"] {
            assert!(!text.contains(secret), "{user}: {text}");
        }
    }
}

fn tls(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls");
    std::fs::read(folder.join(name)).unwrap()
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&tls(name)).unwrap()
}

/// A server that asks for client certificates and accepts those of these names. Returns its address and
/// the names of the certificates that requests came with.
async fn tls_server(accepted: &'static [&'static str]) -> (String, Arc<Mutex<Vec<&'static str>>>) {
    let mut roots = RootCertStore::empty();
    roots.add(certificate("authority.pem")).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
    let key = PrivateKeyDer::from_pem_slice(&tls("server.key.pem")).unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(vec![certificate("server.pem")], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stream = acceptor.accept(stream).await.unwrap();
            tokio::spawn(answer_all(stream, accepted, Arc::clone(&log)));
        }
    });
    (url, seen)
}

/// Answers the requests of a connection until the client closes it.
async fn answer_all(
    mut stream: TlsStream<TcpStream>,
    accepted: &[&str],
    log: Arc<Mutex<Vec<&'static str>>>,
) {
    let peer = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let is_of = |name: &&str| certificate(&format!("{name}.pem")) == peer;
    let name = ["first", "second"].into_iter().find(is_of).unwrap();
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else {
                return;
            };
            head.push(byte);
        }
        log.lock().unwrap().push(name);
        let (code, body) = if accepted.contains(&name) {
            (200, super::capture("list-json-empty", "body"))
        } else {
            (401, unauthorized().body())
        };
        let head = format!(
            "HTTP/1.1 {code} Some\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream
            .write_all(&[head.as_bytes(), &body].concat())
            .await
            .unwrap();
        stream.flush().await.unwrap();
    }
}

/// As `base64` wraps it, as a block of YAML.
fn in_lines(pem: &[u8]) -> String {
    use base64::Engine as _;

    let text = base64::engine::general_purpose::STANDARD.encode(pem);
    let lines = text.as_bytes().chunks(64);
    let lines = lines.map(|line| format!("\\n{}", str::from_utf8(line).unwrap()));
    format!("\"{}\\n\"", lines.collect::<String>())
}

fn trusting(path: &str, url: &str, user: &str) -> PathBuf {
    let authority = in_lines(&tls("authority.pem"));
    let text = std::fs::read_to_string(of_user(path, url, user)).unwrap();
    let cluster = format!("certificate-authority-data: {authority}, server:");
    kubeconfig(path, &text.replace("server:", &cluster))
}

#[tokio::test]
async fn a_refused_client_certificate_is_replaced_by_the_plugins_next() {
    let (url, seen) = tls_server(&["second"]).await;
    let (runs, path) = issuing_identities("identity", &url, None);
    let cluster = Connection::new().kubeconfig(path).connect().await.unwrap();
    list_once(&cluster).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["first", "second"]);
    assert_eq!(lines_of(&runs), 2);
}

/// A kubeconfig whose plugin returns the identity `first` at its first run and `second` later. Also returns
/// the file that counts the runs.
fn issuing_identities(test: &str, url: &str, end: Option<jiff::Timestamp>) -> (PathBuf, PathBuf) {
    for name in ["first", "second"] {
        let pem = |suffix: &str| String::from_utf8(tls(&format!("{name}{suffix}"))).unwrap();
        let status = serde_json::json!({"status": {
            "clientCertificateData": pem(".pem"),
            "clientKeyData": pem(".key.pem"),
            "expirationTimestamp": end,
        }});
        kubeconfig(&format!("{test}-{name}"), &status.to_string());
    }
    let folder = env!("CARGO_TARGET_TMPDIR");
    let (runs, user) = counting(
        test,
        &format!("$(cat {folder}/{test}-$([ $n = 1 ] && echo first || echo second))"),
    );
    let user = user.replace("exec:", "token: '', exec:");
    (runs, trusting(&format!("{test}.yaml"), url, &user))
}

#[tokio::test]
async fn a_client_certificate_is_replaced_before_it_ends_also_on_open_connections() {
    const LIFE: i64 = 1000;
    let (url, seen) = tls_server(&["first", "second"]).await;
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(LIFE);
    let (runs, path) = issuing_identities("ending", &url, Some(end));
    let cluster = Connection::new().kubeconfig(path).connect().await.unwrap();
    // A minute before its end; the clock is only stopped where nothing is sent.
    for (seconds, expected) in [
        (0, &["first"][..]),
        (930, &["first", "first"]),
        (12, &["first", "first", "second"]),
        (0, &["first", "first", "second", "second"]),
    ] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        list_once(&cluster).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), expected);
    }
    assert_eq!(lines_of(&runs), 2);
}

#[tokio::test]
async fn client_certificates_in_files_are_read_again_after_a_refusal() {
    let (url, seen) = tls_server(&["second"]).await;
    let put = |name: &str| {
        std::fs::write(kubeconfig("rotated.pem", ""), tls(&format!("{name}.pem"))).unwrap();
        std::fs::write(
            kubeconfig("rotated.key", ""),
            tls(&format!("{name}.key.pem")),
        )
        .unwrap();
    };
    put("first");
    // Relative paths start at the kubeconfig.
    let user = "client-certificate: rotated.pem, client-key: rotated.key";
    let path = trusting("rotated-identity.yaml", &url, user);
    let cluster = Connection::new().kubeconfig(path).connect().await.unwrap();
    put("second");
    list_once(&cluster).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["first", "second"]);
}

#[tokio::test]
async fn data_of_certificates_may_have_line_breaks() {
    let (url, seen) = tls_server(&["second"]).await;
    let user = format!(
        "client-certificate-data: {}, client-key-data: {}",
        in_lines(&tls("second.pem")),
        in_lines(&tls("second.key.pem"))
    );
    let path = trusting("data.yaml", &url, &user);
    let cluster = Connection::new().kubeconfig(path).connect().await.unwrap();
    list_once(&cluster).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["second"]);
}
