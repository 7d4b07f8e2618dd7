//! Proving a backup: its bytes, its decoding, and on request its restoring.

use std::path::Path;

use evenkeel_core::database::{Backup, Level};
use jiff::Timestamp;
use tokio::fs::File;

use super::super::error::DatabaseError;
use super::super::programs::Program;
use super::super::target::Target;
use super::dump::PIPE;
use super::file::stream;
use super::{Store, rows, sibling};
use crate::engine::Engine;

impl Store {
    /// Proves a backup again and records how it came out: hash and decoding, and with `restored` also by restoring it into a
    /// scratch database on the same server, where every table must have its rows.
    ///
    /// # Errors
    /// [`DatabaseError::BadBackup`] where it is not good any more, which is recorded; anything else means that it could not be
    /// told, and changes nothing.
    pub(crate) async fn verify(
        &self,
        engine: &dyn Engine,
        target: &Target,
        id: &str,
        restored: bool,
        now: Timestamp,
    ) -> Result<Backup, DatabaseError> {
        let mut backup = self.get(id).await?;
        let proven = self.prove(engine, target, &backup, restored).await;
        backup.verified_at = Some(now);
        match &proven {
            Ok(level) => (backup.level, backup.broken) = (backup.level.max(*level), None),
            Err(DatabaseError::BadBackup { reason, .. }) => backup.broken = Some(reason.clone()),
            Err(_) => return proven.map(|_| backup),
        }
        self.record(&backup).await?;
        proven.map(|_| backup)
    }

    async fn prove(
        &self,
        engine: &dyn Engine,
        target: &Target,
        backup: &Backup,
        restored: bool,
    ) -> Result<Level, DatabaseError> {
        decode(engine, target, &backup.id, &self.dump_path(&backup.id), &backup.sha256).await?;
        if !restored {
            return Ok(Level::Decoded);
        }
        let scratch = target.sibling(&format!("evenkeel_verify_{}", backup.id));
        sibling::create(target, &scratch).await?;
        let filled = self.fill(engine, &scratch, backup, &["--no-subscriptions"]).await;
        let dropped = sibling::remove(&scratch).await;
        filled?;
        dropped.map(|()| Level::Restored)
    }

    /// Restores the dump into an empty database, and sees that every table has its rows.
    pub(super) async fn fill(
        &self,
        engine: &dyn Engine,
        empty: &Target,
        backup: &Backup,
        more: &[&str],
    ) -> Result<(), DatabaseError> {
        let arguments = [&["--exit-on-error", "-d", &empty.name], more].concat();
        read(engine, empty, &backup.id, &self.dump_path(&backup.id), &backup.sha256, &arguments).await?;
        let mut session = empty.connect().await?;
        let sql = |error| DatabaseError::sql(empty, "count its rows", &error);
        let snapshot = rows::snapshot(&mut session).await.map_err(sql)?;
        let found = rows::count(&snapshot).await.map_err(sql)?;
        match rows::mismatch(&backup.rows, &found) {
            Some(reason) => Err(DatabaseError::BadBackup { id: backup.id.clone(), reason }),
            None => Ok(()),
        }
    }
}

/// Reads every byte from the disk, through the decoder. `pg_restore --list` would read the table of contents only.
pub(super) async fn decode(
    engine: &dyn Engine,
    target: &Target,
    id: &str,
    path: &Path,
    sha256: &str,
) -> Result<(), DatabaseError> {
    read(engine, target, id, path, sha256, &["-f", "/dev/null"]).await
}

/// `pg_restore` with the dump as its input, hashed on its way.
async fn read(
    engine: &dyn Engine,
    target: &Target,
    id: &str,
    path: &Path,
    sha256: &str,
    arguments: &[&str],
) -> Result<(), DatabaseError> {
    let dump = File::open(path).await.map_err(|error| DatabaseError::file("open", path, error))?;
    let (reader, writer) = tokio::io::duplex(PIPE);
    let running = Program::new(engine, target, "pg_restore", arguments).run(Some(Box::new(reader)), None);
    let (streamed, ran) = tokio::join!(stream(dump, writer), running);
    let streamed = streamed.map_err(|error| DatabaseError::file("read", path, error))?;
    if streamed.sha256 != sha256 {
        return Err(bad(
            id,
            format!("its SHA-256 is {}, not {sha256} as when it was written", streamed.sha256),
        ));
    }
    match ran {
        // Anything but 1 is a program that was stopped, or never ran.
        Err(DatabaseError::Program { exit_code: 1, reason, .. }) if arguments.contains(&"/dev/null") => {
            Err(bad(id, format!("it cannot be decoded: {reason}")))
        }
        ran => ran.map(drop),
    }
}

fn bad(id: &str, reason: impl Into<String>) -> DatabaseError {
    DatabaseError::BadBackup { id: id.to_owned(), reason: reason.into() }
}
