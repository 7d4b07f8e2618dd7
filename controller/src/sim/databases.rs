//! PostgreSQL of the simulated host, as evenkeel reaches it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use evenkeel_core::database::{Backup, Fingerprint, Level};
use evenkeel_core::name::ContainerId;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::cluster::{Backend, Database};
use super::machine::{Machine, Trouble};
use super::world::World;
use crate::database::{
    BackupRequest, Blocking, DatabaseError, Databases, Found, Held, Observation, Quarry, RehearsalRequest,
    Restored, Store, Target,
};
use crate::engine::Engine;

fn unreachable(target: &Target, reason: &str) -> DatabaseError {
    DatabaseError::Unreachable { target: target.to_string(), reason: reason.to_owned() }
}

fn no_database(target: &Target) -> DatabaseError {
    DatabaseError::Refused {
        target: target.to_string(),
        action: "connect".to_owned(),
        reason: "the database does not exist".to_owned(),
        transient: false,
    }
}

impl World {
    /// A database, its cluster's identity and its server.
    fn database(&mut self, target: &Target) -> Result<(ContainerId, String, &mut Database), DatabaseError> {
        let (server, cluster) = self.server(&target.host).map_err(|reason| unreachable(target, &reason))?;
        let identity = cluster.system_identifier.clone();
        let database = cluster.databases.get_mut(&target.name).ok_or_else(|| no_database(target))?;
        Ok((server, identity, database))
    }
}

/// A lock; the server gives it free when its holder ends the session, or dies.
struct Lock {
    machine: Machine,
    key: (ContainerId, String),
    number: u64,
}

#[async_trait]
impl Held for Lock {
    async fn is_held(&self) -> bool {
        self.machine.look(|world| world.locks.get(&self.key) == Some(&self.number))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.machine.look(|world| {
            if world.locks.get(&self.key) == Some(&self.number) {
                world.locks.remove(&self.key);
            }
        });
    }
}

impl Machine {
    async fn in_database<T>(
        &self,
        what: &str,
        target: &Target,
        change: impl FnOnce(&mut World) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let trouble = |how| match how {
            Trouble::Unreachable => unreachable(target, "the connection broke"),
            Trouble::TimedOut => unreachable(target, "no answer for a minute"),
            Trouble::NoSpace => DatabaseError::Refused {
                target: target.to_string(),
                action: what.to_owned(),
                reason: "could not extend file: No space left on device".to_owned(),
                transient: true,
            },
        };
        self.act(what.to_owned(), trouble, change).await
    }

    fn try_lock(&self, target: &Target) -> Result<Option<Lock>, DatabaseError> {
        self.look(|world| {
            let (server, ..) = world.database(target)?;
            let (key, number) = ((server, target.name.clone()), world.number());
            if world.locks.contains_key(&key) {
                return Ok(None);
            }
            world.locks.insert(key.clone(), number);
            Ok(Some(Lock { machine: self.clone(), key, number }))
        })
    }
}

#[async_trait]
impl Databases for Machine {
    async fn accepts(&self, target: &Target) -> Result<(), DatabaseError> {
        self.look(|world| world.database(target).map(drop))
    }

    async fn observe(&self, target: &Target) -> Result<Observation, DatabaseError> {
        self.look(|world| {
            let (_, system_identifier, database) = world.database(target)?;
            Ok(Observation {
                system_identifier,
                server_version: 150_000,
                current: database.current(),
                size: 1_000_000,
            })
        })
    }

    async fn fingerprint(&self, target: &Target) -> Result<Fingerprint, DatabaseError> {
        self.look(|world| Ok(world.database(target)?.2.fingerprint()))
    }

