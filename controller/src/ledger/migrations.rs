//! The ledger's own schema, one migration a version, applied in order and each in one transaction.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The migrations; the version is how many of them have been applied. Never edit one that was released: add another.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001.sql")];

/// The newest version that this program knows.
pub(super) const NEWEST: i64 = MIGRATIONS.len() as i64;

/// The version of a ledger; 0 for an empty file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Applies what is missing; `key` becomes the installation's digest key where there is none yet.
pub(super) fn apply(connection: &mut Connection, key: &[u8]) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = version(&tx)?;
    for (number, sql) in (1..=NEWEST).zip(MIGRATIONS).filter(|(number, _)| *number > version) {
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", number)?;
    }
    keep_key(&tx, key)?;
    tx.commit()
}

fn keep_key(tx: &Transaction<'_>, key: &[u8]) -> rusqlite::Result<()> {
    tx.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('digest_key', ?1)", [key])?;
    Ok(())
}
