//! `Connection`: how to reach a cluster, and the variables of etcdctl that say it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heliostat_core::printable::printable;
use jiff::SignedDuration;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::cluster::{Cluster, Credentials};
use super::grpc::Endpoint;

/// The endpoint of etcdctl where none is named.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:2379";

/// How to reach an etcd cluster.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use heliostat::source::etcd::Connection;
///
/// let cluster = Connection::new()
///     .endpoints(["https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.3:2379"])
///     .ca_file("/etc/etcd/ca.crt")
///     .client_certificate("/etc/etcd/client.crt", "/etc/etcd/client.key")
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Connection {
    endpoints: Vec<String>,
    ca: Option<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
    credentials: Option<Credentials>,
    dial_timeout: Duration,
    request_timeout: Duration,
    keep_alive: (Duration, Duration),
}

/// Why there is no way to a cluster. Nothing was sent yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// An endpoint that is no address.
    #[error("the endpoint {} is no URL: {reason}; write it as http://host:2379", printable(.endpoint))]
    Endpoint {
        /// The endpoint as it was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file with a certificate or a key that cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// Certificates or a key that are not what TLS needs.
    #[error("TLS for {} cannot be set up: {reason}", printable(.endpoint))]
    Tls {
        /// The endpoint that it is for.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// A variable whose value cannot be used.
    #[error("${name} is {}: {reason}", printable(.value))]
    Variable {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Default for Connection {
    fn default() -> Self {
        Self::new()
    }
}

impl Connection {
    /// A connection to `http://127.0.0.1:2379`, without a user.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            endpoints: Vec::new(),
            ca: None,
            certificate: None,
            credentials: None,
            dial_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(5),
            keep_alive: (Duration::from_secs(10), Duration::from_secs(6)),
        }
    }

    /// A connection as etcdctl's variables say: `ETCDCTL_ENDPOINTS`, `ETCDCTL_CACERT`, `ETCDCTL_CERT`,
    /// `ETCDCTL_KEY`, `ETCDCTL_USER`, `ETCDCTL_PASSWORD`, `ETCDCTL_DIAL_TIMEOUT`,
    /// `ETCDCTL_COMMAND_TIMEOUT`, `ETCDCTL_KEEPALIVE_TIME` and `ETCDCTL_KEEPALIVE_TIMEOUT`. What is not
    /// set is as in [`new`](Self::new).
    ///
    /// # Errors
    /// If a value cannot be used. `ETCDCTL_INSECURE_SKIP_TLS_VERIFY` is refused: name the certificate
    /// of the CA instead.
    pub fn from_env() -> Result<Self, ConnectError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    pub(super) fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, ConnectError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let duration = |name| match set(name) {
            Some(value) => parse_duration(name, value).map(Some),
            None => Ok(None),
        };
        let mut connection = Self::new();
        if let Some(endpoints) = set("ETCDCTL_ENDPOINTS") {
            connection = connection.endpoints(endpoints.split(','));
        }
        if let Some(path) = set("ETCDCTL_CACERT") {
            connection = connection.ca_file(path);
        }
        connection.certificate = match (set("ETCDCTL_CERT"), set("ETCDCTL_KEY")) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            (Some(value), None) => return Err(lonely("ETCDCTL_CERT", value, "ETCDCTL_KEY")),
            (None, Some(value)) => return Err(lonely("ETCDCTL_KEY", value, "ETCDCTL_CERT")),
        };
        if let Some(user) = set("ETCDCTL_USER") {
            let (name, password) = match user.split_once(':') {
                Some((name, password)) => (name.to_owned(), password.to_owned()),
                None => (user, set("ETCDCTL_PASSWORD").unwrap_or_default()),
            };
            connection = connection.user(name, password);
        }
        if let Some(timeout) = duration("ETCDCTL_DIAL_TIMEOUT")? {
            connection.dial_timeout = timeout;
        }
        if let Some(timeout) = duration("ETCDCTL_COMMAND_TIMEOUT")? {
            connection.request_timeout = timeout;
        }
        if let Some(time) = duration("ETCDCTL_KEEPALIVE_TIME")? {
            connection.keep_alive.0 = time.max(KEEP_ALIVE_MIN);
        }
        if let Some(timeout) = duration("ETCDCTL_KEEPALIVE_TIMEOUT")? {
            connection.keep_alive.1 = timeout;
        }
        match set("ETCDCTL_INSECURE_SKIP_TLS_VERIFY") {
            Some(value) if value != "false" => Err(ConnectError::Variable {
                name: "ETCDCTL_INSECURE_SKIP_TLS_VERIFY",
                value,
                reason: "certificates are always verified; name the CA with ETCDCTL_CACERT"
                    .to_owned(),
            }),
            Some(_) | None => Ok(connection),
        }
    }

    /// Adds an endpoint: `https://host:2379`, or `host:2379` for one without TLS. `localhost:2379`
    /// becomes `https://` if a certificate is set.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoints.push(url.into());
        self
    }

    /// Adds several endpoints. They must be members of one cluster.
    #[must_use]
    pub fn endpoints(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.endpoints.extend(urls.into_iter().map(Into::into));
        self
    }

    /// Names these endpoints in place of all that were named before.
    #[must_use]
    pub fn only_endpoints(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.endpoints.clear();
        self.endpoints(urls)
    }

    /// The certificates of the authorities that sign the servers' certificates, in PEM. Default: those
    /// of the system.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self
    }

    /// The certificate that proves who the client is, and its key, in PEM.
    #[must_use]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.certificate = Some((certificate.into(), key.into()));
        self
    }

    /// The user, by name and password. Its token is renewed when it runs out.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials {
            name: name.into(),
            password: password.into(),
        });
        self
    }

    /// How long it may take to connect. Default 2 s, as in etcdctl.
    #[must_use]
    pub const fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }

    /// How long an endpoint may take to answer before the next one is asked. Default 5 s, as in etcdctl.
    #[must_use]
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// After how long without a word the endpoint is pinged, and how long the answer may take before the
    /// connection counts as lost. Default 10 s and 6 s. A server refuses pings in less than 5 s, so the
    /// first is at least that.
    #[must_use]
    pub fn keep_alive(mut self, time: Duration, timeout: Duration) -> Self {
        self.keep_alive = (time.max(KEEP_ALIVE_MIN), timeout);
        self
    }

    /// Reads the certificates. The connections themselves are made when they are used first.
    ///
    /// # Errors
    /// If an endpoint is no URL, or a file cannot be read or used.
    pub async fn connect(self) -> Result<Cluster, ConnectError> {
        let tls = self.tls().await?;
        let default = [DEFAULT_ENDPOINT.to_owned()];
        let urls = match &*self.endpoints {
            [] => &default[..],
            urls => urls,
        };
        let endpoints = urls.iter().map(|url| self.open(url.trim(), &tls));
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
        Ok(Cluster::new(endpoints, self.credentials))
    }

    fn open(&self, url: &str, tls: &ClientTlsConfig) -> Result<Endpoint, ConnectError> {
        let has_tls = self.ca.is_some() || self.certificate.is_some();
        let url = match (url.contains("://"), has_tls) {
            (true, _) => url.to_owned(),
            (false, true) => format!("https://{url}"),
            (false, false) => format!("http://{url}"),
        };
        let wrong = |reason: String| ConnectError::Endpoint {
            endpoint: url.clone(),
            reason,
        };
        let is_secure = match url.split_once("://") {
            Some(("https", _)) => true,
            Some(("http", _)) => false,
            _ => return Err(wrong("it is neither http:// nor https://".to_owned())),
        };
        let endpoint = tonic::transport::Endpoint::from_shared(url.clone())
            .map_err(|error| wrong(error.to_string()))?
            .connect_timeout(self.dial_timeout)
            .http2_keep_alive_interval(self.keep_alive.0)
            .keep_alive_timeout(self.keep_alive.1)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let endpoint = if is_secure {
            let configured = endpoint.tls_config(tls.clone());
            configured.map_err(|error| ConnectError::Tls {
                endpoint: url.clone(),
                reason: deepest(&error),
            })?
        } else {
            endpoint
        };
        let channel = endpoint.connect_lazy();
        Ok(Endpoint::new(&url, channel, self.request_timeout))
    }

    async fn tls(&self) -> Result<ClientTlsConfig, ConnectError> {
        let mut tls = ClientTlsConfig::new().timeout(self.dial_timeout);
        tls = match &self.ca {
            Some(path) => tls.ca_certificate(Certificate::from_pem(read(path).await?)),
            None => tls.with_native_roots(),
        };
        if let Some((certificate, key)) = &self.certificate {
            let identity = Identity::from_pem(read(certificate).await?, read(key).await?);
            tls = tls.identity(identity);
        }
        Ok(tls)
    }
}