    async fn lock(&self, target: &Target, wait: Duration) -> Result<Box<dyn Held>, DatabaseError> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(lock) = self.try_lock(target)? {
                return Ok(Box::new(lock));
            }
            if Instant::now() >= deadline {
                let holder = "another evenkeel".to_owned();
                return Err(DatabaseError::Locked { target: target.to_string(), holder });
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn hunt(
        &self,
        target: &Target,
        quarry: &Quarry,
        _wait: Duration,
    ) -> Result<Vec<Found>, DatabaseError> {
        let (server, ..) = self.look(|world| world.database(target).map(|(server, ..)| (server, ())))?;
        let hunted =
            |it: &Backend| it.server == server && it.database == target.name && is_quarry(it, quarry);
        if self.look(|world| world.backends.iter().any(hunted)) {
            self.in_database("end a migration's sessions", target, |world| {
                Ok(world.terminate(hunted).iter().map(found).collect())
            })
            .await
        } else {
            Ok(Vec::new())
        }
    }

    async fn watch(
        &self,
        _target: &Target,
        _addresses: &BTreeSet<IpAddr>,
        _limit: Duration,
        _waits: &mut (dyn FnMut(Blocking) + Send),
    ) -> Result<Blocking, DatabaseError> {
        std::future::pending().await
    }

    async fn scratch(
        &self,
        engine: &dyn Engine,
        request: &RehearsalRequest<'_>,
    ) -> Result<Target, DatabaseError> {
        if let Some(left) = engine.container(&request.scratch.name).await? {
            engine.remove(left.id.as_str(), true).await?;
        }
        let schema = self.look(|world| Ok::<_, DatabaseError>(world.database(request.target)?.2.clone()))?;
        let id = engine.create(&request.scratch).await?;
        engine.start(id.as_str()).await?;
        sleep(Duration::from_secs(1)).await;
        let container = engine.container(id.as_str()).await?;
        let host =
            container.and_then(|it| it.networks.values().next().map(|joined| joined.ip_address.clone()));
        let scratch = Target { host: host.unwrap_or_default(), ..request.target.clone() };
        self.in_database("load the schema", &scratch, |world| {
            let rows = BTreeSet::new();
            let (_, cluster) =
                world.server(&scratch.host).map_err(|reason| unreachable(&scratch, &reason))?;
            cluster.databases.insert(scratch.name.clone(), Database { rows, ..schema });
            Ok(())
        })
        .await?;
        Ok(scratch)
    }

    async fn drop_indexes(&self, target: &Target, indexes: &[String]) -> Result<(), DatabaseError> {
        self.in_database("drop invalid indexes", target, |world| {
            let (.., database) = world.database(target)?;
            database.invalid.retain(|index| !indexes.contains(index));
            Ok(())
        })
        .await
    }

    async fn back_up(
        &self,
        _engine: &dyn Engine,
        _store: &Store,
        target: &Target,
        request: BackupRequest,
    ) -> Result<Backup, DatabaseError> {
        sleep(Duration::from_secs(1)).await;
        self.in_database("back up", target, |world| {
            let (_, system_identifier, database) = world.database(target)?;
            let copy = database.clone();
            let id = format!("backup-{}", world.number());
            let backup = Backup {
                id: id.clone(),
                created_at: request.now,
                reason: request.reason,
                level: Level::Decoded,
                verified_at: Some(request.now),
                broken: None,
                database: target.name.clone(),
                system_identifier,
                server_version: 150_000,
                revisions: copy.revisions(),
                image: request.image,
                size: 1_000,
                sha256: String::new(),
                rows: BTreeMap::from([("\"public\".\"entries\"".to_owned(), copy.rows.len() as u64)]),
                globals_missing: None,
            };
            world.backups.insert(id, copy);
            Ok(backup)
        })
        .await
    }

    async fn verify(
        &self,
        _engine: &dyn Engine,
        _store: &Store,
        target: &Target,
        _id: &str,
        _restored: bool,
        _now: Timestamp,
    ) -> Result<Backup, DatabaseError> {
        Err(unreachable(target, "nobody verifies backups here"))
    }

    async fn restore(
        &self,
        _engine: &dyn Engine,
        _store: &Store,
        target: &Target,
        id: &str,
        tag: &str,
    ) -> Result<Restored, DatabaseError> {
        let kept_as = format!("{}_before_{tag}", target.name);
        sleep(Duration::from_secs(1)).await;
        self.in_database("restore", target, |world| {
            let none = || DatabaseError::NoBackup { id: id.to_owned(), directory: "simulated".to_owned() };
            let backup = world.backups.get(id).cloned().ok_or_else(none)?;
            let (_, cluster) = world.server(&target.host).map_err(|reason| unreachable(target, &reason))?;
            let already = cluster.databases.contains_key(&kept_as);
            if !already && let Some(replaced) = cluster.databases.insert(target.name.clone(), backup) {
                cluster.databases.insert(kept_as.clone(), replaced);
            }
            Ok(Restored { kept_as, already })
        })
        .await
    }
}

fn found(backend: &Backend) -> Found {
    Found {
        pid: 1,
        application: String::new(),
        address: Some(backend.address.to_string()),
        query: String::new(),
        started: String::new(),
    }
}

/// From an address that the one-off had, or from the hunting ground and of nobody alive. These drivers don't tell their name.
fn is_quarry(backend: &Backend, quarry: &Quarry) -> bool {
    let within = |subnet: &String| {
        let (first, bits) = subnet.split_once('/')?;
        let (first, bits): (std::net::Ipv4Addr, u32) = (first.parse().ok()?, bits.parse().ok()?);
        let IpAddr::V4(address) = backend.address else { return None };
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        (u32::from(address) & mask == u32::from(first) & mask).then_some(())
    };
    quarry.addresses.contains(&backend.address)
        || quarry.subnets.iter().any(|subnet| within(subnet).is_some())
            && !quarry.alive.contains(&backend.address)
}
