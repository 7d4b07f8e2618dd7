//! Two requests that the client library cannot make: a build, and the session beside it.
//!
//! For a build it has no way to give several extra hosts, and breaks off at BuildKit's own progress messages. Its sessions answer from
//! files and from the environment of the process only.

use std::path::Path;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, Lines};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::io::{ReaderStream, StreamReader};
use tokio_util::task::AbortOnDropHandle;

use super::session::METHODS;
use super::{Address, Docker, errors};
use crate::engine::EngineError;

/// Pieces in which a file is sent.
const PIECE: usize = 64 << 10;

/// Both directions of a connection.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// The lines of an answer, as they arrive. Dropping it hangs up, which makes the engine give up the build.
pub(super) struct Answer {
    lines: Lines<Box<dyn tokio::io::AsyncBufRead + Send + Unpin>>,
    _connection: AbortOnDropHandle<()>,
}

impl Answer {
    pub(super) async fn line(&mut self) -> std::io::Result<Option<String>> {
        self.lines.next_line().await
    }
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Docker {
    /// Posts a tar file, streamed from disk, and gives back the answer's lines.
    pub(super) async fn post_tar(&self, action: &str, path: &str, tar: &Path) -> Result<Answer, EngineError> {
        let file = File::open(tar).await.map_err(|error| unreadable(action, tar, &error))?;
        let broken = |error: hyper::Error| errors::unreachable_at(&self.address, error);
        let (mut sender, connection) = self.call().await?;
        let body = StreamBody::new(ReaderStream::with_capacity(file, PIECE).map_ok(Frame::data));
        let request = Request::post(self.dialect.path(path))
            .header(HOST, "docker")
            .header(CONTENT_TYPE, "application/x-tar");
        let credentials = self.credentials.all().await;
        let credentials = credentials.map_err(|error| errors::unreachable_at(&self.address, error))?;
        let request = match credentials {
            Some(credentials) => request.header("X-Registry-Config", credentials.expose()),
            None => request,
        };
        let request = request.body(body).map_err(|error| errors::hindered(action, error.to_string()))?;
        let response = accepted(action, sender.send_request(request).await.map_err(broken)?).await?;
        Ok(Answer { lines: lines(response), _connection: connection })
    }

    /// Asks the engine to turn a connection around: the connection, on which it is the client from now on.
    pub(super) async fn upgrade_session(&self, action: &str, id: &str) -> Result<Upgraded, EngineError> {
        let broken = |error: hyper::Error| errors::unreachable_at(&self.address, error);
        let (mut sender, _connection) = self.call().await?;
        let mut request = Request::post(self.dialect.path("/session"))
            .header(HOST, "docker")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "h2c")
            .header("X-Docker-Expose-Session-Uuid", id)
            .header("X-Docker-Expose-Session-Name", "evenkeel");
        for method in METHODS {
            request = request.header("X-Docker-Expose-Session-Grpc-Method", method);
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|error| errors::hindered(action, error.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let response = accepted(action, response).await?;
            let reason = "it opens no session for a build".to_owned();
            return Err(errors::refused(action, response.status().as_u16(), reason));
        }
        hyper::upgrade::on(response).await.map_err(broken)
    }

    /// A connection to the engine, and what drives it: dropping that hangs up.
    async fn call<B>(&self) -> Result<(http1::SendRequest<B>, AbortOnDropHandle<()>), EngineError>
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>, Data: Send> + Send + 'static,
    {
        let wire = dial(&self.address).await.map_err(|error| errors::unreachable_at(&self.address, error))?;
        let handshake = http1::handshake(TokioIo::new(wire)).await;
        let (sender, connection) = handshake.map_err(|error| errors::unreachable_at(&self.address, error))?;
        // Its error is the request's as well.
        let driven = tokio::spawn(async { drop(connection.with_upgrades().await) });
        Ok((sender, AbortOnDropHandle::new(driven)))
    }
}

async fn dial(address: &Address) -> std::io::Result<Box<dyn Wire>> {
    Ok(match address {
        Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Address::Tcp(host) => Box::new(TcpStream::connect(host).await?),
    })
}

/// The response, unless it is a refusal.
async fn accepted(action: &str, response: Response<Incoming>) -> Result<Response<Incoming>, EngineError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body =
        response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_else(|_| Bytes::new());
    let refusal = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.message);
    let reason = refusal.unwrap_or_else(|_| String::from_utf8_lossy(&body).trim().to_owned());
    Err(errors::refused(action, status.as_u16(), reason))
}

fn lines(response: Response<Incoming>) -> Lines<Box<dyn tokio::io::AsyncBufRead + Send + Unpin>> {
    let pieces = response.into_body().into_data_stream().map_err(std::io::Error::other);
    let reader: Box<dyn tokio::io::AsyncBufRead + Send + Unpin> =
        Box::new(BufReader::new(StreamReader::new(pieces)));
    reader.lines()
}

fn unreadable(action: &str, tar: &Path, error: &std::io::Error) -> EngineError {
    errors::hindered(action, format!("the context {} cannot be read: {error}", tar.display()))
}
