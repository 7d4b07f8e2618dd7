//! What status shows: from the ledger, and from what the last pass saw.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::name::{AppName, ReleaseDigest, RolloutId};
use evenkeel_core::observed::{Container, HealthStatus, State};
use evenkeel_core::plan::Class;
use evenkeel_core::release::Release;
use evenkeel_core::status::{
    AppStatus, Condition, HealthWord, Outcome, Phase, Reason, SchemaStatus, ServiceStatus, Sync,
};

use super::app::Handle;
use crate::ledger::{AppRecord, Ledger, LedgerError};
use crate::rollout::{Failure, Gathered};

/// How often status is refreshed while a rollout goes on.
const LOOK: Duration = Duration::from_secs(2);

/// What the last pass saw.
#[derive(Default)]
pub(super) struct View {
    /// What holds until the next pass.
    pub(super) conditions: Vec<Condition>,
    /// Those that the current pass has seen.
    pub(super) seen: BTreeSet<Reason>,
    /// The release that the branch asks for.
    pub(super) desired: Option<ReleaseDigest>,
    pub(super) services: Vec<ServiceStatus>,
    pub(super) schema: Option<SchemaStatus>,
    /// What the source says of itself.
    pub(super) source: Vec<Condition>,
    /// The release that is refused, and what is next for it.
    pub(super) refused: Option<(ReleaseDigest, String)>,
}

impl View {
    /// Something holds, as the current pass sees it.
    pub(super) fn hold(&mut self, condition: Condition) {
        self.seen.insert(condition.reason);
        self.conditions.retain(|it| it.reason != condition.reason);
        self.conditions.push(condition);
    }
}

impl Handle {
    /// The branch asks for this, and that stands against it.
    pub(super) fn saw(&self, desired: &Release, conditions: &[Condition]) {
        let mut view = self.view.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        view.desired = Some(desired.digest.clone());
        conditions.iter().cloned().for_each(|condition| view.hold(condition));
    }

    /// The engine and the database look like this.
    pub(super) fn observed(&self, release: &Release, gathered: &Gathered) {
        let facts = gathered.facts(release, RolloutId(0));
        let services = release.project.services.iter().map(|(name, service)| {
            let containers = facts.containers_of(name);
            let serving = gathered.serving.get(name);
            let container = containers
                .iter()
                .find(|container| Some(&container.id) == serving)
                .or_else(|| containers.iter().find(|container| container.running()))
                .copied();
            let proven = facts.class(name, service) != Class::OneShot
                && (release.options(name).probe.is_some()
                    || evenkeel_core::plan::has_healthcheck(service, facts.image(name)));
            let image = release.images.get(name).map(|source| source.reference().to_owned());
            ServiceStatus { image, ..service_status(name.as_str(), container, proven, service.one_shot) }
        });
        let schema = gathered.database.as_ref().map(|database| SchemaStatus {
            desired: gathered
                .outputs
                .scripts
                .iter()
                .flat_map(|scripts| &scripts.heads)
                .map(ToString::to_string)
                .collect(),
            current: database.current.iter().flatten().map(ToString::to_string).collect(),
            state: database.word,
        });
        let services = services.collect();
        let mut view = self.view.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        view.services = services;
        view.schema = schema;
    }

    /// Looks without doing anything.
    pub(super) async fn look(&self, release: &Release) -> Result<(), Failure> {
        let gathered =
            Gathered::look(&self.context, release, evenkeel_core::plan::Hints::default(), None).await?;
        self.observed(release, &gathered);
        Ok(())
    }

    /// Looks now and then, so that status shows what a rollout has come to. Never ends.
    pub(super) async fn keep_looking(&self, release: &Release) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.look(release).await {
                tracing::debug!(app = %self.name, %error, "status could not be refreshed");
            }
        }
    }

    /// The whole status.
    pub(super) fn status(&self) -> Result<AppStatus, LedgerError> {
        let ledger = &self.context.ledger;
        let record = ledger.app(&self.name)?;
        let quarantine = ledger.quarantined(&self.name)?;
        let phase = self.context.live().phase;
        let view = self.view.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let conditions = merged(&view, ledger.conditions(&self.name)?);
        let astray = |it: &Condition| {
            matches!(it.reason, Reason::RevertFailed | Reason::DatabaseAhead | Reason::DatabaseDiverged)
        };
        let sync = match (&view.desired, &record.live_release) {
            (None, _) => Sync::Unknown,
            _ if is_elsewhere(&conditions) => Sync::Unknown,
            _ if conditions.iter().any(astray) => Sync::OutOfSync,
            (Some(desired), Some(live)) if desired == live => Sync::Synced,
            _ => Sync::OutOfSync,
        };
        let health = health(&view, &record, phase, &conditions);
        Ok(AppStatus {
            name: self.name.clone(),
            source: self.source.config().name.clone(),
            sync,
            health,
            phase,
            desired_revision: Some(self.tip.borrow().revision.clone()),
            attempted_revision: record.attempted_revision.clone(),
            live_revision: record.live_revision.clone(),
            live_release: record.live_release.clone(),
            schema: view.schema.clone(),
            next: next(self, &view, &record, phase, &conditions).unwrap_or_else(|| watching(sync)),
            conditions,
            quarantine,
            services: view.services.clone(),
        })
    }
}

fn merged(view: &View, held: Vec<Condition>) -> Vec<Condition> {
    let mut conditions = held;
    for condition in &view.conditions {
        match conditions.iter_mut().find(|held| held.reason == condition.reason) {
            Some(held) => held.message.clone_from(&condition.message),
            None => conditions.push(condition.clone()),
        }
    }
    // What the source says of itself adds to what the application says, and never hides it.
    for condition in &view.source {
        if !conditions.iter().any(|it| it.reason == condition.reason) {
            conditions.push(condition.clone());
        }
    }
    conditions
}

