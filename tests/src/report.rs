//! What the command line prints as JSON, read strictly: a field that nobody promised is a failure, and so is a missing one.

use serde::Deserialize;

/// `status --output json`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Every application.
    pub applications: Vec<App>,
}

impl Status {
    /// The application of that name.
    pub fn app(&self, name: &str) -> Option<&App> {
        self.applications.iter().find(|app| app.name == name)
    }
}

/// One application.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct App {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: String,
    /// `Synced`, `OutOfSync` or `Unknown`.
    pub sync: String,
    /// `Healthy`, `Progressing`, `Degraded`, `Suspended`, `Missing` or `Unknown`.
    pub health: String,
    /// `Idle`, `Building`, …
    pub phase: String,
    /// The branch's tip.
    pub desired_revision: Option<String>,
    /// The last one tried.
    pub attempted_revision: Option<String>,
    /// The one that is live.
    pub live_revision: Option<String>,
    /// The release that is live.
    pub live_release: Option<String>,
    /// The schema.
    pub schema: Option<Schema>,
    /// What holds now.
    pub conditions: Vec<Condition>,
    /// What is not tried again.
    pub quarantine: Vec<Quarantined>,
    /// The services.
    pub services: Vec<Service>,
    /// What happens next.
    pub next: Option<String>,
}

impl App {
    /// Whether the commit is live, all of it works and nothing is going on.
    pub fn settled_at(&self, revision: &str) -> bool {
        self.live_revision.as_deref() == Some(revision) && self.settled()
    }

    /// Whether what is live is what is asked for, works, and nothing is going on.
    pub fn settled(&self) -> bool {
        self.phase == "Idle" && self.sync == "Synced" && self.health == "Healthy"
    }

    /// The message of a condition, if it holds.
    pub fn condition(&self, reason: &str) -> Option<&str> {
        self.conditions
            .iter()
            .find(|condition| condition.reason == reason)
            .map(|condition| condition.message.as_str())
    }

    /// The entry of the quarantine for a commit.
    pub fn quarantined(&self, revision: &str) -> Option<&Quarantined> {
        self.quarantine.iter().find(|entry| entry.revision == revision)
    }

    /// The schema revisions that the database is at, joined by commas.
    pub fn schema_current(&self) -> String {
        self.schema.as_ref().map(|schema| schema.current.join(",")).unwrap_or_default()
    }
}

/// The schema.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schema {
    /// The heads of the release's image.
    #[serde(deserialize_with = "revisions")]
    pub desired: Vec<String>,
    /// The rows of the revision table.
    #[serde(deserialize_with = "revisions")]
    pub current: Vec<String>,
    /// Their relation.
    pub state: Option<String>,
}

/// One revision, several, or none: a database has a *set* of them, and most people have one.
fn revisions<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Shape {
        Many(Vec<String>),
        One(Option<String>),
    }
    Ok(match Shape::deserialize(deserializer)? {
        Shape::Many(many) => many,
        Shape::One(one) => one.into_iter().collect(),
    })
}

/// A condition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The word.
    pub reason: String,
    /// What, where, why and what to do.
    pub message: String,
    /// Since when.
    pub since: String,
}

/// A release that is not tried again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantined {
    /// The release.
    pub release: String,
    /// The commit.
    pub revision: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: String,
}

/// A service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its container.
    pub container: Option<String>,
    /// Its image.
    pub image: Option<String>,
    /// `running`, …
    pub state: String,
    /// `Healthy`, …
    pub health: String,
}

/// A rollout, of `history --output json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// Its number.
    pub id: i64,
    /// The application.
    pub app: String,
    /// The release.
    pub release: String,
    /// The commit.
    pub revision: String,
    /// Why it was started.
    pub reason: String,
    /// When.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Seconds.
    pub duration: Option<f64>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Why it ended so.
    pub message: Option<String>,
    /// Its steps.
    pub steps: Vec<Step>,
}

impl Rollout {
    /// Its steps of that name that were carried out, rather than found done.
    pub fn performed<'a>(&'a self, step: &'a str) -> impl Iterator<Item = &'a Step> {
        self.steps.iter().filter(move |one| one.step == step && one.outcome.as_deref() == Some("done"))
    }
}

/// A step.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// `build`, `migrate`, …
    pub step: String,
    /// What it was about.
    pub subject: String,
    /// Why it was necessary.
    pub why: String,
    /// `prepare`, `deploy` or `revert`.
    pub stage: String,
    /// When.
    pub started_at: String,
    /// Seconds.
    pub duration: Option<f64>,
    /// `done`, `already`, `failed`, `interrupted`.
    pub outcome: Option<String>,
    /// What it found out.
    pub detail: Option<String>,
}
