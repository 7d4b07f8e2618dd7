//! Quarantine: releases that are never tried again by themselves. Keyed on the digest, so that A→B→A does not forget B.

use evenkeel_core::name::{AppName, ReleaseDigest, Revision};
use evenkeel_core::status::Quarantined;
use rusqlite::params;

use super::value::{At, at, name};
use super::{Ledger, LedgerError, apps};

impl Ledger {
    /// Quarantines a release; one that is in quarantine keeps its time and takes the newer reason.
    pub(crate) fn quarantine(
        &self,
        app: &AppName,
        release: &ReleaseDigest,
        revision: &Revision,
        reason: &str,
    ) -> Result<(), LedgerError> {
        self.write(|tx, now| {
            apps::ensure(tx, app)?;
            tx.prepare_cached(
                "INSERT INTO quarantine (app, release, revision, reason, since) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET revision = ?3, reason = ?4",
            )?
            .execute(params![
                app.as_str(),
                release.as_str(),
                revision.as_str(),
                reason,
                At(now)
            ])?;
            Ok(())
        })
    }

    /// An application's quarantined releases, the newest first.
    pub(crate) fn quarantined(&self, app: &AppName) -> Result<Vec<Quarantined>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT * FROM quarantine WHERE app = ?1 ORDER BY since DESC, rowid DESC")?
                .query_map([app.as_str()], |row| {
                    Ok(Quarantined {
                        release: name(row, "release")?,
                        revision: name(row, "revision")?,
                        reason: row.get("reason")?,
                        since: at(row, "since")?,
                    })
                })?
                .collect()
        })
    }

    /// Lifts the quarantine of one release or of all; how many there were.
    pub(crate) fn lift_quarantine(
        &self,
        app: &AppName,
        release: Option<&ReleaseDigest>,
    ) -> Result<usize, LedgerError> {
        self.write(|tx, _| {
            tx.prepare_cached("DELETE FROM quarantine WHERE app = ?1 AND (?2 IS NULL OR release = ?2)")?
                .execute(params![app.as_str(), release.map(ReleaseDigest::as_str)])
        })
    }
}
