//! `Connection`: from a kubeconfig, a context, a server's address or a pod's service account to a
//! [`Cluster`].
//!
//! `kube-client` reads the configuration, gets the credentials and speaks TLS. What is added here:
//! the order in which places are looked at, errors that name the place and the next step, and the
//! settings a mirror needs.
//!
//! | setting | value | why |
//! |---|---|---|
//! | connect timeout | 30 s, TLS included | `kube-client`'s own |
//! | TCP keep-alive | after 30 s idle, dead 15 s later | a half-open connection is noticed, as with the reference client's pings |
//! | read timeout | none | an idle watch is healthy; the reflector has a deadline for each watch |
//! | retries of 429, 503, 504 | off | the reflector counts attempts and honours `Retry-After` |
//! | HTTP | 1.1, a connection for each watch | all that `kube-client`'s TLS connector offers |
//! | compression | gzip on lists unless the kubeconfig turns it off, none on watches | servers compress lists above 128 KiB |
//!
//! Behind a proxy, `kube-client`'s own connector is used, which has no keep-alive. Which servers a
//! proxy of the environment is for is decided by `proxy`.

use std::env;
use std::error::Error;
use std::path::PathBuf;

use http::Uri;
use kube_client::Config;
use kube_client::config::KubeConfigOptions;

use super::cluster::{Cluster, Compression};
use super::failure::explain_setup;
use super::kubeconfig::{KUBECONFIG, ProxyOrigin, Search, choose_context, find_kubeconfig, read};
use super::likeness::{NEAR, likeness};
use super::{proxy, transport};

/// How to reach a cluster.
///
/// Without any setting: the files that `KUBECONFIG` names, else `~/.kube/config`, else the service
/// account of the pod.
///
/// ```no_run
/// # async fn example() -> Result<(), heliostat::source::kube::ConnectError> {
/// use heliostat::source::kube::Connection;
///
/// let production = Connection::new().context("production").connect().await?;
/// let local = Connection::new().server("http://127.0.0.1:8001").connect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Connection {
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    server: Option<String>,
}

impl Connection {
    /// The configuration that is at hand.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads this kubeconfig and no other place.
    #[must_use]
    pub fn kubeconfig(mut self, path: impl Into<PathBuf>) -> Self {
        self.kubeconfig = Some(path.into());
        self
    }

    /// Uses this context of the kubeconfig, in place of its current one.
    #[must_use]
    pub fn context(mut self, name: impl Into<String>) -> Self {
        self.context = Some(name.into());
        self
    }

    /// Talks to this address: `http://` or `https://`, with a path if the API is served below one.
    ///
    /// With a kubeconfig or a context, their credentials are sent to it. With neither, no
    /// configuration is read and no credentials are sent: right for `kubectl proxy`, for the
    /// embedded server, for a server in a test.
    #[must_use]
    pub fn server(mut self, url: impl Into<String>) -> Self {
        self.server = Some(url.into());
        self
    }

