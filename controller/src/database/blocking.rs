//! While a migration runs: whom it keeps waiting, and whom it waits for.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::database::blocking::{Session, obstacles, victims};
use evenkeel_core::database::redact;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, Row};

use super::error::DatabaseError;
use super::hunt::{MIGRATION, terminate};
use super::target::{APPLICATION, Target};

const SESSIONS: &str = "SELECT pid, COALESCE(application_name, ''), COALESCE(query, ''), \
    COALESCE(starts_with(application_name, $2) OR client_addr = ANY ($3::inet[]), false), \
    backend_type = 'client backend' AND application_name <> $4, \
    CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{}' END \
    FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()";

/// A session that a lock made wait.
pub(crate) type BlockedSession = Session;

/// A migration and those around it, when it had gone on for too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocking {
    /// For how long somebody had been waiting without a break.
    pub waited: Duration,
    /// The users' sessions that waited for the migration.
    pub victims: Vec<BlockedSession>,
    /// The migration's own sessions.
    pub migration: Vec<BlockedSession>,
    /// The sessions that the migration itself waited for.
    pub obstacles: Vec<BlockedSession>,
}

impl std::fmt::Display for Blocking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "for {:.0} s, {} sessions waited for it", self.waited.as_secs_f64(), self.victims.len())?;
        if let Some(victim) = self.victims.first() {
            write!(f, " (process {} of {}: {})", victim.pid, named(&victim.application), victim.query)?;
        }
        if let Some(obstacle) = self.obstacles.first() {
            let (pid, who) = (obstacle.pid, named(&obstacle.application));
            write!(f, ", and it waited for process {pid} of {who}: {}", obstacle.query)?;
        }
        Ok(())
    }
}

fn named(application: &str) -> &str {
    if application.is_empty() { "an unnamed session" } else { application }
}

/// Looks at the locks of a database for as long as a migration runs there. Ends only with a cancellation.
pub(super) async fn watch(
    target: &Target,
    addresses: &BTreeSet<IpAddr>,
    limit: Duration,
    waits: &mut (dyn FnMut(Blocking) + Send),
) -> Result<Blocking, DatabaseError> {
    let pause = (limit / 5).clamp(Duration::from_millis(50), Duration::from_millis(500));
    let mut watch = Watch::open(target, addresses.clone(), limit).await?;
    loop {
        match watch.look().await? {
            Look::Cancelled(blocking) => return Ok(blocking),
            Look::Waits(report) => waits(report),
            Look::Quiet => {}
        }
        sleep(pause).await;
    }
}

/// The locks of a database.
pub(super) struct Watch<'a> {
    target: &'a Target,
    session: Client,
    addresses: BTreeSet<IpAddr>,
    limit: Duration,
    blocking: Option<Instant>,
    waiting: Option<Instant>,
}

/// What a look showed.
pub(super) enum Look {
    /// Nothing that has gone on for too long.
    Quiet,
    /// It kept users waiting for too long, and its sessions have been ended.
    Cancelled(Blocking),
    /// It has been waiting for others for too long, and nobody waits behind it.
    Waits(Blocking),
}

impl<'a> Watch<'a> {
    pub(super) async fn open(
        target: &'a Target,
        addresses: BTreeSet<IpAddr>,
        limit: Duration,
    ) -> Result<Self, DatabaseError> {
        let session = target.connect_for_maintenance().await?;
        Ok(Self { target, session, addresses, limit, blocking: None, waiting: None })
    }

    /// Looks once. What counts is that *somebody* waits, from look to look: clients that give up and come again are kept waiting
    /// just as much as one that is patient.
    pub(super) async fn look(&mut self) -> Result<Look, DatabaseError> {
        let sessions = self.sessions().await?;
        let (victims, obstacles) = (victims(&sessions), obstacles(&sessions));
        let blocked = lasting(&mut self.blocking, !victims.is_empty());
        let waits = lasting(&mut self.waiting, victims.is_empty() && !obstacles.is_empty());
        if blocked > self.limit {
            let report = report(blocked, &sessions, victims, obstacles);
            self.cancel(&report).await?;
            return Ok(Look::Cancelled(report));
        }
        Ok(if waits > self.limit {
            Look::Waits(report(waits, &sessions, victims, obstacles))
        } else {
            Look::Quiet
        })
    }

    async fn cancel(&self, report: &Blocking) -> Result<(), DatabaseError> {
        let pids = report.migration.iter().map(|session| session.pid).collect();
        terminate(&self.session, self.target, pids).await
    }

    async fn sessions(&self) -> Result<Vec<Session>, DatabaseError> {
        let addresses: Vec<IpAddr> = self.addresses.iter().copied().collect();
        let (own, migration) = (APPLICATION.to_owned(), MIGRATION.to_owned());
        let rows = self.session.query(SESSIONS, &[&self.target.name, &migration, &addresses, &own]).await;
        let sessions = rows.and_then(|rows| rows.iter().map(session).collect());
        sessions.map_err(|error| DatabaseError::sql(self.target, "show who waits for whom", &error))
    }
}

