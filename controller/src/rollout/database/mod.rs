//! The database's part of a rollout: facts, migrations, backups, restores.

mod backups;
mod look;
mod reach;
mod steps;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::compose::Service;
use evenkeel_core::database::Fingerprint;
use evenkeel_core::database::redact::Redactor;
use evenkeel_core::name::{ReleaseDigest, SchemaRevision};
use evenkeel_core::plan::Direction;
use evenkeel_core::release::Release;
use evenkeel_core::status::Reason;
use serde::{Deserialize, Serialize};

pub(crate) use self::backups::{backup_now, restore_now, verify_now};
pub(super) use self::look::facts;
pub(super) use self::reach::variable_of;
use super::{Context, Failure};
use crate::database::DatabaseError;

/// How long another rollout's lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(30);
/// How long a database that has just been started may take to accept.
pub(super) const CONNECT_TRIES: u32 = 20;
/// The pause between two tries.
pub(super) const CONNECT_AGAIN: Duration = Duration::from_millis(500);

/// A migration that was begun: enough to believe the database again after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    direction: Direction,
    with: ReleaseDigest,
    from: BTreeSet<SchemaRevision>,
    to: BTreeSet<SchemaRevision>,
    /// It was seen that it had failed: who gets there afterwards is somebody else.
    #[serde(default)]
    failed: bool,
    /// The tool itself gave up: nobody ended it for what it kept waiting, or for its time.
    #[serde(default)]
    gave_up: bool,
    /// It was seen, after its rollout was over, that nothing of it is there: where somebody is on its way afterwards is somebody else's.
    #[serde(default)]
    came_to_nothing: bool,
    /// It takes back what a release that failed did.
    #[serde(default)]
    puts_back: bool,
}

/// The schema before a migration was begun for the first time, and after a backup was put back.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stood {
    at: BTreeSet<SchemaRevision>,
    fingerprint: Fingerprint,
}

impl Begun {
    /// Whether it goes on with another one, of which a part may be done by now.
    fn goes_on_with(&self, earlier: &Self) -> bool {
        let is_upwards = self.direction == Direction::Up;
        self.direction == earlier.direction
            && self.puts_back == earlier.puts_back
            && self.with == earlier.with
            && self.to == earlier.to
            && (is_upwards || self.from == earlier.from)
    }

    /// Whether a schema stands between two of the scripts that this applies, or takes back: each has a transaction of its own, say.
    fn stopped_between(&self, context: &Context, at: &BTreeSet<SchemaRevision>) -> Result<bool, Failure> {
        if *at == self.from || *at == self.to {
            return Ok(false);
        }
        let scripts = context.ledger.outputs(&context.app, &self.with)?.scripts;
        let (upper, lower) = match self.direction {
            Direction::Up => (&self.to, &self.from),
            Direction::Down => (&self.from, &self.to),
        };
        Ok(scripts.is_some_and(|scripts| scripts.lead_down(upper, at) && scripts.lead_down(at, lower)))
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        let message = error.to_string();
        match error {
            DatabaseError::Engine(error) => error.into(),
            error if error.transient() => Self::transient(Reason::PreflightFailed, message),
            _ => Self::release(Reason::MigrationFailed, message),
        }
    }
}

/// A network's gateway: the first address, as the engine gives it out. The host's own sessions come from there.
pub(super) fn gateway(subnet: &str) -> Option<IpAddr> {
    let address: std::net::Ipv4Addr = subnet.split_once('/')?.0.parse().ok()?;
    Some(IpAddr::V4(std::net::Ipv4Addr::from(u32::from(address) + 1)))
}

/// Takes the secrets of every service out of a text.
pub(super) fn redacted(release: &Release, text: &str) -> String {
    redacted_of(release.project.services.values(), text)
}

/// Takes the secrets of services out of a text.
pub(super) fn redacted_of<'s>(services: impl Iterator<Item = &'s Service>, text: &str) -> String {
    let hooks = |service: &'s Service| service.post_start.iter().chain(&service.pre_stop);
    let variables = services.flat_map(|it| hooks(it).map(|hook| &hook.environment).chain([&it.environment]));
    let redactors: Vec<Redactor> = variables.map(|variables| Redactor::new(variables, [])).collect();
    let lines = text
        .lines()
        .map(|line| redactors.iter().fold(line.to_owned(), |line, redactor| redactor.line(&line)));
    lines.collect::<Vec<_>>().join("\n")
}
