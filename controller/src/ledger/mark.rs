//! How many entries the ledger has had, written beside it after each of them. A ledger that lacks some of them has lost what was
//! on record: SQLite itself takes a log that was cut off, or an older file, for the whole.
//!
//! The mark is not synced. After a power loss it may be behind the ledger, which says nothing, and is never ahead of it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, Transaction};

/// The file's name in the data directory.
const FILE: &str = "ledger.mark";

/// The key of the number of entries in the ledger's `meta`.
const KEY: &str = "entries";

/// The mark of a ledger that is open.
pub(super) struct Mark(Option<File>);

impl Mark {
    /// Of a data directory. Without one, nothing is noticed: the ledger works all the same.
    pub(super) fn open(directory: &Path) -> Self {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path(directory));
        let open = file.inspect_err(|error| tracing::warn!(%error, "the ledger's mark cannot be written"));
        Self(open.ok())
    }

    /// So many entries are on the disk. Over what stood there, so that it takes no room.
    pub(super) fn set(&self, entries: u64) {
        if let Some(Err(error)) =
            self.0.as_ref().map(|file| file.write_all_at(format!("{entries:020}\n").as_bytes(), 0))
        {
            tracing::debug!(%error, "the ledger's mark cannot be written");
        }
    }
}

/// How many entries there were, as far as that is known.
pub(super) fn read(directory: &Path) -> Option<u64> {
    fs::read_to_string(path(directory)).ok()?.trim().parse().ok()
}

/// Where it stands.
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// How many entries the ledger has; none where it has no tables yet.
pub(super) fn count(tx: &Transaction<'_>) -> rusqlite::Result<u64> {
    if !tx.table_exists(None, "meta")? {
        return Ok(0);
    }
    let found = tx
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([KEY], |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    Ok(found.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// One more entry; how many that makes.
pub(super) fn add(tx: &Transaction<'_>) -> rusqlite::Result<u64> {
    let entries = count(tx)? + 1;
    tx.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute((KEY, entries.to_be_bytes()))?;
    Ok(entries)
}
