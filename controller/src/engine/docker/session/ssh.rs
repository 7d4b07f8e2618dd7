//! SSH agents: what a step says to the socket that it finds is carried to the agent's own, and back.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::Ssh;
use bollard_buildkit_proto::moby::sshforward::v1::{BytesMessage, CheckAgentRequest, CheckAgentResponse};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio_util::io::{ReaderStream, StreamReader};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming, async_trait};

/// The agent where a step names none.
const DEFAULT: &str = "default";
/// Where a request says which agent it means.
const ID: &str = "buildkit.ssh.id";

/// Sockets by id.
pub(super) struct Agents(pub(super) BTreeMap<String, PathBuf>);

impl Agents {
    async fn connect(&self, id: &str) -> Result<UnixStream, Status> {
        let id = if id.is_empty() { DEFAULT } else { id };
        let socket =
            self.0.get(id).ok_or_else(|| Status::not_found(format!("`build.ssh` names no `{id}`")))?;
        UnixStream::connect(socket).await.map_err(|error| {
            Status::unavailable(format!("the SSH agent at {} does not answer: {error}", socket.display()))
        })
    }
}

#[async_trait]
impl Ssh for Agents {
    type ForwardAgentStream = BoxStream<'static, Result<BytesMessage, Status>>;

    async fn check_agent(
        &self,
        request: Request<CheckAgentRequest>,
    ) -> Result<Response<CheckAgentResponse>, Status> {
        self.connect(&request.get_ref().id).await?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get(ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        let (answers, mut agent) = self.connect(id).await?.into_split();
        let asked = request.into_inner().map_ok(|piece| Bytes::from(piece.data)).map_err(io::Error::other);
        let asking = AbortOnDropHandle::new(tokio::spawn(async move {
            // Whichever side ends it, the other is told by the end of its stream.
            drop(tokio::io::copy(&mut StreamReader::new(asked), &mut agent).await);
            drop(agent.shutdown().await);
        }));
        let answers = ReaderStream::new(answers).map(move |piece| {
            let _until_the_answers_end = &asking;
            piece.map(|data| BytesMessage { data: data.into() }).map_err(Status::from)
        });
        Ok(Response::new(answers.boxed()))
    }
}
