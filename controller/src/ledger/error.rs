//! What can go wrong with the ledger, each with what to do about it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::space;

/// What a new ledger does not know.
const FORGOTTEN: &str = "What was in quarantine, and which rollout was under way, is forgotten then";

/// What went wrong with the ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The disk is full.
    #[error("the ledger {} cannot be written: {}", .path.display(), space::full(directory(.path), None))]
    NoSpace {
        /// The ledger.
        path: PathBuf,
    },
    /// There is too little room for its reserve.
    #[error("nothing new is begun on a full disk: {}", space::full(directory(.path), Some(*.need)))]
    NoReserve {
        /// The ledger.
        path: PathBuf,
        /// How many bytes have to be free.
        need: u64,
    },
    /// Its file system takes nothing any more.
    #[error("the ledger {} cannot be written: {}", .path.display(), space::read_only(directory(.path)))]
    ReadOnlyDisk {
        /// The ledger.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("the ledger {} cannot be written; make its directory writable for the user that evenkeel runs as", .path.display())]
    ReadOnly {
        /// The ledger.
        path: PathBuf,
    },
    /// It is damaged, or not a ledger at all.
    #[error(
        "{} is damaged or not a ledger of evenkeel ({reason}). Keep a copy of the directory; then put ledger.* back from a backup \
         of it, all of them together, or move ledger.* away: evenkeel then starts a new ledger and adopts what runs. {FORGOTTEN}",
        .path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
    /// It has not all that was on record.
    #[error(
        "{} lacks the last {lost} of its entries: its log (ledger.db-wal) was cut off, or an older copy stands in its place. Keep a \
         copy of the directory; then put ledger.* back from a backup of it, all of them together, or move ledger.* away: evenkeel \
         then starts a new ledger and adopts what runs. {FORGOTTEN}. If this older state is what you want, remove {}",
        .path.display(), .mark.display()
    )]
    Short {
        /// The ledger.
        path: PathBuf,
        /// How many are missing.
        lost: u64,
        /// The file that says so.
        mark: PathBuf,
    },
    /// A newer evenkeel wrote it.
    #[error(
        "the ledger {} was written by a newer evenkeel (version {found}, this one knows up to {known}); run that version, \
         or put back the data directory as it was before the update",
        .path.display()
    )]
    NewerVersion {
        /// The ledger.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Another evenkeel has the directory.
    #[error(
        "another evenkeel ({holder}) uses the data directory {}; stop it, or give this one its own with --data-dir",
        .path.display()
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// `pid 4711`, or that it is not known.
        holder: String,
    },
    /// The file system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was asked.
        action: &'static str,
        /// Of what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A record that this version cannot read.
    #[error("the ledger {} holds a record that this evenkeel cannot read; run the version that wrote it", .path.display())]
    Unreadable {
        /// The ledger.
        path: PathBuf,
        /// What is wrong with it.
        source: rusqlite::Error,
    },
    /// A record that contradicts another one, such as a second open rollout of one application.
    #[error("the ledger {} refuses a record that contradicts another", .path.display())]
    Conflict {
        /// The ledger.
        path: PathBuf,
        /// Which rule.
        source: rusqlite::Error,
    },
    /// Anything else that SQLite says.
    #[error("the ledger {} failed: {source}", .path.display())]
    Sqlite {
        /// The ledger.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
}

impl LedgerError {
    /// Sorts what SQLite said by what one can do about it.
    pub(super) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        // Of a write that failed, SQLite keeps only that it did.
        if source.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
            && let Err(error) = space::probe(directory(path))
        {
            return Self::from_io("write beside", path, error);
        }
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::NoSpace { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, reason: source.to_string() }
            }
            Some(ErrorCode::ConstraintViolation) => Self::Conflict { path, source },
            None if is_conversion(&source) => Self::Unreadable { path, source },
            _ => Self::Sqlite { path, source },
        }
    }

    /// The same for what the file system said.
    pub(super) fn from_io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            _ if space::is_full(&source) => Self::NoSpace { path },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnlyDisk { path },
            ErrorKind::PermissionDenied => Self::ReadOnly { path },
            _ => Self::Io { action, path, source },
        }
    }
}

/// Where a file is, or the directory itself.
fn directory(path: &Path) -> &Path {
    if path.is_dir() { path } else { path.parent().unwrap_or(path) }
}

fn is_conversion(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
    )
}
