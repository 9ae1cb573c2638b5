//! HTTP/1.1 over TCP with keep-alive, TLS as `kube-client` sets it up.
//!
//! `kube-client` builds a client of its own. This one differs in what a mirror lives by: the connection
//! under an idle watch is probed, so that a server which has vanished without a word is noticed within a
//! minute and not at the end of the watch; a connection through a proxy has the same time limit as one
//! without; and a failed request is reported once, by its caller.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::PROXY_AUTHORIZATION;
use http::{HeaderValue, Request, Uri};
use hyper_util::client::legacy::connect::{Connect, Connection, HttpConnector};
use hyper_util::client::legacy::{self};
use hyper_util::rt::TokioExecutor;
use kube_client::client::{Body, ClientBuilder, ConfigExt};
use kube_client::{Client, Config};
use tower::{BoxError, Service};

use super::credentials::Identity;
use super::proxied::Proxy;

/// How long a connection is idle before it is probed. The reference client pings an HTTP/2
/// connection after as long.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// How far apart the probes are, and after how many without an answer the connection is dead: 15
/// seconds in all, as long as the reference client waits for the answer to its ping.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// How long TCP and TLS may take to connect, where the configuration does not say: the value of
/// `kube-client`.
const CONNECT_WAIT: Duration = Duration::from_secs(30);

/// How much of an answer is read at once. Less costs time, since every piece wakes three tasks (a
/// quarter of it wakes so often that waking is most of the work); more costs memory, since a few pieces
/// are under way at any time.
const READ_BYTES_MAX: usize = 256 << 10;

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// The connections of a cluster, for each client certificate in turn.
pub(super) struct Transport {
    config: Config,
    latest: Mutex<Option<Latest>>,
}

/// The client of the newest certificate. That of an older one serves the requests that it has, and ends
/// with them.
struct Latest {
    identity: Option<Arc<Identity>>,
    client: Client,
}

impl Transport {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            latest: Mutex::new(None),
        }
    }

    /// The client for connections with this certificate. Connections are opened by its requests.
    pub(super) fn client(
        &self,
        identity: Option<&Arc<Identity>>,
    ) -> Result<Client, kube_client::Error> {
        // Nothing is left half done by a panic.
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = &*latest
            && is_same(latest.identity.as_ref(), identity)
        {
            return Ok(latest.client.clone());
        }
        let mut config = self.config.clone();
        if let Some(identity) = identity {
            let encode = |pem: &[u8]| STANDARD.encode(pem);
            config.auth_info.client_certificate_data = Some(encode(&identity.certificate));
            config.auth_info.client_key_data = Some(encode(&identity.key).into());
        }
        let client = build(&config)?;
        *latest = Some(Latest {
            identity: identity.cloned(),
            client: client.clone(),
        });
        Ok(client)
    }
}

/// Credentials keep an identity where it is as long as it is the same.
fn is_same(one: Option<&Arc<Identity>>, other: Option<&Arc<Identity>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// A client for a configuration, whose only credentials are a client certificate.
fn build(config: &Config) -> Result<Client, kube_client::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE_IDLE));
    tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
    let Some(proxy) = config.proxy_url.as_ref().map(Proxy::new) else {
        let connector = config.rustls_https_connector_with_connector(tcp)?;
        return build_on(config, connector, None);
    };
    if proxy.speaks_socks() {
        let connector = config.rustls_https_connector_with_connector(proxy.socks(tcp))?;
        return build_on(config, connector, None);
    }
    // A proxy of https is reached by TLS, one of http without it.
    let to_proxy = config.rustls_https_connector_with_connector(tcp)?;
    if config.cluster_url.scheme_str() == Some("https") {
        let connector = config.rustls_https_connector_with_connector(proxy.tunnel(to_proxy))?;
        return build_on(config, connector, None);
    }
    let authorization = proxy.authorization();
    build_on(config, proxy.forward(to_proxy), authorization)
}

/// A client whose connections come from `connector`. Each request carries what the proxy asks for, where it
/// reads requests.
fn build_on<C>(
    config: &Config,
    connector: C,
    proxy_authorization: Option<HeaderValue>,
) -> Result<Client, kube_client::Error>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    let connector = ConnectWithin {
        connector,
        wait: config.connect_timeout.unwrap_or(CONNECT_WAIT),
    };
    let pool = Pool {
        client: legacy::Client::builder(TokioExecutor::new())
            .http1_max_buf_size(READ_BYTES_MAX)
            .build(connector),
        proxy_authorization,
    };
    let address = config.base_uri_layer();
    let headers = config.extra_headers_layer()?;
    let builder = ClientBuilder::new(pool, &*config.default_namespace);
    Ok(builder.with_layer(&headers).with_layer(&address).build())
}

/// The connection pool as the service that `kube-client`'s layers can be put around.
#[derive(Clone)]
struct Pool<C> {
    client: legacy::Client<C, Body>,
    proxy_authorization: Option<HeaderValue>,
}

impl<C: Connect + Clone + Send + Sync + 'static> Service<Request<Body>> for Pool<C> {
    type Response = <legacy::Client<C, Body> as Service<Request<Body>>>::Response;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.client.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(authorization) = &self.proxy_authorization {
            let headers = request.headers_mut();
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let answer = self.client.call(request);
        Box::pin(async move { answer.await.map_err(Into::into) })
    }
}

/// A connector that gives up after a while.
#[derive(Clone)]
struct ConnectWithin<C> {
    connector: C,
    wait: Duration,
}

impl<C> Service<Uri> for ConnectWithin<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = BoxFuture<C::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let connection = tokio::time::timeout(self.wait, self.connector.call(address));
        let wait = self.wait;
        Box::pin(async move {
            match connection.await {
                Ok(connection) => connection.map_err(Into::into),
                Err(_) => {
                    let message = format!("no connection within {wait:?}");
                    Err(io::Error::new(io::ErrorKind::TimedOut, message).into())
                }
            }
        })
    }
}
