//! Indexes that a failed `CREATE INDEX CONCURRENTLY` left invalid.

use super::error::DatabaseError;
use super::target::Target;

/// Drops them, those that are still invalid. The names come from the catalog, qualified, and quoted where they must be.
///
/// # Errors
/// When the database cannot be reached or refuses.
pub(crate) async fn drop_indexes(target: &Target, indexes: &[String]) -> Result<(), DatabaseError> {
    let session = target.connect().await?;
    for index in indexes {
        let still = "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)";
        let rows = session.query(still, &[index]).await;
        let rows =
            rows.map_err(|error| DatabaseError::sql(target, format!("look at index {index}"), &error))?;
        if rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or(false) {
            let drop = session.batch_execute(&format!("DROP INDEX CONCURRENTLY {index}")).await;
            drop.map_err(|error| DatabaseError::sql(target, format!("drop index {index}"), &error))?;
        }
    }
    Ok(())
}
