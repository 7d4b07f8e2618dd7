//! Rollouts: the open one of an application, and those of the past.

use evenkeel_core::name::{AppName, ReleaseDigest, Revision, RolloutId};
use evenkeel_core::status::{Outcome, RolloutRecord};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::value::{At, Word, at, limit, maybe_at, maybe_name, name};
use super::{Ledger, LedgerError, apps, steps};

/// A rollout that has not ended: it goes on, or a crash interrupted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenRollout {
    /// Its number.
    pub(crate) id: RolloutId,
    /// The release it is for.
    pub(crate) release: ReleaseDigest,
    /// Its commit.
    pub(crate) revision: Revision,
    /// The release to go back to.
    pub(crate) previous: Option<ReleaseDigest>,
    /// Why it is being reverted, once it is.
    pub(crate) reverting: Option<String>,
    /// When it was started.
    pub(crate) started_at: Timestamp,
}

impl Ledger {
    /// Opens a rollout. An application has at most one: a second is a [`LedgerError::Conflict`].
    pub(crate) fn begin_rollout(
        &self,
        app: &AppName,
        release: &ReleaseDigest,
        revision: &Revision,
        reason: &str,
        previous: Option<&ReleaseDigest>,
    ) -> Result<RolloutId, LedgerError> {
        self.write(|tx, now| {
            apps::ensure(tx, app)?;
            tx.prepare_cached(
                "INSERT INTO rollouts (app, release, revision, reason, previous, started_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                app.as_str(),
                release.as_str(),
                revision.as_str(),
                reason,
                previous.map(ReleaseDigest::as_str),
                At(now)
            ])?;
            Ok(RolloutId(tx.last_insert_rowid()))
        })
    }

    /// The rollout of an application that has not ended.
    pub(crate) fn open_rollout(&self, app: &AppName) -> Result<Option<OpenRollout>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT * FROM rollouts WHERE app = ?1 AND finished_at IS NULL")?
                .query_row([app.as_str()], open)
                .optional()
        })
    }

    /// Notes that a rollout is being put back, and why. The first reason stays: what follows from it is no cause.
    pub(crate) fn set_reverting(&self, id: RolloutId, why: &str) -> Result<(), LedgerError> {
        self.write(|tx, _| {
            tx.prepare_cached("UPDATE rollouts SET reverting = coalesce(reverting, ?2) WHERE id = ?1")?
                .execute(params![id.0, why])?;
            Ok(())
        })
    }

    /// Closes a rollout. One that is closed already stays as it was.
    pub(crate) fn finish_rollout(
        &self,
        id: RolloutId,
        outcome: Outcome,
        message: Option<&str>,
    ) -> Result<(), LedgerError> {
        self.write(|tx, now| {
            tx.prepare_cached(
                "UPDATE rollouts SET finished_at = ?2, outcome = ?3, message = ?4
                 WHERE id = ?1 AND finished_at IS NULL",
            )?
            .execute(params![id.0, At(now), Word(outcome), message])?;
            Ok(())
        })
    }

    /// Whether a release has been live: a rollout of it succeeded, or began from it.
    pub(crate) fn has_been_live(&self, app: &AppName, release: &ReleaseDigest) -> Result<bool, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM rollouts
                 WHERE app = ?1 AND (release = ?2 AND outcome = ?3 OR previous = ?2))",
            )?
            .query_row(params![app.as_str(), release.as_str(), Word(Outcome::Succeeded)], |row| row.get(0))
        })
    }

    /// The newest rollouts, of one application or of all, with their steps; the newest first.
    pub(crate) fn history(
        &self,
        app: Option<&AppName>,
        newest: usize,
    ) -> Result<Vec<RolloutRecord>, LedgerError> {
        self.read(|tx| {
            let mut records: Vec<RolloutRecord> = tx
                .prepare("SELECT * FROM rollouts WHERE ?1 IS NULL OR app = ?1 ORDER BY id DESC LIMIT ?2")?
                .query_map(params![app.map(AppName::as_str), limit(newest)], record)?
                .collect::<Result<_, _>>()?;
            for record in &mut records {
                record.steps = steps::of(tx, record.id)?;
            }
            Ok(records)
        })
    }
}

fn open(row: &Row<'_>) -> rusqlite::Result<OpenRollout> {
    Ok(OpenRollout {
        id: RolloutId(row.get("id")?),
        release: name(row, "release")?,
        revision: name(row, "revision")?,
        previous: maybe_name(row, "previous")?,
        reverting: row.get("reverting")?,
        started_at: at(row, "started_at")?,
    })
}

fn record(row: &Row<'_>) -> rusqlite::Result<RolloutRecord> {
    let started_at = at(row, "started_at")?;
    let finished_at = maybe_at(row, "finished_at")?;
    Ok(RolloutRecord {
        id: row.get("id")?,
        app: name(row, "app")?,
        release: name(row, "release")?,
        revision: name(row, "revision")?,
        reason: row.get("reason")?,
        started_at,
        finished_at,
        duration: finished_at.map(|end| end.duration_since(started_at).as_secs_f64()),
        outcome: row.get::<_, Option<Word<Outcome>>>("outcome")?.map(|word| word.0),
        message: row.get("message")?,
        steps: Vec::new(),
    })
}
