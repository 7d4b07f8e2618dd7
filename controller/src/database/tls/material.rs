//! The files behind the parameters, and what is made of them.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::X509;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use postgres_openssl::MakeTlsConnector;
use tokio::fs;

use super::{Identity, Mode, Roots, Tls};

/// Why there can be no TLS, before the server was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file that the URL names.
    #[error(
        "{parameter} {path} cannot be read: {source}; evenkeel reads it on the host (in a container: mounted there under the same path)"
    )]
    File {
        /// Which parameter names it.
        parameter: &'static str,
        /// Its path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{parameter} {path} holds no {what} in PEM")]
    Content {
        /// Which parameter names it.
        parameter: &'static str,
        /// Its path.
        path: String,
        /// What it should hold.
        what: &'static str,
    },
    /// A key that others can read.
    #[error(
        "sslkey {path} can be read by others than its owner; chmod it to 0600 (0640 where it belongs to root)"
    )]
    Open {
        /// Its path.
        path: String,
    },
    /// A key of another certificate.
    #[error("sslkey {path} is not the key of the certificate in sslcert")]
    Mismatch {
        /// Its path.
        path: String,
    },
    /// No root certificates on the host.
    #[error(
        "this host has no file of root certificates; install ca-certificates, or name a file as sslrootcert"
    )]
    NoRoots,
    /// The library.
    #[error("OpenSSL failed: {0}")]
    Library(#[from] ErrorStack),
}

/// What the files held. Read for each use: certificates are renewed in place.
pub(crate) struct Material {
    roots: Option<Vec<X509>>,
    identity: Option<(Vec<X509>, PKey<Private>)>,
}

/// A file as a program of PostgreSQL's is to find it: the variable that names it, and what is in it. May be a key.
pub(crate) struct HandedOver {
    pub(crate) variable: &'static str,
    pub(crate) pem: Vec<u8>,
}

impl Material {
    /// Reads them.
    ///
    /// # Errors
    /// Whatever is wrong with a file. A named file that is not there is an error in every mode but `disable`: libpq would go on
    /// without any verification.
    pub(crate) async fn read(tls: &Tls) -> Result<Self, TlsError> {
        if tls.mode == Mode::Disable {
            return Ok(Self { roots: None, identity: None });
        }
        let roots = match &tls.roots {
            None => None,
            Some(Roots::File(path)) => Some(certificates("sslrootcert", path).await?),
            Some(Roots::System) => {
                let path = openssl_probe::probe().cert_file.ok_or(TlsError::NoRoots)?;
                Some(certificates("sslrootcert=system", &path).await?)
            }
        };
        let identity = match &tls.identity {
            None => None,
            Some(identity) => Some(own(identity).await?),
        };
        Ok(Self { roots, identity })
    }

    /// For evenkeel's own sessions. Roots count in every mode, as in libpq; the name only in `verify-full`.
    pub(crate) fn connector(&self, tls: &Tls) -> Result<MakeTlsConnector, TlsError> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        match &self.roots {
            None => builder.set_verify(SslVerifyMode::NONE),
            Some(roots) => builder.set_cert_store(store(roots)?),
        }
        if let Some((chain, key)) = &self.identity {
            present(&mut builder, chain, key)?;
        }
        let mut connector = MakeTlsConnector::new(builder.build());
        let verified = tls.mode == Mode::VerifyFull;
        connector.set_callback(move |session, _| {
            session.set_verify_hostname(verified);
            Ok(())
        });
        Ok(connector)
    }

    /// For PostgreSQL's programs. Written anew from what was understood, so that there is nothing else in it.
    pub(crate) fn handed_over(&self) -> Result<Vec<HandedOver>, TlsError> {
        let mut files = Vec::new();
        if let Some(roots) = &self.roots {
            files.push(HandedOver { variable: "PGSSLROOTCERT", pem: pem(roots)? });
        }
        if let Some((chain, key)) = &self.identity {
            files.push(HandedOver { variable: "PGSSLCERT", pem: pem(chain)? });
            files.push(HandedOver { variable: "PGSSLKEY", pem: key.private_key_to_pem_pkcs8()? });
        }
        Ok(files)
    }
}

/// The first one is the certificate itself; there always is one.
fn present(builder: &mut SslConnectorBuilder, chain: &[X509], key: &PKey<Private>) -> Result<(), ErrorStack> {
    builder.set_certificate(&chain[0])?;
    chain[1..].iter().try_for_each(|other| builder.add_extra_chain_cert(other.clone()))?;
    builder.set_private_key(key)
}

fn store(roots: &[X509]) -> Result<X509Store, ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    roots.iter().try_for_each(|root| store.add_cert(root.clone()))?;
    Ok(store.build())
}

fn pem(certificates: &[X509]) -> Result<Vec<u8>, ErrorStack> {
    let all: Result<Vec<_>, _> = certificates.iter().map(|certificate| certificate.to_pem()).collect();
    Ok(all?.concat())
}

async fn certificates(parameter: &'static str, path: &Path) -> Result<Vec<X509>, TlsError> {
    let found = X509::stack_from_pem(&content(parameter, path).await?).unwrap_or_default();
    if found.is_empty() {
        let path = path.display().to_string();
        return Err(TlsError::Content { parameter, path, what: "certificate" });
    }
    Ok(found)
}

async fn own(identity: &Identity) -> Result<(Vec<X509>, PKey<Private>), TlsError> {
    let chain = certificates("sslcert", &identity.certificate).await?;
    let key = key(&identity.key).await?;
    let fits = chain[0].public_key().is_ok_and(|public| public.public_eq(&key));
    if fits {
        return Ok((chain, key));
    }
    Err(TlsError::Mismatch { path: identity.key.display().to_string() })
}

async fn key(path: &Path) -> Result<PKey<Private>, TlsError> {
    let shown = || path.display().to_string();
    let failed = |source| TlsError::File { parameter: "sslkey", path: shown(), source };
    let metadata = fs::metadata(path).await.map_err(failed)?;
    let closed = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & closed != 0 {
        return Err(TlsError::Open { path: shown() });
    }
    let text = content("sslkey", path).await?;
    // Without an answer of our own, OpenSSL would ask the terminal for a passphrase.
    let read = PKey::private_key_from_pem_callback(&text, |_| Ok(0));
    read.map_err(|_| TlsError::Content {
        parameter: "sslkey",
        path: shown(),
        what: "private key without a passphrase",
    })
}

async fn content(parameter: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let read = fs::read(path).await;
    read.map_err(|source| TlsError::File { parameter, path: path.display().to_string(), source })
}
