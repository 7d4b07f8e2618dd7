//! A daemon that answers from memory and remembers what it was asked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use evenkeel_core::database::SchemaWord;
use evenkeel_core::name::{AppName, InstanceId, ReleaseDigest, Revision};
use evenkeel_core::plan::Strategy;
use evenkeel_core::status::{
    AppStatus, Condition, HealthWord, Outcome, Phase, Quarantined, Reason, RolloutRecord, SchemaStatus,
    ServiceStatus, Status, StepRecord, Sync,
};
use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::api::{Api, Control, ControlError, ControlStatus, PlanReport, PlanStep, ProgressLine, Socket};
use crate::config::SecretFile;
use crate::ledger::EventRecord;
use crate::metrics::Metrics;

/// The daemon.
pub(crate) struct Fake {
    /// What it was asked to do, in order; what was finished ends in `!`.
    pub(crate) asked: Mutex<Vec<String>>,
    /// Its status.
    pub(crate) status: Mutex<Status>,
    /// Whether there is anything to plan.
    pub(crate) changes: bool,
    /// Why nothing can be done towards the other release that is asked for.
    pub(crate) refused: Option<String>,
    /// Why it is not ready.
    pub(crate) unready: Option<String>,
    /// How long a verb takes.
    pub(crate) takes: Duration,
    /// Where it says what goes on.
    pub(crate) progress: broadcast::Sender<ProgressLine>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            asked: Mutex::default(),
            status: Mutex::new(Status { applications: vec![sample_status()] }),
            changes: true,
            refused: None,
            unready: None,
            takes: Duration::ZERO,
            progress: broadcast::Sender::new(64),
        }
    }
}

impl Fake {
    fn note(&self, what: impl Into<String>) {
        self.asked.lock().unwrap().push(what.into());
    }

    /// What it was asked.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    async fn verb(&self, verb: &str, app: AppName) -> Result<String, ControlError> {
        self.note(format!("{verb} {app}"));
        if app.as_str() == "broken" {
            return Err(ControlError::new(ControlStatus::Conflict, "a rollout goes on").hint("wait for it"));
        }
        for (phase, message) in [(Phase::Building, "building the API"), (Phase::Switching, "taking over")] {
            self.say(&app, phase, message);
            self.say(&AppName::new("another"), phase, "none of your business");
        }
        tokio::time::sleep(self.takes).await;
        self.note(format!("{verb} {app}!"));
        Ok(format!("{verb} is done"))
    }

    fn say(&self, app: &AppName, phase: Phase, message: &str) {
        let _ = self.progress.send(ProgressLine {
            app: app.clone(),
            phase,
            message: message.to_owned(),
            at: at(5),
        });
    }
}

#[async_trait]
impl Control for Fake {
    async fn status(&self) -> Status {
        self.status.lock().unwrap().clone()
    }

    async fn plan(&self, app: Option<AppName>) -> Result<Vec<PlanReport>, ControlError> {
        match app {
            Some(app) if app.as_str() != "convertik" => {
                Err(ControlError::new(ControlStatus::NotFound, format!("there is no application `{app}`")))
            }
            _ => {
                let mut plan = sample_plan(!self.changes);
                if let Some(why) = &self.refused {
                    let asked = sample_plan(false);
                    (plan.to, plan.conditions) = (asked.to, vec![why.clone()]);
                }
                Ok(vec![plan])
            }
        }
    }

    async fn history(&self, _: Option<AppName>, limit: usize) -> Result<Vec<RolloutRecord>, ControlError> {
        Ok([sample_rollout(), open_rollout()].into_iter().take(limit).collect())
    }

    async fn events(&self, app: Option<AppName>, _: usize) -> Result<Vec<EventRecord>, ControlError> {
        let event =
            |app, message: &str| EventRecord { at: at(0), app, kind: "poll".into(), message: message.into() };
        Ok(vec![event(app, "a new\ncommit"), event(None, "evenkeel\x1b[31m started")])
    }

    async fn sync(&self, app: AppName, wait: bool) -> Result<String, ControlError> {
        self.verb(if wait { "sync-and-wait" } else { "sync" }, app).await
    }

    async fn retry(&self, app: AppName) -> Result<String, ControlError> {
        self.verb("retry", app).await
    }

    async fn suspend(&self, app: AppName) -> Result<String, ControlError> {
        self.verb("suspend", app).await
    }

    async fn resume(&self, app: AppName) -> Result<String, ControlError> {
        self.verb("resume", app).await
    }

    async fn claim(&self, app: AppName, from: Option<InstanceId>) -> Result<String, ControlError> {
        let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
        self.verb(&format!("claim{from}"), app).await
    }

    async fn disown(&self, app: AppName) -> Result<String, ControlError> {
        self.verb("disown", app).await
    }

    async fn release(&self, app: AppName) -> Result<String, ControlError> {
        self.verb("release", app).await
    }

    async fn backups(&self, _: AppName) -> Result<Vec<serde_json::Value>, ControlError> {
        Ok(vec![serde_json::json!({
            "id": "20260301-120000", "createdAt": "2026-03-01T12:00:00Z", "reason": "Migration", "level": "Decoded",
            "verifiedAt": null, "broken": null, "database": "shop", "systemIdentifier": "1", "serverVersion": 150_020,
            "revisions": ["0001"], "image": null, "size": 4096, "sha256": "", "rows": {"public.a": 3}, "globalsMissing": null
        })])
    }

    async fn create_backup(&self, app: AppName) -> Result<String, ControlError> {
        self.verb("create-backup", app).await
    }

