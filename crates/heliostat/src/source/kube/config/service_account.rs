//! The configuration of a pod: the address in its environment, the files of its service account.

use std::env;
use std::path::{Path, PathBuf};

use http::Uri;
use kube_client::Config;

use crate::source::kube::connect_error::ConnectError;

use super::address::parse_server;
use super::file;
use super::pem::Material;
use super::resolved::{Login, Resolved};

/// Where the kubelet mounts the files.
const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The pod's service account, where there is no kubeconfig. A context cannot be in it.
pub(super) async fn resolve(
    context: Option<&str>,
    server: Option<Uri>,
    mut looked_at: Vec<String>,
) -> Result<Resolved, ConnectError> {
    let resolved = match context {
        None => read(Path::new(FOLDER), |name| env::var(name).ok()).await,
        Some(_) => Err("has no contexts".to_owned()),
    };
    match resolved {
        Ok(mut resolved) => {
            if let Some(server) = server {
                resolved.config.cluster_url = server;
            }
            Ok(resolved)
        }
        Err(reason) => {
            looked_at.push(format!("the pod's service account ({reason})"));
            Err(ConnectError::NoConfiguration { looked_at })
        }
    }
}

async fn read(
    folder: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Resolved, String> {
    let variable = |name: &str| {
        let value = variable(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| format!("{name} is not set"))
    };
    let host = variable("KUBERNETES_SERVICE_HOST")?;
    let port = variable("KUBERNETES_SERVICE_PORT")?;
    let host = match host.parse() {
        Ok(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        _ => host,
    };
    let server =
        parse_server(&format!("https://{host}:{port}")).map_err(|error| error.to_string())?;
    let authority = folder.join("ca.crt");
    let certificates = Material::File(authority.clone()).certificates().await;
    let namespace = file::read(&folder.join("namespace")).await;
    let namespace = namespace.map_err(|error| error.to_string())?;
    let namespace = String::from_utf8_lossy(&namespace);
    let mut config = Config::new(server);
    config.root_cert = Some(certificates.map_err(|error| error.to_string())?);
    // Read again now and then by the TLS connector: authorities are rotated.
    config.root_cert_file = Some(authority);
    if !namespace.trim().is_empty() {
        config.default_namespace = namespace.trim().to_owned();
    }
    let token_file: PathBuf = folder.join("token");
    Ok(Resolved {
        config,
        login: Login {
            user: "the pod's service account".to_owned(),
            token_file: Some(token_file),
            ..Login::default()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_files_of_a_pod_may_end_in_a_line_break() {
        let folder = env::temp_dir().join(format!("heliostat-pod-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let authority = include_bytes!("../../../../testdata/tls/authority.pem");
        std::fs::write(folder.join("ca.crt"), authority).unwrap();
        std::fs::write(folder.join("namespace"), "shop\n").unwrap();
        let variables = |host: &str| {
            let host = host.to_owned();
            move |name: &str| match name {
                "KUBERNETES_SERVICE_HOST" => Some(host.clone()),
                "KUBERNETES_SERVICE_PORT" => Some("443".to_owned()),
                _ => None,
            }
        };
        for (host, url) in [
            ("10.0.0.1", "https://10.0.0.1:443/"),
            ("fd00::1", "https://[fd00::1]:443/"),
        ] {
            let resolved = read(&folder, variables(host)).await.ok().unwrap();
            assert_eq!(resolved.config.cluster_url.to_string(), url);
            assert_eq!(resolved.config.default_namespace, "shop");
        }
        let unset = read(&folder, |_| Some(String::new())).await.err().unwrap();
        assert_eq!(unset, "KUBERNETES_SERVICE_HOST is not set");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
