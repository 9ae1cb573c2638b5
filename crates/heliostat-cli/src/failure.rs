//! Why a command failed: the cause, and what to do next.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use anstyle::AnsiColor;
use heliostat::SourceError;
use heliostat::source::etcd;
use heliostat::source::kube::ConnectError;
use heliostat::source::kube::discovery::ResolveError;
use heliostat_core::printable::printable;
use heliostat_server::Status;

/// Number of bytes of an error that are printed. It may name several resources and what happened to them.
const MESSAGE_BYTES_MAX: usize = 8192;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
    #[error("cannot listen on {address}: {error}")]
    Listen {
        address: String,
        #[source]
        error: io::Error,
    },
    #[error(
        "cannot serve on {address}: without TLS and authentication, anyone who reaches that address can \
         read everything that is mirrored"
    )]
    NotLoopback { address: SocketAddr },
    #[error("{resource} cannot be printed whole from protobuf, which does not have all of them")]
    WholeInProtobuf { resource: String },
    #[error("where {path} of {resource} is in protobuf is not known here")]
    UnknownInProtobuf { path: String, resource: String },
    #[error("cannot mirror {what}: the server does not have {what} in protobuf")]
    NotInProtobuf { what: String },
    #[error("{failed} of {objects} objects cannot be converted")]
    Unconverted { failed: u64, objects: u64 },
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    ConnectEtcd(#[from] etcd::ConnectError),
    #[error("cannot read the encryption configuration {path}: {reason}")]
    EncryptionConfig { path: String, reason: String },
    #[error("{0} is no built-in resource of Kubernetes")]
    UnknownResource(String),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("cannot mirror {what}: {error}")]
    Source {
        what: String,
        error: SourceError,
        is_etcd: bool,
    },
    #[error("{what} cannot be watched, only listed: the server does not send their changes")]
    Unwatchable { what: String },
    #[error("gave up after {waited}: {reason}")]
    TooLate { waited: String, reason: String },
    #[error("interrupted before the mirror was complete")]
    Interrupted,
    #[error("{0}")]
    NotFound(String),
    #[error(
        "{} objects are missing from the output: {rejected} were rejected, {unprinted} cannot be printed",
        rejected + unprinted
    )]
    Incomplete { rejected: u64, unprinted: u64 },
    #[error("objects may be missing from the output: {0}")]
    Unfiled(String),
    #[error("the mirror stopped by itself")]
    Stopped,
    #[error("cannot fill the server: {0}")]
    Fill(#[from] Status),
    #[error("cannot install the metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("the mirror did not converge: {0}")]
    Diverged(String),
}

impl Failure {
    /// True if whoever read the output has gone away, which is none of our business.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What the program ends with: 2 for what cannot be asked for.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::WholeInProtobuf { .. }
            | Self::UnknownInProtobuf { .. }
            | Self::NotLoopback { .. } => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }

    /// Tells it on stderr, with the next step.
    pub(crate) fn tell(&self) {
        use io::Write as _;
        let label = AnsiColor::Red.on_default().bold();
        let hint = AnsiColor::Cyan.on_default().bold();
        let mut stderr = anstream::stderr().lock();
        // If stderr is gone, there is no place to report it.
        let message = printable(self).bytes_max(MESSAGE_BYTES_MAX);
        let _ = writeln!(stderr, "{label}error:{label:#} {message}");
        if let Some(next) = self.next_step() {
            let _ = writeln!(stderr, "{hint} hint:{hint:#} {next}");
        }
    }

    /// What to do about it, where the message does not say so itself.
    fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::Source {
                error,
                is_etcd: true,
                ..
            } => next_step_at_etcd(error),
            Self::Source { error, .. } => next_step(error),
            Self::NotLoopback { .. } => {
                Some("choose a loopback address, for example 127.0.0.1:8001 or [::1]:8001")
            }
            Self::WholeInProtobuf { .. } => Some(
                "leave --encoding out or give --encoding json; with protobuf choose -o table or -o name",
            ),
            Self::UnknownInProtobuf { .. } => Some(
                "leave --encoding out or give --encoding json: JSON has every field by its name",
            ),
            Self::NotInProtobuf { .. } => Some(
                "leave --encoding out: what is not there in protobuf is asked for in JSON then",
            ),
            Self::Unwatchable { .. } => {
                Some("give --poll 30s to list them at an interval, or --once to list them one time")
            }
            Self::TooLate { .. } => Some(
                "is the server running, and is this its address? Give another with --server, \
                 --context or --kubeconfig, or more time with --timeout",
            ),
            Self::Listen { error, .. } if error.kind() == io::ErrorKind::AddrInUse => {
                Some("choose another address; port 0 takes a free one")
            }
            Self::Listen { .. } => Some("choose another address, for example 127.0.0.1:0"),
            Self::UnknownResource(_) => {
                Some("name a custom resource by its plural name and its group: widgets.example.com")
            }
            Self::Resolve(_) => Some("`kubectl api-resources` lists what the server has"),
            Self::Diverged(_) => {
                Some("this is a bug: please report it, with the seed and the output")
            }
            _ => None,
        }
    }
}

