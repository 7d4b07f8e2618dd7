//! Making a backup.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use evenkeel_core::database::{Backup, Level};
use evenkeel_core::name::SchemaRevision;
use tokio::fs::File;
use tokio_postgres::{Client, Transaction};

use super::super::error::DatabaseError;
use super::super::observe::{Observation, current, observe};
use super::super::programs::Program;
use super::super::target::Target;
use super::file::{self, PARTIAL, Partial, Streamed, stream};
use super::{Request, Store, rows, verify};
use crate::engine::Engine;

/// The least that has to be free, whatever the database's size.
const FLOOR: u64 = 32 * 1024 * 1024;

/// What streams between the engine and the file at a time.
pub(super) const PIPE: usize = 1024 * 1024;

/// What was seen in the dump's own snapshot.
pub(super) struct Seen {
    rows: BTreeMap<String, u64>,
    revisions: BTreeSet<SchemaRevision>,
}

impl Store {
    /// Makes a backup and decodes it in full.
    ///
    /// Rows are counted in the very snapshot that is dumped. Nothing has its name before everything is on the disk and decoded;
    /// a failure at any point leaves nothing.
    ///
    /// # Errors
    /// Of the engine, the database and the programs; [`DatabaseError::NoSpace`] where the disk is, or becomes, full.
    pub(crate) async fn create(
        &self,
        engine: &dyn Engine,
        target: &Target,
        request: Request,
    ) -> Result<Backup, DatabaseError> {
        let observed = observe(target).await?;
        compatible(engine, target, &observed).await?;
        let need = self.room(observed.size).await?;
        let id = format!("{}-{:04x}", request.now.strftime("%Y%m%dt%H%M%Sz"), fastrand::u16(..));
        let mut partial = Partial::new(&self.directory)?;
        let application = format!("evenkeel-backup-{id}");
        let dump = Dump { engine, target, directory: &self.directory, application, need };
        let (seen, streamed) = dump.run(&mut partial.file).await?;
        partial.sync().await.map_err(|error| file::written(&self.directory, need, error))?;
        verify::decode(engine, target, &id, &partial.path, &streamed.sha256).await?;
        let globals = globals(engine, target).await;
        let backup = described(id, request, target, observed, seen, streamed, globals.as_ref().err());
        self.publish(backup, partial, globals.ok()).await
    }

    /// The names, the manifest's last: only with it does a backup exist.
    async fn publish(
        &self,
        backup: Backup,
        dump: Partial,
        globals: Option<Vec<u8>>,
    ) -> Result<Backup, DatabaseError> {
        if let Some(globals) = globals {
            file::place(&self.directory, &globals, &self.path(&backup.id, "globals.sql")).await?;
        }
        dump.name(&self.dump_path(&backup.id))?;
        file::sync_directory(&self.directory).await?;
        self.record(&backup).await?;
        Ok(backup)
    }

    /// Sweeps what crashes left and sees whether there is room, as far as that can be told beforehand: for half more than the last
    /// dump, or for a quarter of the database, whose size is given in bytes. How many bytes that is.
    ///
    /// # Errors
    /// [`DatabaseError::NoSpace`] where there is not; of the file system.
    pub(crate) async fn room(&self, size: u64) -> Result<u64, DatabaseError> {
        file::directory(&self.directory).await?;
        self.sweep().await?;
        let last = self.list().await?.into_iter().find(Backup::good);
        let need = last.map_or(size / 4, |last| last.size + last.size / 2).max(FLOOR);
        let free = file::free(&self.directory)?;
        if free >= need {
            return Ok(need);
        }
        Err(DatabaseError::no_space(&self.directory, Some(need)))
    }

    async fn sweep(&self) -> Result<(), DatabaseError> {
        let partial = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(PARTIAL);
        for path in self.files().await? {
            if path.file_name().is_some_and(partial) {
                file::remove(&path).await?;
            }
        }
        Ok(())
    }
}

/// One run of `pg_dump`.
pub(super) struct Dump<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) target: &'a Target,
    pub(super) directory: &'a Path,
    /// What its session calls itself.
    pub(super) application: String,
    /// How much it may take, for telling when it is too much.
    pub(super) need: u64,
}

