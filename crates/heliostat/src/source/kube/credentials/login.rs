//! The user of a kubeconfig as credentials.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::log_limit::LineLimit;
use crate::source::kube::config::{Login, file};

use super::shared::{Identity, Obtained};
use super::{CredentialsError, Reason, plugin};

/// How often files are read again: the reference client's period for token files.
const FILES_PERIOD: Duration = Duration::from_secs(60);

impl Login {
    /// True if obtaining the credentials again may give different ones.
    pub(super) fn can_change(&self) -> bool {
        self.reads_files() || self.runs_plugin()
    }

    fn reads_files(&self) -> bool {
        let identity = self.identity.as_ref();
        self.token_file.is_some()
            || identity.is_some_and(|(certificate, key)| certificate.is_file() || key.is_file())
    }

    /// The kubeconfig's own credentials win over a plugin, as in kubectl.
    fn runs_plugin(&self) -> bool {
        self.exec.is_some()
            && self.basic.is_none()
            && self.token.is_none()
            && self.token_file.is_none()
    }
}

/// Obtains the credentials: reads files, runs a plugin, which may ask its user something if
/// `may_interact`.
pub(super) async fn obtain(
    login: &Login,
    may_interact: bool,
    lines: &LineLimit,
) -> Result<Obtained, CredentialsError> {
    let obtained = try_obtain(login, may_interact, lines).await;
    obtained.map_err(|reason| CredentialsError {
        user: login.user.clone(),
        reason,
    })
}

async fn try_obtain(
    login: &Login,
    may_interact: bool,
    lines: &LineLimit,
) -> Result<Obtained, Reason> {
    let mut obtained = Obtained {
        authorization: authorization(login).await?,
        identity: None,
        refresh_after: login.reads_files().then_some(FILES_PERIOD),
        usable_for: None,
    };
    if let Some((certificate, key)) = &login.identity {
        obtained.identity = Some(Arc::new(Identity {
            certificate: certificate.read().await?,
            key: key.read().await?,
        }));
    }
    if let Some(exec) = &login.exec
        && login.runs_plugin()
    {
        let issued = plugin::run(exec, may_interact, lines).await?;
        obtained.authorization = issued.authorization;
        obtained.identity = issued.identity.or(obtained.identity);
        obtained.refresh_after = [issued.refresh_after, obtained.refresh_after]
            .into_iter()
            .flatten()
            .min();
        obtained.usable_for = issued.usable_for;
    }
    Ok(obtained)
}

async fn authorization(login: &Login) -> Result<Option<HeaderValue>, Reason> {
    if let Some((name, password)) = &login.basic {
        let credentials = STANDARD.encode(format!("{name}:{password}"));
        return header("Basic", &credentials, "the kubeconfig");
    }
    let from_file = match &login.token_file {
        Some(path) => Some((path, file::read(path).await)),
        None => None,
    };
    // As in the reference client, the file wins, and the token is there for when it cannot be read.
    match (from_file, &login.token) {
        (Some((path, Ok(bytes))), _) => {
            let place = path.display().to_string();
            match String::from_utf8(bytes) {
                Ok(token) => header("Bearer", &token, &place),
                Err(_) => Err(Reason::Encoding(place)),
            }
        }
        (_, Some(token)) => header("Bearer", token, "the kubeconfig"),
        (Some((_, Err(error))), None) => Err(error.into()),
        (None, None) => Ok(None),
    }
}

/// The value of the header. White space at the ends of a secret is not part of it; none is left of an
/// empty one.
pub(super) fn header(
    scheme: &str,
    secret: &str,
    place: &str,
) -> Result<Option<HeaderValue>, Reason> {
    let secret = secret.trim();
    if secret.is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::try_from(format!("{scheme} {secret}"))
        .map_err(|_| Reason::Token(place.to_owned()))?;
    value.set_sensitive(true);
    Ok(Some(value))
}
