//! TLS on the scratch server, for a migration whose URL demands it. Its certificate is nobody's: where it would be verified,
//! nothing is rehearsed.

use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::{X509, X509Name};
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

use super::super::error::DatabaseError;
use super::super::target::{Target, literal};
use super::super::tls::Tls;

/// Within this it has read its settings again.
const READY: Duration = Duration::from_secs(10);

/// The pause between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(100);

/// Turns it on, and returns when the server speaks it. Its owner's session can write files as the server does.
pub(super) async fn offer(scratch: &Target) -> Result<(), DatabaseError> {
    let (certificate, key) = self_signed().map_err(|error| scratch.no_tls(error))?;
    let session = scratch.connect_for_maintenance().await?;
    let told = async {
        write(&session, "server.crt", &certificate).await?;
        write(&session, "server.key", &key).await?;
        session.batch_execute("ALTER SYSTEM SET ssl = on").await?;
        session.batch_execute("SELECT pg_reload_conf()").await
    };
    told.await.map_err(|error| DatabaseError::sql(scratch, "offer TLS", &error))?;
    ready(&Target { tls: Tls::demanded(), ..scratch.clone() }).await
}

async fn write(session: &Client, file: &str, pem: &[u8]) -> Result<(), tokio_postgres::Error> {
    let lines = literal(String::from_utf8_lossy(pem).trim_end());
    let write = format!(
        "COPY (SELECT unnest(string_to_array({lines}, chr(10)))) TO PROGRAM 'umask 077; cat > {file}'"
    );
    session.batch_execute(&write).await
}

async fn ready(scratch: &Target) -> Result<(), DatabaseError> {
    let deadline = Instant::now() + READY;
    loop {
        match scratch.connect_for_maintenance().await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => sleep(AGAIN).await,
        }
    }
}

fn self_signed() -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&curve)?)?;
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "evenkeel-rehearsal")?;
    let name = name.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_pubkey(&key)?;
    certificate.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    certificate.set_not_after(Asn1Time::days_from_now(2)?.as_ref())?;
    certificate.sign(&key, MessageDigest::sha256())?;
    Ok((certificate.build().to_pem()?, key.private_key_to_pem_pkcs8()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::testing::Server;

    #[tokio::test]
    async fn a_scratch_server_speaks_tls_once_it_is_asked_to() {
        let Some(server) = Server::start().await else { return };
        let scratch = server.target("postgres");
        let demanding = Target { tls: Tls::demanded(), ..scratch.clone() };
        let error = demanding.connect().await.unwrap_err();
        assert!(matches!(error, DatabaseError::Tls { .. }), "{error}");
        offer(&scratch).await.unwrap();
        let session = demanding.connect().await.unwrap();
        let encrypted = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert!(session.query_one(encrypted, &[]).await.unwrap().get::<_, bool>(0));
        scratch.connect().await.unwrap();
    }
}
