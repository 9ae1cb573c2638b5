//! The fields of the entries of a kubeconfig that a connection uses.
//!
//! Every field may be missing, null or, if it is a text, empty: all three are unset.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::kubeconfig::{secret, text};

/// A context: which cluster, which user, which namespace.
#[derive(Deserialize)]
pub(super) struct ContextFields {
    #[serde(default, deserialize_with = "text")]
    pub(super) cluster: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) user: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) namespace: Option<String>,
}

/// A cluster: where it is, and how its server is recognised.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct ClusterFields {
    #[serde(deserialize_with = "text")]
    pub(super) server: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) tls_server_name: Option<String>,
    pub(super) insecure_skip_tls_verify: Option<bool>,
    #[serde(deserialize_with = "text")]
    pub(super) certificate_authority: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) certificate_authority_data: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) proxy_url: Option<String>,
    pub(super) disable_compression: Option<bool>,
    extensions: Value,
}

impl ClusterFields {
    /// What the cluster has for exec plugins. The name is Kubernetes' own.
    pub(super) fn exec_extension(&self) -> Option<&Value> {
        let named = |extension: &&Value| extension["name"] == "client.authentication.k8s.io/exec";
        let extension = self.extensions.as_array()?.iter().find(named)?;
        extension.get("extension")
    }
}

/// A user: how to prove who it is, and whom to act for.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct UserFields {
    #[serde(deserialize_with = "text")]
    pub(super) client_certificate: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) client_certificate_data: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) client_key: Option<String>,
    #[serde(deserialize_with = "secret")]
    pub(super) client_key_data: Option<String>,
    #[serde(deserialize_with = "secret")]
    pub(super) token: Option<String>,
    #[serde(rename = "tokenFile", deserialize_with = "text")]
    pub(super) token_file: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) username: Option<String>,
    #[serde(deserialize_with = "secret")]
    pub(super) password: Option<String>,
    #[serde(rename = "as", deserialize_with = "text")]
    pub(super) impersonate: Option<String>,
    #[serde(rename = "as-uid", deserialize_with = "text")]
    pub(super) impersonate_uid: Option<String>,
    #[serde(rename = "as-groups")]
    pub(super) impersonate_groups: Option<Vec<String>>,
    #[serde(rename = "as-user-extra")]
    pub(super) impersonate_user_extra: Option<HashMap<String, Vec<String>>>,
    pub(super) auth_provider: Option<AuthProvider>,
    pub(super) exec: Option<Exec>,
}

/// A provider of credentials that clients once had built in.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AuthProvider {
    #[serde(deserialize_with = "text")]
    pub(super) name: Option<String>,
    pub(super) config: Option<HashMap<String, Value>>,
}

/// A program that gets credentials.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct Exec {
    #[serde(deserialize_with = "text")]
    pub(in super::super) api_version: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) command: Option<String>,
    pub(in super::super) args: Option<Vec<String>>,
    pub(in super::super) env: Option<Vec<Variable>>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) install_hint: Option<String>,
    #[serde(deserialize_with = "interactive_mode")]
    pub(in super::super) interactive_mode: InteractiveMode,
    pub(in super::super) provide_cluster_info: Option<bool>,
    /// The cluster as the plugin is shown it, if it asks for that.
    #[serde(skip)]
    pub(in super::super) cluster: Option<Value>,
}

/// A variable of the environment.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Variable {
    #[serde(deserialize_with = "text")]
    pub(in super::super) name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) value: Option<String>,
}

/// Whether a plugin may ask its user something.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in super::super) enum InteractiveMode {
    /// It must not: it gets no standard input.
    Never,
    /// It may, if there is a terminal.
    #[default]
    IfAvailable,
    /// It has to: without a terminal it is not run.
    Always,
}

fn interactive_mode<'de, D>(deserializer: D) -> Result<InteractiveMode, D::Error>
where
    D: serde::Deserializer<'de>,
{
    use serde::de::Error as _;

    match text(deserializer)?.as_deref() {
        None | Some("IfAvailable") => Ok(InteractiveMode::IfAvailable),
        Some("Never") => Ok(InteractiveMode::Never),
        Some("Always") => Ok(InteractiveMode::Always),
        Some(other) => Err(D::Error::custom(format!(
            "interactiveMode {other:?} is none of Never, IfAvailable, Always"
        ))),
    }
}
