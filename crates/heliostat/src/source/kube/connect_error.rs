//! `ConnectError`: why no connection could be prepared, and what to do about it.

use std::error::Error;

use super::likeness::{NEAR, likeness};

/// Why no connection could be prepared: what is wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No configuration was found in any of the places.
    #[error(
        "no cluster configuration found; looked at {}; set KUBECONFIG, or give a kubeconfig file \
         or the address of a server", looked_at.join(", ")
    )]
    NoConfiguration {
        /// The places, with what was found there.
        looked_at: Vec<String>,
    },
    /// A kubeconfig cannot be read or understood.
    #[error("cannot read the kubeconfig {path}: {reason}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
        /// The reader's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The kubeconfig has no such context.
    #[error("no context {name:?} in {places}{}", hint(Some(name), known))]
    UnknownContext {
        /// The context that was asked for.
        name: String,
        /// The files that were read.
        places: String,
        /// The contexts that are there.
        known: Vec<String>,
    },
    /// The kubeconfig names no current context, and none was asked for.
    #[error("no current context in {places}{}", hint(None, known))]
    NoCurrentContext {
        /// The files that were read.
        places: String,
        /// The contexts that are there.
        known: Vec<String>,
    },
    /// The context cannot be used: its cluster is missing, its certificates cannot be read.
    #[error("cannot use the context {name:?} in {places}: {source}")]
    Context {
        /// The context.
        name: String,
        /// The files that were read.
        places: String,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The address of the server is none.
    #[error("{url:?} is not the address of a server: {reason}")]
    Server {
        /// The address as it was given, without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The user's credentials cannot be obtained: a file cannot be read, a plugin fails, a token cannot
    /// be sent.
    #[error("{source}")]
    Credentials {
        /// The user, where it is configured, and what is wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// TLS, a client certificate or a proxy cannot be set up.
    #[error("cannot prepare the connection to {server}: {reason}")]
    Client {
        /// The server's address.
        server: String,
        /// The deepest cause.
        reason: String,
        /// The whole error.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What to do about a context that is not there.
fn hint(wanted: Option<&str>, known: &[String]) -> String {
    if known.is_empty() {
        return "; there are no contexts in it".to_owned();
    }
    let near = wanted.and_then(|wanted| {
        let scored = known.iter().map(|name| (likeness(name, wanted), name));
        scored
            .filter(|(likeness, _)| *likeness >= NEAR)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name)
    });
    let list = known.join(", ");
    match near {
        Some(near) => format!("; did you mean {near:?}? There are: {list}"),
        None => format!("; choose one of: {list}"),
    }
}
