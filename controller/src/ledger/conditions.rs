//! Conditions that hold now, one a reason.

use evenkeel_core::name::AppName;
use evenkeel_core::status::{Condition, Reason};
use rusqlite::params;

use super::value::{At, Word, at};
use super::{Ledger, LedgerError, apps};

impl Ledger {
    /// Sets a condition. While its reason stays, so does its `since`; the message may change.
    pub(crate) fn set_condition(&self, app: &AppName, condition: &Condition) -> Result<(), LedgerError> {
        let Condition { reason, message, since } = condition;
        self.write(|tx, _| {
            apps::ensure(tx, app)?;
            tx.prepare_cached(
                "INSERT INTO conditions (app, reason, message, since) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET message = ?3",
            )?
            .execute(params![app.as_str(), Word(reason), message, At(*since)])?;
            Ok(())
        })
    }

    /// Clears a condition.
    pub(crate) fn clear_condition(&self, app: &AppName, reason: Reason) -> Result<(), LedgerError> {
        self.write(|tx, _| {
            tx.prepare_cached("DELETE FROM conditions WHERE app = ?1 AND reason = ?2")?
                .execute(params![app.as_str(), Word(reason)])?;
            Ok(())
        })
    }

    /// An application's conditions, the oldest first.
    pub(crate) fn conditions(&self, app: &AppName) -> Result<Vec<Condition>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT * FROM conditions WHERE app = ?1 ORDER BY since, rowid")?
                .query_map([app.as_str()], |row| {
                    Ok(Condition {
                        reason: row.get::<_, Word<Reason>>("reason")?.0,
                        message: row.get("message")?,
                        since: at(row, "since")?,
                    })
                })?
                .collect()
        })
    }
}
