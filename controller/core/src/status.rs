//! Status: three axes, conditions with fixed words, and what happens next.

use serde::{Deserialize, Serialize};

use crate::name::{AppName, ReleaseDigest, Revision};

/// Whether what runs is what the branch asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sync {
    /// It is.
    Synced,
    /// It is not.
    OutOfSync,
    /// Nobody has looked yet, or nobody can.
    #[default]
    Unknown,
}

/// How well it runs; the worst service decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthWord {
    /// Every service works, as far as anybody can tell.
    Healthy,
    /// On the way.
    Progressing,
    /// Something that should work does not.
    Degraded,
    /// An operator suspended it.
    Suspended,
    /// Nothing of it exists.
    Missing,
    /// Nobody knows.
    #[default]
    Unknown,
}

/// What evenkeel is doing with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing.
    #[default]
    Idle,
    /// Building or pulling, rehearsing.
    Building,
    /// Backing the database up.
    BackingUp,
    /// Moving the schema.
    Migrating,
    /// Proving candidates in private.
    Proving,
    /// Taking over.
    Switching,
    /// Watching the new release.
    Baking,
    /// Putting things back.
    Reverting,
}

/// The fixed words of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the words are the documentation; docs/operations.md explains each")]
pub enum Reason {
    ManifestInvalid,
    SourceUnreachable,
    PreflightFailed,
    BuildFailed,
    BackupFailed,
    MigrationFailed,
    ProbeFailed,
    BakeFailed,
    RevertFailed,
    Quarantined,
    Drifted,
    DatabaseAhead,
    DatabaseDiverged,
    Suspended,
    WindowClosed,
    EngineUnreachable,
    OwnedElsewhere,
}

/// Something that holds now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The word.
    pub reason: Reason,
    /// What, where, why and what to do.
    pub message: String,
    /// Since when.
    pub since: jiff::Timestamp,
}

/// One application's status, as `status --output json` gives it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppStatus {
    /// The application.
    pub name: AppName,
    /// The source it comes from.
    pub source: String,
    /// Sync.
    pub sync: Sync,
    /// Health.
    pub health: HealthWord,
    /// Phase.
    pub phase: Phase,
    /// The branch's tip, as far as it is known.
    pub desired_revision: Option<Revision>,
    /// The last one that a rollout was started for.
    pub attempted_revision: Option<Revision>,
    /// The one that is live.
    pub live_revision: Option<Revision>,
    /// The release that is live.
    pub live_release: Option<ReleaseDigest>,
    /// The schema; `None` without a database.
    pub schema: Option<SchemaStatus>,
    /// What holds now.
    pub conditions: Vec<Condition>,
    /// Releases that are not tried again.
    pub quarantine: Vec<Quarantined>,
    /// The services.
    pub services: Vec<ServiceStatus>,
    /// What happens next, in a sentence.
    pub next: String,
}

/// The schema.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaStatus {
    /// The migration heads in the release's image.
    pub desired: Vec<String>,
    /// The rows of the revision table.
    pub current: Vec<String>,
    /// The relation of the two; `None` while nobody could look.
    pub state: Option<crate::database::SchemaWord>,
}

/// A release that failed for a reason that a retry cannot mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    /// The release.
    pub release: ReleaseDigest,
    /// The commit it was tried at.
    pub revision: Revision,
    /// Why, with the evidence.
    pub reason: String,
    /// Since when.
    pub since: jiff::Timestamp,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Its container's name.
    pub container: Option<String>,
    /// Its image.
    pub image: Option<String>,
    /// `running`, `exited`, …, or `missing`.
    pub state: String,
    /// `Healthy`, `Healthy (unproven)`, `Progressing`, `Degraded`, `Missing`.
    pub health: String,
}

/// All applications.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// They.
    pub applications: Vec<AppStatus>,
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The release is live.
    Succeeded,
    /// It failed; everything is as before.
    Reverted,
    /// It failed, and so did putting things back.
    RevertFailed,
    /// A newer commit or an operator ended it.
    Cancelled,
}

/// A rollout of the past (or the present, while `outcome` is `None`), as `history --output json` gives it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutRecord {
    /// Its number.
    pub id: i64,
    /// The application.
    pub app: AppName,
    /// The release it was for.
    pub release: ReleaseDigest,
    /// Its commit.
    pub revision: Revision,
    /// Why it was started.
    pub reason: String,
    /// When.
    pub started_at: jiff::Timestamp,
    /// When it ended.
    pub finished_at: Option<jiff::Timestamp>,
    /// Seconds.
    pub duration: Option<f64>,
    /// How.
    pub outcome: Option<Outcome>,
    /// Why it ended so; the evidence of a failure.
    pub message: Option<String>,
    /// Its steps.
    pub steps: Vec<StepRecord>,
}

/// A step of the past.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// `build`, `migrate`, …
    pub step: String,
    /// What it was about.
    pub subject: String,
    /// Why it was necessary.
    pub why: String,
    /// `prepare`, `deploy` or `revert`.
    pub stage: String,
    /// When it was begun.
    pub started_at: jiff::Timestamp,
    /// Seconds; `None` while it goes on.
    pub duration: Option<f64>,
    /// `done`, `already`, `failed`, `interrupted`; `None` while it goes on.
    pub outcome: Option<String>,
    /// What it found out or why it failed.
    pub detail: Option<String>,
}
