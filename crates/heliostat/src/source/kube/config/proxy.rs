//! The proxy that the environment names for a server: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`.
//!
//! The rules are those of Go's `net/http`, which kubectl follows: one variable for each scheme of the
//! server, never for a server on this machine, and `NO_PROXY` held against the server. `kube-client` takes
//! `HTTPS_PROXY` for every server and holds `NO_PROXY` against the proxy's address.

use std::net::IpAddr;

use http::Uri;

use super::address::parse_proxy;

/// Returns the proxy for a server, where the environment names one and no rule excepts the server.
///
/// `variable` reads the environment. In lower case the variables count where those in upper case are
/// unset or empty.
///
/// # Errors
/// If the variable's value is no address. Also for `HTTP_PROXY` beside `REQUEST_METHOD`: in a CGI program
/// that variable is set by the sender of the request, in a header `Proxy`.
pub(in super::super) fn of_environment(
    server: &Uri,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Uri>, String> {
    let names: [&str; 2] = match server.scheme_str() {
        Some("https") => ["HTTPS_PROXY", "https_proxy"],
        _ => ["HTTP_PROXY", "http_proxy"],
    };
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let first = |names: [&'static str; 2]| {
        let mut set = names
            .into_iter()
            .filter_map(|name| Some((name, set(name)?)));
        set.next()
    };
    let Some((name, proxy)) = first(names) else {
        return Ok(None);
    };
    let exceptions = first(["NO_PROXY", "no_proxy"]).map(|(_, value)| value);
    if bypasses(server, &exceptions.unwrap_or_default()) {
        return Ok(None);
    }
    if names.contains(&"HTTP_PROXY") && set("REQUEST_METHOD").is_some() {
        return Err(format!(
            "{name} is not used where REQUEST_METHOD is set, since a request can set it there"
        ));
    }
    // Without a scheme it is one of HTTP.
    let proxy = if proxy.contains("://") {
        parse_proxy(&proxy)
    } else {
        parse_proxy(&format!("http://{proxy}"))
    };
    proxy.map(Some).map_err(|error| format!("{name}: {error}"))
}

/// True if the server is to be reached without the proxy of the environment.
///
/// `no_proxy` is the variable's value: names, `.suffix`es, addresses and networks, separated by
/// commas, each with a port if it is meant for that port alone; `*` is everything.
fn bypasses(server: &Uri, no_proxy: &str) -> bool {
    let Some(host) = server.host() else {
        return true;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = host.parse().ok();
    if host.eq_ignore_ascii_case("localhost") || address.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    let by_scheme = match server.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    let port = server.port_u16().unwrap_or(by_scheme);
    no_proxy
        .split(',')
        .map(str::trim)
        .filter(|rule| !rule.is_empty())
        .any(|rule| matches_rule(rule, host, address, port))
}

fn matches_rule(rule: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if rule == "*" {
        return true;
    }
    if let (Some((network, prefix)), Some(address)) = (rule.split_once('/'), address) {
        return is_in_network(address, network, prefix);
    }
    let (name, wanted_port) = split_port(rule);
    if wanted_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    match (name.parse::<IpAddr>(), address) {
        (Ok(wanted), Some(address)) => wanted == address,
        (Ok(_), None) | (Err(_), Some(_)) => false,
        (Err(_), None) => matches_name(name, host),
    }
}

/// `example.com` is the domain and all below it, `.example.com` only what is below it.
fn matches_name(name: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let name = name.trim_start_matches('*').to_ascii_lowercase();
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(&name),
        None => host == name || host.ends_with(&format!(".{name}")),
    }
}

/// `name:8443`, `[::1]:8443`; an IPv6 address without brackets has no port.
fn split_port(rule: &str) -> (&str, Option<u16>) {
    if let Some((name, port)) = rule.rsplit_once(':') {
        let is_whole = name.ends_with(']') || !name.contains(':');
        if let (true, Ok(port)) = (is_whole, port.parse()) {
            return (name.trim_matches(['[', ']']), Some(port));
        }
    }
    (rule.trim_matches(['[', ']']), None)
}

/// True if the first bits of both addresses are the same.
fn is_in_network(address: IpAddr, network: &str, prefix: &str) -> bool {
    let Ok(prefix) = prefix.parse::<u32>() else {
        return false;
    };
    match (address, network.parse()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(network))) if prefix <= 32 => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.checked_shr(32 - prefix).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(network))) if prefix <= 128 => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.checked_shr(128 - prefix).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(server: &str, no_proxy: &str) -> bool {
        bypasses(&server.parse().unwrap(), no_proxy)
    }

    #[test]
    fn this_machine_needs_no_proxy() {
        for server in [
            "https://127.0.0.1:6443",
            "https://127.9.9.9",
            "https://[::1]:6443",
            "https://localhost:6443",
            "http://localhost",
            "http://127.0.0.1:8080",
        ] {
            assert!(check(server, ""), "{server}");
        }
        assert!(!check("https://10.0.0.1:6443", ""));
        assert!(!check("http://10.0.0.1:8080", ""));
    }

    /// The proxy of a server in an environment of `NAME=value`s.
    fn proxy(server: &str, environment: &str) -> Result<Option<String>, String> {
        let variable = |name: &str| {
            let mut pairs = environment.split(' ').filter_map(|it| it.split_once('='));
            let found = pairs.find(|(key, _)| *key == name);
            found.map(|(_, value)| value.to_owned())
        };
        let proxy = of_environment(&server.parse().unwrap(), variable);
        proxy.map(|proxy| proxy.map(|uri| uri.to_string()))
    }

    #[test]
    fn each_scheme_of_a_server_has_a_variable_of_its_own() {
        for (server, environment, expected) in [
            (
                "http://a",
                "HTTP_PROXY=http://p:1 HTTPS_PROXY=http://q:1",
                Some("http://p:1/"),
            ),
            (
                "https://a",
                "HTTP_PROXY=http://p:1 HTTPS_PROXY=http://q:1",
                Some("http://q:1/"),
            ),
            ("http://a", "HTTPS_PROXY=http://q:1", None),
            ("https://a", "HTTP_PROXY=http://p:1", None),
            (
                "http://a",
                "HTTP_PROXY= http_proxy=p:1",
                Some("http://p:1/"),
            ),
            (
                "https://a",
                "https_proxy=socks5://p:1",
                Some("socks5://p:1/"),
            ),
            ("http://a", "HTTP_PROXY=http://p:1 NO_PROXY=a", None),
            (
                "http://a",
                "HTTP_PROXY=http://p:1 NO_PROXY= no_proxy=b,a:80",
                None,
            ),
            (
                "http://a",
                "HTTP_PROXY=http://p:1 NO_PROXY=a:443",
                Some("http://p:1/"),
            ),
            ("http://localhost:8001", "HTTP_PROXY=http://p:1", None),
            // What is not used need not be right.
            (
                "http://localhost",
                "HTTP_PROXY=ftp://p REQUEST_METHOD=GET",
                None,
            ),
            (
                "https://a",
                "HTTPS_PROXY=http://p:1 REQUEST_METHOD=GET",
                Some("http://p:1/"),
            ),
        ] {
            let proxy = proxy(server, environment).unwrap();
            assert_eq!(proxy.as_deref(), expected, "{server} {environment}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_that_names_its_variable() {
        for (server, environment, said) in [
            (
                "https://a",
                "https_proxy=ftp://me:secret@p",
                "https_proxy: \"ftp://p\" is not",
            ),
            (
                "http://a",
                "HTTP_PROXY=http://p REQUEST_METHOD=GET",
                "HTTP_PROXY is not used",
            ),
        ] {
            let error = proxy(server, environment).unwrap_err();
            assert!(error.starts_with(said), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn rules_name_hosts_domains_ports_and_networks() {
        for (server, rules, expected) in [
            ("https://a.example.com", "example.com", true),
            ("https://example.com", "example.com", true),
            ("https://example.com", ".example.com", false),
            ("https://a.example.com", ".EXAMPLE.com", true),
            ("https://a.example.com", "*.example.com", true),
            ("https://notexample.com", "example.com", false),
            ("https://a.example.com:6443", "a.example.com:6443", true),
            ("https://a.example.com:6443", "a.example.com:443", false),
            ("https://a.example.com", "a.example.com:443", true),
            ("https://10.1.2.3:6443", "other, 10.0.0.0/8", true),
            ("https://11.1.2.3:6443", "10.0.0.0/8", false),
            ("https://11.1.2.3:6443", "0.0.0.0/0", true),
            ("https://10.1.2.3:6443", "10.1.2.3", true),
            ("https://10.1.2.3:6443", "10.1.2.3:6443", true),
            ("https://10.1.2.3:6443", "10.1.2.3/40", false),
            ("https://[fd00::5]:6443", "fd00::/8", true),
            ("https://[fd00::5]:6443", "[fd00::5]:6443", true),
            ("https://[fd00::5]:6443", "fd00::5", true),
            ("https://[fe00::5]:6443", "fd00::/8", false),
            ("https://a.example.com", "10.0.0.0/8", false),
            ("https://a.example.com", "*", true),
        ] {
            assert_eq!(check(server, rules), expected, "{server} {rules}");
        }
    }
}