    async fn verify_backup(&self, app: AppName, id: String, restored: bool) -> Result<String, ControlError> {
        self.verb(&format!("verify {id} {restored}"), app).await
    }

    async fn restore_backup(&self, app: AppName, id: String) -> Result<String, ControlError> {
        self.verb(&format!("restore {id}"), app).await
    }

    fn progress(&self) -> broadcast::Receiver<ProgressLine> {
        self.progress.subscribe()
    }

    async fn ready(&self) -> Result<(), String> {
        self.unready.clone().map_or(Ok(()), Err)
    }

    fn webhook(&self, source: Option<&str>) {
        self.note(format!("webhook {}", source.unwrap_or("any")));
    }
}

/// An API before a daemon.
pub(crate) fn api(fake: &Arc<Fake>, webhook_secret: Option<SecretFile>) -> Api {
    Api { control: fake.clone(), metrics: Arc::new(Metrics::new("1.2.3", "abc").unwrap()), webhook_secret }
}

/// A served control socket; it stops when this is dropped.
pub(crate) struct Served {
    _dir: tempfile::TempDir,
    /// The socket.
    pub(crate) path: PathBuf,
    /// Ends it.
    pub(crate) stop: CancellationToken,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves a daemon on a socket of its own.
pub(crate) fn serve(fake: &Arc<Fake>) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let served = Served { path: dir.path().join("evenkeel.sock"), _dir: dir, stop: CancellationToken::new() };
    let socket = Socket::bind(&served.path).unwrap();
    tokio::spawn(socket.serve(api(fake, None), served.stop.clone()));
    served
}

/// A whole exchange in HTTP/1.1 over a unix socket, the connection closed at its end.
pub(crate) async fn raw(path: &Path, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
    stream
        .write_all(format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_772_366_400 + seconds).unwrap()
}

fn commit(digit: &str) -> Revision {
    Revision::new(digit.repeat(40))
}

fn digest(digit: &str) -> ReleaseDigest {
    ReleaseDigest::new(digit.repeat(64))
}

/// An application in trouble.
pub(crate) fn sample_status() -> AppStatus {
    AppStatus {
        name: "convertik".into(),
        source: "infra".to_owned(),
        sync: Sync::OutOfSync,
        health: HealthWord::Healthy,
        phase: Phase::Idle,
        desired_revision: Some(commit("b")),
        attempted_revision: Some(commit("b")),
        live_revision: Some(commit("a")),
        live_release: Some(digest("1")),
        schema: Some(SchemaStatus {
            desired: vec!["0002".to_owned()],
            current: vec!["0001".to_owned()],
            state: Some(SchemaWord::Behind),
        }),
        conditions: vec![Condition {
            reason: Reason::Quarantined,
            message: "GET /health gave 500".into(),
            since: at(0),
        }],
        quarantine: vec![Quarantined {
            release: digest("2"),
            revision: commit("b"),
            reason: "GET /health gave 500, 3 times running".into(),
            since: at(0),
        }],
        services: vec![service("convertik-api", "Healthy"), service("convertik-db", "Healthy (unproven)")],
        next: "waits for a new commit or `evenkeel retry`".to_owned(),
    }
}

fn service(name: &str, health: &str) -> ServiceStatus {
    ServiceStatus {
        name: name.to_owned(),
        container: Some(format!("{name}-1")),
        image: None,
        state: "running".to_owned(),
        health: health.to_owned(),
    }
}

/// A plan with, or without, anything to do.
pub(crate) fn sample_plan(empty: bool) -> PlanReport {
    let step = |step: &str, subject: &str, why: &str| PlanStep {
        step: step.into(),
        subject: subject.into(),
        why: why.into(),
    };
    let steps = vec![
        step("build", "evenkeel/convertik-api:0123", "backend/app/main.py changed"),
        step("migrate", "0001 → 0002", "the image expects 0002"),
    ];
    PlanReport {
        app: "convertik".into(),
        from: Some(digest("1")),
        to: Some(digest(if empty { "1" } else { "2" })),
        revision: Some(commit("b")),
        stage: "deploy".to_owned(),
        strategy: Strategy::Online,
        steps: if empty { Vec::new() } else { steps },
        gaps: if empty { Vec::new() } else { vec!["port 8000 is closed for about 2 s".to_owned()] },
        notes: Vec::new(),
        commits: if empty { Vec::new() } else { vec!["bbbbbbbbbbbb api: rates by day".to_owned()] },
        conditions: Vec::new(),
        empty,
    }
}

/// A rollout that failed.
pub(crate) fn sample_rollout() -> RolloutRecord {
    let step = |step: &str, outcome: &str, detail: Option<&str>| StepRecord {
        step: step.into(),
        subject: "convertik-api-r7".into(),
        why: "its image changed".into(),
        stage: "deploy".into(),
        started_at: at(10),
        duration: Some(4.25),
        outcome: Some(outcome.into()),
        detail: detail.map(str::to_owned),
    };
    RolloutRecord {
        id: 7,
        app: "convertik".into(),
        release: digest("2"),
        revision: commit("b"),
        reason: "new commit".into(),
        started_at: at(0),
        finished_at: Some(at(192)),
        duration: Some(192.0),
        outcome: Some(Outcome::Reverted),
        message: Some("GET /health gave 500".into()),
        steps: vec![step("create", "done", None), step("prove", "failed", Some("GET /health gave 500"))],
    }
}

fn open_rollout() -> RolloutRecord {
    let mut rollout = sample_rollout();
    rollout.id = 6;
    (rollout.finished_at, rollout.duration, rollout.outcome, rollout.message) = (None, None, None, None);
    rollout.steps.clear();
    rollout
}
