//! One run of the migration tool, in a one-off container, supervised from the database's side.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::container::ContainerSpec;
use evenkeel_core::database::redact::Redactor;
use evenkeel_core::database::{Scripts, history};
use evenkeel_core::name::ContainerId;
use evenkeel_core::observed::{Container, State};
use evenkeel_core::secret::Secret;
use tokio::time::{Instant, sleep, sleep_until};

use super::access::Databases;
use super::blocking::Blocking;
use super::error::DatabaseError;
use super::hunt::{Found, MIGRATION, Quarry};
use super::target::Target;
use crate::engine::{Engine, EngineError, LogLine};

/// How long the sessions of a stopped migration may take to go: a large rollback is quick, a signal to a busy disk is not.
const HUNT: Duration = Duration::from_secs(60);

/// How long listing the scripts may take.
const LISTING: Duration = Duration::from_secs(120);

/// The pause before the engine, which did not answer, is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Lines of output that are kept.
const TAIL: usize = 60;

/// A prepared one-off container, and the tool in it.
#[derive(Clone, Debug)]
pub(crate) struct OneOff {
    /// The container: image, environment, networks, and a name that is the same each time, so that what a crash left is found.
    pub spec: ContainerSpec,
    /// The tool's command line, such as `[alembic, -c, db.ini]`; it replaces the image's entrypoint.
    pub command: Vec<String>,
    /// Where sessions of earlier ones may be found; sessions that call themselves a migration are found anyway.
    pub quarry: Quarry,
}

/// What a migration may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Time in all.
    pub timeout: Duration,
    /// Time during which users wait for it without a break.
    pub max_blocking: Duration,
}

/// How a migration came to its end. Whatever it was, its container and its sessions are gone.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The tool's exit code; that of a killed one tells nothing.
    pub exit_code: i64,
    /// The last lines of its output, secrets taken out.
    pub tail: Vec<String>,
    /// How it ended.
    pub ended: Ended,
    /// Sessions that had to be ended, before it and after it.
    pub hunted: Vec<Found>,
    /// The last report that it waited for somebody's lock for long, with nobody behind it.
    pub waited: Option<Blocking>,
    /// How long it ran.
    pub took: Duration,
}

/// Why a migration ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself; the exit code tells how.
    Finished,
    /// It took too long, and was killed.
    TimedOut,
    /// It kept users waiting, and was killed.
    CancelledForBlocking(Box<Blocking>),
}

impl Outcome {
    /// Whether the tool says that all is well.
    pub(crate) fn succeeded(&self) -> bool {
        self.ended == Ended::Finished && self.exit_code == 0
    }
}

/// Runs the tool with arguments such as `[upgrade, ae1027a6acf]`.
///
/// What an earlier run left (a container of that name, sessions) is removed first. The container is watched from the
/// database: blocking and deadline end its sessions and kill it. On return neither it nor its sessions exist, so that what one
/// then observes is the truth, and that is what decides: the exit code is a hint.
///
/// # Errors
/// When the engine or the database fails; also then everything that can be reached has been removed.
pub(crate) async fn run(
    engine: &dyn Engine,
    databases: &dyn Databases,
    one_off: &OneOff,
    arguments: &[String],
    target: &Target,
    limits: Limits,
) -> Result<Outcome, DatabaseError> {
    let mut hunted = clear(engine, databases, one_off, target).await?;
    let id = engine.create(&prepared(one_off, arguments)).await?;
    let by_name_only = one_off.quarry.by_name_only;
    let mut run =
        Run { engine, databases, target, limits, id, addresses: BTreeSet::new(), by_name_only, waited: None };
    let began = Instant::now();
    let ended = run.supervise().await;
    let (tail, left) = run.finish(one_off).await?;
    hunted.extend(left);
    let (ended, exit_code) = ended?;
    Ok(Outcome { exit_code, tail, ended, hunted, waited: run.waited, took: began.elapsed() })
}