/// etcd ends a connection that pings more often (`--grpc-keepalive-min-time`).
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(5);

/// How much of a page may be under way before it is read: the default of HTTP/2, 64 KiB, costs a round
/// trip for each.
const STREAM_WINDOW: u32 = 4 << 20;

/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The password is not shown.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("endpoints", &self.endpoints)
            .field("ca", &self.ca)
            .field("certificate", &self.certificate)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, ConnectError> {
    let content = tokio::fs::read(path).await;
    content.map_err(|source| ConnectError::File {
        path: path.to_owned(),
        source,
    })
}

fn lonely(name: &'static str, value: String, other: &str) -> ConnectError {
    ConnectError::Variable {
        name,
        value,
        reason: format!("it needs ${other} beside it"),
    }
}

/// Reads a duration as Go writes it: `5s`, `1m30s`, `500ms`.
fn parse_duration(name: &'static str, value: String) -> Result<Duration, ConnectError> {
    let parsed = value.parse::<SignedDuration>().ok();
    match parsed.and_then(|duration| Duration::try_from(duration).ok()) {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(ConnectError::Variable {
            name,
            value,
            reason: "it is no duration such as 5s".to_owned(),
        }),
    }
}

fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Connection, ConnectError> {
        Connection::from_variables(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_variables_of_etcdctl_are_read() {
        let connection = of(&[
            ("ETCDCTL_ENDPOINTS", "https://a:2379,https://b:2379"),
            ("ETCDCTL_CACERT", "/ca"),
            ("ETCDCTL_CERT", "/cert"),
            ("ETCDCTL_KEY", "/key"),
            ("ETCDCTL_USER", "root:a:b"),
            ("ETCDCTL_DIAL_TIMEOUT", "1m30s"),
            ("ETCDCTL_COMMAND_TIMEOUT", "500ms"),
            ("ETCDCTL_KEEPALIVE_TIME", "2s"),
        ])
        .unwrap();
        assert_eq!(connection.endpoints, ["https://a:2379", "https://b:2379"]);
        assert_eq!(
            connection.certificate,
            Some(("/cert".into(), "/key".into()))
        );
        assert_eq!(connection.dial_timeout, Duration::from_secs(90));
        assert_eq!(connection.request_timeout, Duration::from_millis(500));
        assert_eq!(connection.keep_alive.0, KEEP_ALIVE_MIN);
        let credentials = connection.credentials.clone().unwrap();
        assert_eq!(
            (&*credentials.name, &*credentials.password),
            ("root", "a:b")
        );
        assert!(!format!("{connection:?}").contains("a:b"));
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_named() {
        for (name, value) in [
            ("ETCDCTL_CERT", "/cert"),
            ("ETCDCTL_DIAL_TIMEOUT", "soon"),
            ("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", "true"),
        ] {
            let error = of(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_is_no_url_and_a_file_that_is_missing_are_named() {
        for url in ["unix:///run/etcd", "http://", "http://a b"] {
            let error = Connection::new().endpoint(url).connect().await.unwrap_err();
            assert!(matches!(error, ConnectError::Endpoint { .. }), "{error}");
        }
        let missing = Connection::new().ca_file("/no/such/file").connect().await;
        let error = missing.unwrap_err().to_string();
        assert!(error.contains("/no/such/file"), "{error}");
    }
}
