//! The ledger: what evenkeel did, meant to do and must not do again. One SQLite file, written before and after each effect.
//!
//! Every method is one short transaction. A write has reached the disk when its method returns, so that a crash at any
//! point leaves either the state before the call or the state after it.

mod apps;
mod backups;
mod conditions;
mod containers;
mod error;
mod events;
mod facts;
mod instance;
mod lock;
mod migrations;
mod open;
mod quarantine;
mod releases;
mod rollouts;
mod steps;
mod value;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evenkeel_core::release::DigestKey;
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(crate) use apps::AppRecord;
pub(crate) use error::LedgerError;
pub(crate) use events::EventRecord;
pub(crate) use rollouts::OpenRollout;

/// The ledger. Clones share one connection.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Inner>);

struct Inner {
    connection: Mutex<Connection>,
    file: PathBuf,
    clock: fn() -> Timestamp,
    // Fields drop in order: the lock is given back only after the connection has closed.
    _lock: lock::Lock,
}

impl Ledger {
    /// Opens the ledger in a data directory, making both on first use, and holds the directory until the last clone is gone.
    ///
    /// # Errors
    /// When another evenkeel holds the directory, a newer one wrote the ledger, the file is damaged or no database at all, or
    /// the file system refuses.
    pub(crate) fn open(dir: &Path) -> Result<Self, LedgerError> {
        Self::open_with_clock(dir, Timestamp::now)
    }

    /// [`Ledger::open`] with the clock passed in.
    pub(crate) fn open_with_clock(dir: &Path, clock: fn() -> Timestamp) -> Result<Self, LedgerError> {
        let (connection, file, lock) = open::open(dir)?;
        Ok(Self(Arc::new(Inner { connection: Mutex::new(connection), file, clock, _lock: lock })))
    }

    /// The installation's key for release digests, made when the ledger was.
    pub(crate) fn digest_key(&self) -> Result<DigestKey, LedgerError> {
        let key: Vec<u8> = self.read(|tx| {
            tx.query_row("SELECT value FROM meta WHERE key = 'digest_key'", [], |row| row.get(0))
        })?;
        Ok(DigestKey::new(key))
    }

    /// What time it is, by the clock that its records go by.
    pub(crate) fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere cannot leave half a write: its transaction rolled back when it was dropped.
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        let mut connection = self.connection();
        let result = connection.transaction().and_then(|tx| work(&tx));
        result.map_err(|error| LedgerError::from_sqlite(&self.0.file, error))
    }

    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>, Timestamp) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let mut connection = self.connection();
        let result = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|tx| {
            let value = work(&tx, self.now())?;
            tx.commit()?;
            Ok(value)
        });
        result.map_err(|error| LedgerError::from_sqlite(&self.0.file, error))
    }
}
