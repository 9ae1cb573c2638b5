//! Finding kubeconfig files, and what a context in them is.
//!
//! The places and their order are kubectl's.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use kube_client::config::{Kubeconfig, KubeconfigError};

use super::connection::ConnectError;

/// The variable that names kubeconfig files, separated as in `PATH`.
pub(super) const KUBECONFIG: &str = "KUBECONFIG";

/// Where a kubeconfig is looked for below the home directory.
const DEFAULT_KUBECONFIG: &str = ".kube/config";

/// What a search for kubeconfig files came to.
pub(super) enum Search {
    Found {
        places: String,
        kubeconfig: Box<Kubeconfig>,
    },
    NotFound {
        looked_at: Vec<String>,
    },
}

/// Looks where kubectl looks. A file that is not there is skipped; one that is broken is an error.
pub(super) fn find_kubeconfig(
    variable: Option<OsString>,
    home: Option<PathBuf>,
) -> Result<Search, ConnectError> {
    let variable = variable.filter(|value| !value.is_empty());
    let mut looked_at = Vec::new();
    let candidates: Vec<PathBuf> = match (&variable, home) {
        (Some(value), _) => env::split_paths(value)
            .filter(|path| !path.as_os_str().is_empty())
            .collect(),
        (None, Some(home)) => {
            looked_at.push("$KUBECONFIG (not set)".to_owned());
            vec![home.join(DEFAULT_KUBECONFIG)]
        }
        (None, None) => {
            looked_at.push("$KUBECONFIG (not set)".to_owned());
            looked_at.push("~/.kube/config (no home directory)".to_owned());
            Vec::new()
        }
    };
    let mut found: Option<Kubeconfig> = None;
    let mut places = Vec::new();
    for path in candidates {
        if !path.exists() {
            looked_at.push(format!("{} (no such file)", path.display()));
            continue;
        }
        let next = read(&path)?;
        places.push(path.display().to_string());
        found = Some(match found {
            None => next,
            Some(merged) => merged
                .merge(next)
                .map_err(|error| unreadable(&path, error))?,
        });
    }
    Ok(match found {
        Some(kubeconfig) => Search::Found {
            places: places.join(", "),
            kubeconfig: Box::new(kubeconfig),
        },
        None => Search::NotFound { looked_at },
    })
}

pub(super) fn read(path: &Path) -> Result<Kubeconfig, ConnectError> {
    Kubeconfig::read_from(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: KubeconfigError) -> ConnectError {
    let reason = match &error {
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        other => other.to_string(),
    };
    ConnectError::Kubeconfig {
        path: path.display().to_string(),
        reason,
        source: Box::new(error),
    }
}

/// The context to use: it must be there, and the error says which ones are.
pub(super) fn choose_context(
    kubeconfig: &Kubeconfig,
    wanted: Option<&str>,
    places: &str,
) -> Result<String, ConnectError> {
    let known = || {
        let mut names: Vec<String> = kubeconfig
            .contexts
            .iter()
            .map(|context| context.name.clone())
            .collect();
        names.sort();
        names
    };
    let wanted = wanted.or(kubeconfig.current_context.as_deref());
    let Some(name) = wanted.filter(|name| !name.is_empty()) else {
        return Err(ConnectError::NoCurrentContext {
            places: places.to_owned(),
            known: known(),
        });
    };
    if kubeconfig
        .contexts
        .iter()
        .any(|context| context.name == name)
    {
        return Ok(name.to_owned());
    }
    Err(ConnectError::UnknownContext {
        name: name.to_owned(),
        places: places.to_owned(),
        known: known(),
    })
}

/// Who named the proxy, if there is one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ProxyOrigin {
    /// The cluster's entry: it is meant for this very server.
    Kubeconfig,
    /// `HTTPS_PROXY`: it is meant for servers in general.
    Environment,
}

impl ProxyOrigin {
    pub(super) fn of(kubeconfig: &Kubeconfig, context: &str) -> Self {
        let context = kubeconfig
            .contexts
            .iter()
            .find(|named| named.name == context);
        let context = context.and_then(|named| named.context.as_ref());
        let own_proxy = kubeconfig
            .clusters
            .iter()
            .filter(|named| context.is_some_and(|context| context.cluster == named.name))
            .filter_map(|named| named.cluster.as_ref()?.proxy_url.as_deref())
            .any(|proxy| !proxy.is_empty());
        if own_proxy {
            Self::Kubeconfig
        } else {
            Self::Environment
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CONTEXTS: &str = "
apiVersion: v1
kind: Config
clusters:
- name: here
  cluster: {server: 'https://10.0.0.1:6443'}
contexts:
- name: production
  context: {cluster: here, namespace: shop}
- name: staging
  context: {cluster: missing}
";

    fn kubeconfig() -> Kubeconfig {
        Kubeconfig::from_yaml(TWO_CONTEXTS).unwrap()
    }

    #[test]
    fn an_unknown_context_lists_the_known_ones() {
        let text = |name: &str| {
            choose_context(&kubeconfig(), Some(name), "cfg")
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            text("producton"),
            "no context \"producton\" in cfg; did you mean \"production\"? There are: production, staging"
        );
        assert_eq!(
            text("zzz"),
            "no context \"zzz\" in cfg; choose one of: production, staging"
        );
    }

    #[test]
    fn a_proxy_of_the_clusters_own_is_told_from_one_of_the_environment() {
        let text = TWO_CONTEXTS.replace("6443'", "6443', proxy-url: 'http://proxy:3128'");
        let own = Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(ProxyOrigin::of(&own, "production"), ProxyOrigin::Kubeconfig);
        assert_eq!(ProxyOrigin::of(&own, "staging"), ProxyOrigin::Environment);
        let none = ProxyOrigin::of(&kubeconfig(), "production");
        assert_eq!(none, ProxyOrigin::Environment);
    }

    #[test]
    fn without_a_current_context_one_must_be_chosen() {
        let error = choose_context(&kubeconfig(), None, "cfg").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no current context in cfg; choose one of: production, staging"
        );
        let empty = choose_context(&Kubeconfig::default(), None, "cfg");
        assert!(
            empty
                .unwrap_err()
                .to_string()
                .ends_with("no contexts in it")
        );
    }

    #[test]
    fn every_place_that_was_looked_at_is_named() {
        let nowhere = Some(PathBuf::from("/nonexistent-home"));
        let Search::NotFound { looked_at } = find_kubeconfig(None, nowhere).unwrap() else {
            panic!("found a kubeconfig in a directory that does not exist");
        };
        assert_eq!(
            looked_at,
            [
                "$KUBECONFIG (not set)",
                "/nonexistent-home/.kube/config (no such file)"
            ]
        );
        let two = OsString::from("/nonexistent-a::/nonexistent-b");
        let Search::NotFound { looked_at } = find_kubeconfig(Some(two), None).unwrap() else {
            panic!("found a kubeconfig that does not exist");
        };
        assert_eq!(
            looked_at,
            [
                "/nonexistent-a (no such file)",
                "/nonexistent-b (no such file)"
            ]
        );
    }
}
