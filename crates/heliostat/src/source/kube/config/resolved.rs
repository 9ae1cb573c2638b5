//! `Resolved`: how to reach a server, and the credentials of its user.

use std::path::PathBuf;

use kube_client::Config;

use super::entries::Exec;
use super::pem::Material;

/// How to reach a server, and as whom.
pub(in super::super) struct Resolved {
    /// Everything but credentials. Impersonation is in it.
    pub(in super::super) config: Config,
    pub(in super::super) login: Login,
}

/// A user, and what its credentials are made of.
#[derive(Clone, Default)]
pub(in super::super) struct Login {
    /// Who it is, for messages: `user "ann" in .kube/config`.
    pub(in super::super) user: String,
    pub(in super::super) basic: Option<(String, String)>,
    pub(in super::super) token: Option<String>,
    pub(in super::super) token_file: Option<PathBuf>,
    /// Certificate and key.
    pub(in super::super) identity: Option<(Material, Material)>,
    pub(in super::super) exec: Option<Exec>,
}
