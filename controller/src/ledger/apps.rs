//! Applications: where they come from, what is live, whether they are suspended, where their schema stands.

use std::collections::BTreeSet;

use evenkeel_core::name::{AppName, ReleaseDigest, Revision, SchemaRevision};
use jiff::Timestamp;
use rusqlite::{Row, ToSql, Transaction};

use super::value::{At, Json, maybe_at, maybe_name, name};
use super::{Ledger, LedgerError};

/// What the ledger knows of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppRecord {
    /// Its name.
    pub(crate) name: AppName,
    /// The source that its manifest was last found in.
    pub(crate) source: Option<String>,
    /// Where in that source.
    pub(crate) manifest_path: Option<String>,
    /// The release to fall back to: the last that finished its bake.
    pub(crate) live_release: Option<ReleaseDigest>,
    /// The newest commit that means this release.
    pub(crate) live_revision: Option<Revision>,
    /// The last commit that a rollout was started for.
    pub(crate) attempted_revision: Option<Revision>,
    /// Since when an operator has suspended it.
    pub(crate) suspended: Option<Timestamp>,
    /// Where the schema stood when evenkeel last moved it or looked; `None` before.
    pub(crate) schema: Option<BTreeSet<SchemaRevision>>,
    /// The database server that this was on: an empty database elsewhere is not the same one emptied.
    pub(crate) system_identifier: Option<String>,
}

impl Ledger {
    /// An application's record, made on first use.
    pub(crate) fn app(&self, app: &AppName) -> Result<AppRecord, LedgerError> {
        self.write(|tx, _| {
            ensure(tx, app)?;
            tx.prepare_cached("SELECT * FROM apps WHERE name = ?1")?.query_row([app.as_str()], record)
        })
    }

    /// Every application that was ever seen, by name.
    pub(crate) fn apps(&self) -> Result<Vec<AppRecord>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT * FROM apps ORDER BY name")?.query_map([], record)?.collect()
        })
    }

    /// Records where its manifest was found.
    pub(crate) fn set_origin(
        &self,
        app: &AppName,
        source: &str,
        manifest_path: &str,
    ) -> Result<(), LedgerError> {
        self.update(app, "source = ?2, manifest_path = ?3", &[&source, &manifest_path])
    }

    /// Records the release to fall back to, and its commit.
    pub(crate) fn set_live(
        &self,
        app: &AppName,
        release: &ReleaseDigest,
        revision: &Revision,
    ) -> Result<(), LedgerError> {
        let values: [&dyn ToSql; 2] = [&release.as_str(), &revision.as_str()];
        self.update(app, "live_release = ?2, live_revision = ?3", &values)
    }

    /// Records the commit that a rollout is started for.
    pub(crate) fn set_attempted(&self, app: &AppName, revision: &Revision) -> Result<(), LedgerError> {
        self.update(app, "attempted_revision = ?2", &[&revision.as_str()])
    }

    /// Suspends it (keeping the time of an earlier suspension) or lets it go on.
    pub(crate) fn set_suspended(&self, app: &AppName, suspended: bool) -> Result<(), LedgerError> {
        let now = (self.0.clock)();
        let value = suspended.then_some(At(now));
        self.update(
            app,
            "suspended = CASE WHEN ?2 IS NULL THEN NULL ELSE coalesce(suspended, ?2) END",
            &[&value],
        )
    }

    /// Records where its schema stands, and on which server.
    pub(crate) fn set_schema(
        &self,
        app: &AppName,
        schema: &BTreeSet<SchemaRevision>,
        system_identifier: &str,
    ) -> Result<(), LedgerError> {
        self.write(|tx, _| put_schema(tx, app, schema, system_identifier))
    }

    fn update(&self, app: &AppName, set: &str, values: &[&dyn ToSql]) -> Result<(), LedgerError> {
        self.write(|tx, _| put(tx, app, set, values))
    }
}

/// Where an application's schema stands, and in which cluster.
pub(super) fn put_schema(
    tx: &Transaction<'_>,
    app: &AppName,
    schema: &BTreeSet<SchemaRevision>,
    system_identifier: &str,
) -> rusqlite::Result<()> {
    put(tx, app, "schema = ?2, system_identifier = ?3", &[&Json(schema), &system_identifier])
}

fn put(tx: &Transaction<'_>, app: &AppName, set: &str, values: &[&dyn ToSql]) -> rusqlite::Result<()> {
    ensure(tx, app)?;
    let name = app.as_str();
    let mut all: Vec<&dyn ToSql> = vec![&name];
    all.extend(values);
    tx.prepare_cached(&format!("UPDATE apps SET {set} WHERE name = ?1"))?.execute(all.as_slice())?;
    Ok(())
}

/// Makes an application's row where there is none: every other table refers to it.
pub(super) fn ensure(tx: &Transaction<'_>, app: &AppName) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR IGNORE INTO apps (name) VALUES (?1)")?.execute([app.as_str()])?;
    Ok(())
}

fn record(row: &Row<'_>) -> rusqlite::Result<AppRecord> {
    Ok(AppRecord {
        name: name(row, "name")?,
        source: row.get("source")?,
        manifest_path: row.get("manifest_path")?,
        live_release: maybe_name(row, "live_release")?,
        live_revision: maybe_name(row, "live_revision")?,
        attempted_revision: maybe_name(row, "attempted_revision")?,
        suspended: maybe_at(row, "suspended")?,
        schema: row.get::<_, Option<Json<_>>>("schema")?.map(|json| json.0),
        system_identifier: row.get("system_identifier")?,
    })
}
