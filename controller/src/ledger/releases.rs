//! Releases, complete, so that each can be run again; and what preparing them turned out.

use evenkeel_core::name::{AppName, ReleaseDigest, Revision};
use evenkeel_core::release::{Outputs, Release};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::value::{At, Json, at, name};
use super::{Ledger, LedgerError, apps};

impl Ledger {
    /// Keeps a release, without the values of its builds' secrets. One of the same digest is replaced (its manifest may differ in windows
    /// or retention) and keeps its outputs.
    pub(crate) fn put_release(&self, release: &Release) -> Result<(), LedgerError> {
        self.write(|tx, now| {
            apps::ensure(tx, &release.app)?;
            tx.prepare_cached(
                "INSERT INTO releases (app, digest, revision, body, used_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET revision = ?3, body = ?4, used_at = ?5",
            )?
            .execute(params![
                release.app.as_str(),
                release.digest.as_str(),
                release.revision.as_str(),
                Json(&release.without_build_values()),
                At(now)
            ])?;
            Ok(())
        })
    }

    /// A release; `None` if the ledger has none of that digest.
    pub(crate) fn release(
        &self,
        app: &AppName,
        digest: &ReleaseDigest,
    ) -> Result<Option<Release>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT body FROM releases WHERE app = ?1 AND digest = ?2")?
                .query_row([app.as_str(), digest.as_str()], |row| row.get::<_, Json<Release>>(0))
                .optional()
        })
        .map(|found| found.map(|json| json.0))
    }

    /// What preparing a release turned out; nothing where it was never prepared.
    pub(crate) fn outputs(&self, app: &AppName, digest: &ReleaseDigest) -> Result<Outputs, LedgerError> {
        let found = self.read(|tx| {
            tx.prepare_cached("SELECT outputs FROM releases WHERE app = ?1 AND digest = ?2")?
                .query_row([app.as_str(), digest.as_str()], |row| row.get::<_, Option<Json<Outputs>>>(0))
                .optional()
        })?;
        Ok(found.flatten().map(|json| json.0).unwrap_or_default())
    }

    /// Keeps what preparing a release turned out. The release must be in the ledger; otherwise there is nothing to add it to.
    pub(crate) fn put_outputs(
        &self,
        app: &AppName,
        digest: &ReleaseDigest,
        outputs: &Outputs,
    ) -> Result<(), LedgerError> {
        self.write(|tx, now| {
            tx.prepare_cached(
                "UPDATE releases SET outputs = ?3, used_at = ?4 WHERE app = ?1 AND digest = ?2",
            )?
            .execute(params![app.as_str(), digest.as_str(), Json(outputs), At(now)])?;
            Ok(())
        })
    }

    /// An application's releases, each with when it was last used, the newest first.
    pub(crate) fn releases(
        &self,
        app: &AppName,
    ) -> Result<Vec<(ReleaseDigest, Revision, Timestamp)>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT digest, revision, used_at FROM releases WHERE app = ?1 ORDER BY used_at DESC, rowid DESC",
            )?
                .query_map([app.as_str()], |row| Ok((name(row, "digest")?, name(row, "revision")?, at(row, "used_at")?)))?
                .collect()
        })
    }

    /// Notes that a release is used now, so that its images are kept.
    pub(crate) fn touch_release(&self, app: &AppName, digest: &ReleaseDigest) -> Result<(), LedgerError> {
        self.write(|tx, now| {
            tx.prepare_cached("UPDATE releases SET used_at = ?3 WHERE app = ?1 AND digest = ?2")?
                .execute(params![app.as_str(), digest.as_str(), At(now)])?;
            Ok(())
        })
    }

    /// Forgets a release. What is live stays, whatever is asked.
    pub(crate) fn remove_release(&self, app: &AppName, digest: &ReleaseDigest) -> Result<(), LedgerError> {
        self.write(|tx, _| {
            tx.prepare_cached(
                "DELETE FROM releases WHERE app = ?1 AND digest = ?2
                 AND NOT EXISTS (SELECT 1 FROM apps WHERE name = ?1 AND live_release = ?2)",
            )?
            .execute([app.as_str(), digest.as_str()])?;
            Ok(())
        })
    }
}