impl Dump<'_> {
    /// Runs it, counting the rows of its snapshot beside it.
    pub(super) async fn run(&self, file: &mut File) -> Result<(Seen, Streamed), DatabaseError> {
        let mut session = self.target.connect().await?;
        let dumped = self.in_snapshot(&mut session, file).await;
        if dumped.is_err() {
            stop(self.target, &self.application).await;
        }
        dumped
    }

    async fn in_snapshot(
        &self,
        session: &mut Client,
        file: &mut File,
    ) -> Result<(Seen, Streamed), DatabaseError> {
        let sql = |error| DatabaseError::sql(self.target, "be read in one snapshot", &error);
        let snapshot = rows::snapshot(session).await.map_err(sql)?;
        let exported = snapshot.query_one("SELECT pg_export_snapshot()", &[]).await.map_err(sql)?;
        let (reader, writer) = tokio::io::duplex(PIPE);
        let running = self.program(exported.try_get(0).map_err(sql)?).run(None, Some(Box::new(writer)));
        // The first to fail has the reason to give: a full disk also breaks the program's pipe, and a failed count its snapshot.
        let (streamed, _, seen) = tokio::try_join!(
            async {
                stream(reader, file).await.map_err(|error| file::written(self.directory, self.need, error))
            },
            running,
            async { seen(&snapshot, self.target).await.map_err(sql) },
        )?;
        Ok((seen, streamed))
    }

    fn program(&self, snapshot: &str) -> Program<'_> {
        let snapshot = format!("--snapshot={snapshot}");
        let arguments = ["-Fc", "--lock-wait-timeout=60s", &snapshot, "-d", &self.target.name];
        let mut program = Program::new(self.engine, self.target, "pg_dump", &arguments);
        program.application.clone_from(&self.application);
        program
    }
}

async fn seen(snapshot: &Transaction<'_>, target: &Target) -> Result<Seen, tokio_postgres::Error> {
    let revisions = current(snapshot.client(), target).await?.revisions;
    Ok(Seen { rows: rows::count(snapshot).await?, revisions })
}

/// A client older than the server may not know what it dumps.
async fn compatible(
    engine: &dyn Engine,
    target: &Target,
    observed: &Observation,
) -> Result<(), DatabaseError> {
    let client = Program::new(engine, target, "pg_dump", &[]).version().await?;
    let server = observed.server_version / 10_000;
    if client >= server {
        return Ok(());
    }
    Err(DatabaseError::OldClient { program: "pg_dump".to_owned(), client, server })
}

/// Roles and tablespaces. Not every role may read them, and a backup without them is still one.
async fn globals(engine: &dyn Engine, target: &Target) -> Result<Vec<u8>, DatabaseError> {
    let arguments = ["--globals-only", "--no-role-passwords", "-l", &target.name];
    Ok(Program::new(engine, target, "pg_dumpall", &arguments).run(None, None).await?.stdout)
}

/// A program whose output nobody takes any more goes on in its container, and its session would hold back a migration.
async fn stop(target: &Target, application: &str) {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
    if let Ok(session) = target.connect_for_maintenance().await
        && let Err(error) = session.query(end, &[&application]).await
    {
        tracing::warn!(%error, "the session of a failed dump could not be ended");
    }
}

fn described(
    id: String,
    request: Request,
    target: &Target,
    observed: Observation,
    seen: Seen,
    streamed: Streamed,
    globals: Option<&DatabaseError>,
) -> Backup {
    Backup {
        id,
        created_at: request.now,
        reason: request.reason,
        level: Level::Decoded,
        verified_at: Some(request.now),
        broken: None,
        database: target.name.clone(),
        system_identifier: observed.system_identifier,
        server_version: observed.server_version,
        revisions: seen.revisions,
        image: request.image,
        size: streamed.size,
        sha256: streamed.sha256,
        rows: seen.rows,
        globals_missing: globals.map(ToString::to_string),
    }
}
