//! What a rollout has to remember across a crash, and which migrations evenkeel itself applied.

use std::collections::BTreeSet;

use evenkeel_core::name::{AppName, ReleaseDigest, RolloutId, SchemaRevision};
use evenkeel_core::plan::Direction;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::value::{At, Json, Word, at, name};
use super::{Ledger, LedgerError, apps};

/// A migration that evenkeel applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The rollout that did it.
    pub(crate) rollout: RolloutId,
    /// The release whose image had the script.
    pub(crate) release: ReleaseDigest,
    /// Which way.
    pub(crate) direction: Direction,
    /// Where the schema stood.
    pub(crate) from: BTreeSet<SchemaRevision>,
    /// Where it stood afterwards.
    pub(crate) to: BTreeSet<SchemaRevision>,
    /// When.
    pub(crate) at: Timestamp,
}

impl Ledger {
    /// Keeps a small fact of a rollout, replacing what its key held.
    pub(crate) fn set_fact<T: Serialize + ?Sized>(
        &self,
        id: RolloutId,
        key: &str,
        value: &T,
    ) -> Result<(), LedgerError> {
        self.write(|tx, _| {
            tx.prepare_cached(
                "INSERT INTO facts (rollout, key, value) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = ?3",
            )?
            .execute(params![id.0, key, Json(value)])?;
            Ok(())
        })
    }

    /// A fact of a rollout.
    ///
    /// # Errors
    /// `Unreadable` where it is of another form, such as another version's: what was begun is not taken for never begun.
    pub(crate) fn fact<T: DeserializeOwned>(
        &self,
        id: RolloutId,
        key: &str,
    ) -> Result<Option<T>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT value FROM facts WHERE rollout = ?1 AND key = ?2")?
                .query_row(params![id.0, key], |row| row.get::<_, Json<_>>(0))
                .optional()
        })
        .map(|found| found.map(|json| json.0))
    }

    /// The fact that the newest of an application's rollouts has under a key, and that rollout.
    pub(crate) fn newest_fact<T: DeserializeOwned>(
        &self,
        app: &AppName,
        key: &str,
    ) -> Result<Option<(RolloutId, T)>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT rollout, value FROM facts JOIN rollouts ON rollouts.id = rollout
                 WHERE app = ?1 AND key = ?2 ORDER BY rollout DESC LIMIT 1",
            )?
            .query_row(params![app.as_str(), key], |row| {
                Ok((RolloutId(row.get("rollout")?), row.get::<_, Json<_>>("value")?.0))
            })
            .optional()
        })
    }

    /// What an application's rollouts have under a key, the newest first.
    pub(crate) fn facts<T: DeserializeOwned>(&self, app: &AppName, key: &str) -> Result<Vec<T>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT value FROM facts JOIN rollouts ON rollouts.id = rollout
                 WHERE app = ?1 AND key = ?2 ORDER BY rollout DESC",
            )?
            .query_map(params![app.as_str(), key], |row| Ok(row.get::<_, Json<_>>("value")?.0))?
            .collect()
        })
    }

    /// Records that evenkeel moved the schema, and with it where the schema of that cluster stands now.
    pub(crate) fn record_applied(
        &self,
        app: &AppName,
        applied: &Applied,
        system_identifier: &str,
    ) -> Result<(), LedgerError> {
        let Applied { rollout, release, direction, from, to, at } = applied;
        self.write(|tx, _| {
            apps::ensure(tx, app)?;
            tx.prepare_cached(
                "INSERT INTO applied (app, rollout, release, direction, from_revisions, to_revisions, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                app.as_str(),
                rollout.0,
                release.as_str(),
                Word(*direction),
                Json(from),
                Json(to),
                At(*at)
            ])?;
            apps::put_schema(tx, app, to, system_identifier)
        })
    }

    /// The migrations that evenkeel applied to an application's database, oldest first.
    pub(crate) fn applied(&self, app: &AppName) -> Result<Vec<Applied>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT * FROM applied WHERE app = ?1 ORDER BY id")?
                .query_map([app.as_str()], applied)?
                .collect()
        })
    }
}

fn applied(row: &Row<'_>) -> rusqlite::Result<Applied> {
    Ok(Applied {
        rollout: RolloutId(row.get("rollout")?),
        release: name(row, "release")?,
        direction: row.get::<_, Word<Direction>>("direction")?.0,
        from: row.get::<_, Json<_>>("from_revisions")?.0,
        to: row.get::<_, Json<_>>("to_revisions")?.0,
        at: at(row, "at")?,
    })
}
