//! The addresses of servers and proxies, from whichever place they come.

use http::Uri;

/// A text that is not an address. It is kept without credentials, since errors are logged.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not the address of a {of}: {reason}")]
pub(in super::super) struct AddressError {
    pub(in super::super) text: String,
    of: &'static str,
    pub(in super::super) reason: String,
}

/// Reads the address of a server: a URL, or `host:port`, for which `http://` is assumed as kubectl does.
pub(in super::super) fn parse_server(text: &str) -> Result<Uri, AddressError> {
    let text = text.trim();
    let parsed = if text.contains("://") {
        parse(text, &["http", "https"])
    } else if text.trim_end_matches('/').contains('/') {
        Err("it is neither a URL nor host:port; write https:// before it".to_owned())
    } else {
        parse(&format!("http://{text}"), &["http"])
    };
    parsed.map_err(|reason| AddressError {
        text: without_credentials(text),
        of: "server",
        reason,
    })
}

/// Reads the address of a proxy, which needs a scheme.
pub(super) fn parse_proxy(text: &str) -> Result<Uri, AddressError> {
    let text = text.trim();
    let parsed = if text.contains("://") {
        parse(text, &["http", "https", "socks5", "socks5h"])
    } else {
        Err("the scheme is missing, want http, https or socks5".to_owned())
    };
    parsed.map_err(|reason| AddressError {
        text: without_credentials(text),
        of: "proxy",
        reason,
    })
}

fn parse(url: &str, schemes: &[&str]) -> Result<Uri, String> {
    let uri: Uri = url
        .parse()
        .map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !schemes.contains(&scheme) {
        let want = schemes.join(" or ");
        return Err(format!(
            "the scheme {scheme:?} is not supported, want {want}"
        ));
    }
    let Some(authority) = uri.authority() else {
        return Err("the host is missing".to_owned());
    };
    if authority.host().is_empty() {
        return Err("the host is missing".to_owned());
    }
    // `http` ignores a port that is no number, and the connection would go to another one.
    let (_, after) = authority
        .as_str()
        .rsplit_once('@')
        .unwrap_or(("", authority.as_str()));
    let port = after.strip_prefix(authority.host()).unwrap_or_default();
    if !matches!(port, "" | ":") && uri.port_u16().is_none_or(|port| port == 0) {
        return Err("the port is not a number from 1 to 65535".to_owned());
    }
    Ok(uri)
}

/// The text without what stands before an `@` in its authority.
fn without_credentials(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_url_or_host_and_port() {
        for (text, expected) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("127.0.0.1:8001", "http://127.0.0.1:8001/"),
            ("localhost", "http://localhost/"),
            ("[::1]:6443", "http://[::1]:6443/"),
            ("HTTPS://Host", "https://Host/"),
            (" https://host:6443\n", "https://host:6443/"),
            ("https://host:", "https://host:/"),
            (
                "https://rancher.example/k8s/clusters/c-1",
                "https://rancher.example/k8s/clusters/c-1",
            ),
        ] {
            let uri = parse_server(text).unwrap();
            assert_eq!(uri.to_string(), expected, "{text}");
            assert!(
                uri.scheme().is_some() && uri.authority().is_some(),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_text() {
        for (text, reason) in [
            ("", "is not the address"),
            ("ftp://x", "the scheme \"ftp\" is not supported"),
            ("unix:///run/x.sock", "is not the address"),
            ("http://", "is not the address"),
            ("http://:8080", "the host is missing"),
            ("127.0.0.1:1/path", "neither a URL nor host:port"),
            ("https://host:99999", "the port is not a number"),
            ("host:0", "the port is not a number"),
            ("https://a b", "is not the address"),
            ("two words", "is not the address"),
        ] {
            let error = parse_server(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(error.starts_with(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn the_password_in_the_address_of_a_server_is_not_repeated() {
        for text in [
            "http://user:sekret@host:99999",
            "ftp://user:sekret@host",
            "https://user:sek/ret@a b",
            "user:sekret@host:0",
            "user:sekret@host/path",
        ] {
            let error = parse_server(text).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("sek"), "{shown}");
            assert!(!error.text.contains("user"), "{}", error.text);
        }
        let error = parse_server("http://user:sekret@host:99999").unwrap_err();
        assert_eq!(error.text, "http://host:99999");
    }

    #[test]
    fn a_proxy_needs_a_scheme_and_its_password_is_not_repeated() {
        assert!(parse_proxy("socks5://127.0.0.1:1080").is_ok());
        assert!(parse_proxy("http://me:secret@proxy:3128").is_ok());
        for text in ["proxy:3128", "ftp://me:secret@proxy", "me:secret@proxy"] {
            let error = parse_proxy(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
