//! Databases beside the real one: made like it, filled from a backup, put in its place or removed.

use serde_json::Value;
use tokio_postgres::Client;

use super::super::error::DatabaseError;
use super::super::target::{Target, literal, quoted};

const GRANTS: &str = "SELECT format('GRANT %s ON DATABASE %I TO %s%s', g.privilege_type, $2::text, \
        CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END, \
        CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) \
    FROM pg_database d, aclexplode(d.datacl) g WHERE d.datname = $1::text";

/// A list of names is stored as it is written, and must not become one quoted name.
const SETTINGS: &str = "SELECT format('ALTER %s SET %I TO %s', \
        CASE s.setrole WHEN 0 THEN format('DATABASE %I', $2::text) \
            ELSE format('ROLE %I IN DATABASE %I', pg_get_userbyid(s.setrole), $2::text) END, \
        split_part(c, '=', 1), \
        CASE WHEN split_part(c, '=', 1) IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', \
                'session_preload_libraries') AND substr(c, strpos(c, '=') + 1) NOT IN ('', '\"\"') \
            THEN substr(c, strpos(c, '=') + 1) \
            ELSE quote_literal(btrim(substr(c, strpos(c, '=') + 1), '\"')) END) \
    FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c \
    WHERE d.datname = $1::text";

/// Makes an empty database with the encoding, locale, owner, grants and settings of another; one of its name, which can only be
/// what an interrupted run left, is removed first.
pub(super) async fn create(like: &Target, new: &Target) -> Result<(), DatabaseError> {
    remove(new).await?;
    let session = like.connect_for_maintenance().await?;
    let sql = |error| DatabaseError::sql(like, format!("make database {} beside it", new.name), &error);
    let definition = definition(&session, &like.name, &new.name).await.map_err(sql)?;
    let tablespace = tablespace(&session, &like.name).await.map_err(sql)?;
    session.batch_execute(&format!("{definition} TABLESPACE {tablespace}")).await.map_err(sql)?;
    for statement in properties(&session, &like.name, &new.name).await.map_err(sql)? {
        session.batch_execute(&statement).await.map_err(sql)?;
    }
    Ok(())
}

/// Removes such a database, whoever is connected to it.
pub(super) async fn remove(scratch: &Target) -> Result<(), DatabaseError> {
    let session = scratch.connect_for_maintenance().await?;
    let sql = |error| DatabaseError::sql(scratch, "go away", &error);
    disconnect(&session, &scratch.name).await.map_err(sql)?;
    session.batch_execute(&format!("DROP DATABASE IF EXISTS {}", quoted(&scratch.name))).await.map_err(sql)
}

/// Ends every other session on a database.
pub(super) async fn disconnect(session: &Client, database: &str) -> Result<(), tokio_postgres::Error> {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()";
    session.query(end, &[&database]).await.map(drop)
}

/// Whether there is a database of this name.
pub(super) async fn exists(session: &Client, name: &str) -> Result<bool, tokio_postgres::Error> {
    let exists = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    session.query_one(exists, &[&name]).await?.try_get(0)
}

/// The grants and settings that belong to the database itself, as statements for another.
pub(in crate::database) async fn properties(
    session: &Client,
    of: &str,
    new: &str,
) -> Result<Vec<String>, tokio_postgres::Error> {
    let granted = "SELECT datacl IS NOT NULL FROM pg_database WHERE datname = $1";
    let mut statements = Vec::new();
    if session.query_one(granted, &[&of]).await?.try_get(0)? {
        statements.push(format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quoted(new)));
        statements.extend(texts(session, GRANTS, of, new).await?);
    }
    statements.extend(texts(session, SETTINGS, of, new).await?);
    Ok(statements)
}

async fn texts(
    session: &Client,
    query: &str,
    of: &str,
    new: &str,
) -> Result<Vec<String>, tokio_postgres::Error> {
    session.query(query, &[&of, &new]).await?.iter().map(|row| row.try_get(0)).collect()
}

/// The statement that makes a database of another name like this one, up to its tablespace. From `template0`: the only template
/// that takes any encoding and locale, and that nobody is connected to.
pub(in crate::database) async fn definition(
    session: &Client,
    of: &str,
    new: &str,
) -> Result<String, tokio_postgres::Error> {
    let query = "SELECT to_jsonb(d), pg_encoding_to_char(encoding)::text, pg_get_userbyid(datdba)::text \
        FROM pg_database d WHERE datname = $1";
    let row = session.query_one(query, &[&of]).await?;
    let (database, encoding, owner): (Value, String, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(format!(
        "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {}{} CONNECTION LIMIT {}",
        quoted(new),
        quoted(&owner),
        literal(&encoding),
        locale(&database),
        database["datconnlimit"].as_i64().unwrap_or(-1),
    ))
}

async fn tablespace(session: &Client, of: &str) -> Result<String, tokio_postgres::Error> {
    let query = "SELECT quote_ident(t.spcname) FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace \
        WHERE datname = $1";
    session.query_one(query, &[&of]).await?.try_get(0)
}

/// Servers before 15 know one provider; 17 renamed the column and added a third.
fn locale(database: &Value) -> String {
    let text = |name: &str| database[name].as_str().map(literal);
    let mut options = String::new();
    for (option, name) in
        [("LC_COLLATE", "datcollate"), ("LC_CTYPE", "datctype"), ("ICU_RULES", "daticurules")]
    {
        options.extend(text(name).map(|value| format!(" {option} {value}")));
    }
    let other = text("datlocale").or_else(|| text("daticulocale"));
    let provider = match database["datlocprovider"].as_str() {
        Some("i") => other.map(|locale| format!(" LOCALE_PROVIDER icu ICU_LOCALE {locale}")),
        Some("b") => other.map(|locale| format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale}")),
        Some("c") => Some(" LOCALE_PROVIDER libc".to_owned()),
        _ => None,
    };
    options + &provider.unwrap_or_default()
}
