//! Connections through a proxy, as Go's `net/http` makes them.
//!
//! | server | proxy | how |
//! |---|---|---|
//! | http | http, https | the request goes to the proxy, with the server's address in it |
//! | https | http, https | a tunnel by `CONNECT`, with TLS in it |
//! | both | socks5 | SOCKS; names are resolved by the proxy |
//!
//! A user and a password in the proxy's address are sent to the proxy.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use futures_util::future::Map;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection};
use percent_encoding::percent_decode_str;
use tower::Service;

/// The port of SOCKS where the address names none: the one that IANA has assigned.
const SOCKS_PORT: u16 = 1080;

/// A proxy: where it is, and the user that it asks for.
pub(super) struct Proxy {
    /// Without user and password.
    address: Uri,
    speaks_socks: bool,
    user: Option<(String, String)>,
}

impl Proxy {
    /// The proxy of an address that has been checked.
    pub(super) fn new(address: &Uri) -> Self {
        let authority = address.authority().map_or("", Authority::as_str);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let speaks_socks = address
            .scheme_str()
            .is_some_and(|it| it.starts_with("socks5"));
        let has_port = address.port().is_some();
        let host = if speaks_socks && !has_port {
            format!("{}:{SOCKS_PORT}", host.trim_end_matches(':'))
        } else {
            host.to_owned()
        };
        let mut parts = Parts::default();
        let is_secure = address.scheme() == Some(&Scheme::HTTPS);
        parts.scheme = Some(if is_secure {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        });
        parts.authority = host.parse().ok();
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Self {
            address: Uri::from_parts(parts).unwrap_or_else(|_| address.clone()),
            speaks_socks,
            user: user.map(|user| match user.split_once(':') {
                Some((name, password)) => (decode(name), decode(password)),
                None => (decode(user), String::new()),
            }),
        }
    }

    pub(super) const fn speaks_socks(&self) -> bool {
        self.speaks_socks
    }

    /// What the proxy is sent as `Proxy-Authorization`.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let (name, password) = self.user.as_ref()?;
        let encoded = STANDARD.encode(format!("{name}:{password}"));
        let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Connections by SOCKS.
    pub(super) fn socks<C>(self, connector: C) -> SocksV5<C> {
        let socks = SocksV5::new(self.address, connector);
        match self.user {
            Some((name, password)) => socks.with_auth(name, password),
            None => socks,
        }
    }

    /// Connections in tunnels.
    pub(super) fn tunnel<C>(self, connector: C) -> Tunnel<C> {
        let authorization = self.authorization();
        let tunnel = Tunnel::new(self.address, connector);
        match authorization {
            Some(authorization) => tunnel.with_auth(authorization),
            None => tunnel,
        }
    }

    /// Connections to the proxy itself, which reads the requests.
    pub(super) fn forward<C>(self, connector: C) -> Forward<C> {
        Forward {
            proxy: self.address,
            connector,
        }
    }
}

/// Connects to a proxy, whatever the server is.
#[derive(Clone)]
pub(super) struct Forward<C> {
    proxy: Uri,
    connector: C,
}

type Wrap<S, E> = fn(Result<S, E>) -> Result<Forwarded<S>, E>;

impl<C: Service<Uri>> Service<Uri> for Forward<C> {
    type Response = Forwarded<C::Response>;
    type Error = C::Error;
    type Future = Map<C::Future, Wrap<C::Response, C::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let wrap: Wrap<C::Response, C::Error> = |connection| connection.map(Forwarded);
        self.connector.call(self.proxy.clone()).map(wrap)
    }
}

/// A connection to a proxy, whose requests name the server.
pub(super) struct Forwarded<S>(S);

impl<S: Connection> Connection for Forwarded<S> {
    fn connected(&self) -> Connected {
        self.0.connected().proxy(true)
    }
}

impl<S: Read + Unpin> Read for Forwarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: Write + Unpin> Write for Forwarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(address: &str) -> Proxy {
        Proxy::new(&address.parse().unwrap())
    }

    #[test]
    fn user_and_password_are_taken_from_the_address() {
        let with_user = proxy("https://me:s%40c@proxy:3128");
        assert_eq!(with_user.address, "https://proxy:3128/");
        assert_eq!(with_user.authorization().unwrap(), "Basic bWU6c0Bj");
        assert_eq!(
            proxy("http://me@proxy").authorization().unwrap(),
            "Basic bWU6"
        );
        let without = proxy("http://proxy:3128");
        assert_eq!(without.authorization(), None);
        assert!(!without.speaks_socks());
    }

    #[test]
    fn socks_has_a_port_of_its_own() {
        for (address, expected) in [
            ("socks5://proxy", "http://proxy:1080/"),
            ("socks5h://me:pw@[::1]", "http://[::1]:1080/"),
            ("socks5://proxy:9", "http://proxy:9/"),
        ] {
            let proxy = proxy(address);
            assert_eq!(proxy.address, expected);
            assert!(proxy.speaks_socks());
        }
    }
}
