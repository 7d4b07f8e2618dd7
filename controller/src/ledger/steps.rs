//! The journal of a rollout: its plans, and each step's intent before the effect and outcome after it.

use evenkeel_core::name::RolloutId;
use evenkeel_core::plan::{Plan, Step};
use evenkeel_core::status::StepRecord;
use rusqlite::{Row, Transaction, params};

use super::value::{At, Json, at, limit, maybe_at};
use super::{Ledger, LedgerError};

/// The number of a step in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StepId(i64);

impl Ledger {
    /// Journals a plan before anything of it is done; its number within the rollout, from 1.
    pub(crate) fn put_plan(&self, id: RolloutId, stage: &str, plan: &Plan) -> Result<i64, LedgerError> {
        self.write(|tx, _| {
            tx.prepare_cached(
                "INSERT INTO plans (rollout, number, stage, body)
                 VALUES (?1, 1 + (SELECT coalesce(max(number), 0) FROM plans WHERE rollout = ?1), ?2, ?3)
                 RETURNING number",
            )?
            .query_row(params![id.0, stage, Json(plan)], |row| row.get(0))
        })
    }

    /// Journals that a step is about to be done.
    pub(crate) fn begin_step(
        &self,
        id: RolloutId,
        plan: i64,
        index: usize,
        stage: &str,
        step: &Step,
    ) -> Result<StepId, LedgerError> {
        let (name, subject) = (step.effect.name(), step.effect.subject());
        self.write(|tx, now| {
            tx.prepare_cached(
                "INSERT INTO steps (rollout, plan, position, stage, name, subject, why, body, started_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                id.0,
                plan,
                limit(index),
                stage,
                name,
                subject,
                step.why,
                Json(step),
                At(now)
            ])?;
            Ok(StepId(tx.last_insert_rowid()))
        })
    }

    /// Journals how a step ended: `done`, `already` or `failed`.
    pub(crate) fn finish_step(
        &self,
        step: StepId,
        outcome: &str,
        detail: Option<&str>,
    ) -> Result<(), LedgerError> {
        self.write(|tx, now| {
            tx.prepare_cached(
                "UPDATE steps SET finished_at = ?2, outcome = ?3, detail = ?4 WHERE id = ?1 AND outcome IS NULL",
            )?
            .execute(params![step.0, At(now), outcome, detail])?;
            Ok(())
        })
    }

    /// Marks the steps that a crash interrupted; how many there were.
    pub(crate) fn interrupt_steps(&self, id: RolloutId) -> Result<usize, LedgerError> {
        self.write(|tx, now| {
            tx.prepare_cached(
                "UPDATE steps SET finished_at = ?2, outcome = 'interrupted' WHERE rollout = ?1 AND outcome IS NULL",
            )?
            .execute(params![id.0, At(now)])
        })
    }
}

/// The steps of a rollout, as history shows them.
pub(super) fn of(tx: &Transaction<'_>, rollout: i64) -> rusqlite::Result<Vec<StepRecord>> {
    tx.prepare_cached("SELECT * FROM steps WHERE rollout = ?1 ORDER BY id")?
        .query_map([rollout], record)?
        .collect()
}

fn record(row: &Row<'_>) -> rusqlite::Result<StepRecord> {
    let started_at = at(row, "started_at")?;
    let finished_at = maybe_at(row, "finished_at")?;
    Ok(StepRecord {
        step: row.get("name")?,
        subject: row.get("subject")?,
        why: row.get("why")?,
        stage: row.get("stage")?,
        started_at,
        duration: finished_at.map(|end| end.duration_since(started_at).as_secs_f64()),
        outcome: row.get("outcome")?,
        detail: row.get("detail")?,
    })
}
