//! The ledger's own schema, one migration a version, applied in order and each in one transaction.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

/// The migrations; the version is how many of them have been applied. Never edit one that was released: add another.
const MIGRATIONS: [&str; 2] = [include_str!("migrations/0001.sql"), include_str!("migrations/0002.sql")];

/// The newest version that this program knows.
pub(super) const NEWEST: i64 = MIGRATIONS.len() as i64;

/// The version of a ledger; 0 for an empty file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// What an installation makes at random, once.
pub(super) struct Random {
    /// Its digest key.
    pub(super) key: [u8; 32],
    /// Its own name.
    pub(super) instance: [u8; 8],
}

/// Applies what is missing; what is `random` becomes the installation's where it has none yet.
pub(super) fn apply(connection: &mut Connection, random: &Random) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = version(&tx)?;
    for (number, sql) in (1..=NEWEST).zip(MIGRATIONS).filter(|(number, _)| *number > version) {
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", number)?;
    }
    let Random { key, instance } = random;
    keep(&tx, "digest_key", key)?;
    // A ledger of before there were such names gets one like a new one: the form of the file is the same.
    keep(&tx, super::instance::ID, instance)?;
    tx.commit()
}

fn keep(tx: &Transaction<'_>, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    tx.execute("INSERT OR IGNORE INTO meta (key, value) VALUES (?1, ?2)", params![key, value])?;
    Ok(())
}
