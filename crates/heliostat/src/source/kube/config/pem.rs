//! Certificates and keys: from base64 in the kubeconfig, or from a file.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::file::{self, FileError};

/// Certificates or a key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum MaterialError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{field} is not base64: {error}")]
    Base64 {
        field: &'static str,
        error: base64::DecodeError,
    },
    #[error("there is no certificate in {0}")]
    NoCertificate(String),
}

/// Where certificates or a key come from. Data wins over a file, as in kubectl.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in super::super) enum Material {
    /// PEM that the configuration contains.
    Data(Vec<u8>),
    /// A PEM file.
    File(PathBuf),
}

impl Material {
    /// From the two fields of a kubeconfig; `None` if both are unset.
    pub(super) fn from_fields(
        field: &'static str,
        data: Option<&str>,
        file: Option<PathBuf>,
    ) -> Result<Option<Self>, MaterialError> {
        match (data, file) {
            (Some(data), _) => Ok(Some(Self::Data(decode(field, data)?))),
            (None, file) => Ok(file.map(Self::File)),
        }
    }

    pub(in super::super) async fn read(&self) -> Result<Vec<u8>, FileError> {
        match self {
            Self::Data(pem) => Ok(pem.clone()),
            Self::File(path) => file::read(path).await,
        }
    }

    pub(in super::super) const fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// The certificates of an authority, each in DER.
    pub(super) async fn certificates(&self) -> Result<Vec<Vec<u8>>, MaterialError> {
        let pem = self.read().await?;
        let certificates: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&pem)
            .filter_map(Result::ok)
            .map(|certificate| certificate.to_vec())
            .collect();
        if certificates.is_empty() {
            return Err(MaterialError::NoCertificate(match self {
                Self::Data(_) => "certificate-authority-data".to_owned(),
                Self::File(path) => path.display().to_string(),
            }));
        }
        Ok(certificates)
    }
}

/// Decodes base64. White space in it is skipped: Go's decoder skips line breaks, and YAML turns a line
/// break into a space.
fn decode(field: &'static str, text: &str) -> Result<Vec<u8>, MaterialError> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD
        .decode(text)
        .map_err(|error| MaterialError::Base64 { field, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_may_have_line_breaks() {
        let decoded = |data: &str| Material::from_fields("client-key-data", Some(data), None);
        let whole = Some(Material::Data(b"certificate".to_vec()));
        for data in ["Y2VydGlmaWNhdGU=", "Y2Vy\ndGlm\r\naWNh dGU=\n"] {
            assert_eq!(decoded(data).unwrap(), whole, "{data:?}");
        }
        let error = decoded("Y2Vy*").unwrap_err().to_string();
        assert!(
            error.starts_with("client-key-data is not base64"),
            "{error}"
        );
    }

    #[test]
    fn data_wins_over_a_file() {
        let file = || Some(PathBuf::from("/x"));
        let both = Material::from_fields("client-key-data", Some("YQ=="), file());
        assert_eq!(both.unwrap(), Some(Material::Data(b"a".to_vec())));
        let one = Material::from_fields("client-key-data", None, file());
        assert_eq!(one.unwrap(), Some(Material::File(PathBuf::from("/x"))));
    }
}
