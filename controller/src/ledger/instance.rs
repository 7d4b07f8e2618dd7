//! The installation itself: its name, and the projects that it was told to let go of.

use evenkeel_core::name::{InstanceId, ProjectName};
use rusqlite::{OptionalExtension, params};

use super::{Ledger, LedgerError};

/// Where its name is kept.
pub(super) const ID: &str = "instance_id";

impl Ledger {
    /// The installation's name, made at random when the ledger was. A copy of the data directory has the same.
    pub(crate) fn instance(&self) -> Result<InstanceId, LedgerError> {
        let id: Vec<u8> = self.read(|tx| {
            tx.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([ID], |row| row.get(0))
        })?;
        Ok(InstanceId::new(hex::encode(id)))
    }

    /// Keeps in mind that an operator let go of a project, or took it up again.
    pub(crate) fn set_let_go(&self, project: &ProjectName, let_go: bool) -> Result<(), LedgerError> {
        let key = let_go_key(project);
        self.write(|tx, _| {
            if let_go {
                tx.prepare_cached("INSERT OR IGNORE INTO meta (key, value) VALUES (?1, x'01')")?
                    .execute([&key])?;
            } else {
                tx.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([&key])?;
            }
            Ok(())
        })
    }

    /// Whether an operator let go of a project, and has not taken it up since.
    pub(crate) fn has_let_go(&self, project: &ProjectName) -> Result<bool, LedgerError> {
        let key = let_go_key(project);
        self.read(|tx| {
            tx.prepare_cached("SELECT 1 FROM meta WHERE key = ?1")?.query_row([key], |_| Ok(())).optional()
        })
        .map(|found| found.is_some())
    }

    /// Rollouts from now on have higher numbers than this one: it names containers of another ledger, for which its own must not be
    /// taken.
    pub(crate) fn number_rollouts_after(&self, number: i64) -> Result<(), LedgerError> {
        self.write(|tx, _| {
            let raised = tx
                .prepare_cached("UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'rollouts'")?
                .execute(params![number])?;
            if raised == 0 {
                tx.prepare_cached("INSERT INTO sqlite_sequence (name, seq) VALUES ('rollouts', ?1)")?
                    .execute(params![number])?;
            }
            Ok(())
        })
    }
}

fn let_go_key(project: &ProjectName) -> String {
    format!("let_go:{project}")
}
