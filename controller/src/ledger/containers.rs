//! Containers that evenkeel made or adopted, and which of them serves.

use std::collections::BTreeMap;

use evenkeel_core::name::{AppName, ContainerId, RolloutId, ServiceName};
use jiff::Timestamp;
use rusqlite::{Row, params};

use super::value::{At, at, name};
use super::{Ledger, LedgerError, apps};

/// A container that evenkeel knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerRecord {
    /// Its id.
    pub(crate) id: ContainerId,
    /// Its service.
    pub(crate) service: ServiceName,
    /// The name it was recorded with.
    pub(crate) name: String,
    /// The rollout that made it; `None` for one that was adopted.
    pub(crate) rollout: Option<RolloutId>,
    /// The part it was made for.
    pub(crate) role: String,
    /// When it was recorded.
    pub(crate) recorded_at: Timestamp,
    /// The digest of the configuration that an adopted one was found to have; `None` for others.
    pub(crate) config: Option<String>,
}

impl Ledger {
    /// Records a container; one that is known already takes the new name and role.
    pub(crate) fn record_container(
        &self,
        app: &AppName,
        service: &ServiceName,
        id: &ContainerId,
        name: &str,
        rollout: Option<RolloutId>,
        role: &str,
    ) -> Result<(), LedgerError> {
        self.write(|tx, now| {
            apps::ensure(tx, app)?;
            tx.prepare_cached(
                "INSERT INTO containers (id, app, service, name, rollout, role, recorded_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT DO UPDATE SET app = ?2, service = ?3, name = ?4, role = ?6,
                     rollout = coalesce(rollout, ?5)",
            )?
            .execute(params![
                id.as_str(),
                app.as_str(),
                service.as_str(),
                name,
                rollout.map(|id| id.0),
                role,
                At(now)
            ])?;
            Ok(())
        })
    }

    /// Records that a container that is known has a release's configuration, though evenkeel did not make it.
    pub(crate) fn record_vetted(&self, id: &ContainerId, config: &str) -> Result<(), LedgerError> {
        self.write(|tx, _| {
            tx.prepare_cached("UPDATE containers SET config = ?2 WHERE id = ?1")?
                .execute([id.as_str(), config])?;
            Ok(())
        })
    }

    /// An application's containers, oldest first.
    pub(crate) fn containers(&self, app: &AppName) -> Result<Vec<ContainerRecord>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT * FROM containers WHERE app = ?1 ORDER BY recorded_at, rowid")?
                .query_map([app.as_str()], record)?
                .collect()
        })
    }

    /// Forgets a container that is gone.
    pub(crate) fn forget_container(&self, id: &ContainerId) -> Result<(), LedgerError> {
        self.write(|tx, _| {
            tx.prepare_cached("DELETE FROM containers WHERE id = ?1")?.execute([id.as_str()])?;
            Ok(())
        })
    }

    /// The container of each service that serves.
    pub(crate) fn serving(&self, app: &AppName) -> Result<BTreeMap<ServiceName, ContainerId>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT service, container FROM serving WHERE app = ?1")?
                .query_map([app.as_str()], |row| Ok((name(row, "service")?, name(row, "container")?)))?
                .collect()
        })
    }

    /// Records the container that serves for a service from now on.
    pub(crate) fn set_serving(
        &self,
        app: &AppName,
        service: &ServiceName,
        id: &ContainerId,
    ) -> Result<(), LedgerError> {
        self.write(|tx, _| {
            apps::ensure(tx, app)?;
            tx.prepare_cached(
                "INSERT INTO serving (app, service, container) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET container = ?3",
            )?
            .execute([app.as_str(), service.as_str(), id.as_str()])?;
            Ok(())
        })
    }

    /// Records that no container serves for a service.
    pub(crate) fn clear_serving(&self, app: &AppName, service: &ServiceName) -> Result<(), LedgerError> {
        self.write(|tx, _| {
            tx.prepare_cached("DELETE FROM serving WHERE app = ?1 AND service = ?2")?
                .execute([app.as_str(), service.as_str()])?;
            Ok(())
        })
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<ContainerRecord> {
    Ok(ContainerRecord {
        id: name(row, "id")?,
        service: name(row, "service")?,
        name: row.get("name")?,
        rollout: row.get::<_, Option<i64>>("rollout")?.map(RolloutId),
        role: row.get("role")?,
        recorded_at: at(row, "recorded_at")?,
        config: row.get("config")?,
    })
}
