//! Secrets of a build, by id.

use std::collections::BTreeMap;

use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::Secrets;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use tonic::{Request, Response, Status, async_trait};

/// The values.
pub(super) struct Values(pub(super) BTreeMap<String, Vec<u8>>);

#[async_trait]
impl Secrets for Values {
    /// The engine takes "not found" for "go on without", unless the step says `required`.
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = &request.get_ref().id;
        let value = self.0.get(id).cloned();
        value
            .map(|data| Response::new(GetSecretResponse { data }))
            .ok_or_else(|| Status::not_found(format!("`build.secrets` names no `{id}`")))
    }
}
