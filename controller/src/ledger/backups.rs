//! Backups: what is kept of which database, and the rollout that still points to it.

use evenkeel_core::name::{AppName, RolloutId};
use jiff::Timestamp;
use rusqlite::{Row, params};

use super::value::{At, Json, at};
use super::{Ledger, LedgerError, apps};

/// A backup as the ledger knows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BackupRecord {
    /// Its id.
    pub(crate) id: String,
    /// The rollout that it was made for.
    pub(crate) rollout: Option<RolloutId>,
    /// Its manifest.
    pub(crate) json: serde_json::Value,
    /// When it was recorded first.
    pub(crate) recorded_at: Timestamp,
}

impl Ledger {
    /// Records a backup, or what has since become known of it (its level).
    pub(crate) fn put_backup(
        &self,
        app: &AppName,
        rollout: Option<RolloutId>,
        id: &str,
        json: &serde_json::Value,
    ) -> Result<(), LedgerError> {
        self.write(|tx, now| {
            apps::ensure(tx, app)?;
            tx.prepare_cached(
                "INSERT INTO backups (app, id, rollout, body, recorded_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET body = ?4, rollout = coalesce(rollout, ?3)",
            )?
            .execute(params![app.as_str(), id, rollout.map(|id| id.0), Json(json), At(now)])?;
            Ok(())
        })
    }

    /// An application's backups, the newest first.
    pub(crate) fn backups(&self, app: &AppName) -> Result<Vec<BackupRecord>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT * FROM backups WHERE app = ?1 ORDER BY recorded_at DESC, rowid DESC")?
                .query_map([app.as_str()], record)?
                .collect()
        })
    }

    /// Forgets a backup whose files are gone.
    pub(crate) fn remove_backup(&self, app: &AppName, id: &str) -> Result<(), LedgerError> {
        self.write(|tx, _| {
            tx.prepare_cached("DELETE FROM backups WHERE app = ?1 AND id = ?2")?
                .execute([app.as_str(), id])?;
            Ok(())
        })
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<BackupRecord> {
    Ok(BackupRecord {
        id: row.get("id")?,
        rollout: row.get::<_, Option<i64>>("rollout")?.map(RolloutId),
        json: row.get::<_, Json<_>>("body")?.0,
        recorded_at: at(row, "recorded_at")?,
    })
}
