//! A BuildKit session: what a build asks of those who want it.
//!
//! It is a connection beside the build's own, turned around: once the engine has agreed to `h2c` on it, the engine is the gRPC client
//! and asks for secrets, for the credentials of registries and for an SSH agent when a step needs them. What it is given stays in
//! memory, and is in no layer.

mod auth;
mod health;
mod secrets;
mod ssh;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bollard_buildkit_proto::health::health_server::HealthServer;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard_buildkit_proto::moby::filesync::v1::auth_server::AuthServer;
use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::SshServer;
use hyper::server::conn::http2;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioExecutor;
use hyper_util::service::TowerToHyperService;
use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;

use super::Docker;
use crate::engine::EngineError;

/// What the engine may ask for; it asks for nothing that is not named here.
pub(super) const METHODS: [&str; 4] = [
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
];

/// A session. Dropping it hangs up: the engine gives up whatever step asks it for something.
pub(super) struct Session {
    id: String,
    _answering: AbortOnDropHandle<()>,
}

impl Session {
    /// The id by which a build names it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

/// What a build may have.
#[derive(Clone, Default)]
pub(super) struct Offer {
    /// Values by the id that the Dockerfile asks for.
    pub(super) secrets: BTreeMap<String, Vec<u8>>,
    /// Sockets of SSH agents by id.
    pub(super) agents: BTreeMap<String, PathBuf>,
}

impl Docker {
    /// Opens a session, with the credentials for registries that every build may have.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`], or [`EngineError::Refused`] by an engine that has no BuildKit.
    pub(super) async fn open_session(&self, action: &str, offer: Offer) -> Result<Session, EngineError> {
        let id = format!("{:032x}", fastrand::u128(..));
        let connection = self.upgrade_session(action, &id).await?;
        let services = Routes::new(HealthServer::new(health::Alive))
            .add_service(AuthServer::new(auth::Logins(self.credentials.clone())))
            .add_service(SecretsServer::new(secrets::Values(offer.secrets)))
            .add_service(SshServer::new(ssh::Agents(offer.agents)));
        let answering = AbortOnDropHandle::new(tokio::spawn(answer(connection, services)));
        Ok(Session { id, _answering: answering })
    }
}

/// Answers until either side hangs up. A connection that breaks is told by the build, which misses it.
async fn answer(connection: Upgraded, services: Routes) {
    let services = TowerToHyperService::new(services);
    let served = http2::Builder::new(TokioExecutor::new()).serve_connection(connection, services).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a build's session ended");
    }
}
