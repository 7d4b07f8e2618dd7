//! A database cluster: what outlives its server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::database::{Current, Fingerprint, Key, Kind, Object, Trait};
use evenkeel_core::name::{ContainerId, SchemaRevision};

use super::code::Script;

/// The one table that applications keep their rows in.
const TABLE: &str = "public.entries";

/// A cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Cluster {
    /// Its identity.
    pub(super) system_identifier: String,
    /// Its databases.
    pub(super) databases: BTreeMap<String, Database>,
}

/// A database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Database {
    /// The migrations that led to its schema, in order.
    pub(super) applied: Vec<Script>,
    /// What else is in its catalog: left by a downgrade that is not exact.
    pub(super) left: BTreeSet<String>,
    /// Invalid indexes.
    pub(super) invalid: BTreeSet<String>,
    /// Its rows.
    pub(super) rows: BTreeSet<u64>,
}

impl Database {
    /// What its revision table holds.
    pub(super) fn revisions(&self) -> BTreeSet<SchemaRevision> {
        self.applied.last().map(|script| SchemaRevision::from(script.revision.as_str())).into_iter().collect()
    }

    /// Where it stands.
    pub(super) fn current(&self) -> Current {
        Current { revisions: self.revisions(), tables: !self.applied.is_empty() }
    }

    /// Its catalog.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let table = (!self.applied.is_empty()).then(|| (key(Kind::Table, None, TABLE), Object::default()));
        let columns = self.applied.iter().map(|script| {
            let traits = if script.breaking { BTreeSet::from([Trait::NotNull]) } else { BTreeSet::new() };
            (
                key(Kind::Column, Some(TABLE), &script.revision),
                Object { definition: "text".to_owned(), traits },
            )
        });
        let left = self.left.iter().map(|name| (key(Kind::Column, Some(TABLE), name), Object::default()));
        let invalid = self.invalid.iter().map(|name| {
            let object =
                Object { definition: "invalid".to_owned(), traits: BTreeSet::from([Trait::Invalid]) };
            (key(Kind::Index, Some(TABLE), name), object)
        });
        Fingerprint::from(table.into_iter().chain(columns).chain(left).chain(invalid).collect::<Vec<_>>())
    }

    /// The last so many migrations are taken back.
    fn take_back(&mut self, count: usize) {
        let keep = self.applied.len().saturating_sub(count);
        for script in self.applied.split_off(keep) {
            if script.inexact {
                self.left.insert(format!("{}_left", script.revision));
            }
        }
        // The first one made the table; with it goes whatever is on it.
        if self.applied.is_empty() {
            *self = Self::default();
        }
    }

    /// Whether a migration fails here.
    pub(super) fn refuses(&self, script: &Script) -> bool {
        script.fails || (script.fails_on_rows || script.half) && !self.rows.is_empty()
    }
}

fn key(kind: Kind, on: Option<&str>, name: &str) -> Key {
    Key { kind, on: on.map(str::to_owned), name: name.to_owned() }
}

/// A migration's session on a server. It goes on when its client is killed, for as long as its statement takes.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    /// The server.
    pub(super) server: ContainerId,
    /// The database.
    pub(super) database: String,
    /// The container that connected.
    pub(super) client: ContainerId,
    /// The address that it came from.
    pub(super) address: IpAddr,
    /// What it is to do.
    pub(super) work: Work,
    /// When its transaction is through.
    pub(super) done_at: Duration,
    /// The client is gone: it will not say `COMMIT`.
    pub(super) orphaned: bool,
}

/// What a migration does. `apart`: each of its scripts has a transaction of its own.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Applies these.
    Up {
        /// In order.
        scripts: Vec<Script>,
        /// See above.
        apart: bool,
    },
    /// Takes so many back.
    Down {
        /// How many.
        count: usize,
        /// See above.
        apart: bool,
    },
}

impl Work {
    /// Does it; what the tool says when it fails. It is done whole or not at all, but for what has a transaction of its own.
    pub(super) fn commit(&self, database: &mut Database) -> Result<(), String> {
        let refusing = match self {
            Self::Up { scripts, .. } => scripts.iter().position(|script| database.refuses(script)),
            Self::Down { count, .. } => {
                let from_the_top = database.applied.iter().rev().take(*count);
                let stays = |script: &Script| script.stays_on_rows && !database.rows.is_empty();
                from_the_top.map(stays).position(|stays| stays)
            }
        };
        match (self, refusing) {
            (Self::Up { scripts, .. }, None) => database.applied.extend(scripts.iter().cloned()),
            (Self::Down { count, .. }, None) => database.take_back(*count),
            (Self::Up { scripts, .. }, Some(place)) => {
                self.stop_at(place, database);
                return Err(format!("migration {} failed", scripts[place].revision));
            }
            (Self::Down { .. }, Some(place)) => {
                self.stop_at(place, database);
                return Err("a downgrade failed".to_owned());
            }
        }
        Ok(())
    }

    /// Rolled back, where its client has gone away before the end.
    pub(super) fn abandon(&self, database: &mut Database) {
        let last = match self {
            Self::Up { scripts, .. } => {
                let half = scripts.iter().position(|script| script.half && !database.rows.is_empty());
                half.unwrap_or(scripts.len().saturating_sub(1))
            }
            Self::Down { count, .. } => count.saturating_sub(1),
        };
        self.stop_at(last, database);
    }

    /// What is there where it got no further than a script. What runs outside any transaction leaves its traces, and has committed what
    /// came before it.
    fn stop_at(&self, place: usize, database: &mut Database) {
        match self {
            Self::Up { scripts, apart } => {
                let half = scripts.get(place).filter(|script| script.half && !database.rows.is_empty());
                if *apart || half.is_some() {
                    database.applied.extend(scripts[..place].iter().cloned());
                }
                database.invalid.extend(half.map(|script| format!("public.{}_index", script.revision)));
            }
            Self::Down { apart, .. } => database.take_back(if *apart { place } else { 0 }),
        }
    }
}
