//! A context of the kubeconfig as a configuration of the client and the login of its user.

use std::error::Error;

use http::{HeaderValue, Uri};
use kube_client::Config;
use serde_json::{Value, json};

use crate::source::kube::connect_error::ConnectError;

use super::address::{parse_proxy, parse_server};
use super::entries::{AuthProvider, ClusterFields, ContextFields, UserFields};
use super::kubeconfig::{Entry, Kubeconfig};
use super::pem::Material;
use super::resolved::{Login, Resolved};
use super::search::{self, Found, choose_context};
use super::service_account;

/// Reads the configuration that was asked for. `server` replaces the address in it.
pub(in super::super) async fn load(
    kubeconfig: Option<&std::path::Path>,
    context: Option<&str>,
    server: Option<Uri>,
) -> Result<Resolved, ConnectError> {
    let (places, kubeconfig) = match search::read(kubeconfig).await? {
        Found::Kubeconfig { places, kubeconfig } => (places, kubeconfig),
        Found::Nothing { looked_at } => {
            return service_account::resolve(context, server, looked_at).await;
        }
    };
    let entry = choose_context(&kubeconfig, context, &places)?;
    resolve(&kubeconfig, entry, server)
        .await
        .map_err(|source| ConnectError::Context {
            name: entry.name.clone(),
            places,
            source,
        })
}

type Problem = Box<dyn Error + Send + Sync>;

async fn resolve(
    kubeconfig: &Kubeconfig,
    context: &Entry,
    server: Option<Uri>,
) -> Result<Resolved, Problem> {
    let fields: ContextFields = context.fields()?;
    let name = fields.cluster.ok_or("it names no cluster")?;
    let cluster = Entry::find(&kubeconfig.clusters, &name)
        .ok_or_else(|| format!("there is no cluster {name:?}"))?;
    let (mut config, cluster) = cluster_config(cluster, server)
        .await
        .map_err(|error| format!("cluster {name:?}: {error}"))?;
    if let Some(namespace) = fields.namespace {
        config.default_namespace = namespace;
    }
    // As in kubectl, a user that is not there is nobody.
    let user = fields.user.as_deref();
    let user = user.and_then(|name| Entry::find(&kubeconfig.users, name));
    let login = match user {
        Some(user) => login(user, &mut config, &cluster)
            .map_err(|error| format!("user {:?} in {}: {error}", user.name, user.file.display()))?,
        None => Login::default(),
    };
    Ok(Resolved { config, login })
}

/// The configuration of a cluster, and the cluster as an exec plugin is shown it.
async fn cluster_config(cluster: &Entry, server: Option<Uri>) -> Result<(Config, Value), Problem> {
    let fields: ClusterFields = cluster.fields()?;
    let server = match (server, &fields.server) {
        (Some(server), _) => server,
        (None, Some(server)) => parse_server(server)?,
        (None, None) => return Err("it has no server".into()),
    };
    let authority = Material::from_fields(
        "certificate-authority-data",
        fields.certificate_authority_data.as_deref(),
        fields
            .certificate_authority
            .as_deref()
            .map(|path| cluster.path(path)),
    )?;
    let mut config = Config::new(server);
    config.accept_invalid_certs = fields.insecure_skip_tls_verify.unwrap_or(false);
    config.disable_compression = fields.disable_compression.unwrap_or(false);
    config.tls_server_name = fields.tls_server_name.clone();
    config.proxy_url = fields.proxy_url.as_deref().map(parse_proxy).transpose()?;
    let mut shown = json!({
        "server": config.cluster_url.to_string(),
        "tls-server-name": fields.tls_server_name,
        "insecure-skip-tls-verify": fields.insecure_skip_tls_verify,
        "proxy-url": fields.proxy_url,
        "disable-compression": fields.disable_compression,
        "config": fields.exec_extension(),
    });
    if let Some(authority) = authority {
        use base64::Engine as _;
        let pem = authority.read().await?;
        let pem = base64::engine::general_purpose::STANDARD.encode(pem);
        shown["certificate-authority-data"] = Value::String(pem);
        config.root_cert = Some(authority.certificates().await?);
    }
    if let Some(shown) = shown.as_object_mut() {
        shown.retain(|_, value| !value.is_null());
    }
    Ok((config, shown))
}