/// Lists the migration scripts of an image, without any network. Several heads are what they are: refusing them is the
/// caller's affair.
///
/// No scripts at all is what an output looks like that has not reached the log yet (an engine waits two seconds for it when a container
/// has ended), and a cut history the same. A schema would be taken down for it: such a listing is made once more.
///
/// # Errors
/// When the tool fails, or what it prints is no whole history.
pub(crate) async fn scripts(engine: &dyn Engine, one_off: &OneOff) -> Result<Scripts, DatabaseError> {
    match list(engine, one_off).await {
        Ok(listed) if !listed.heads.is_empty() => Ok(listed),
        Ok(_) | Err(DatabaseError::History(_)) => list(engine, one_off).await,
        failed => failed,
    }
}

async fn list(engine: &dyn Engine, one_off: &OneOff) -> Result<Scripts, DatabaseError> {
    let spec = offline(one_off);
    remove(engine, &spec.name).await?;
    let id = engine.create(&spec).await?;
    let listed = listing(engine, &id).await;
    let removed = remove(engine, id.as_str()).await;
    let (exit_code, lines) = listed?;
    removed?;
    if exit_code != 0 {
        return Err(DatabaseError::Scripts { exit_code, tail: tail(&redactor(one_off, None), &lines) });
    }
    let output: Vec<&str> = lines.iter().filter(|line| !line.stderr).map(|line| line.text.as_str()).collect();
    Ok(history::parse(&output.join("\n"))?)
}

struct Run<'a> {
    engine: &'a dyn Engine,
    databases: &'a dyn Databases,
    target: &'a Target,
    limits: Limits,
    id: ContainerId,
    addresses: BTreeSet<IpAddr>,
    by_name_only: bool,
    waited: Option<Blocking>,
}

impl Run<'_> {
    async fn supervise(&mut self) -> Result<(Ended, i64), DatabaseError> {
        let deadline = Instant::now() + self.limits.timeout;
        self.engine.start(self.id.as_str()).await?;
        let container = self.engine.container(self.id.as_str()).await?;
        self.addresses = container.iter().filter(|_| !self.by_name_only).flat_map(addresses).collect();
        let (engine, id) = (self.engine, self.id.clone());
        // All three may be dropped at any point: waiting and watching only read, but for the cancellation, which is bounded and
        // is repeated by the hunt that follows.
        tokio::select! {
            exit_code = exited(engine, &id) => Ok((Ended::Finished, exit_code?)),
            () = sleep_until(deadline) => Ok((Ended::TimedOut, -1)),
            blocking = self.watch() => Ok((Ended::CancelledForBlocking(Box::new(blocking)), -1)),
        }
    }

    /// Ends only with a cancellation. Where one cannot look, the deadline still holds.
    async fn watch(&mut self) -> Blocking {
        loop {
            match self.watched().await {
                Ok(blocking) => return blocking,
                Err(error) => tracing::warn!(%error, "cannot see whom the migration keeps waiting"),
            }
            sleep(AGAIN).await;
        }
    }

    async fn watched(&mut self) -> Result<Blocking, DatabaseError> {
        let waited = &mut self.waited;
        let mut waits = |report: Blocking| {
            if waited.is_none() {
                let holders: Vec<i32> = report.obstacles.iter().map(|session| session.pid).collect();
                tracing::warn!(?holders, "the migration waits for a lock that others hold");
            }
            *waited = Some(report);
        };
        self.databases.watch(self.target, &self.addresses, self.limits.max_blocking, &mut waits).await
    }

    /// Kills, hunts, reads the log, removes, in this order: what is gone cannot connect again, and a killed one's sessions have to
    /// be ended even when the engine fails.
    async fn finish(&self, one_off: &OneOff) -> Result<(Vec<String>, Vec<Found>), DatabaseError> {
        let stopped = self.engine.stop(self.id.as_str(), Some(Duration::ZERO)).await;
        let quarry = Quarry { addresses: self.addresses.clone(), ..one_off.quarry.clone() };
        let left = self.databases.hunt(self.target, &quarry, HUNT).await;
        let lines = self.engine.logs(self.id.as_str(), 0, Some(TAIL)).await.unwrap_or_default();
        let removed = remove(self.engine, self.id.as_str()).await;
        stopped?;
        removed?;
        Ok((tail(&redactor(one_off, self.target.password.clone()), &lines), left?))
    }
}

