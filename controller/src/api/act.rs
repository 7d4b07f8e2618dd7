//! Verbs. Each runs in a task of its own, so that a caller who goes away cannot stop a restore in the middle; its progress
//! streams as one JSON object a line until the last one says how it ended.

use std::convert::Infallible;
use std::future::Future;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use evenkeel_core::name::{AppName, InstanceId};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::{Api, ControlError, ControlStatus, ErrorBody, ProgressLine};

/// A line of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Line {
    /// Something goes on.
    Progress(ProgressLine),
    /// It is done; the last line.
    Done(String),
    /// It failed; the last line.
    Failed(ErrorBody),
}

#[derive(Default, Deserialize)]
pub(super) struct Options {
    #[serde(default)]
    wait: bool,
    #[serde(default)]
    restored: bool,
    #[serde(default)]
    from: Option<InstanceId>,
}

type Outcome = Result<String, ControlError>;

pub(super) async fn sync(
    State(api): State<Api>,
    Path(app): Path<AppName>,
    Query(options): Query<Options>,
) -> Response {
    let control = api.control.clone();
    stream(&api, app.clone(), async move { control.sync(app, options.wait).await })
}

pub(super) async fn retry(State(api): State<Api>, Path(app): Path<AppName>) -> Response {
    let control = api.control.clone();
    stream(&api, app.clone(), async move { control.retry(app).await })
}

pub(super) async fn suspend(State(api): State<Api>, Path(app): Path<AppName>) -> Response {
    let control = api.control.clone();
    stream(&api, app.clone(), async move { control.suspend(app).await })
}

pub(super) async fn resume(State(api): State<Api>, Path(app): Path<AppName>) -> Response {
    let control = api.control.clone();
    stream(&api, app.clone(), async move { control.resume(app).await })
}

pub(super) async fn claim(
    State(api): State<Api>,
    Path(app): Path<AppName>,
    Query(options): Query<Options>,
) -> Response {
    let control = api.control.clone();
    stream(&api, app.clone(), async move { control.claim(app, options.from).await })
}

pub(super) async fn disown(State(api): State<Api>, Path(app): Path<AppName>) -> Response {
    let control = api.control.clone();
    stream(&api, app.clone(), async move { control.disown(app).await })
}

pub(super) async fn release(State(api): State<Api>, Path(app): Path<AppName>) -> Response {
    let control = api.control.clone();
    stream(&api, app.clone(), async move { control.release(app).await })
}

pub(super) async fn backups(State(api): State<Api>, Path(app): Path<AppName>) -> Response {
    api.control.backups(app).await.map(axum::Json).into_response()
}

pub(super) async fn create_backup(State(api): State<Api>, Path(app): Path<AppName>) -> Response {
    let control = api.control.clone();
    stream(&api, app.clone(), async move { control.create_backup(app).await })
}

pub(super) async fn verify_backup(
    State(api): State<Api>,
    Path((app, id)): Path<(AppName, String)>,
    Query(options): Query<Options>,
) -> Response {
    let control = api.control.clone();
    stream(&api, app.clone(), async move { control.verify_backup(app, id, options.restored).await })
}

pub(super) async fn restore_backup(
    State(api): State<Api>,
    Path((app, id)): Path<(AppName, String)>,
) -> Response {
    let control = api.control.clone();
    stream(&api, app.clone(), async move { control.restore_backup(app, id).await })
}

/// Runs work that its caller's disappearance must not stop.
pub(super) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, ControlError>> + Send + 'static,
) -> Result<T, ControlError> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request's task ended before its work");
        Err(ControlError::new(ControlStatus::Failed, "evenkeel failed inside; its log says more"))
    })
}

fn stream(api: &Api, app: AppName, work: impl Future<Output = Outcome> + Send + 'static) -> Response {
    // Subscribed before the work starts: no line is missed.
    let progress = api.control.progress();
    let (lines, receiver) = mpsc::channel(64);
    tokio::spawn(relay(app, progress, tokio::spawn(detached(work)), lines));
    let body = ReceiverStream::new(receiver).map(|line| Ok::<_, Infallible>(encode(&line)));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response()
}

async fn relay(
    app: AppName,
    mut progress: broadcast::Receiver<ProgressLine>,
    mut work: tokio::task::JoinHandle<Outcome>,
    lines: mpsc::Sender<Line>,
) {
    let outcome = loop {
        // Cancel-safe: a join handle and a broadcast receiver lose nothing when the other branch wins.
        tokio::select! {
            biased;
            line = next(&mut progress) => match line {
                Some(line) if line.app == app => { let _ = lines.send(Line::Progress(line)).await; }
                Some(_) => {}
                None => break (&mut work).await,
            },
            outcome = &mut work => break outcome,
        }
    };
    let _ = lines.send(last(outcome)).await;
}

/// The next line; `None` once there will be no more. Lines that came too fast are skipped.
async fn next(progress: &mut broadcast::Receiver<ProgressLine>) -> Option<ProgressLine> {
    loop {
        match progress.recv().await {
            Ok(line) => return Some(line),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

fn last(outcome: Result<Outcome, tokio::task::JoinError>) -> Line {
    match outcome {
        Ok(Ok(done)) => Line::Done(done),
        Ok(Err(error)) => Line::Failed(error.into()),
        Err(error) => Line::Failed(ControlError::new(ControlStatus::Failed, error.to_string()).into()),
    }
}

fn encode(line: &Line) -> Bytes {
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}
