//! The ledger: what evenkeel did, meant to do and must not do again. One SQLite file, written before and after each effect.
//!
//! Every method is one short transaction. A write has reached the disk when its method returns, so that a crash at any
//! point leaves either the state before the call or the state after it.

mod apps;
mod backups;
mod check;
mod conditions;
mod containers;
mod error;
mod events;
mod facts;
mod instance;
mod lock;
mod mark;
mod migrations;
mod open;
mod quarantine;
mod releases;
mod reserve;
mod rollouts;
mod steps;
mod tags;
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
pub(crate) use facts::Applied;
pub(crate) use rollouts::OpenRollout;
pub(crate) use tags::TagRecord;

use mark::Mark;
use reserve::Reserve;

/// The ledger. Clones share one connection.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Inner>);

struct Inner {
    connection: Mutex<Connection>,
    file: PathBuf,
    clock: fn() -> Timestamp,
    /// Room for it when the disk is full; none where nobody asked for one.
    reserve: Option<Reserve>,
    /// Beside it, how many entries it has.
    mark: Mark,
    /// What a test does before every write.
    #[cfg(test)]
    before_write: Mutex<Option<BeforeWrite>>,
    // Fields drop in order: the lock is given back only after the connection has closed.
    _lock: lock::Lock,
}

#[cfg(test)]
type BeforeWrite = Box<dyn FnMut() -> rusqlite::Result<()> + Send>;

impl Ledger {
    /// Opens the ledger in a data directory, making both on first use, and holds the directory until the last clone is gone.
    ///
    /// # Errors
    /// When another evenkeel holds the directory, a newer one wrote the ledger, the file is damaged or no database at all, or
    /// the file system refuses.
    pub(crate) fn open(dir: &Path) -> Result<Self, LedgerError> {
        let reserve = Reserve::of(dir);
        let opened = match open::open(dir) {
            Err(LedgerError::NoSpace { .. }) if reserve.give_up() => open::open(dir),
            opened => opened,
        };
        let ledger = Self::from_parts(dir, opened?, Timestamp::now, Some(reserve));
        if let Err(error) = ledger.room() {
            tracing::warn!(%error, "nothing new is begun until there is room");
        }
        Ok(ledger)
    }

    /// [`Ledger::open`] with the clock passed in, and without a reserve.
    #[cfg(test)]
    pub(crate) fn open_with_clock(dir: &Path, clock: fn() -> Timestamp) -> Result<Self, LedgerError> {
        Ok(Self::from_parts(dir, open::open(dir)?, clock, None))
    }

    fn from_parts(
        dir: &Path,
        (connection, file, lock): (Connection, PathBuf, lock::Lock),
        clock: fn() -> Timestamp,
        reserve: Option<Reserve>,
    ) -> Self {
        Self(Arc::new(Inner {
            connection: Mutex::new(connection),
            file,
            clock,
            reserve,
            mark: Mark::open(dir),
            #[cfg(test)]
            before_write: Mutex::default(),
            _lock: lock,
        }))
    }

    /// Whether something new may be begun: only while there is the reserve that its end, or the way back, would be put on record
    /// with. One that was given up is made again here, once there is room for it.
    ///
    /// # Errors
    /// [`LedgerError::NoReserve`] while there is not.
    pub(crate) fn room(&self) -> Result<(), LedgerError> {
        let Some(reserve) = &self.0.reserve else { return Ok(()) };
        let short =
            |short: reserve::Short| LedgerError::NoReserve { path: self.0.file.clone(), need: short.need };
        reserve.keep().map_err(short)
    }

    /// The installation's key for release digests, made when the ledger was.
    pub(crate) fn digest_key(&self) -> Result<DigestKey, LedgerError> {
        let key: Vec<u8> = self.read(|tx| {
            tx.prepare_cached("SELECT value FROM meta WHERE key = 'digest_key'")?
                .query_row([], |row| row.get(0))
        })?;
        Ok(DigestKey::new(key))
    }

    /// What time it is, by the clock that its records go by.
    pub(crate) fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// Does this before every write from now on. A write fails where it fails, and nothing is written.
    #[cfg(test)]
    pub(crate) fn before_every_write(&self, hook: impl FnMut() -> rusqlite::Result<()> + Send + 'static) {
        *self.0.before_write.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hook));
    }

    #[cfg(test)]
    fn may_write(&self) -> rusqlite::Result<()> {
        let mut hook = self.0.before_write.lock().unwrap_or_else(PoisonError::into_inner);
        hook.as_mut().map_or(Ok(()), |hook| hook())
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "a test may refuse")]
    const fn may_write(&self) -> rusqlite::Result<()> {
        Ok(())
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

    /// On a full disk the reserve is given up for it: what has begun must not be left without a record.
    fn write<T>(
        &self,
        work: impl Fn(&Transaction<'_>, Timestamp) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        match self.try_write(&work) {
            Err(LedgerError::NoSpace { .. }) if self.0.reserve.as_ref().is_some_and(Reserve::give_up) => {
                self.try_write(&work)
            }
            written => written,
        }
    }

    fn try_write<T>(
        &self,
        work: &impl Fn(&Transaction<'_>, Timestamp) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let mut connection = self.connection();
        let before = connection.total_changes();
        let begun = self
            .may_write()
            .and_then(|()| connection.transaction_with_behavior(TransactionBehavior::Immediate));
        let result = begun.and_then(|tx| {
            let value = work(&tx, self.now())?;
            let entries = if tx.total_changes() == before { None } else { Some(mark::add(&tx)?) };
            tx.commit()?;
            Ok((value, entries))
        });
        let (value, entries) = result.map_err(|error| LedgerError::from_sqlite(&self.0.file, error))?;
        if let Some(entries) = entries {
            self.0.mark.set(entries);
        }
        Ok(value)
    }
}