fn session(row: &Row) -> Result<Session, tokio_postgres::Error> {
    Ok(Session {
        pid: row.try_get(0)?,
        application: row.try_get(1)?,
        query: redact::statement(row.try_get(2)?),
        migration: row.try_get(3)?,
        user: row.try_get::<_, Option<bool>>(4)?.unwrap_or(false),
        waits_for: row.try_get(5)?,
    })
}

/// How long something has gone on, given whether it does now.
fn lasting(since: &mut Option<Instant>, now: bool) -> Duration {
    match (now, *since) {
        (false, _) => *since = None,
        (true, None) => *since = Some(Instant::now()),
        (true, Some(_)) => {}
    }
    since.map_or(Duration::ZERO, |since| since.elapsed())
}

fn report(waited: Duration, all: &[Session], victims: Vec<&Session>, obstacles: Vec<&Session>) -> Blocking {
    let migration = all.iter().filter(|session| session.migration).cloned().collect();
    let owned = |sessions: Vec<&Session>| sessions.into_iter().cloned().collect();
    Blocking { waited, victims: owned(victims), migration, obstacles: owned(obstacles) }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::database::testing::Server;

    const LIMIT: Duration = Duration::from_millis(300);

    async fn watched(target: &Target, looks: usize) -> Option<Look> {
        let mut watch = Watch::open(target, BTreeSet::new(), LIMIT).await.unwrap();
        for _ in 0..looks {
            match watch.look().await.unwrap() {
                Look::Quiet => sleep(Duration::from_millis(100)).await,
                told => return Some(told),
            }
        }
        None
    }

    /// Runs a statement that waits for a lock.
    fn wait_for_lock(session: Client, sql: &'static str) -> tokio::task::JoinHandle<bool> {
        tokio::spawn(async move { session.batch_execute(sql).await.is_ok() })
    }

    #[tokio::test]
    async fn a_migration_that_blocks_users_is_ended_and_they_go_on() {
        let Some(server) = Server::start().await else { return };
        let target = server.database("app").await;
        let migration = server.session(&target, "evenkeel-migration-r1").await;
        migration.batch_execute("CREATE TABLE t (x int)").await.unwrap();
        migration.batch_execute("BEGIN; LOCK TABLE t").await.unwrap();
        let user = wait_for_lock(server.session(&target, "api").await, "SELECT * FROM t WHERE x = 4242");
        let Some(Look::Cancelled(blocking)) = watched(&target, 40).await else { panic!("not cancelled") };
        assert!(blocking.waited > LIMIT);
        assert_eq!(blocking.victims.len(), 1);
        assert_eq!(blocking.victims[0].query, "SELECT * FROM t WHERE x = ?");
        assert!(user.await.unwrap(), "the user's statement goes on");
    }

    #[tokio::test]
    async fn a_migration_in_the_queue_blocks_those_behind_it() {
        let Some(server) = Server::start().await else { return };
        let target = server.database("app").await;
        let reader = server.session(&target, "report").await;
        reader.batch_execute("CREATE TABLE t (x int)").await.unwrap();
        reader.batch_execute("BEGIN; SELECT * FROM t").await.unwrap();
        let migration = server.session(&target, "evenkeel-migration-r1").await;
        let migration = wait_for_lock(migration, "ALTER TABLE t ADD y int");
        sleep(Duration::from_millis(100)).await;
        let user = wait_for_lock(server.session(&target, "api").await, "SELECT * FROM t");
        let Some(Look::Cancelled(blocking)) = watched(&target, 40).await else { panic!("not cancelled") };
        assert_eq!(blocking.obstacles[0].application, "report");
        assert!(!migration.await.unwrap());
        assert!(user.await.unwrap());
    }

    #[tokio::test]
    async fn a_migration_that_only_waits_is_told_of_and_left_alone() {
        let Some(server) = Server::start().await else { return };
        let target = server.database("app").await;
        let reader = server.session(&target, "report").await;
        reader.batch_execute("CREATE TABLE t (x int)").await.unwrap();
        reader.batch_execute("BEGIN; SELECT * FROM t").await.unwrap();
        let migration = server.session(&target, "evenkeel-migration-r1").await;
        let migration = wait_for_lock(migration, "ALTER TABLE t ADD y int");
        let Some(Look::Waits(blocking)) = watched(&target, 40).await else { panic!("not told") };
        assert_eq!(blocking.obstacles[0].application, "report");
        reader.batch_execute("COMMIT").await.unwrap();
        assert!(migration.await.unwrap());
    }
}
