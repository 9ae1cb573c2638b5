//! Connections from kubeconfig files: which server is asked, with which credentials.

use std::path::PathBuf;

use heliostat::source::kube::{ConnectError, Connection, KubeSource};
use k8s_openapi::api::core::v1::ConfigMap;

use super::list;
use super::server::{Reply, Server};

/// A kubeconfig in a file of its own.
pub(super) fn kubeconfig(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

pub(super) fn two_contexts(url: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: here
  cluster: {{server: '{url}'}}
users:
- name: ann
  user: {{token: anns-token}}
- name: bob
  user: {{token: bobs-token}}
contexts:
- name: one
  context: {{cluster: here, user: ann, namespace: shop}}
- name: two
  context: {{cluster: here, user: bob}}
- name: broken
  context: {{cluster: nowhere, user: bob}}
"
    )
}

/// The target and the credentials of the one request that a connection makes.
pub(super) async fn asked(server: &Server, connection: Connection) -> (String, Option<String>) {
    let cluster = connection.connect().await.unwrap();
    assert_eq!(cluster.server(), Some(&*server.url));
    let before = server.seen().len();
    let page =
        list(&KubeSource::<ConfigMap>::new(&cluster).namespace(cluster.default_namespace())).await;
    assert!(page.end.is_ok(), "{:?}", page.end);
    let seen = &server.seen()[before];
    let credentials = seen.header("authorization").map(str::to_owned);
    (seen.target.clone(), credentials)
}

#[tokio::test]
async fn contexts_choose_the_user_and_the_namespace() {
    let server = Server::always(Reply::capture("list-json-empty")).await;
    let path = kubeconfig("contexts.yaml", &two_contexts(&server.url));
    let (target, token) = asked(&server, Connection::new().kubeconfig(&path)).await;
    assert_eq!(target, "/api/v1/namespaces/shop/configmaps");
    assert_eq!(token.as_deref(), Some("Bearer anns-token"));
    let two = Connection::new().kubeconfig(&path).context("two");
    let (target, token) = asked(&server, two).await;
    assert_eq!(target, "/api/v1/namespaces/default/configmaps");
    assert_eq!(token.as_deref(), Some("Bearer bobs-token"));
}

#[tokio::test]
async fn an_address_alone_takes_no_credentials_along() {
    let server = Server::always(Reply::capture("list-json-empty")).await;
    let (_, token) = asked(&server, Connection::new().server(&server.url)).await;
    assert_eq!(token, None);
    let path = kubeconfig("address.yaml", &two_contexts("http://127.0.0.1:1"));
    let both = Connection::new().kubeconfig(&path).server(&server.url);
    let (_, token) = asked(&server, both).await;
    assert_eq!(token.as_deref(), Some("Bearer anns-token"));
}

#[tokio::test]
async fn a_kubeconfig_may_turn_compression_off() {
    let server = Server::always(Reply::capture("list-json-empty")).await;
    let text = two_contexts(&server.url).replace("server:", "disable-compression: true, server:");
    let path = kubeconfig("plain.yaml", &text);
    asked(&server, Connection::new().kubeconfig(&path)).await;
    assert_eq!(server.seen()[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_token_file_is_sent_without_the_white_space_at_its_ends() {
    let server = Server::always(Reply::capture("list-json-empty")).await;
    let token = kubeconfig("token", " files-token\n");
    let user = format!("tokenFile: '{}'", token.display());
    let text = two_contexts(&server.url).replace("token: anns-token", &user);
    let path = kubeconfig("tokenfile.yaml", &text);
    let (_, token) = asked(&server, Connection::new().kubeconfig(&path)).await;
    assert_eq!(token.as_deref(), Some("Bearer files-token"));
}

#[tokio::test]
async fn a_plugin_that_fails_is_named_and_its_output_is_not_shown() {
    let plugin = |command: &str, args: &str| {
        let exec = format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, command: '{command}', \
             args: [{args}], interactiveMode: Never}}"
        );
        two_contexts("http://127.0.0.1:1").replace("token: anns-token", &exec)
    };
    let path = kubeconfig("noplugin.yaml", &plugin("/nonexistent/login", ""));
    let error = Connection::new()
        .kubeconfig(&path)
        .connect()
        .await
        .unwrap_err();
    let text = error.to_string();
    let said = "user \"ann\" in ";
    assert!(text.contains(said), "{text}");
    let said = "plugin /nonexistent/login: cannot start it: ";
    assert!(text.contains(said), "{text}");

    let script = "'-c', 'echo secret; echo first >&2; echo please log in >&2; exit 3'";
    let path = kubeconfig("badplugin.yaml", &plugin("/bin/sh", script));
    let error = Connection::new()
        .kubeconfig(&path)
        .connect()
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("exit status: 3: please log in"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_with_a_kubeconfig_is_said_with_its_place() {
    let missing = Connection::new()
        .kubeconfig("/nonexistent/config")
        .connect()
        .await;
    let text = missing.unwrap_err().to_string();
    assert!(
        text.starts_with("cannot read the kubeconfig /nonexistent/config: "),
        "{text}"
    );

    let path = kubeconfig("broken.yaml", "clusters: [");
    let text = Connection::new()
        .kubeconfig(&path)
        .connect()
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("broken.yaml: "), "{text}");

    let path = kubeconfig("unknown.yaml", &two_contexts("http://127.0.0.1:1"));
    let unknown = Connection::new()
        .kubeconfig(&path)
        .context("tow")
        .connect()
        .await;
    let error = unknown.unwrap_err();
    assert!(matches!(&error, ConnectError::UnknownContext { known, .. } if known.len() == 3));
    assert!(
        error.to_string().ends_with("There are: broken, one, two"),
        "{error}"
    );

    let broken = Connection::new()
        .kubeconfig(&path)
        .context("broken")
        .connect()
        .await;
    let text = broken.unwrap_err().to_string();
    assert!(
        text.starts_with("cannot use the context \"broken\""),
        "{text}"
    );
    assert!(text.contains("nowhere"), "{text}");
}
