//! Reads, the same on the socket and on the listener.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use evenkeel_core::name::AppName;
use evenkeel_core::status::{RolloutRecord, Status};
use serde::Deserialize;

use super::{Api, ControlError, PlanReport};
use crate::ledger::EventRecord;

/// How many records a read gives when nobody says.
const LIMIT: usize = 20;
/// How many it gives at most.
const MOST: usize = 1_000;

/// Which application, and how many records.
#[derive(Default, Deserialize)]
pub(super) struct Which {
    app: Option<AppName>,
    limit: Option<usize>,
}

impl Which {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT).min(MOST)
    }
}

pub(super) async fn status(State(api): State<Api>, Query(which): Query<Which>) -> Json<Status> {
    let mut status = api.control.status().await;
    if let Some(app) = which.app {
        status.applications.retain(|one| one.name == app);
    }
    Json(status)
}

pub(super) async fn plan(
    State(api): State<Api>,
    Query(which): Query<Which>,
) -> Result<Json<Vec<PlanReport>>, ControlError> {
    // Planning may build digests of whole trees; it goes on to its end where the caller does not wait for it.
    super::act::detached(async move { api.control.plan(which.app).await }).await.map(Json)
}

pub(super) async fn history(
    State(api): State<Api>,
    Query(which): Query<Which>,
) -> Result<Json<Vec<RolloutRecord>>, ControlError> {
    let limit = which.limit();
    api.control.history(which.app, limit).await.map(Json)
}

pub(super) async fn events(
    State(api): State<Api>,
    Query(which): Query<Which>,
) -> Result<Json<Vec<EventRecord>>, ControlError> {
    let limit = which.limit();
    api.control.events(which.app, limit).await.map(Json)
}

pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    let status = api.control.status().await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], api.metrics.render(&status))
}

/// The process runs and answers; nothing more.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// It can do its work.
pub(super) async fn readyz(State(api): State<Api>) -> (StatusCode, String) {
    match api.control.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
