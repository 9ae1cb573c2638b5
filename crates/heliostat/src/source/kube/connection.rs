//! `Connection`: from a kubeconfig, a context, a server's address or a pod's service account to a
//! [`Cluster`].
//!
//! `config` reads the configuration, `credentials` obtains what the user logs in with, and
//! `kube-client` speaks TLS and HTTP. What is added here: errors that name the place and the next
//! step, and the settings a mirror needs.
//!
//! | setting | value | why |
//! |---|---|---|
//! | connect timeout | 30 s, TLS included | `kube-client`'s own |
//! | TCP keep-alive | after 30 s idle, dead 15 s later | a half-open connection is noticed, as with the reference client's pings |
//! | read timeout | none | an idle watch is healthy; the reflector has a deadline for each watch |
//! | retries of 429, 503, 504 | off | the reflector counts attempts and honours `Retry-After` |
//! | HTTP | 1.1, a connection for each watch | all that `kube-client`'s TLS connector offers |
//! | compression | gzip on lists unless the kubeconfig turns it off, none on watches | servers compress lists above 128 KiB |

use std::env;
use std::path::PathBuf;

use kube_client::{Client, Config};

use super::authorize::Authorize;
use super::cluster::{Cluster, Compression, display_address};
use super::config::{self, Login, Resolved, address, proxy};
use super::connect_error::ConnectError;
use super::credentials::Credentials;
use super::failure::root_cause;
use super::transport::Transport;

/// How to reach a cluster.
///
/// Without any setting: the files that `KUBECONFIG` names, else `~/.kube/config`, else the service
/// account of the pod.
///
/// A proxy is the `proxy-url` of the kubeconfig's cluster, else, as in kubectl, the one that `HTTP_PROXY`
/// or `HTTPS_PROXY` names for the scheme of the server, unless the server is on this machine or in
/// `NO_PROXY`.
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

    /// Connects to this address: `http://` or `https://`, with a path if the API is served below one.
    /// For `host:port` without a scheme, `http://` is assumed.
    ///
    /// With a kubeconfig or a context, their credentials are sent to it. With neither, no
    /// configuration is read and no credentials are sent: right for `kubectl proxy`, for the
    /// embedded server, for a server in a test.
    #[must_use]
    pub fn server(mut self, url: impl Into<String>) -> Self {
        self.server = Some(url.into());
        self
    }

    /// Reads the configuration, obtains the credentials and prepares the connection. Nothing is sent to
    /// the server yet.
    ///
    /// An exec plugin runs here, and again whenever its credentials are about to expire or the server
    /// has refused them. Its standard error is shown, and its run ends after five minutes. Files that are
    /// larger than 4 MiB are refused, and a pipe that nothing is written to is given up after a minute.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the reading, and the plugin that it runs.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]. Whether the server answers shows at the first request.
    pub async fn connect(self) -> Result<Cluster, ConnectError> {
        let server = self.server.as_deref().map(address::parse_server);
        let server = server.transpose().map_err(|error| ConnectError::Server {
            url: error.text,
            reason: error.reason,
        })?;
        let Resolved { mut config, login } = match server {
            Some(url) if self.kubeconfig.is_none() && self.context.is_none() => Resolved {
                config: Config::new(url),
                login: Login::default(),
            },
            server => {
                let kubeconfig = self.kubeconfig.as_deref();
                config::load(kubeconfig, self.context.as_deref(), server).await?
            }
        };
        if config.proxy_url.is_none() {
            let proxy = proxy::of_environment(&config.cluster_url, |name| env::var(name).ok());
            config.proxy_url = proxy.map_err(|reason| ConnectError::Client {
                server: display_address(&config.cluster_url),
                source: reason.clone().into(),
                reason,
            })?;
        }
        config.read_timeout = None;
        config.default_retry = false;
        let compression = if config.disable_compression {
            Compression::Refused
        } else {
            Compression::Allowed
        };
        let server = config.cluster_url.clone();
        let namespace = config.default_namespace.clone();
        let user = login.user.clone();
        let credentials = Credentials::new(login);
        let current = credentials.current().await;
        let current = current.map_err(|source| ConnectError::Credentials {
            source: Box::new(source),
        })?;
        let transport = Transport::new(config);
        // Shows now what is wrong with certificates, keys and headers.
        let identity = current.identity.as_ref();
        transport.client(identity).map_err(|error| {
            let mut reason = root_cause(&error);
            if identity.is_some() {
                reason.push_str(&format!(" (with the client certificate of {user})"));
            }
            ConnectError::Client {
                server: display_address(&server),
                reason,
                source: Box::new(error),
            }
        })?;
        let authorize = Authorize::new(credentials.clone(), transport);
        let client = Client::new(authorize, namespace);
        Ok(Cluster::new(client, credentials, &server, compression))
    }
}
