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

impl Scripts {
    /// Whether it is one of them.
    pub fn contains(&self, revision: &SchemaRevision) -> bool {
        self.parents.contains_key(revision)
    }

    /// All that a revision builds on, itself included.
    pub fn ancestors(&self, revision: &SchemaRevision) -> BTreeSet<SchemaRevision> {
        BTreeSet::from([revision.clone()])
    }
}

/// Something that two fingerprints do not share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What.
    pub object: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.object)
    }
}
