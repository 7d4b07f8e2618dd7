//! The database's schema as state.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

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

/// What a rehearsal showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The migration runs.
    pub runs: bool,
    /// It only adds.
    pub additive: bool,
    /// Its downgrade leads back exactly.
    pub exact: bool,
}