/// Ends what an earlier run left: its container, so that it cannot connect again, and then its sessions.
async fn clear(
    engine: &dyn Engine,
    databases: &dyn Databases,
    one_off: &OneOff,
    target: &Target,
) -> Result<Vec<Found>, DatabaseError> {
    let mut quarry = one_off.quarry.clone();
    let left = engine.container(&one_off.spec.name).await?;
    if let Some(left) = &left {
        if !quarry.by_name_only {
            quarry.addresses.extend(addresses(left));
        }
        engine.stop(left.id.as_str(), Some(Duration::ZERO)).await?;
    }
    let hunted = databases.hunt(target, &quarry, HUNT).await?;
    // Last, so that after another crash it still tells that there are sessions to look for.
    if let Some(left) = left {
        remove(engine, left.id.as_str()).await?;
    }
    Ok(hunted)
}

async fn remove(engine: &dyn Engine, id: &str) -> Result<(), EngineError> {
    match engine.container(id).await? {
        Some(container) => engine.remove(container.id.as_str(), true).await,
        None => Ok(()),
    }
}

fn addresses(container: &Container) -> Vec<IpAddr> {
    container.networks.values().filter_map(|joined| joined.ip_address.parse().ok()).collect()
}

/// The exit code once it has exited; an engine that is away for a while does not make a migration fail.
///
/// Waiting ends for whatever does not run, so also with 0 for what has not begun: the container itself is asked how it ended.
async fn exited(engine: &dyn Engine, id: &ContainerId) -> Result<i64, EngineError> {
    loop {
        match ended(engine, id).await {
            Ok(Some(exit_code)) => return Ok(exit_code),
            Ok(None) | Err(EngineError::Unreachable { .. } | EngineError::Timeout { .. }) => {
                sleep(AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn ended(engine: &dyn Engine, id: &ContainerId) -> Result<Option<i64>, EngineError> {
    let waited = engine.wait(id.as_str()).await?;
    Ok(match engine.container(id.as_str()).await? {
        Some(container) if matches!(container.state, State::Exited | State::Dead) => {
            Some(container.exit_code)
        }
        Some(_) => None,
        // Somebody has removed it: what the wait said is all there is.
        None => Some(waited),
    })
}

async fn listing(engine: &dyn Engine, id: &ContainerId) -> Result<(i64, Vec<LogLine>), DatabaseError> {
    engine.start(id.as_str()).await?;
    let late = |_| EngineError::Timeout { action: "list the migration scripts".to_owned(), after: LISTING };
    let exit_code = tokio::time::timeout(LISTING, exited(engine, id)).await.map_err(late)??;
    Ok((exit_code, engine.logs(id.as_str(), 0, None).await?))
}

fn prepared(one_off: &OneOff, arguments: &[String]) -> ContainerSpec {
    let mut spec = one_off.spec.clone();
    let mut words = one_off.command.iter().cloned();
    spec.service.entrypoint = words.next().map(|tool| vec![tool]);
    spec.service.command = Some(words.chain(arguments.iter().cloned()).collect());
    // A terminal would mix the two outputs into one.
    (spec.service.tty, spec.publish, spec.auto_remove, spec.restart) =
        (false, false, false, RestartPolicy::No);
    let application: String = format!("{MIGRATION}-{}", spec.name).chars().take(63).collect();
    spec.service.environment.insert("PGAPPNAME".to_owned(), Secret::new(application));
    spec
}

fn offline(one_off: &OneOff) -> ContainerSpec {
    let mut spec = prepared(one_off, &["history".to_owned()]);
    spec.name.push_str("-scripts");
    spec.endpoints.clear();
    spec.service.network_mode = Some("none".to_owned());
    spec
}

fn redactor(one_off: &OneOff, password: Option<Secret>) -> Redactor {
    Redactor::new(&one_off.spec.service.environment, password)
}

fn tail(redactor: &Redactor, lines: &[LogLine]) -> Vec<String> {
    lines[lines.len().saturating_sub(TAIL)..].iter().map(|line| redactor.line(&line.text)).collect()
}

#[cfg(test)]
mod tests;
