//! Which kubeconfig files are read, and which context of theirs is meant.
//!
//! The places and their order are kubectl's.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::source::kube::connect_error::ConnectError;

use super::file;
use super::kubeconfig::{Entry, Kubeconfig};

/// The variable that names kubeconfig files, separated as in `PATH`.
const KUBECONFIG: &str = "KUBECONFIG";

/// Where a kubeconfig is looked for below the home directory.
const DEFAULT_KUBECONFIG: &str = ".kube/config";

/// What a search for kubeconfig files came to.
#[derive(Debug)]
pub(super) enum Found {
    Kubeconfig {
        places: String,
        kubeconfig: Kubeconfig,
    },
    Nothing {
        looked_at: Vec<String>,
    },
}

/// Reads this file, or those that the environment names.
pub(super) async fn read(path: Option<&Path>) -> Result<Found, ConnectError> {
    match path {
        Some(path) => Ok(Found::Kubeconfig {
            places: path.display().to_string(),
            kubeconfig: read_file(path).await?,
        }),
        None => search(env::var_os(KUBECONFIG), env::home_dir()).await,
    }
}

/// Looks where kubectl looks. A file that is not there is skipped; one that is broken is an error.
async fn search(variable: Option<OsString>, home: Option<PathBuf>) -> Result<Found, ConnectError> {
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
    let mut merged = Kubeconfig::default();
    let mut places = Vec::new();
    for path in candidates {
        match read_file(&path).await {
            Ok(kubeconfig) => {
                merged.merge(kubeconfig);
                places.push(path.display().to_string());
            }
            Err(error) if is_missing(&error) => {
                looked_at.push(format!("{} (no such file)", path.display()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(if places.is_empty() {
        Found::Nothing { looked_at }
    } else {
        Found::Kubeconfig {
            places: places.join(", "),
            kubeconfig: merged,
        }
    })
}

async fn read_file(path: &Path) -> Result<Kubeconfig, ConnectError> {
    let unreadable = |reason: String, source| ConnectError::Kubeconfig {
        path: path.display().to_string(),
        reason,
        source,
    };
    let bytes = file::read(path)
        .await
        .map_err(|error| unreadable(error.error.to_string(), Box::new(error.error)))?;
    Kubeconfig::parse(&bytes, path).map_err(|reason| unreadable(reason.clone(), reason.into()))
}

fn is_missing(error: &ConnectError) -> bool {
    let ConnectError::Kubeconfig { source, .. } = error else {
        return false;
    };
    let error = source.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The context to use: it must be there, and the error says which ones are.
pub(super) fn choose_context<'a>(
    kubeconfig: &'a Kubeconfig,
    wanted: Option<&str>,
    places: &str,
) -> Result<&'a Entry, ConnectError> {
    let known = || {
        let contexts = kubeconfig.contexts.iter();
        let mut names: Vec<String> = contexts.map(|context| context.name.clone()).collect();
        names.sort();
        names
    };
    let wanted = wanted.filter(|name| !name.is_empty());
    let Some(name) = wanted.or(kubeconfig.current_context.as_deref()) else {
        return Err(ConnectError::NoCurrentContext {
            places: places.to_owned(),
            known: known(),
        });
    };
    Entry::find(&kubeconfig.contexts, name).ok_or_else(|| ConnectError::UnknownContext {
        name: name.to_owned(),
        places: places.to_owned(),
        known: known(),
    })
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
        Kubeconfig::parse(TWO_CONTEXTS.as_bytes(), Path::new("cfg")).unwrap()
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
    fn without_a_current_context_one_must_be_chosen() {
        let error = choose_context(&kubeconfig(), None, "cfg").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no current context in cfg; choose one of: production, staging"
        );
        let nothing = Kubeconfig::default();
        let empty = choose_context(&nothing, None, "cfg");
        assert!(
            empty
                .unwrap_err()
                .to_string()
                .ends_with("no contexts in it")
        );
    }

    #[tokio::test]
    async fn every_place_that_was_looked_at_is_named() {
        let nowhere = Some(PathBuf::from("/nonexistent-home"));
        let Found::Nothing { looked_at } = search(None, nowhere).await.unwrap() else {
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
        let Found::Nothing { looked_at } = search(Some(two), None).await.unwrap() else {
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
