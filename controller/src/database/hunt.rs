//! A killed migration does not stop: its backend goes on, holding its locks, until it notices. What it left behind is found,
//! ended, and waited for; only then is what one sees the truth.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::database::redact;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

use super::error::DatabaseError;
use super::target::{APPLICATION, Target};

/// How a migration's sessions call themselves, where its driver lets them.
pub(super) const MIGRATION: &str = "evenkeel-migration";

/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Sessions on the database: either of the one-off's own kind, or from the hunting ground and of nobody alive. evenkeel's own
/// are spared: from the host it comes through the networks' gateways, or from a container of its own.
const FIND: &str = "SELECT pid, application_name, host(client_addr), COALESCE(query, ''), backend_start::text \
    FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend' \
    AND application_name <> $2 AND backend_start <= $7::text::timestamptz AND (starts_with(application_name, $3) \
        OR client_addr = ANY ($4::inet[]) \
        OR (client_addr <<= ANY ($5::text[]::cidr[]) AND NOT client_addr = ANY ($6::inet[])))";

/// Whom to hunt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quarry {
    /// Addresses that the one-off container had.
    pub addresses: BTreeSet<IpAddr>,
    /// Networks that one-off containers were on, as CIDR.
    pub subnets: Vec<String>,
    /// Addresses there that belong to somebody: every running container, *and the networks' gateways*, through which whoever
    /// uses a published port or the host arrives.
    pub alive: BTreeSet<IpAddr>,
    /// The server is somewhere where these addresses are other people's: it sees them translated, and sessions are known by what
    /// they call themselves only.
    pub by_name_only: bool,
}

/// A session that was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its process on the server.
    pub pid: i32,
    /// What it called itself.
    pub application: String,
    /// Where it came from.
    pub address: Option<String>,
    /// What it was doing, values taken out.
    pub query: String,
    /// When it began, as the server tells the time.
    pub started: String,
}

/// Ends every session that a killed one-off container left on the database, and returns when they are gone; what was found.
/// To be called once the containers themselves are gone, lest they connect again.
///
/// # Errors
/// When some are still there after `wait`, or the role may not end them.
pub(crate) async fn hunt(
    target: &Target,
    quarry: &Quarry,
    wait: Duration,
) -> Result<Vec<Found>, DatabaseError> {
    let session = target.connect_for_maintenance().await?;
    let deadline = Instant::now() + wait;
    let began = now(&session, target).await?;
    let mut all: Vec<Found> = Vec::new();
    loop {
        let left = find(&session, target, quarry, &began).await?;
        if left.is_empty() {
            return Ok(all);
        }
        if Instant::now() >= deadline {
            return Err(still_there(target, wait));
        }
        terminate(&session, target, left.iter().map(|found| found.pid).collect()).await?;
        all.extend(left.into_iter().filter(|found| !all.contains(found)).collect::<Vec<_>>());
        sleep(LOOK).await;
    }
}

/// The server's clock: what connected later is nobody's who was dead by then, though it may have got the same address.
async fn now(session: &Client, target: &Target) -> Result<String, DatabaseError> {
    let row = session.query_one("SELECT clock_timestamp()::text", &[]).await;
    row.and_then(|row| row.try_get(0)).map_err(|error| DatabaseError::sql(target, "tell the time", &error))
}

async fn find(
    session: &Client,
    target: &Target,
    quarry: &Quarry,
    began: &String,
) -> Result<Vec<Found>, DatabaseError> {
    let addresses: Vec<IpAddr> = quarry.addresses.iter().copied().collect();
    let alive: Vec<IpAddr> = quarry.alive.iter().copied().collect();
    let (own, migration) = (APPLICATION.to_owned(), MIGRATION.to_owned());
    let rows = session
        .query(FIND, &[&target.name, &own, &migration, &addresses, &quarry.subnets, &alive, began])
        .await;
    let rows = rows.map_err(|error| DatabaseError::sql(target, "list its sessions", &error))?;
    rows.iter()
        .map(found)
        .collect::<Result<_, _>>()
        .map_err(|error| DatabaseError::sql(target, "list its sessions", &error))
}

fn found(row: &tokio_postgres::Row) -> Result<Found, tokio_postgres::Error> {
    Ok(Found {
        pid: row.try_get(0)?,
        application: row.try_get(1)?,
        address: row.try_get(2)?,
        query: redact::statement(row.try_get(3)?),
        started: row.try_get(4)?,
    })
}

/// Ends sessions by process id. Those that are gone already do no harm.
pub(super) async fn terminate(
    session: &Client,
    target: &Target,
    pids: Vec<i32>,
) -> Result<(), DatabaseError> {
    let ended = session.query("SELECT pg_terminate_backend(pid) FROM unnest($1::int4[]) pid", &[&pids]).await;
    ended
        .map(drop)
        .map_err(|error| DatabaseError::sql(target, "end the sessions of a killed migration", &error))
}

fn still_there(target: &Target, after: Duration) -> DatabaseError {
    let action = "end the sessions of a killed migration".to_owned();
    DatabaseError::Timeout { target: target.to_string(), action, after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::testing::Server;

    const WAIT: Duration = Duration::from_secs(10);

    fn quarry(subnet: &str, alive: &[&str]) -> Quarry {
        let alive = alive.iter().map(|address| address.parse().unwrap()).collect();
        Quarry { subnets: vec![subnet.to_owned()], alive, ..Quarry::default() }
    }

    #[tokio::test]
    async fn what_a_killed_container_left_is_ended() {
        let Some(server) = Server::start().await else { return };
        let target = server.database("app").await;
        let left = server.session(&target, "python").await;
        left.batch_execute("BEGIN; CREATE TABLE public.t (x int)").await.unwrap();
        let found = hunt(&target, &quarry("127.0.0.0/8", &[]), WAIT).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].application.as_str(), found[0].address.as_deref()),
            ("python", Some("127.0.0.1"))
        );
        assert!(left.query_one("SELECT 1", &[]).await.is_err());
        assert_eq!(hunt(&target, &quarry("127.0.0.0/8", &[]), WAIT).await.unwrap(), []);
    }

    #[tokio::test]
    async fn the_living_and_the_foreign_are_spared() {
        let Some(server) = Server::start().await else { return };
        let (target, other) = (server.database("app").await, server.database("other").await);
        let user = server.session(&target, "user").await;
        let elsewhere = server.session(&other, "evenkeel-migration-r1").await;
        let own = target.connect().await.unwrap();
        assert_eq!(hunt(&target, &quarry("127.0.0.0/8", &["127.0.0.1"]), WAIT).await.unwrap(), []);
        assert_eq!(hunt(&target, &quarry("10.0.0.0/8", &[]), WAIT).await.unwrap(), []);
        for session in [&user, &elsewhere, &own] {
            session.query_one("SELECT 1", &[]).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_migration_is_known_by_its_name_and_by_its_address() {
        let Some(server) = Server::start().await else { return };
        let target = server.database("app").await;
        let _named = server.session(&target, "evenkeel-migration-r1").await;
        assert_eq!(hunt(&target, &Quarry::default(), WAIT).await.unwrap().len(), 1);
        let _addressed = server.session(&target, "user").await;
        let by_address = Quarry { addresses: ["127.0.0.1".parse().unwrap()].into(), ..Quarry::default() };
        assert_eq!(hunt(&target, &by_address, WAIT).await.unwrap().len(), 1);
    }
}
