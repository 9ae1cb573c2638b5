//! Whether a proxy that the environment names is meant for the server: `NO_PROXY`, and what needs no
//! proxy at all.
//!
//! `kube-client` takes `HTTPS_PROXY` for every server, also one on this machine, and holds `NO_PROXY`
//! against the proxy's address in place of the server's. The rules for `NO_PROXY` are those of Go's
//! `net/http`, which kubectl follows. `HTTP_PROXY` is not read: see [`bypasses`].

use std::net::IpAddr;

use http::Uri;

/// True if the server is to be reached without the proxy of the environment.
///
/// `no_proxy` is the variable's value: names, `.suffix`es, addresses and networks, separated by
/// commas, each with a port if it is meant for that port alone; `*` is everything.
///
/// A server that is reached by `http` never gets the proxy: `HTTPS_PROXY` is not for it, and
/// `HTTP_PROXY`, which kubectl reads for such a server, is not read here. A `proxy-url` in the
/// kubeconfig counts for both schemes.
pub(super) fn bypasses(server: &Uri, no_proxy: &str) -> bool {
    // The variable that is read, `HTTPS_PROXY`, is for https alone.
    if server.scheme_str() != Some("https") {
        return true;
    }
    let Some(host) = server.host() else {
        return true;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = host.parse().ok();
    if host.eq_ignore_ascii_case("localhost") || address.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    let port = server.port_u16().unwrap_or(443);
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
    fn this_machine_and_plain_http_need_no_proxy() {
        for server in [
            "https://127.0.0.1:6443",
            "https://127.9.9.9",
            "https://[::1]:6443",
            "https://localhost:6443",
            "http://10.0.0.1:8080",
        ] {
            assert!(check(server, ""), "{server}");
        }
        assert!(!check("https://10.0.0.1:6443", ""));
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