fn service_status(name: &str, container: Option<&Container>, proven: bool, one_shot: bool) -> ServiceStatus {
    ServiceStatus {
        name: name.to_owned(),
        container: container.map(|container| container.name.clone()),
        image: container.map(|container| container.image.clone()),
        state: container.map_or("missing".to_owned(), |container| word(container.state)),
        health: service_health(container, proven, one_shot).to_owned(),
    }
}

fn word(state: State) -> String {
    serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn service_health(container: Option<&Container>, proven: bool, one_shot: bool) -> &'static str {
    let Some(container) = container else { return "Missing" };
    match (container.state, container.health.as_ref().map(|health| health.status)) {
        (State::Exited, _) if one_shot && container.exit_code == 0 => "Healthy",
        (State::Running, Some(HealthStatus::Unhealthy)) => "Degraded",
        (State::Running, Some(HealthStatus::Starting)) | (State::Created, _) => "Progressing",
        (State::Running, _) if proven => "Healthy",
        (State::Running, _) => "Healthy (unproven)",
        _ => "Degraded",
    }
}

/// Another evenkeel looks after it, so that nothing of it is known here.
fn is_elsewhere(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| condition.reason == Reason::OwnedElsewhere)
}

/// What is known to be wrong, then the services, then whether somebody suspended it.
fn health(view: &View, record: &AppRecord, phase: Phase, conditions: &[Condition]) -> HealthWord {
    let bad = |reason: Reason| {
        matches!(
            reason,
            Reason::RevertFailed
                | Reason::DatabaseAhead
                | Reason::DatabaseDiverged
                | Reason::EngineUnreachable
        )
    };
    if is_elsewhere(conditions) {
        return HealthWord::Unknown;
    }
    if conditions.iter().any(|condition| bad(condition.reason)) {
        return HealthWord::Degraded;
    }
    let health = of_services(view, record, phase);
    // That nothing new is wanted does not make what does not work any better.
    match health {
        HealthWord::Degraded | HealthWord::Missing => health,
        _ if record.suspended.is_some() => HealthWord::Suspended,
        _ => health,
    }
}

/// The worst service wins.
fn of_services(view: &View, record: &AppRecord, phase: Phase) -> HealthWord {
    let any = |word: &str| view.services.iter().any(|service| service.health == word);
    if view.services.is_empty() {
        return if phase == Phase::Idle { HealthWord::Unknown } else { HealthWord::Progressing };
    }
    if record.live_release.is_none() && phase != Phase::Idle {
        return HealthWord::Progressing;
    }
    if view.services.iter().all(|service| service.health == "Missing") {
        return HealthWord::Missing;
    }
    if any("Missing") || any("Degraded") {
        return HealthWord::Degraded;
    }
    if any("Progressing") { HealthWord::Progressing } else { HealthWord::Healthy }
}

/// What happens next, in a sentence, where something stands in the way of it.
fn next(
    handle: &Handle,
    view: &View,
    record: &AppRecord,
    phase: Phase,
    conditions: &[Condition],
) -> Option<String> {
    let has = |reason: Reason| conditions.iter().find(|condition| condition.reason == reason);
    if phase != Phase::Idle {
        return Some(handle.context.live().message);
    }
    if is_elsewhere(conditions) {
        let what = "stands aside for the project's owner, and looks every minute; `evenkeel claim` makes it the owner";
        return Some(what.to_owned());
    }
    if has(Reason::RevertFailed).is_some() {
        return Some("stopped: what serves is kept; waits for a new commit or `evenkeel retry`".to_owned());
    }
    if let Some(since) = record.suspended {
        return Some(format!("suspended since {since}; waits for `evenkeel resume`"));
    }
    if let Some(condition) = has(Reason::Quarantined) {
        let since = condition.since;
        return Some(format!("quarantined since {since}; waits for a new commit or `evenkeel retry`"));
    }
    if let Some(condition) = has(Reason::WindowClosed) {
        return Some(condition.message.clone());
    }
    if has(Reason::ManifestInvalid).is_some() {
        return Some("waits for a commit with a valid manifest; what is live is kept".to_owned());
    }
    let refused = view.refused.as_ref().filter(|(release, _)| view.desired.as_ref() == Some(release));
    refused.map(|(_, next)| next.clone())
}

/// What happens next where nothing stands in the way.
fn watching(sync: Sync) -> String {
    match sync {
        Sync::Synced => "watches for commits, changes of env files, and drift".to_owned(),
        Sync::OutOfSync => "tries again by itself; each wait is longer than the one before".to_owned(),
        Sync::Unknown => "waits for the source".to_owned(),
    }
}

/// Why nothing more is done by itself: the last rollout could not be put back, and nothing newer is wanted since.
pub(super) fn stuck(
    ledger: &Ledger,
    app: &AppName,
    desired: &Release,
) -> Result<Option<String>, LedgerError> {
    let held = ledger.conditions(app)?.into_iter().find(|condition| condition.reason == Reason::RevertFailed);
    let Some(condition) = held else { return Ok(None) };
    let last = ledger.history(Some(app), 1)?.into_iter().next();
    let same = last
        .is_some_and(|last| last.outcome == Some(Outcome::RevertFailed) && last.release == desired.digest);
    Ok(same.then_some(condition.message))
}

/// How long a rollout took, in seconds.
pub(super) fn rollout_seconds(ledger: &Ledger, app: &AppName, id: RolloutId) -> Result<f64, LedgerError> {
    let history = ledger.history(Some(app), 1)?;
    Ok(history.iter().find(|record| record.id == id.0).and_then(|record| record.duration).unwrap_or(0.0))
}
