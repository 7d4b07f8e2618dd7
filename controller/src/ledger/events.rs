//! Events: what evenkeel noticed and decided, for people. Bounded: nothing is decided from them.

use evenkeel_core::name::AppName;
use jiff::Timestamp;
use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::value::{At, at, limit, maybe_name};
use super::{Ledger, LedgerError};

/// How many are kept.
const KEPT: i64 = 5_000;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventRecord {
    /// When.
    pub(crate) at: Timestamp,
    /// To which application; `None` for evenkeel itself.
    pub(crate) app: Option<AppName>,
    /// A short word: `poll`, `drift`, `rollout`, …
    pub(crate) kind: String,
    /// What, in a sentence.
    pub(crate) message: String,
}

impl Ledger {
    /// Records an event and lets the oldest go.
    pub(crate) fn record_event(
        &self,
        app: Option<&AppName>,
        kind: &str,
        message: &str,
    ) -> Result<(), LedgerError> {
        self.write(|tx, now| {
            tx.prepare_cached("INSERT INTO events (app, at, kind, message) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![app.map(AppName::as_str), At(now), kind, message])?;
            tx.prepare_cached("DELETE FROM events WHERE id <= ?1")?
                .execute([tx.last_insert_rowid() - KEPT])?;
            Ok(())
        })
    }

    /// The newest events, of one application or of all; the newest first.
    pub(crate) fn events(
        &self,
        app: Option<&AppName>,
        newest: usize,
    ) -> Result<Vec<EventRecord>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT * FROM events WHERE ?1 IS NULL OR app = ?1 ORDER BY id DESC LIMIT ?2")?
                .query_map(params![app.map(AppName::as_str), limit(newest)], |row| {
                    Ok(EventRecord {
                        at: at(row, "at")?,
                        app: maybe_name(row, "app")?,
                        kind: row.get("kind")?,
                        message: row.get("message")?,
                    })
                })?
                .collect()
        })
    }
}