    /// Reads the configuration, gets the credentials and prepares the connection. Nothing is sent to
    /// the server yet.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]. Whether the server answers shows at the first request.
    pub async fn connect(self) -> Result<Cluster, ConnectError> {
        let server = self.server.as_deref().map(parse_server).transpose()?;
        let (mut config, proxy) = match &server {
            Some(url) if self.kubeconfig.is_none() && self.context.is_none() => {
                (Config::new(url.clone()), ProxyOrigin::Kubeconfig)
            }
            _ => self.configuration().await?,
        };
        if let Some(url) = server {
            config.cluster_url = url;
        }
        if proxy == ProxyOrigin::Environment {
            let exceptions = env::var("NO_PROXY").or_else(|_| env::var("no_proxy"));
            if proxy::bypasses(&config.cluster_url, &exceptions.unwrap_or_default()) {
                config.proxy_url = None;
            }
        }
        config.read_timeout = None;
        config.default_retry = false;
        let compression = if config.disable_compression {
            Compression::Refused
        } else {
            Compression::Allowed
        };
        let server = config.cluster_url.clone();
        let plugin = config.auth_info.exec.as_ref();
        let plugin = plugin.and_then(|exec| exec.command.clone());
        // The plugin is run and certificates are read here, which may take seconds.
        let client = tokio::task::spawn_blocking(move || transport::client(config));
        match client.await {
            Ok(Ok(client)) => Ok(Cluster::new(client, &server, compression)),
            Ok(Err(error)) => Err(ConnectError::Client {
                server: server.to_string(),
                reason: match plugin {
                    Some(plugin) => format!("{} (plugin {plugin})", explain_setup(&error)),
                    None => explain_setup(&error),
                },
                source: Box::new(error),
            }),
            // Nothing cancels the task, so this is the only way for it to fail.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    async fn configuration(&self) -> Result<(Config, ProxyOrigin), ConnectError> {
        let (places, kubeconfig) = match &self.kubeconfig {
            Some(path) => (path.display().to_string(), read(path)?),
            None => match find_kubeconfig(env::var_os(KUBECONFIG), env::home_dir())? {
                Search::Found { places, kubeconfig } => (places, *kubeconfig),
                Search::NotFound { looked_at } => {
                    let config = self.in_cluster(looked_at)?;
                    return Ok((config, ProxyOrigin::Environment));
                }
            },
        };
        let name = choose_context(&kubeconfig, self.context.as_deref(), &places)?;
        let proxy = ProxyOrigin::of(&kubeconfig, &name);
        let options = KubeConfigOptions {
            context: Some(name.clone()),
            ..KubeConfigOptions::default()
        };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let config = config.map_err(|source| ConnectError::Context {
            name,
            places,
            source: Box::new(source),
        })?;
        Ok((config, proxy))
    }

    /// The pod's service account, where no kubeconfig is. A context cannot be in it.
    fn in_cluster(&self, mut looked_at: Vec<String>) -> Result<Config, ConnectError> {
        let in_cluster = match &self.context {
            None => Config::incluster().map_err(|error| error.to_string()),
            Some(_) => Err("has no contexts".to_owned()),
        };
        in_cluster.map_err(|reason| {
            looked_at.push(format!("the pod's service account ({reason})"));
            ConnectError::NoConfiguration { looked_at }
        })
    }
}

/// Why no connection could be prepared: what is wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No configuration was found in any of the places.
    #[error(
        "no cluster configuration found; looked at {}; set KUBECONFIG, or give a kubeconfig file \
         or the address of a server", looked_at.join(", ")
    )]
    NoConfiguration {
        /// The places, with what was found there.
        looked_at: Vec<String>,
    },
    /// A kubeconfig cannot be read or understood.
    #[error("cannot read the kubeconfig {path}: {reason}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
        /// The reader's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The kubeconfig has no such context.
    #[error("no context {name:?} in {places}{}", hint(Some(name), known))]
    UnknownContext {
        /// The context that was asked for.
        name: String,
        /// The files that were read.
        places: String,
        /// The contexts that are there.
        known: Vec<String>,
    },
    /// The kubeconfig names no current context, and none was asked for.
    #[error("no current context in {places}{}", hint(None, known))]
    NoCurrentContext {
        /// The files that were read.
        places: String,
        /// The contexts that are there.
        known: Vec<String>,
    },
    /// The context cannot be used: its cluster is missing, its certificates cannot be read.
    #[error("cannot use the context {name:?} in {places}: {source}")]
    Context {
        /// The context.
        name: String,
        /// The files that were read.
        places: String,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The address of the server is none.
    #[error("{url:?} is not the address of a server: {reason}")]
    Server {
        /// The address as it was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS, the credentials or a proxy cannot be set up.
    #[error("cannot prepare the connection to {server}: {reason}")]
    Client {
        /// The server's address.
        server: String,
        /// The deepest cause.
        reason: String,
        /// The whole error.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What to do about a context that is not there.
fn hint(wanted: Option<&str>, known: &[String]) -> String {
    if known.is_empty() {
        return "; there are no contexts in it".to_owned();
    }
    let near = wanted.and_then(|wanted| {
        let scored = known.iter().map(|name| (likeness(name, wanted), name));
        scored
            .filter(|(likeness, _)| *likeness >= NEAR)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name)
    });
    let list = known.join(", ");
    match near {
        Some(near) => format!("; did you mean {near:?}? There are: {list}"),
        None => format!("; choose one of: {list}"),
    }
}

fn parse_server(url: &str) -> Result<Uri, ConnectError> {
    let wrong = |reason: String| ConnectError::Server {
        url: url.to_owned(),
        reason,
    };
    if !url.contains("://") {
        return Err(wrong(format!(
            "the scheme is missing, write http://{url} or https://{url}"
        )));
    }
    let uri: Uri = url
        .parse()
        .map_err(|error: http::uri::InvalidUri| wrong(error.to_string()))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
        (Some(scheme), _) if !matches!(scheme, "http" | "https") => Err(wrong(format!(
            "the scheme {scheme} is not supported, want http or https"
        ))),
        _ => Err(wrong("the host is missing".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_a_scheme_and_a_host() {
        assert!(parse_server("http://127.0.0.1:8080").is_ok());
        assert!(parse_server("https://rancher.example/k8s/clusters/c-1").is_ok());
        let text = |url: &str| parse_server(url).unwrap_err().to_string();
        assert_eq!(
            text("localhost:8080"),
            "\"localhost:8080\" is not the address of a server: the scheme is missing, \
             write http://localhost:8080 or https://localhost:8080"
        );
        assert!(text("ftp://x").contains("scheme ftp is not supported"));
        assert!(text("http://").contains("is not the address of a server"));
    }
}
