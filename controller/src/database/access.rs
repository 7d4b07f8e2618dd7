//! The database as a rollout needs it: single reads, and single bounded effects.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use evenkeel_core::database::{Backup, Fingerprint};
use jiff::Timestamp;

use super::backup::{Request, Restored, Store};
use super::blocking::{Blocking, watch};
use super::error::DatabaseError;
use super::hunt::{Found, Quarry};
use super::lock::Lock;
use super::observe::Observation;
use super::rehearsal;
use super::target::Target;
use crate::engine::Engine;

/// A lock that is held for as long as this is; dropping it, or dying, gives it back.
#[async_trait]
pub(crate) trait Held: Send + Sync {
    /// Whether it is still held: a server that restarted, or a connection that broke, has released it.
    async fn is_held(&self) -> bool;
}

/// Database servers. Every method is one read or one bounded effect on the database that a [`Target`] names.
#[async_trait]
pub(crate) trait Databases: Send + Sync {
    /// Whether it accepts a session.
    async fn accepts(&self, target: &Target) -> Result<(), DatabaseError>;

    /// Where its schema stands. While a migration's backend lives this is not the truth: hunt first.
    async fn observe(&self, target: &Target) -> Result<Observation, DatabaseError>;

    /// Its catalog.
    async fn fingerprint(&self, target: &Target) -> Result<Fingerprint, DatabaseError>;

    /// Takes the lock that only one rollout has at a time, waiting at most `wait` for another holder.
    async fn lock(&self, target: &Target, wait: Duration) -> Result<Box<dyn Held>, DatabaseError>;

    /// Ends every session that a killed one-off container left, and returns when they are gone; what was found.
    async fn hunt(
        &self,
        target: &Target,
        quarry: &Quarry,
        wait: Duration,
    ) -> Result<Vec<Found>, DatabaseError>;

    /// Watches a migration that comes from these addresses. Ends when it had kept users waiting beyond the limit, and was
    /// cancelled for it; `waits` hears when it is the one that waits for others.
    async fn watch(
        &self,
        target: &Target,
        addresses: &BTreeSet<IpAddr>,
        limit: Duration,
        waits: &mut (dyn FnMut(Blocking) + Send),
    ) -> Result<Blocking, DatabaseError>;

    /// Starts the scratch server of a rehearsal, with the schema of the real one.
    async fn scratch(
        &self,
        engine: &dyn Engine,
        request: &rehearsal::Request<'_>,
    ) -> Result<Target, DatabaseError>;

    /// Drops those of the indexes that are still invalid.
    async fn drop_indexes(&self, target: &Target, indexes: &[String]) -> Result<(), DatabaseError>;

    /// Makes a backup in a store, and decodes it.
    async fn back_up(
        &self,
        engine: &dyn Engine,
        store: &Store,
        target: &Target,
        request: Request,
    ) -> Result<Backup, DatabaseError>;

    /// Verifies a backup; with `restored` also by restoring it beside.
    async fn verify(
        &self,
        engine: &dyn Engine,
        store: &Store,
        target: &Target,
        id: &str,
        restored: bool,
        now: Timestamp,
    ) -> Result<Backup, DatabaseError>;

    /// Puts a backup in place of the database, which is kept under another name. `tag` names the attempt: one that was made
    /// already is not made again.
    async fn restore(
        &self,
        engine: &dyn Engine,
        store: &Store,
        target: &Target,
        id: &str,
        tag: &str,
    ) -> Result<Restored, DatabaseError>;
}

/// PostgreSQL.
pub(crate) struct Postgres;

#[async_trait]
impl Databases for Postgres {
    async fn accepts(&self, target: &Target) -> Result<(), DatabaseError> {
        target.connect().await.map(drop)
    }

    async fn observe(&self, target: &Target) -> Result<Observation, DatabaseError> {
        super::observe::observe(target).await
    }

    async fn fingerprint(&self, target: &Target) -> Result<Fingerprint, DatabaseError> {
        super::fingerprint::fingerprint(target).await
    }

    async fn lock(&self, target: &Target, wait: Duration) -> Result<Box<dyn Held>, DatabaseError> {
        Ok(Box::new(Lock::acquire(target, wait).await?))
    }

    async fn hunt(
        &self,
        target: &Target,
        quarry: &Quarry,
        wait: Duration,
    ) -> Result<Vec<Found>, DatabaseError> {
        super::hunt::hunt(target, quarry, wait).await
    }

    async fn watch(
        &self,
        target: &Target,
        addresses: &BTreeSet<IpAddr>,
        limit: Duration,
        waits: &mut (dyn FnMut(Blocking) + Send),
    ) -> Result<Blocking, DatabaseError> {
        watch(target, addresses, limit, waits).await
    }

    async fn scratch(
        &self,
        engine: &dyn Engine,
        request: &rehearsal::Request<'_>,
    ) -> Result<Target, DatabaseError> {
        rehearsal::scratch(engine, request).await
    }

    async fn drop_indexes(&self, target: &Target, indexes: &[String]) -> Result<(), DatabaseError> {
        super::sweep::drop_indexes(target, indexes).await
    }

    async fn back_up(
        &self,
        engine: &dyn Engine,
        store: &Store,
        target: &Target,
        request: Request,
    ) -> Result<Backup, DatabaseError> {
        store.create(engine, target, request).await
    }

    async fn verify(
        &self,
        engine: &dyn Engine,
        store: &Store,
        target: &Target,
        id: &str,
        restored: bool,
        now: Timestamp,
    ) -> Result<Backup, DatabaseError> {
        store.verify(engine, target, id, restored, now).await
    }

    async fn restore(
        &self,
        engine: &dyn Engine,
        store: &Store,
        target: &Target,
        id: &str,
        tag: &str,
    ) -> Result<Restored, DatabaseError> {
        store.restore(engine, target, id, tag).await
    }
}
