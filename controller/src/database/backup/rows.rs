//! Rows per table, in a snapshot.

use std::collections::BTreeMap;

use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::super::target::quoted;

/// Ordinary tables and partitions, as `pg_dump` dumps their rows; what an extension brought it does not.
const TABLES: &str = "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' \
    AND NOT EXISTS (SELECT FROM pg_depend d \
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
    ORDER BY 1, 2";

/// Counting takes as long as reading. A table whose rows the role may only see in part must not be counted in part.
const PATIENCE: &str =
    "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; SET LOCAL row_security = off";

/// Begins a transaction that sees one moment, however long it takes.
pub(super) async fn snapshot(session: &mut Client) -> Result<Transaction<'_>, tokio_postgres::Error> {
    let build = session.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let snapshot = build.start().await?;
    snapshot.batch_execute(PATIENCE).await?;
    Ok(snapshot)
}

/// The rows of every table, by quoted qualified name.
pub(super) async fn count(
    snapshot: &Transaction<'_>,
) -> Result<BTreeMap<String, u64>, tokio_postgres::Error> {
    let mut rows = BTreeMap::new();
    for table in snapshot.query(TABLES, &[]).await? {
        let name = format!("{}.{}", quoted(table.try_get(0)?), quoted(table.try_get(1)?));
        let counted = snapshot.query_one(&format!("SELECT count(*) FROM ONLY {name}"), &[]).await?;
        rows.insert(name, counted.try_get::<_, i64>(0)?.unsigned_abs());
    }
    Ok(rows)
}

/// The first table that has not as many rows as it should.
pub(super) fn mismatch(expected: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> Option<String> {
    let differs = |name: &&String| expected.get(*name) != found.get(*name);
    let name = expected.keys().chain(found.keys()).find(differs)?;
    let shown = |rows: Option<&u64>| rows.map_or("is missing".to_owned(), |rows| format!("has {rows} rows"));
    Some(format!(
        "{name} {} where the backup says that it {}",
        shown(found.get(name)),
        shown(expected.get(name))
    ))
}
