//! Backups of one database: a directory, in it for each backup `<id>.dump`, `<id>.globals.sql` and, written last, `<id>.json`.
//!
//! `snapshot → dump (hashed, synced) → decode → globals → manifest → rename`. Without its manifest a dump does not exist.

mod dump;
mod file;
mod restore;
mod retention;
mod rows;
pub(super) mod sibling;
#[cfg(test)]
mod tests;
mod verify;

use std::path::{Path, PathBuf};

use evenkeel_core::database::{Backup, Reason};
use jiff::Timestamp;
use tokio::fs;

pub(crate) use self::restore::Restored;
use super::error::DatabaseError;

/// Where the backups of one database lie. A database is backed up by one process at a time: whoever holds its lock.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    directory: PathBuf,
}

/// A backup to make.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Why.
    pub reason: Reason,
    /// The image that runs.
    pub image: Option<String>,
    /// The time it is called by.
    pub now: Timestamp,
}

impl Store {
    /// One in this directory, which is made when the first backup is.
    pub(crate) fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Every backup, newest first. A file that is no manifest is passed over, and told of in the log.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) async fn list(&self) -> Result<Vec<Backup>, DatabaseError> {
        let mut backups = Vec::new();
        for path in self.files().await? {
            if path.extension().is_some_and(|extension| extension == "json") {
                match manifest(&path).await {
                    Ok(backup) => backups.push(backup),
                    Err(error) => tracing::warn!(%error, "a backup's manifest cannot be read"),
                }
            }
        }
        backups.sort_by(|one, other| (other.created_at, &other.id).cmp(&(one.created_at, &one.id)));
        Ok(backups)
    }

    /// One backup.
    ///
    /// # Errors
    /// When there is none of that id, or its manifest cannot be read.
    pub(crate) async fn get(&self, id: &str) -> Result<Backup, DatabaseError> {
        let known = self.list().await?.into_iter().find(|backup| backup.id == id);
        let none =
            || DatabaseError::NoBackup { id: id.to_owned(), directory: self.directory.display().to_string() };
        known.ok_or_else(none)
    }

    /// The dump itself.
    pub(crate) fn dump_path(&self, id: &str) -> PathBuf {
        self.path(id, "dump")
    }

    fn path(&self, id: &str, extension: &str) -> PathBuf {
        self.directory.join(format!("{id}.{extension}"))
    }

    /// Writes or replaces a manifest, whole or not at all.
    async fn record(&self, backup: &Backup) -> Result<(), DatabaseError> {
        let path = self.path(&backup.id, "json");
        let text = serde_json::to_string_pretty(backup);
        let text = text.map_err(|error| DatabaseError::file("write", &path, error.into()))?;
        file::place(&self.directory, text.as_bytes(), &path).await
    }

    async fn files(&self) -> Result<Vec<PathBuf>, DatabaseError> {
        let failed = |error| DatabaseError::file("list", &self.directory, error);
        let mut entries = match fs::read_dir(&self.directory).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut paths = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(failed)? {
            paths.push(entry.path());
        }
        paths.sort();
        Ok(paths)
    }
}

async fn manifest(path: &Path) -> Result<Backup, DatabaseError> {
    let text = fs::read(path).await.map_err(|error| DatabaseError::file("read", path, error))?;
    serde_json::from_slice(&text).map_err(|error| DatabaseError::file("read", path, error.into()))
}
