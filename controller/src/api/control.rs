//! What the daemon can be asked: the border between the API and the reconciler.

use async_trait::async_trait;
use evenkeel_core::name::{AppName, InstanceId, ReleaseDigest, Revision};
use evenkeel_core::plan::Strategy;
use evenkeel_core::status::{Phase, RolloutRecord, Status};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::ledger::EventRecord;

/// The daemon, as the API sees it. Reads are cheap and come from what was last observed; verbs return when the work is done.
#[async_trait]
pub(crate) trait Control: Send + Sync {
    /// Every application's status.
    async fn status(&self) -> Status;

    /// What would be done now, for one application or for all.
    async fn plan(&self, app: Option<AppName>) -> Result<Vec<PlanReport>, ControlError>;

    /// The newest rollouts, the newest first.
    async fn history(&self, app: Option<AppName>, limit: usize) -> Result<Vec<RolloutRecord>, ControlError>;

    /// The newest events, the newest first.
    async fn events(&self, app: Option<AppName>, limit: usize) -> Result<Vec<EventRecord>, ControlError>;

    /// Fetches the source and reconciles. With `wait` it returns when that has ended, a rollout included.
    async fn sync(&self, app: AppName, wait: bool) -> Result<String, ControlError>;

    /// Lifts the quarantine of what is desired, and tries again.
    async fn retry(&self, app: AppName) -> Result<String, ControlError>;

    /// Stops rollouts (neither reverts nor drift repairs) until resumed.
    async fn suspend(&self, app: AppName) -> Result<String, ControlError>;

    /// Ends a suspension.
    async fn resume(&self, app: AppName) -> Result<String, ControlError>;

    /// Makes this evenkeel the owner of the application's project: where nobody is, or in the place of the one that is named.
    async fn claim(&self, app: AppName, from: Option<InstanceId>) -> Result<String, ControlError>;

    /// Lets a suspended application's project go, until it is claimed again.
    async fn disown(&self, app: AppName) -> Result<String, ControlError>;

    /// Lets the project go, so that docker-compose looks after it again; what that would do, in words.
    async fn release(&self, app: AppName) -> Result<String, ControlError>;

    /// An application's backups, the newest first.
    async fn backups(&self, app: AppName) -> Result<Vec<serde_json::Value>, ControlError>;

    /// Makes a backup and decodes it.
    async fn create_backup(&self, app: AppName) -> Result<String, ControlError>;

    /// Verifies a backup: hash and full decoding; with `restored` also by restoring it into a scratch database.
    async fn verify_backup(&self, app: AppName, id: String, restored: bool) -> Result<String, ControlError>;

    /// Puts a backup back in place of the application's database; the replaced one is kept.
    async fn restore_backup(&self, app: AppName, id: String) -> Result<String, ControlError>;

    /// What goes on, from now on.
    fn progress(&self) -> broadcast::Receiver<ProgressLine>;

    /// Whether it can do its work; otherwise why not.
    async fn ready(&self) -> Result<(), String>;

    /// Somebody says that a source (or, with `None`, any of them) has changed: look again.
    fn webhook(&self, source: Option<&str>);
}

/// One line of what goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProgressLine {
    /// The application.
    pub(crate) app: AppName,
    /// Its phase.
    pub(crate) phase: Phase,
    /// What goes on.
    pub(crate) message: String,
    /// When.
    pub(crate) at: jiff::Timestamp,
}

/// A plan, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanReport {
    /// The application.
    pub(crate) app: AppName,
    /// The release that is live.
    pub(crate) from: Option<ReleaseDigest>,
    /// The release that is desired; `None` while it is not known.
    pub(crate) to: Option<ReleaseDigest>,
    /// The commit that is desired.
    pub(crate) revision: Option<Revision>,
    /// `prepare`, `deploy` or `revert`.
    pub(crate) stage: String,
    /// How code and schema move.
    pub(crate) strategy: Strategy,
    /// The steps.
    pub(crate) steps: Vec<PlanStep>,
    /// Pauses that users will notice.
    pub(crate) gaps: Vec<String>,
    /// Other things worth knowing.
    pub(crate) notes: Vec<String>,
    /// The commits between what is live and what is desired, one line each, the newest first.
    pub(crate) commits: Vec<String>,
    /// What keeps it from being carried out now.
    pub(crate) conditions: Vec<String>,
    /// Nothing to do.
    pub(crate) empty: bool,
}

/// A step, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanStep {
    /// `build`, `migrate`, …
    pub(crate) step: String,
    /// What it is about.
    pub(crate) subject: String,
    /// Why it is necessary.
    pub(crate) why: String,
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ControlStatus {
    /// There is no such application or backup.
    NotFound,
    /// Not now: something else goes on.
    Conflict,
    /// The request makes no sense.
    Invalid,
    /// What it needs cannot be reached.
    Unavailable,
    /// It was tried, and failed.
    Failed,
}

/// A refusal, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ControlError {
    /// Its kind.
    pub(crate) status: ControlStatus,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl ControlError {
    /// A refusal without advice.
    pub(crate) fn new(status: ControlStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hint: None }
    }

    /// The same with advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
