//! One rollout at a time for each database, whoever runs it and from wherever.

use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;

use super::access::Held;
use super::error::DatabaseError;
use super::observe::observe;
use super::target::Target;

/// How often a held lock is asked for again.
const AGAIN: Duration = Duration::from_millis(500);

/// Within this a living connection answers.
const ALIVE: Duration = Duration::from_secs(5);

const HOLDER: &str = "SELECT format('%s (process %s%s, connected since %s)', \
        COALESCE(NULLIF(a.application_name, ''), 'an unnamed session'), l.pid, ' from ' || a.client_addr::text, \
        to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')) \
    FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) \
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND ((l.classid::int8 << 32) | l.objid::int8) = $1::int8 LIMIT 1";

/// A session advisory lock on a connection of its own to the maintenance database: outside any transaction, so that it hinders
/// neither the migration's nor a rename of the database. The server releases it when the connection ends, so dropping this, or
/// dying, releases it.
pub(crate) struct Lock {
    session: Client,
    key: i64,
}

impl Lock {
    /// Takes the lock, waiting at most `wait` for another holder.
    ///
    /// # Errors
    /// [`DatabaseError::Locked`] names who holds it; otherwise as connecting.
    pub(crate) async fn acquire(target: &Target, wait: Duration) -> Result<Self, DatabaseError> {
        let key = key(&observe(target).await?.system_identifier, &target.name);
        let lock = Self { session: target.connect_for_maintenance().await?, key };
        let deadline = Instant::now() + wait;
        while !lock.take(target).await? {
            if Instant::now() + AGAIN > deadline {
                return Err(lock.locked(target).await);
            }
            sleep(AGAIN).await;
        }
        Ok(lock)
    }

    async fn take(&self, target: &Target) -> Result<bool, DatabaseError> {
        let row = self.session.query_one("SELECT pg_try_advisory_lock($1::int8)", &[&self.key]).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| DatabaseError::sql(target, "lock", &error))
    }

    async fn locked(&self, target: &Target) -> DatabaseError {
        let holder = match self.session.query_opt(HOLDER, &[&self.key]).await {
            Ok(Some(row)) => row.try_get(0).ok(),
            _ => None,
        };
        let holder = holder.unwrap_or_else(|| "a session that has just ended".to_owned());
        DatabaseError::Locked { target: target.to_string(), holder }
    }
}

#[async_trait]
impl Held for Lock {
    async fn is_held(&self) -> bool {
        // The connection's end is the lock's end, so an answer on it is proof; what it answers is asked all the same.
        let held = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted \
            AND pid = pg_backend_pid() AND ((classid::int8 << 32) | objid::int8) = $1::int8)";
        match timeout(ALIVE, self.session.query_one(held, &[&self.key])).await {
            Ok(Ok(row)) => row.try_get(0).unwrap_or(false),
            _ => false,
        }
    }
}

/// Lengths go in as well: identity and name must not run together.
fn key(system_identifier: &str, database: &str) -> i64 {
    let hash = Sha256::digest(format!("evenkeel {} {system_identifier} {database}", system_identifier.len()));
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::testing::Server;

    #[tokio::test]
    async fn one_at_a_time_and_free_again_when_dropped() {
        let Some(server) = Server::start().await else { return };
        let target = server.database("app").await;
        let lock = Lock::acquire(&target, Duration::ZERO).await.unwrap();
        assert!(lock.is_held().await);
        let refused = Lock::acquire(&target, Duration::ZERO).await.err().unwrap().to_string();
        assert!(refused.contains("is locked by evenkeel (process "), "{refused}");
        let other = server.database("other").await;
        Lock::acquire(&other, Duration::ZERO).await.unwrap();
        drop(lock);
        Lock::acquire(&target, Duration::from_secs(5)).await.unwrap();
    }

    #[tokio::test]
    async fn a_lock_dies_with_its_connection() {
        let Some(server) = Server::start().await else { return };
        let target = server.database("app").await;
        let lock = Lock::acquire(&target, Duration::ZERO).await.unwrap();
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
            WHERE application_name = 'evenkeel' AND pid <> pg_backend_pid()";
        target.connect().await.unwrap().batch_execute(others).await.unwrap();
        assert!(!lock.is_held().await);
    }
}
