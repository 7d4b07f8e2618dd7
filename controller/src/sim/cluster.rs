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

/// What a migration does.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Applies these.
    Up(Vec<Script>),
    /// Takes so many back.
    Down(usize),
}

impl Work {
    /// Does it, whole or not at all; what the tool says when it fails.
    pub(super) fn commit(&self, database: &mut Database) -> Result<(), String> {
        match self {
            Self::Up(scripts) => {
                if let Some(script) = scripts.iter().find(|script| database.refuses(script)) {
                    self.abandon(database);
                    return Err(format!("migration {} failed", script.revision));
                }
                database.applied.extend(scripts.iter().cloned());
            }
            Self::Down(count) => {
                let keep = database.applied.len().saturating_sub(*count);
                let stays = database.applied[keep..].iter().find(|script| script.stays_on_rows);
                if let Some(script) = stays.filter(|_| !database.rows.is_empty()) {
                    return Err(format!("migration {} failed", script.revision));
                }
                for script in database.applied.split_off(keep) {
                    if script.inexact {
                        database.left.insert(format!("{}_left", script.revision));
                    }
                }
                // The first one made the table; with it goes whatever is on it.
                if database.applied.is_empty() {
                    *database = Database::default();
                }
            }
        }
        Ok(())
    }

    /// Rolled back; what runs outside any transaction leaves its traces.
    pub(super) fn abandon(&self, database: &mut Database) {
        let Self::Up(scripts) = self else { return };
        for script in scripts.iter().filter(|script| script.half && !database.rows.is_empty()) {
            database.invalid.insert(format!("public.{}_index", script.revision));
        }
    }
}
