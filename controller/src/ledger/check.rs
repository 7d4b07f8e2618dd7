//! Whether a ledger is whole: refused is what SQLite finds damaged, what no text of evenkeel can be, and what lacks entries.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::{LedgerError, mark};

/// Columns that hold JSON.
const JSON: [(&str, &str); 9] = [
    ("releases", "body"),
    ("releases", "outputs"),
    ("plans", "body"),
    ("steps", "body"),
    ("facts", "value"),
    ("applied", "from_revisions"),
    ("applied", "to_revisions"),
    ("backups", "body"),
    ("apps", "schema"),
];

/// The least that a database has, in bytes.
const HEADER: u64 = 512;

/// Refuses a ledger that is damaged.
pub(super) fn damaged(connection: &Connection, file: &Path) -> Result<(), LedgerError> {
    let sqlite = |error| LedgerError::from_sqlite(file, error);
    let found = match structure(connection).map_err(sqlite)? {
        Some(found) => Some(found),
        None => contents(connection).map_err(sqlite)?,
    };
    found.map_or(Ok(()), |reason| Err(LedgerError::Corrupt { path: file.to_owned(), reason }))
}

/// Pages, indexes, references.
fn structure(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let answer: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if answer != "ok" {
        return Ok(Some(answer));
    }
    let mut references = connection.prepare("PRAGMA foreign_key_check")?;
    let dangling = references.query([])?.next()?.map(|row| row.get::<_, String>(0)).transpose()?;
    Ok(dangling.map(|table| format!("a row of {table} refers to one that is gone")))
}

/// What lies in the pages, which SQLite does not look at.
fn contents(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for table in &tables {
        let mut all = connection.prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns = all.column_count();
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            if !is_readable(row, columns)? {
                return Ok(Some(format!("a row of {table} holds what is no text")));
            }
        }
    }
    for (table, column) in JSON.iter().filter(|(table, _)| tables.iter().any(|it| it == table)) {
        let invalid = format!(
            "SELECT EXISTS (SELECT 1 FROM {table} WHERE {column} IS NOT NULL AND NOT json_valid({column}))"
        );
        if connection.query_row(&invalid, [], |row| row.get(0))? {
            return Ok(Some(format!("a row of {table} is not as it was written")));
        }
    }
    Ok(None)
}

fn is_readable(row: &Row<'_>, columns: usize) -> rusqlite::Result<bool> {
    for column in 0..columns {
        if let ValueRef::Text(text) = row.get_ref(column)?
            && (std::str::from_utf8(text).is_err() || text.contains(&0))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses a ledger that has fewer entries than there were.
pub(super) fn short(connection: &mut Connection, directory: &Path, file: &Path) -> Result<(), LedgerError> {
    let sqlite = |error| LedgerError::from_sqlite(file, error);
    let entries = connection.transaction().and_then(|tx| mark::count(&tx)).map_err(sqlite)?;
    match mark::read(directory) {
        Some(known) if known > entries => Err(LedgerError::Short {
            path: file.to_owned(),
            lost: known - entries,
            mark: mark::path(directory),
        }),
        _ => Ok(()),
    }
}

/// Refuses to begin anew where there was a ledger: something of it is still there, or its mark. SQLite takes a file of a few bytes
/// for an empty one.
pub(super) fn gone(directory: &Path, file: &Path) -> Result<(), LedgerError> {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let log = directory.join("ledger.db-wal");
    let reason = match size(file) {
        0 if size(&log) > 0 || mark::read(directory).is_some_and(|entries| entries > 0) => {
            "it is empty or gone, and there was one"
        }
        1..HEADER => "it is cut off",
        _ => return Ok(()),
    };
    Err(LedgerError::Corrupt { path: file.to_owned(), reason: reason.to_owned() })
}
