//! The client of the control socket.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use evenkeel_core::name::AppName;
use evenkeel_core::status::Status;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::CliError;
use crate::api::{ErrorBody, Line, ProgressLine};

/// Asks the daemon.
pub(super) struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon behind a socket.
    pub(super) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, CliError> {
        let response = accepted(self.send(Method::GET, target).await?).await?;
        let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
        Ok(serde_json::from_slice(&body)?)
    }

    /// Carries out a verb, passing on its progress until it is done; what was done.
    pub(super) async fn act(
        &self,
        target: &str,
        progress: &mut (dyn FnMut(&ProgressLine) + Send),
    ) -> Result<String, CliError> {
        let mut body = accepted(self.send(Method::POST, target).await?).await?.into_body();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            rest.extend_from_slice(&data);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                match serde_json::from_slice(&line)? {
                    Line::Progress(line) => progress(&line),
                    Line::Done(done) => return Ok(done),
                    Line::Failed(error) => return Err(error.into()),
                }
            }
        }
        Err(CliError::new("protocol", "the daemon ended before it said how this went")
            .hint("if it was stopped, it takes the work up again when it starts; see `evenkeel status`"))
    }

    /// The applications that a verb is about: the named one, or all.
    pub(super) async fn apps(&self, named: Option<&AppName>) -> Result<Vec<AppName>, CliError> {
        let known = self.known().await?;
        match named {
            Some(app) if !known.contains(app) => Err(unknown(app, &known)),
            Some(app) => Ok(vec![app.clone()]),
            None => Ok(known),
        }
    }

    /// The one application that a verb is about: the named one, or the only one there is.
    pub(super) async fn app(&self, named: Option<&AppName>) -> Result<AppName, CliError> {
        let mut apps = self.apps(named).await?;
        match (apps.pop(), apps.is_empty()) {
            (Some(app), true) => Ok(app),
            (Some(last), false) => {
                apps.push(last);
                Err(CliError::usage("which application?").hint(format!("name one of: {}", list(&apps))))
            }
            (None, _) => Err(CliError::new("not found", "there is no application yet")
                .hint("evenkeel knows one once it has read its manifest; see `evenkeel events`")),
        }
    }

    async fn known(&self) -> Result<Vec<AppName>, CliError> {
        let status: Status = self.get("/api/v1/status").await?;
        Ok(status.applications.into_iter().map(|app| app.name).collect())
    }

    async fn send(&self, method: Method, target: &str) -> Result<Response<Incoming>, CliError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(&error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // The connection works in a task of its own and ends with the response's body.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "evenkeel")
            .body(Empty::<Bytes>::new());
        let request =
            request.map_err(|error| CliError::usage(format!("`{target}` cannot be asked for: {error}")))?;
        sender.send_request(request).await.map_err(broken)
    }

    fn unreachable(&self, error: &std::io::Error) -> CliError {
        let socket = self.socket.display();
        let (message, hint) = match error.kind() {
            ErrorKind::NotFound => (
                format!("no evenkeel runs here: there is no socket at {socket}"),
                "start it (`evenkeel run --repo URL`, or `systemctl start evenkeel`), or name its socket with --socket or EVENKEEL_SOCKET",
            ),
            ErrorKind::ConnectionRefused => (
                format!("evenkeel does not run: nobody answers on {socket}"),
                "it was stopped or crashed; start it again, its ledger says where it was",
            ),
            ErrorKind::PermissionDenied => (
                format!("you may not use the socket {socket}"),
                "use the account that evenkeel runs as (`sudo evenkeel …`)",
            ),
            _ => (
                format!("cannot reach evenkeel at {socket}: {error}"),
                "is it a socket, and is evenkeel running?",
            ),
        };
        CliError::new("no daemon", message).hint(hint)
    }
}

/// A refusal becomes an error.
async fn accepted(response: Response<Incoming>) -> Result<Response<Incoming>, CliError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
    Err(match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(refusal) => refusal.into(),
        Err(_) => CliError::new(
            "protocol",
            format!("the daemon answered {status}: {}", String::from_utf8_lossy(&body)),
        )
        .hint("the daemon may be of another version than this program"),
    })
}

fn broken(error: hyper::Error) -> CliError {
    CliError::new("no daemon", format!("the connection to the daemon broke: {error}"))
        .hint("it may have been stopped; see its log")
}

fn unknown(app: &AppName, known: &[AppName]) -> CliError {
    let error = CliError::new("not found", format!("there is no application `{app}`"));
    if known.is_empty() {
        return error.hint("there is none at all yet; see `evenkeel events`");
    }
    error.hint(format!("there is: {}", list(known)))
}

fn list(apps: &[AppName]) -> String {
    apps.iter().map(AppName::as_str).collect::<Vec<_>>().join(", ")
}

/// A path or query value, percent-encoded.
pub(super) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A target with the query parameters that are there.
pub(super) fn target(path: &str, app: Option<&AppName>, limit: Option<usize>) -> String {
    let app = app.map(|app| format!("app={}", encode(app.as_str())));
    let limit = limit.map(|limit| format!("limit={limit}"));
    let query: Vec<String> = app.into_iter().chain(limit).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}
