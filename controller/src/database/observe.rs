//! What the database says of itself.

use std::collections::BTreeSet;

use evenkeel_core::database::Current;
use evenkeel_core::name::SchemaRevision;
use tokio_postgres::{Client, IsolationLevel};

use super::error::DatabaseError;
use super::target::Target;

const IDENTITY: &str = "SELECT system_identifier::text, current_setting('server_version_num')::int4, \
    pg_database_size(current_database()) FROM pg_control_system()";

/// Whether there is anything of the user's beside the revision table; what an extension brought is not.
const TABLES: &str = "SELECT EXISTS (SELECT FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v') AND c.oid IS DISTINCT FROM to_regclass($1::text) \
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' \
    AND NOT EXISTS (SELECT FROM pg_depend d \
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))";

/// A database at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    /// The cluster's own identity: the same for every address it is reached by.
    pub system_identifier: String,
    /// Its version number, such as 150020.
    pub server_version: i32,
    /// Where its schema stands.
    pub current: Current,
    /// Its size in bytes.
    pub size: u64,
}

/// Reads it in one snapshot. While a migration's backend lives this is not the truth: hunt first.
///
/// # Errors
/// When it cannot be reached, or the revision table cannot be read (a lock held longer than five seconds is transient).
pub(crate) async fn observe(target: &Target) -> Result<Observation, DatabaseError> {
    let mut session = target.connect().await?;
    read(&mut session, target)
        .await
        .map_err(|error| DatabaseError::sql(target, "tell its schema revision", &error))
}

async fn read(session: &mut Client, target: &Target) -> Result<Observation, tokio_postgres::Error> {
    let snapshot =
        session.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let snapshot = snapshot.start().await?;
    let identity = snapshot.query_one(IDENTITY, &[]).await?;
    let size: i64 = identity.try_get(2)?;
    Ok(Observation {
        system_identifier: identity.try_get(0)?,
        server_version: identity.try_get(1)?,
        current: current(snapshot.client(), target).await?,
        size: size.unsigned_abs(),
    })
}

/// Where its schema stands, on a session that is there already.
pub(super) async fn current(session: &Client, target: &Target) -> Result<Current, tokio_postgres::Error> {
    let tables = session.query_one(TABLES, &[&target.version_table()]).await?.try_get(0)?;
    Ok(Current { revisions: revisions(session, target).await?, tables })
}

async fn revisions(
    session: &Client,
    target: &Target,
) -> Result<BTreeSet<SchemaRevision>, tokio_postgres::Error> {
    let table = target.version_table();
    let exists = "SELECT to_regclass($1::text) IS NOT NULL";
    if !session.query_one(exists, &[&table]).await?.try_get::<_, bool>(0)? {
        return Ok(BTreeSet::new());
    }
    let rows = session.query(&format!("SELECT version_num::text FROM {table}"), &[]).await?;
    rows.iter().map(|row| row.try_get::<_, String>(0).map(SchemaRevision::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::testing::Server;

    #[tokio::test]
    async fn from_nothing_to_tables_to_a_set_of_revisions() {
        let Some(server) = Server::start().await else { return };
        let mut target = server.database("a\"pp").await;
        (target.version_table, target.version_table_schema) =
            ("Ver\"sion".to_owned(), "my schema".to_owned());
        let user = server.session(&target, "psql").await;
        let empty = observe(&target).await.unwrap();
        assert_eq!(empty.current, Current::default());
        assert!(
            empty.server_version >= 120_000 && empty.size > 1_000_000 && empty.system_identifier.len() > 15
        );
        user.batch_execute(
            "CREATE SCHEMA \"my schema\"; CREATE TABLE \"my schema\".\"Ver\"\"sion\" (version_num text)",
        )
        .await
        .unwrap();
        assert_eq!(
            observe(&target).await.unwrap().current,
            Current::default(),
            "its own table does not count"
        );
        user.batch_execute("CREATE TABLE t (x int)").await.unwrap();
        assert!(observe(&target).await.unwrap().current.tables);
        user.batch_execute("INSERT INTO \"my schema\".\"Ver\"\"sion\" VALUES ('b'), ('a')").await.unwrap();
        let revisions = observe(&target).await.unwrap().current.revisions;
        assert_eq!(revisions, BTreeSet::from(["a".into(), "b".into()]));
    }

    #[tokio::test]
    async fn an_ordinary_role_can_observe() {
        let Some(server) = Server::start().await else { return };
        let mut target = server.database("app").await;
        server.session(&target, "psql").await.batch_execute("CREATE ROLE plain LOGIN").await.unwrap();
        target.user = "plain".to_owned();
        observe(&target).await.unwrap();
    }

    #[tokio::test]
    async fn a_lock_is_not_waited_for_without_end() {
        let Some(server) = Server::start().await else { return };
        let target = server.database("app").await;
        let user = server.session(&target, "psql").await;
        user.batch_execute("CREATE TABLE alembic_version (version_num text)").await.unwrap();
        user.batch_execute("BEGIN; LOCK TABLE alembic_version").await.unwrap();
        let error = observe(&target).await.unwrap_err();
        assert!(error.transient(), "{error}");
        assert!(error.to_string().contains("lock timeout"), "{error}");
    }
}
