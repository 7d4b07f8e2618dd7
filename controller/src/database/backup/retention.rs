//! Removing backups that are no longer needed; which those are is decided in core.

use std::collections::BTreeSet;

use evenkeel_core::database::expired;

use super::super::error::DatabaseError;
use super::{Store, file};

impl Store {
    /// Keeps the newest `keep` good backups, and whatever the ledger points to; the ids of those removed.
    ///
    /// The manifest goes first: a backup that is half removed does not exist.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub(crate) async fn prune(
        &self,
        keep: usize,
        pointed_to: &BTreeSet<String>,
    ) -> Result<Vec<String>, DatabaseError> {
        let gone = expired(&self.list().await?, keep, pointed_to);
        for id in &gone {
            for extension in ["json", "dump", "globals.sql"] {
                file::remove(&self.path(id, extension)).await?;
            }
        }
        Ok(gone)
    }
}
