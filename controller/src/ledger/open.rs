//! Opening: directory, lock, file, settings, version, integrity, completeness, in this order.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::lock::Lock;
use super::migrations::Random;
use super::{LedgerError, check, migrations};

/// The file's name in the data directory.
const FILE: &str = "ledger.db";

/// Another reader (`sqlite3`, a backup program) may hold the file for a moment.
const BUSY: Duration = Duration::from_secs(10);

/// Opens or makes the ledger of a data directory.
pub(super) fn open(dir: &Path) -> Result<(Connection, PathBuf, Lock), LedgerError> {
    make_private(dir)?;
    let lock = Lock::take(dir)?;
    let file = dir.join(FILE);
    check::gone(dir, &file)?;
    make_file(&file)?;
    let connection = connect(dir, &file)?;
    Ok((connection, file, lock))
}

/// The ledger holds interpolated environments: nobody else may enter its directory. One that is there already and holds other
/// things (`--data-dir /tmp`) keeps its mode, which others rely on; the ledger's own files are private anyway.
fn make_private(dir: &Path) -> Result<(), LedgerError> {
    let io = |source| LedgerError::from_io("make the data directory", dir, source);
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    if is_ours(dir).map_err(io)? {
        fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(io)?;
    }
    Ok(())
}

fn is_ours(dir: &Path) -> std::io::Result<bool> {
    Ok(dir.join(FILE).exists() || fs::read_dir(dir)?.next().is_none())
}

/// SQLite gives its side files the mode of the main one, so that is made first.
fn make_file(file: &Path) -> Result<(), LedgerError> {
    let io = |source| LedgerError::from_io("make the ledger", file, source);
    OpenOptions::new().append(true).create(true).mode(0o600).open(file).map_err(io)?;
    fs::set_permissions(file, Permissions::from_mode(0o600)).map_err(io)
}

fn connect(dir: &Path, file: &Path) -> Result<Connection, LedgerError> {
    let sqlite = |error| LedgerError::from_sqlite(file, error);
    let mut connection = Connection::open(file).map_err(sqlite)?;
    settings(&connection).map_err(sqlite)?;
    refuse_newer(&connection, file)?;
    check::damaged(&connection, file)?;
    check::short(&mut connection, dir, file)?;
    let random = Random { key: random()?, instance: random()? };
    migrations::apply(&mut connection, &random).map_err(sqlite)?;
    Ok(connection)
}

/// More than the ledger has kinds of statements: each is compiled once.
const STATEMENTS: usize = 128;

fn settings(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)
}

fn refuse_newer(connection: &Connection, file: &Path) -> Result<(), LedgerError> {
    let found = migrations::version(connection).map_err(|error| LedgerError::from_sqlite(file, error))?;
    let known = migrations::NEWEST;
    if found > known {
        return Err(LedgerError::NewerVersion { path: file.to_owned(), found, known });
    }
    Ok(())
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], LedgerError> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; LENGTH];
    File::open(source)
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(|error| LedgerError::from_io("read random bytes from", source, error))?;
    Ok(bytes)
}
