//! Where the tags lead that registries are asked for again.

use evenkeel_core::name::AppName;
use evenkeel_core::tags::{Pins, pinned};
use jiff::Timestamp;
use rusqlite::params;

use super::value::{At, at};
use super::{Ledger, LedgerError, apps};

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TagRecord {
    /// The reference as the Compose file has it.
    pub(crate) reference: String,
    /// The digest that it stood for when it was first asked for; `None` while no registry has answered.
    pub(crate) base: Option<String>,
    /// The digest that it stands for now.
    pub(crate) digest: Option<String>,
    /// When its registry answered last.
    pub(crate) asked_at: Timestamp,
}

impl Ledger {
    /// An application's tags.
    pub(crate) fn tags(&self, app: &AppName) -> Result<Vec<TagRecord>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT * FROM tags WHERE app = ?1 ORDER BY reference")?
                .query_map([app.as_str()], |row| {
                    Ok(TagRecord {
                        reference: row.get("reference")?,
                        base: row.get("base")?,
                        digest: row.get("digest")?,
                        asked_at: at(row, "asked_at")?,
                    })
                })?
                .collect()
        })
    }

    /// Records what a registry answered. `base` counts the first time only.
    pub(crate) fn tag_asked(
        &self,
        app: &AppName,
        reference: &str,
        base: &str,
        digest: &str,
    ) -> Result<(), LedgerError> {
        self.write(|tx, now| {
            apps::ensure(tx, app)?;
            tx.prepare_cached(
                "INSERT INTO tags (app, reference, base, digest, asked_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET base = coalesce(base, ?3), digest = ?4, asked_at = ?5",
            )?
            .execute(params![app.as_str(), reference, base, digest, At(now)])?;
            Ok(())
        })
    }

    /// Forgets a tag that nobody asks for any more: it is asked for as if for the first time once somebody does.
    pub(crate) fn forget_tag(&self, app: &AppName, reference: &str) -> Result<(), LedgerError> {
        self.write(|tx, _| {
            tx.prepare_cached("DELETE FROM tags WHERE app = ?1 AND reference = ?2")?
                .execute([app.as_str(), reference])?;
            Ok(())
        })
    }

    /// Where the tags lead that have moved since they were first asked for.
    pub(crate) fn pins(&self, app: &AppName) -> Result<Pins, LedgerError> {
        let moved = |tag: TagRecord| match (tag.base, tag.digest) {
            (Some(base), Some(digest)) if base != digest => {
                let pin = pinned(&tag.reference, &digest);
                Some((tag.reference, pin))
            }
            _ => None,
        };
        Ok(self.tags(app)?.into_iter().filter_map(moved).collect())
    }
}
