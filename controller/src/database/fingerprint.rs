//! The catalog as a fingerprint. One ordered query a kind of object, each giving
//! `(on, name, definition, traits)`; what the words mean is decided in `evenkeel_core::database::fingerprint`.

use evenkeel_core::database::{Fingerprint, Key, Kind, Object, Trait};
use tokio_postgres::{Client, IsolationLevel, Row};

use super::error::DatabaseError;
use super::target::Target;

/// Kind by kind, in the order of dependence.
const CATALOG: [(Kind, &str); 16] = [
    (Kind::Extension, include_str!("catalog/extensions.sql")),
    (Kind::Schema, include_str!("catalog/schemas.sql")),
    (Kind::Type, include_str!("catalog/types.sql")),
    (Kind::Sequence, include_str!("catalog/sequences.sql")),
    (Kind::Table, include_str!("catalog/tables.sql")),
    (Kind::View, include_str!("catalog/views.sql")),
    (Kind::Column, include_str!("catalog/columns.sql")),
    (Kind::Constraint, include_str!("catalog/constraints.sql")),
    (Kind::Index, include_str!("catalog/indexes.sql")),
    (Kind::Trigger, include_str!("catalog/triggers.sql")),
    (Kind::Rule, include_str!("catalog/rules.sql")),
    (Kind::Policy, include_str!("catalog/policies.sql")),
    (Kind::Statistics, include_str!("catalog/statistics.sql")),
    (Kind::Function, include_str!("catalog/functions.sql")),
    (Kind::Grant, include_str!("catalog/grants.sql")),
    (Kind::DefaultGrant, include_str!("catalog/default_grants.sql")),
];

/// Views that the queries share: the user's schemas, and the objects that an extension brought.
const SHARED: &str = include_str!("catalog/shared.sql");

/// The database's schema, without the revision table.
///
/// # Errors
/// When it cannot be reached or read.
pub(crate) async fn fingerprint(target: &Target) -> Result<Fingerprint, DatabaseError> {
    let mut session = target.connect().await?;
    let objects =
        read(&mut session).await.map_err(|error| DatabaseError::sql(target, "show its catalog", &error))?;
    Ok(Fingerprint::from(objects).without_table(&table(&session, target).await?))
}

async fn read(session: &mut Client) -> Result<Vec<(Key, Object)>, tokio_postgres::Error> {
    let snapshot =
        session.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let snapshot = snapshot.start().await?;
    let mut objects = Vec::new();
    for (kind, query) in CATALOG {
        for row in snapshot.query(&format!("{SHARED}{query}"), &[]).await? {
            objects.push(object(kind, &row)?);
        }
    }
    Ok(objects)
}

fn object(kind: Kind, row: &Row) -> Result<(Key, Object), tokio_postgres::Error> {
    let words: Vec<String> = row.try_get(3)?;
    let key = Key { kind, on: row.try_get(0)?, name: row.try_get(1)? };
    Ok((
        key,
        Object {
            definition: row.try_get(2)?,
            traits: words.iter().filter_map(|word| word_trait(word)).collect(),
        },
    ))
}

fn word_trait(word: &str) -> Option<Trait> {
    match word {
        "not-null" => Some(Trait::NotNull),
        "has-value" => Some(Trait::HasValue),
        "unique" => Some(Trait::Unique),
        "invalid" => Some(Trait::Invalid),
        _ => None,
    }
}

/// The revision table as the queries write it: quoted only where it must be.
async fn table(session: &Client, target: &Target) -> Result<String, DatabaseError> {
    let query = "SELECT quote_ident($1::text) || '.' || quote_ident($2::text)";
    let names: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
        [&target.version_table_schema, &target.version_table];
    let row = session.query_one(query, &names).await;
    row.and_then(|row| row.try_get(0)).map_err(|error| DatabaseError::sql(target, "quote a name", &error))
}

#[cfg(test)]
mod tests;
