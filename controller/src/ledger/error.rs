//! What can go wrong with the ledger, each with what to do about it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// What went wrong with the ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The disk is full.
    #[error("no space left on the disk of the ledger {}; free some, then evenkeel goes on by itself", .path.display())]
    NoSpace {
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
        "{} is damaged or not a ledger of evenkeel ({reason}); keep a copy of it, put one back from a backup of this \
         directory, or move it away: evenkeel then starts a new ledger and adopts what runs",
        .path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
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
    #[error("the ledger {} failed", .path.display())]
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
            std::io::ErrorKind::StorageFull => Self::NoSpace { path },
            std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { path }
            }
            _ => Self::Io { action, path, source },
        }
    }
}

fn is_conversion(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
    )
}
