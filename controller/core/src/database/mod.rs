//! The database's schema as state: what the scripts say, where the database stands, what a change of the schema means.

pub mod backup;
pub mod blocking;
mod disguise;
pub mod fingerprint;
pub mod history;
pub mod redact;
pub mod state;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::backup::{Backup, Level, Reason, expired};
pub use self::fingerprint::{Change, Difference, Fingerprint, Key, Kind, Object, Trait};
pub use self::history::HistoryError;
pub use self::state::{Current, classify};
use crate::name::SchemaRevision;

/// The migration scripts of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scripts {
    /// Every revision and those it follows.
    pub parents: BTreeMap<SchemaRevision, BTreeSet<SchemaRevision>>,
    /// Revisions that nothing follows.
    pub heads: BTreeSet<SchemaRevision>,
}

/// The relation of a database's schema to what a release expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchemaWord {
    /// Where it should be.
    AtHead,
    /// Migrations are to be applied.
    Behind,
    /// It has what the release does not know.
    Ahead,
    /// Neither leads to the other.
    Diverged,
    /// Tables, and no revision.
    Unversioned,
    /// Nothing.
    Empty,
}

/// What to tell the migration tool for going back to a set of revisions: one of them, for the others of a set were merged and
/// come back with it; `base` for none.
pub fn downgrade_target(to: &BTreeSet<SchemaRevision>) -> String {
    to.first().map_or_else(|| "base".to_owned(), ToString::to_string)
}

/// What a rehearsal showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The migration runs.
    pub runs: bool,
    /// It only adds.
    pub additive: bool,
    /// Its downgrade leads back exactly.
    pub exact: bool,
    /// Why it is not additive.
    #[serde(default)]
    pub additive_differences: Vec<Difference>,
    /// Why it is not exact: what the way down, or the second way up, did not bring back.
    #[serde(default)]
    pub exact_differences: Vec<Difference>,
    /// What broke.
    #[serde(default)]
    pub failure: Option<RehearsalFailure>,
    /// The digest of the upgraded schema's fingerprint; empty if it does not run.
    #[serde(default)]
    pub upgraded_digest: String,
    /// How long it took.
    #[serde(default)]
    pub seconds: f64,
}

/// Where a rehearsal broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalFailure {
    /// Where.
    pub stage: Stage,
    /// The last lines of the migration's output, secrets taken out.
    pub tail: Vec<String>,
}

/// The stages of a rehearsal that a migration can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// The first way up.
    Upgrade,
    /// The way down.
    Downgrade,
    /// The second way up.
    UpgradeAgain,
}