/// True for an error that waiting does not mend: somebody has to change something.
pub(crate) fn is_permanent(error: &SourceError) -> bool {
    match error {
        SourceError::Api(status) => {
            status.is_unauthorized()
                || status.is_forbidden()
                || status.is_not_found()
                || status.is_bad_request()
                || status.is_invalid()
                || status.is_not_acceptable()
        }
        SourceError::Request(_) | SourceError::Encoding(_) => true,
        _ => false,
    }
}

/// The next step where an etcd failed. What it refuses is named in the message, with what to do.
fn next_step_at_etcd(error: &SourceError) -> Option<&'static str> {
    match error {
        SourceError::Api(status) if status.is_unauthorized() => Some(
            "set a user with ETCDCTL_USER and ETCDCTL_PASSWORD, or a certificate with ETCDCTL_CERT \
             and ETCDCTL_KEY",
        ),
        SourceError::Encoding(_) => Some(
            "give the file with the keys, kube-apiserver's own, with --encryption-provider-config",
        ),
        SourceError::Transport(_) => Some(
            "is the etcd running, and is this its address? Give another with --etcd, and certificates \
             with ETCDCTL_CACERT, ETCDCTL_CERT and ETCDCTL_KEY",
        ),
        SourceError::Decode(_) => Some("is this the address of an etcd?"),
        _ => None,
    }
}

fn next_step(error: &SourceError) -> Option<&'static str> {
    match error {
        SourceError::Api(status) if status.is_unauthorized() => {
            Some("log in again, or choose other credentials with --kubeconfig or --context")
        }
        SourceError::Api(status) if status.is_forbidden() => Some(
            "the verbs `list` and `watch` are needed; choose a namespace where you have them \
             with -n (`kubectl auth can-i list RESOURCE -n NAMESPACE` tells), or ask for them",
        ),
        SourceError::Api(status) if status.is_not_found() => {
            Some("is the resource still served? `kubectl api-resources` lists what the server has")
        }
        SourceError::Api(status) if status.is_bad_request() || status.is_invalid() => {
            Some("check --selector and --field-selector")
        }
        SourceError::Request(_) => Some("check the names and selectors on the command line"),
        SourceError::Transport(_) => Some(
            "is the server running, and is this its address? Give another with --server, \
             --context or --kubeconfig",
        ),
        SourceError::Decode(_) => {
            Some("is this the address of a Kubernetes API? A proxy or a login page may be between")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use heliostat::source::{TransportError, TransportErrorKind};

    use super::*;

    #[test]
    fn hints_are_those_of_the_source() {
        let hints = |error: SourceError| {
            [true, false].map(|is_etcd| {
                let failure = Failure::Source {
                    what: "pods".to_owned(),
                    error: error.clone(),
                    is_etcd,
                };
                failure.next_step().unwrap()
            })
        };
        let unauthorized = heliostat_core::status::Status::failure(401, "Unauthorized", "");
        let [etcd, kubernetes] = hints(unauthorized.into());
        assert!(etcd.contains("ETCDCTL_USER"), "{etcd}");
        assert!(kubernetes.contains("--kubeconfig"), "{kubernetes}");
        let refused = TransportError::new(TransportErrorKind::Refused, "refused");
        let [etcd, kubernetes] = hints(refused.into());
        assert!(
            etcd.contains("--etcd") && !etcd.contains("--context"),
            "{etcd}"
        );
        assert!(kubernetes.contains("--server"), "{kubernetes}");
    }
}