/// The login of a user. Whom it acts for goes into the configuration.
fn login(user: &Entry, config: &mut Config, cluster: &Value) -> Result<Login, Problem> {
    let fields: UserFields = user.fields()?;
    check_impersonation(&fields)?;
    let path = |text: &Option<String>| text.as_deref().map(|text| user.path(text));
    let certificate = Material::from_fields(
        "client-certificate-data",
        fields.client_certificate_data.as_deref(),
        path(&fields.client_certificate),
    )?;
    let key = Material::from_fields(
        "client-key-data",
        fields.client_key_data.as_deref(),
        path(&fields.client_key),
    )?;
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => return Err("it has a client certificate and no client key".into()),
        (None, Some(_)) => return Err("it has a client key and no client certificate".into()),
    };
    let mut token = fields.token;
    if let Some(provider) = &fields.auth_provider {
        token = Some(token_of_provider(provider)?);
    }
    let exec = fields.exec.filter(|exec| exec.command.is_some());
    let exec = exec.map(|mut exec| {
        let command = exec.command.take().unwrap_or_default();
        // A command without a separator is looked up in the path.
        exec.command = Some(if command.contains(std::path::MAIN_SEPARATOR) {
            user.path(&command).display().to_string()
        } else {
            command
        });
        if exec.provide_cluster_info == Some(true) {
            exec.cluster = Some(cluster.clone());
        }
        exec
    });
    let impersonation = &mut config.auth_info;
    impersonation.impersonate = fields.impersonate;
    impersonation.impersonate_uid = fields.impersonate_uid;
    impersonation.impersonate_groups = fields.impersonate_groups;
    impersonation.impersonate_user_extra = fields.impersonate_user_extra;
    Ok(Login {
        user: format!("user {:?} in {}", user.name, user.file.display()),
        basic: fields
            .username
            .map(|name| (name, fields.password.unwrap_or_default())),
        token,
        token_file: path(&fields.token_file),
        identity,
        exec,
    })
}

/// Refuses what cannot be sent as a header. The client refuses it as well, without user and file.
fn check_impersonation(fields: &UserFields) -> Result<(), Problem> {
    let cannot_be_sent = |value: &String| HeaderValue::from_str(value).is_err();
    let mut extra = fields.impersonate_user_extra.iter().flatten();
    let field = if fields.impersonate.as_ref().is_some_and(cannot_be_sent) {
        "as".to_owned()
    } else if fields.impersonate_uid.as_ref().is_some_and(cannot_be_sent) {
        "as-uid".to_owned()
    } else if fields
        .impersonate_groups
        .iter()
        .flatten()
        .any(cannot_be_sent)
    {
        "as-groups".to_owned()
    } else if let Some((key, _)) = extra.find(|(_, values)| values.iter().any(cannot_be_sent)) {
        format!("as-user-extra {key:?}")
    } else {
        return Ok(());
    };
    Err(format!("{field} has a line break or another control character in it").into())
}

/// The token of a built-in provider. kubectl has `oidc` left; what replaces the others is a plugin.
fn token_of_provider(provider: &AuthProvider) -> Result<String, Problem> {
    let name = provider.name.as_deref().unwrap_or_default();
    if name != "oidc" {
        return Err(format!(
            "the auth-provider {name:?} is not supported; use an exec plugin in its place \
             (gke-gcloud-auth-plugin, kubelogin)"
        )
        .into());
    }
    let token = provider
        .config
        .as_ref()
        .and_then(|config| config.get("id-token"));
    match token.and_then(Value::as_str) {
        Some(token) if !token.is_empty() => Ok(token.to_owned()),
        _ => Err("the auth-provider \"oidc\" has no id-token; log in first".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    async fn resolve_user(user: &str) -> Result<Resolved, String> {
        let text = format!(
            "contexts: [{{name: c, context: {{cluster: s, user: ann}}}}]\n\
             clusters: [{{name: s, cluster: {{server: 'http://127.0.0.1:1'}}}}]\n\
             users: [{{name: ann, user: {user}}}]"
        );
        let kubeconfig = Kubeconfig::parse(text.as_bytes(), Path::new("/etc/k/config"))?;
        let resolved = resolve(&kubeconfig, &kubeconfig.contexts[0], None).await;
        resolved.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn impersonation_that_cannot_be_sent_is_refused_with_user_and_file() {
        for (user, field) in [
            (r#"{token: x, as: "a\nb"}"#, "as"),
            (r#"{as: a, as-uid: "a\e[2J"}"#, "as-uid"),
            (r#"{as: a, as-groups: [good, "b\0d"]}"#, "as-groups"),
            (
                r#"{as: a, as-user-extra: {"k\ty": [v, "b\rd"]}}"#,
                r#"as-user-extra "k\ty""#,
            ),
        ] {
            let error = resolve_user(user).await.err().unwrap();
            let expected = format!(
                "user \"ann\" in /etc/k/config: {field} has a line break or another control \
                 character in it"
            );
            assert_eq!(error, expected);
        }
        let user = "{as: ann ä, as-uid: 1, as-groups: [g], as-user-extra: {k/y: [v]}}";
        let resolved = resolve_user(user).await.unwrap();
        let shown = resolved.config.auth_info.impersonate;
        assert_eq!(shown.as_deref(), Some("ann ä"));
    }
}
