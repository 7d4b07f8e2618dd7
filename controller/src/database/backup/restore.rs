//! Putting a backup in the place of the database. The replaced database is kept.

use std::time::Duration;

use evenkeel_core::database::Backup;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::super::error::DatabaseError;
use super::super::target::{Target, quoted};
use super::{Store, sibling};
use crate::engine::Engine;

/// How long clients that connect again and again may keep the names from being swapped.
const SWAP: Duration = Duration::from_secs(60);

/// The pause between two attempts.
const AGAIN: Duration = Duration::from_millis(50);

/// The longest name that the server takes.
const NAME: usize = 63;

/// A database after a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restored {
    /// The name under which the replaced database is kept.
    pub kept_as: String,
    /// Whether an earlier attempt with the same tag had already done it.
    pub already: bool,
}

impl Store {
    /// Restores a backup: into a new database beside the real one, complete and counted; then two renames in one transaction.
    /// The database is away for the moment of the renames only, and until then nothing has happened to it. `tag` names the
    /// attempt (`r12`): by it one that was interrupted is recognised, begun anew, or found to be done.
    ///
    /// Whoever writes must have been stopped before: what is written after the backup stays behind in the kept database.
    ///
    /// # Errors
    /// Of the engine, the database and the programs; the real database is then untouched.
    pub(crate) async fn restore(
        &self,
        engine: &dyn Engine,
        target: &Target,
        id: &str,
        tag: &str,
    ) -> Result<Restored, DatabaseError> {
        let backup = self.get(id).await?;
        let kept_as = named(&target.name, "before", tag);
        if self.restored(target, tag).await? {
            return Ok(Restored { kept_as, already: true });
        }
        let fresh = target.sibling(&named(&target.name, "restore", tag));
        sibling::create(target, &fresh).await?;
        self.prepare(engine, &fresh, &backup).await?;
        swap(target, &fresh.name, &kept_as).await?;
        Ok(Restored { kept_as, already: false })
    }

    /// Whether the restore of this tag has been done.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn restored(&self, target: &Target, tag: &str) -> Result<bool, DatabaseError> {
        let session = target.connect_for_maintenance().await?;
        let exists = sibling::exists(&session, &named(&target.name, "before", tag)).await;
        exists.map_err(|error| DatabaseError::sql(target, "list the databases beside it", &error))
    }

    async fn prepare(
        &self,
        engine: &dyn Engine,
        fresh: &Target,
        backup: &Backup,
    ) -> Result<(), DatabaseError> {
        let prepared = async {
            self.fill(engine, fresh, backup, &[]).await?;
            analyze(fresh).await
        };
        let prepared = prepared.await;
        if prepared.is_err()
            && let Err(error) = sibling::remove(fresh).await
        {
            tracing::warn!(%error, database = fresh.name, "what a failed restore left cannot be removed");
        }
        prepared
    }
}

/// A dump has no statistics, and without them the first queries would go astray.
async fn analyze(fresh: &Target) -> Result<(), DatabaseError> {
    let session = fresh.connect().await?;
    let analyzed = session.batch_execute("SET statement_timeout = 0; ANALYZE").await;
    analyzed.map_err(|error| DatabaseError::sql(fresh, "gather statistics", &error))
}

/// Renaming is refused while anybody is connected, and those who were disconnected come back: again, until it succeeds.
async fn swap(target: &Target, fresh: &str, kept_as: &str) -> Result<(), DatabaseError> {
    let mut session = target.connect_for_maintenance().await?;
    let deadline = Instant::now() + SWAP;
    loop {
        match swapped(&mut session, &target.name, fresh, kept_as).await {
            Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) && Instant::now() < deadline => {
                sleep(AGAIN).await;
            }
            done => return done.map_err(|error| DatabaseError::sql(target, "change names", &error)),
        }
    }
}

async fn swapped(
    session: &mut Client,
    name: &str,
    fresh: &str,
    kept_as: &str,
) -> Result<(), tokio_postgres::Error> {
    sibling::disconnect(session, fresh).await?;
    sibling::disconnect(session, name).await?;
    let both = session.transaction().await?;
    both.batch_execute(&format!("ALTER DATABASE {} RENAME TO {}", quoted(name), quoted(kept_as))).await?;
    both.batch_execute(&format!("ALTER DATABASE {} RENAME TO {}", quoted(fresh), quoted(name))).await?;
    both.commit().await
}

/// `shop_before_r12`; the database's own name is shortened where it must be.
fn named(database: &str, part: &str, tag: &str) -> String {
    let end = format!("_{part}_{tag}");
    let mut length = database.len().min(NAME.saturating_sub(end.len()));
    while !database.is_char_boundary(length) {
        length -= 1;
    }
    format!("{}{end}", &database[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit() {
        assert_eq!(named("shop", "before", "r12"), "shop_before_r12");
        let long = named(&"ü".repeat(40), "restore", "r12");
        assert!(long.len() <= NAME && long.ends_with("ü_restore_r12"), "{long}");
    }
}
