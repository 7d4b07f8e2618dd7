//! Credentials for the registries that a build takes images from: those that `docker login` has written, as for a pull.
//!
//! The engine speaks with the registry itself. That the session could do so for it, and keep the password, is an offer of newer
//! engines that nobody has to take.

use bollard_buildkit_proto::moby::filesync::v1::auth_server::Auth;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use tonic::{Request, Response, Status, async_trait};

use crate::engine::docker::credentials::{Credentials, Login, registry_of_host};

/// The credentials.
pub(super) struct Logins(pub(super) Credentials);

#[async_trait]
impl Auth for Logins {
    /// Where there are none, or they cannot be read, the registry is asked without; it says so where that is not enough.
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let login = self.0.login(registry_of_host(&request.get_ref().host)).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a build goes without these credentials");
            None
        });
        let (username, secret) = match login {
            Some(Login::Password(name, password)) => (name, password.expose().to_owned()),
            Some(Login::Token(token)) => (String::new(), token.expose().to_owned()),
            None => (String::new(), String::new()),
        };
        Ok(Response::new(CredentialsResponse { username, secret }))
    }

    async fn fetch_token(
        &self,
        _: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(to_the_engine())
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(to_the_engine())
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(to_the_engine())
    }
}

fn to_the_engine() -> Status {
    Status::unimplemented("the engine speaks with registries itself")
}
