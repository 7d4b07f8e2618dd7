//! The database's part of a rollout: facts, migrations, backups, restores.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::container::ContainerSpec;
use evenkeel_core::database::fingerprint::{additive, compare};
use evenkeel_core::database::redact::Redactor;
use evenkeel_core::database::{Backup, Fingerprint, Reason as BackupReason, Rehearsal, SchemaWord, classify};
use evenkeel_core::manifest::Database;
use evenkeel_core::name::{ContainerId, ReleaseDigest, RolloutId, SchemaRevision, ServiceName};
use evenkeel_core::observed::Container;
use evenkeel_core::plan::{DatabaseFacts, Direction, HalfDone, Hints, Observed, backstage, revisions};
use evenkeel_core::release::{Outputs, RehearsedFrom, Release};
use evenkeel_core::secret::Secret;
use evenkeel_core::spec::{names, outside};
use evenkeel_core::status::{Phase, Reason};
use serde::{Deserialize, Serialize};

use super::outside::Helper;
use super::run::{Run, fact};
use super::{Context, Failure};
use crate::database::{
    BackupRequest, DatabaseError, Ended, Limits, Observation, OneOff, Outcome, Programs, RehearsalRequest,
    Store, Target,
};
use crate::engine::Engine;
use crate::verify::address;

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

/// What the planner has to know about the database.
pub(super) async fn facts(
    context: &Context,
    release: &Release,
    outputs: &Outputs,
    observed: &Observed,
    serving: &BTreeMap<ServiceName, ContainerId>,
    hints: &Hints,
    rollout: Option<RolloutId>,
) -> Result<Option<DatabaseFacts>, Failure> {
    let Some(spec) = &release.manifest.spec.database else { return Ok(None) };
    let mut facts = DatabaseFacts::default();
    let engine = context.engine.as_ref();
    let Some(target) = target(engine, release, spec, &observed.containers, serving).await? else {
        return Ok(Some(facts));
    };
    let seen = match context.databases.observe(&target).await {
        Ok(seen) => seen,
        Err(error) => {
            facts.unreachable = Some(error.to_string());
            return Ok(Some(facts));
        }
    };
    believe(context, rollout, &seen)?;
    facts.blocked = emptied(context, &seen)?;
    facts.word = word(context, outputs, &seen)?;
    remember(context, &facts, &seen)?;
    let looks_closer = hints.reverting || matches!(facts.word, Some(SchemaWord::Behind | SchemaWord::Empty));
    if looks_closer {
        let now = context.databases.fingerprint(&target).await?;
        facts.half_done = half_done(context, rollout, &seen, &now)?;
        facts.fingerprint = now.digest();
    }
    facts.fenced_backup = hints.was_fenced && fact_of::<String>(context, rollout, fact::BACKUP)?.is_some();
    facts.current = Some(seen.current.revisions);
    Ok(Some(facts))
}

fn fact_of<T: serde::de::DeserializeOwned>(
    context: &Context,
    rollout: Option<RolloutId>,
    key: &str,
) -> Result<Option<T>, Failure> {
    let Some(rollout) = rollout else { return Ok(None) };
    let value = context.ledger.fact(rollout, key)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

/// A migration that reached its end before the process could note it is noted now, also where its rollout is over by now. One
/// that another task is making at this moment is left to that one.
fn believe(context: &Context, asking: Option<RolloutId>, seen: &Observation) -> Result<(), Failure> {
    let Some((rollout, begun)) = context.ledger.newest_fact(&context.app, fact::MIGRATING)? else {
        return Ok(());
    };
    let Ok(begun) = serde_json::from_value::<Begun>(begun) else { return Ok(()) };
    let open = context.ledger.open_rollout(&context.app)?.map(|open| open.id);
    if open == Some(rollout) && asking != Some(rollout) {
        return Ok(());
    }
    let noted = context.ledger.applied(&context.app)?.pop();
    let is_noted = noted.is_some_and(|noted| noted.rollout == rollout && noted.to == begun.to);
    if seen.current.revisions == begun.to && !begun.failed && !is_noted {
        context.ledger.record_applied(
            &context.app,
            rollout,
            &begun.with,
            begun.direction,
            &begun.from,
            &begun.to,
        )?;
    }
    Ok(())
}

/// A database that should hold something, and is empty, is somebody's mistake: nothing is migrated into it.
fn emptied(context: &Context, seen: &Observation) -> Result<Option<(Reason, String)>, Failure> {
    let record = context.ledger.app(&context.app)?;
    let Some(last) = record.schema.filter(|last| !last.is_empty()) else { return Ok(None) };
    if !seen.current.revisions.is_empty() {
        return Ok(None);
    }
    let other = record.system_identifier.is_some_and(|id| id != seen.system_identifier);
    let how = if other {
        "another database cluster stands in its place"
    } else {
        "its revision table is empty or gone"
    };
    Ok(Some((
        Reason::DatabaseDiverged,
        format!(
            "the database was at {} and holds no revision now: {how}. Nothing is migrated into it. Put the right volume back, \
             or restore a backup with `evenkeel backup restore {} ID`",
            revisions(&last),
            context.app
        ),
    )))
}

fn word(context: &Context, outputs: &Outputs, seen: &Observation) -> Result<Option<SchemaWord>, Failure> {
    let Some(desired) = &outputs.scripts else { return Ok(None) };
    let mut known = Vec::new();
    for (digest, ..) in context.ledger.releases(&context.app)? {
        known.extend(context.ledger.outputs(&context.app, &digest)?.scripts);
    }
    let last = context.ledger.app(&context.app)?.schema;
    Ok(Some(classify(&seen.current, desired, &known.iter().collect::<Vec<_>>(), last.as_ref())))
}

fn remember(context: &Context, facts: &DatabaseFacts, seen: &Observation) -> Result<(), Failure> {
    let trusted =
        matches!(facts.word, Some(SchemaWord::AtHead | SchemaWord::Behind)) && facts.blocked.is_none();
    let record = context.ledger.app(&context.app)?;
    let same = record.schema.as_ref() == Some(&seen.current.revisions)
        && record.system_identifier.as_deref() == Some(seen.system_identifier.as_str());
    if trusted && !same && !seen.current.revisions.is_empty() {
        context.ledger.set_schema(&context.app, &seen.current.revisions, &seen.system_identifier)?;
    }
    Ok(())
}

/// What a migration of this rollout left behind whose revision did not move.
fn half_done(
    context: &Context,
    rollout: Option<RolloutId>,
    seen: &Observation,
    now: &Fingerprint,
) -> Result<Option<HalfDone>, Failure> {
    let Some(begun) = fact_of::<Begun>(context, rollout, fact::MIGRATING)? else { return Ok(None) };
    let Some(before) = fact_of::<Fingerprint>(context, rollout, fact::FINGERPRINT)? else { return Ok(None) };
    let differences = compare(&before, now);
    if seen.current.revisions != begun.from || differences.is_empty() {
        return Ok(None);
    }
    let invalid: BTreeSet<String> =
        now.invalid_indexes().difference(&before.invalid_indexes()).cloned().collect();
    let swept = now.clone().without_indexes(&invalid);
    Ok(Some(HalfDone {
        additive: additive(&before, &swept).is_ok(),
        invalid_indexes: invalid.into_iter().collect(),
        differences,
    }))
}

/// The database of a release; `None` while its container does not run.
async fn target(
    engine: &dyn Engine,
    release: &Release,
    spec: &Database,
    containers: &[Container],
    serving: &BTreeMap<ServiceName, ContainerId>,
) -> Result<Option<Target>, Failure> {
    let mut target = match &spec.service {
        Some(service) => {
            let of_service = |container: &&Container| {
                container.service().as_ref() == Some(service)
                    && container.running()
                    && !evenkeel_core::plan::temporary(container)
            };
            let recorded =
                containers.iter().filter(of_service).find(|it| serving.get(service) == Some(&it.id));
            let Some(container) = recorded.or_else(|| containers.iter().find(of_service)) else {
                return Ok(None);
            };
            let Some(host) = address(container, &backstage(&release.project.name)) else { return Ok(None) };
            in_project(release, service, container, host)
        }
        None => {
            let Some(target) = super::outside::target(engine, release, spec).await? else { return Ok(None) };
            target
        }
    };
    target.name = spec.name.clone().unwrap_or(target.name);
    target.user = spec.user.clone().unwrap_or(target.user);
    if let Some(variable) = &spec.password_from {
        target.password = Some(variable_of(release, variable)?);
    }
    target.version_table.clone_from(&spec.migrations.version_table);
    target.version_table_schema.clone_from(&spec.migrations.version_table_schema);
    Ok(Some(target))
}

/// As the official image is told: `POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB`.
fn in_project(release: &Release, service: &ServiceName, container: &Container, host: String) -> Target {
    let environment =
        release.project.services.get(service).map(|service| service.environment.clone()).unwrap_or_default();
    let value = |name: &str| environment.get(name).map(|value| value.expose().to_owned());
    let user = value("POSTGRES_USER").unwrap_or_else(|| "postgres".to_owned());
    Target {
        host,
        port: 5432,
        name: value("POSTGRES_DB").unwrap_or_else(|| user.clone()),
        user,
        password: environment.get("POSTGRES_PASSWORD").cloned(),
        programs: Some(Programs::Server(container.id.clone())),
        tls: Default::default(),
        version_table: String::new(),
        version_table_schema: String::new(),
    }
}

pub(super) fn variable_of(
    release: &Release,
    variable: &evenkeel_core::manifest::Variable,
) -> Result<Secret, Failure> {
    let service = release.project.services.get(&variable.service);
    service.and_then(|service| service.environment.get(&variable.env)).cloned().ok_or_else(|| {
        Failure::Blocked {
            reason: Reason::ManifestInvalid,
            message: format!(
                "service {} has no environment variable {}, which the manifest names",
                variable.service, variable.env
            ),
        }
    })
}

impl Context {
    /// The database of a release as it runs now.
    async fn database(&self, release: &Release) -> Result<Target, Failure> {
        if release.manifest.spec.database.is_none() {
            return Err(Failure::Blocked {
                reason: Reason::ManifestInvalid,
                message: "the application has no database".to_owned(),
            });
        }
        self.running_database(release).await?.ok_or_else(|| {
            Failure::transient(Reason::PreflightFailed, "the database's container does not run")
        })
    }

    /// The same, where there is one and it runs.
    pub(super) async fn running_database(&self, release: &Release) -> Result<Option<Target>, Failure> {
        let Some(spec) = &release.manifest.spec.database else { return Ok(None) };
        let containers = self.engine.containers(&release.project.name).await?;
        let serving = self.ledger.serving(&self.app)?;
        target(self.engine.as_ref(), release, spec, &containers, &serving).await
    }

    /// The same, with PostgreSQL's client programs at hand for as long as the second part is held.
    async fn database_with_programs(
        &self,
        release: &Release,
    ) -> Result<(Target, Option<Arc<Helper>>), Failure> {
        let target = self.database(release).await?;
        self.equipped(release, target).await
    }

    fn store(&self) -> Store {
        Store::new(self.backup_dir())
    }

    fn backup_made(&self, backup: &Backup) {
        self.metrics.backup(&self.app, backup.size, backup.created_at, backup.good());
    }
}

/// Makes a backup, decodes it, and lets old ones go.
pub(crate) async fn backup_now(
    context: &Context,
    release: &Release,
    rollout: Option<RolloutId>,
    reason: BackupReason,
) -> Result<Backup, Failure> {
    let (target, _helper) = context.database_with_programs(release).await?;
    let service =
        &release.manifest.spec.database.as_ref().map(|database| database.migrations.service.clone());
    let image = service
        .as_ref()
        .and_then(|service| release.images.get(service))
        .map(|source| source.reference().to_owned());
    let request = BackupRequest { reason, image, now: context.ledger.now() };
    let store = context.store();
    let engine = context.engine.as_ref();
    let backup = context.databases.back_up(engine, &store, &target, request).await.map_err(backup_failure)?;
    context.backup_made(&backup);
    let json = serde_json::to_value(&backup).unwrap_or_default();
    context.ledger.put_backup(&context.app, rollout, &backup.id, &json)?;
    prune(context, release, &store).await?;
    Ok(backup)
}

fn backup_failure(error: DatabaseError) -> Failure {
    match Failure::from(error) {
        Failure::Release { message, .. } => Failure::transient(Reason::BackupFailed, message),
        Failure::Transient { message, .. } => Failure::transient(Reason::BackupFailed, message),
        other => other,
    }
}

/// Old backups go, but never the last good one, nor one that the open rollout points to.
async fn prune(context: &Context, release: &Release, store: &Store) -> Result<(), Failure> {
    let keep = release.manifest.spec.database.as_ref().map_or(14, |database| database.backup.keep);
    let open = context.ledger.open_rollout(&context.app)?.map(|open| open.id);
    let pointed: BTreeSet<String> = context
        .ledger
        .backups(&context.app)?
        .into_iter()
        .filter(|backup| backup.rollout.is_some() && backup.rollout == open)
        .map(|backup| backup.id)
        .collect();
    for gone in store.prune(usize::try_from(keep).unwrap_or(usize::MAX), &pointed).await? {
        context.ledger.remove_backup(&context.app, &gone)?;
    }
    Ok(())
}

/// Verifies a backup; with `restored` also by restoring it beside.
pub(crate) async fn verify_now(
    context: &Context,
    release: &Release,
    id: &str,
    restored: bool,
) -> Result<Backup, Failure> {
    let (target, _helper) = context.database_with_programs(release).await?;
    let store = context.store();
    let (engine, now) = (context.engine.as_ref(), context.ledger.now());
    let verified = context.databases.verify(engine, &store, &target, id, restored, now).await;
    // Also where it turned out to be broken, which is on record by now.
    if let Ok(backup) = store.get(id).await {
        let json = serde_json::to_value(&backup).unwrap_or_default();
        context.ledger.put_backup(&context.app, None, id, &json)?;
        context.backup_made(&backup);
    }
    Ok(verified?)
}

/// Puts a backup in place of the database; the name under which the replaced one is kept.
pub(crate) async fn restore_now(context: &Context, release: &Release, id: &str) -> Result<String, Failure> {
    let (target, _helper) = context.database_with_programs(release).await?;
    let databases = &context.databases;
    let lock = databases.lock(&target, LOCK_WAIT).await?;
    let tag = context.ledger.now().as_second().to_string();
    let restored = databases.restore(context.engine.as_ref(), &context.store(), &target, id, &tag).await?;
    drop(lock);
    let seen = databases.observe(&target).await?;
    context.ledger.set_schema(&context.app, &seen.current.revisions, &seen.system_identifier)?;
    Ok(restored.kept_as)
}

impl Run<'_> {
    /// The database, once it accepts: one that was just started takes a moment.
    async fn database(&self) -> Result<Target, Failure> {
        let mut tries = 0;
        loop {
            let target = self.context.database(self.target).await?;
            match self.context.databases.accepts(&target).await {
                Ok(()) => return Ok(target),
                Err(error) if error.transient() && tries < CONNECT_TRIES => {
                    tries += 1;
                    tokio::time::sleep(CONNECT_AGAIN).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One rollout at a time per database. Taken anew where the server has restarted meanwhile.
    async fn locked(&self, target: &Target) -> Result<(), Failure> {
        let mut lock = self.lock.lock().await;
        let held = match lock.as_ref() {
            Some(lock) => lock.is_held().await,
            None => false,
        };
        if !held {
            *lock = None;
            *lock = Some(self.context.databases.lock(target, LOCK_WAIT).await?);
        }
        Ok(())
    }

    /// The migration tool in a container of a release's image.
    async fn one_off(&self, release: &Release, instead: &[(String, String)]) -> Result<OneOff, Failure> {
        let Some(spec) = &release.manifest.spec.database else {
            return Err(Failure::release(Reason::MigrationFailed, "the release has no database"));
        };
        let migrations = &spec.migrations;
        let name = format!("{}-migration", release.project.name);
        let container = self
            .making_for(release, &migrations.service, |making| {
                making.one_off(&name, &migrations.command, migrations.workdir.as_deref(), instead)
            })
            .await?;
        Ok(OneOff {
            spec: container,
            command: migrations.command.clone(),
            quarry: self.context.quarry(release).await?,
        })
    }

    pub(super) async fn read_scripts(&self, _service: &ServiceName) -> Result<Option<String>, Failure> {
        let one_off = self.one_off(self.target, &[]).await?;
        let scripts = crate::database::scripts(self.context.engine.as_ref(), &one_off).await?;
        let heads = revisions(&scripts.heads);
        let ledger = &self.context.ledger;
        let mut outputs = ledger.outputs(&self.context.app, &self.target.digest)?;
        outputs.scripts = Some(scripts);
        ledger.put_outputs(&self.context.app, &self.target.digest, &outputs)?;
        Ok(Some(format!("head {heads}")))
    }

    /// Tries the migration on a scratch server; what it shows decides how it is made, and whether it may be taken back.
    pub(super) async fn rehearse(
        &self,
        from: &BTreeSet<SchemaRevision>,
        to: &BTreeSet<SchemaRevision>,
    ) -> Result<Option<String>, Failure> {
        let target = self.database().await?;
        let fingerprint = self.context.databases.fingerprint(&target).await?.digest();
        let (scratch, aliases) = match self.scratch(&target).await? {
            Ok(scratch) => scratch,
            Err(why) => return self.not_rehearsed(from, fingerprint, &why),
        };
        let instead: Vec<(String, String)> =
            aliases.into_iter().map(|alias| (scratch.name.clone(), alias)).collect();
        let Some(to) = to.iter().next().cloned() else { return Ok(None) };
        let (target, _helper) = self.context.equipped(self.target, target).await?;
        let request = RehearsalRequest {
            target: &target,
            scratch,
            port: if outside(self.target) { target.port } else { 5432 },
            one_off: self.one_off(self.target, &instead).await?,
            from: from.clone(),
            to,
            limits: limits(self.target),
        };
        let (engine, databases) = (self.context.engine.as_ref(), self.context.databases.as_ref());
        match crate::database::rehearse(engine, databases, &request).await {
            Err(error @ DatabaseError::Scratch { .. }) => {
                self.not_rehearsed(from, fingerprint, &error.to_string())
            }
            rehearsal => self.rehearsed(from, fingerprint, rehearsal?),
        }
    }

    /// Nothing is known of the migration: it is fenced, behind a backup, and taken back by nothing but that.
    fn not_rehearsed(
        &self,
        from: &BTreeSet<SchemaRevision>,
        fingerprint: String,
        why: &str,
    ) -> Result<Option<String>, Failure> {
        self.rehearsed(from, fingerprint, Rehearsal { runs: true, ..Rehearsal::default() })?;
        Ok(Some(format!("not rehearsed, so what writes will be stopped for it: {why}")))
    }

    /// A scratch server, and the names under which the migration looks for the database; or why there can be none.
    async fn scratch(
        &self,
        target: &Target,
    ) -> Result<Result<(ContainerSpec, Vec<String>), String>, Failure> {
        let Some(service) = self.target.database_service() else {
            let stand_in = self.context.stand_in(self.target, target).await?;
            return Ok(stand_in.map(|(scratch, host)| (scratch, vec![host])));
        };
        let name = format!("{}-rehearsal", self.target.project.name);
        let scratch = self.making(service, |making| making.scratch(&name)).await?;
        let aliases =
            self.target.project.services.get(service).map(|it| names(service, it)).unwrap_or_default();
        Ok(Ok((scratch, aliases)))
    }

    fn rehearsed(
        &self,
        from: &BTreeSet<SchemaRevision>,
        fingerprint: String,
        rehearsal: Rehearsal,
    ) -> Result<Option<String>, Failure> {
        if !rehearsal.runs {
            let tail = rehearsal.failure.map(|failure| failure.tail).unwrap_or_default();
            let tail: Vec<String> = tail.iter().map(|line| format!("  | {line}")).collect();
            return Err(Failure::release(
                Reason::MigrationFailed,
                format!(
                    "the migration fails in rehearsal, on a scratch server; nothing was touched\nits last lines:\n{}",
                    tail.join("\n")
                ),
            ));
        }
        let found = format!(
            "{}; its downgrade {}; {:.1} s",
            if rehearsal.additive { "it only adds" } else { "it is not additive" },
            if rehearsal.exact { "leads back exactly" } else { "does not lead back exactly" },
            rehearsal.seconds
        );
        let ledger = &self.context.ledger;
        let mut outputs = ledger.outputs(&self.context.app, &self.target.digest)?;
        outputs.rehearsal = Some(RehearsedFrom { from: from.clone(), fingerprint, rehearsal });
        ledger.put_outputs(&self.context.app, &self.target.digest, &outputs)?;
        Ok(Some(found))
    }

    pub(super) async fn backup(&self) -> Result<Option<String>, Failure> {
        let target = self.database().await?;
        self.locked(&target).await?;
        let reason = if self.reverting() { BackupReason::Revert } else { BackupReason::Migration };
        let backup = backup_now(self.context, self.target, Some(self.id), reason).await?;
        // Behind one fence the first backup is the one to go back to: a later one has what an interrupted migration left.
        let behind_fence = self.fence_is_up();
        let has_one = behind_fence && self.fact::<bool>(fact::BACKED_UP_BEHIND_FENCE)?.unwrap_or(false);
        if !self.reverting() && !has_one {
            self.set_fact(fact::BACKUP, &backup.id)?;
            self.set_fact(fact::BACKED_UP_BEHIND_FENCE, &behind_fence)?;
        }
        Ok(Some(format!(
            "backup {}: {} bytes, {} rows, decoded in full",
            backup.id,
            backup.size,
            backup.total_rows()
        )))
    }

    /// Moves the schema, and believes only what the database says afterwards.
    pub(super) async fn migrate(
        &self,
        direction: Direction,
        with: &ReleaseDigest,
        from: &BTreeSet<SchemaRevision>,
        to: &BTreeSet<SchemaRevision>,
    ) -> Result<Option<String>, Failure> {
        let release = self.release_with(with)?;
        let target = self.database().await?;
        self.locked(&target).await?;
        let one_off = self.one_off(&release, &[]).await?;
        let (engine, databases) = (self.context.engine.as_ref(), self.context.databases.as_ref());
        databases.hunt(&target, &one_off.quarry, LOCK_WAIT).await?;
        let seen = databases.observe(&target).await?;
        if seen.current.revisions == *to {
            return self
                .migrated(direction, with, from, &seen)
                .map(|()| Some("it was done already".to_owned()));
        }
        let begun =
            Begun { direction, with: with.clone(), from: from.clone(), to: to.clone(), failed: false };
        let earlier = self.fact::<Begun>(fact::MIGRATING)?.map(|earlier| Begun { failed: false, ..earlier });
        // What an interrupted try left behind differs from how it was before the first one.
        if !self.reverting() && earlier.as_ref() != Some(&begun) {
            self.set_fact(fact::FINGERPRINT, &databases.fingerprint(&target).await?)?;
        }
        self.set_fact(fact::MIGRATING, &begun)?;
        self.context.say(Phase::Migrating, format!("{} → {}", revisions(from), revisions(to)));
        let arguments = arguments(direction, to);
        let limits = limits(&release);
        let outcome = crate::database::run(engine, databases, &one_off, &arguments, &target, limits).await?;
        let seen = databases.observe(&target).await?;
        if seen.current.revisions == *to {
            self.migrated(direction, with, from, &seen)?;
            return Ok(Some(format!("{:.1} s{}", outcome.took.as_secs_f64(), aside(&outcome))));
        }
        self.set_fact(fact::MIGRATING, &Begun { failed: true, ..begun })?;
        Err(Failure::release(Reason::MigrationFailed, explained(&outcome, &arguments, &seen)))
    }

    fn release_with(&self, digest: &ReleaseDigest) -> Result<Release, Failure> {
        if *digest == self.target.digest {
            return Ok(self.target.clone());
        }
        self.context.ledger.release(&self.context.app, digest)?.ok_or_else(|| {
            Failure::release(Reason::RevertFailed, format!("the ledger has no release {}", digest.short()))
        })
    }

    fn migrated(
        &self,
        direction: Direction,
        with: &ReleaseDigest,
        from: &BTreeSet<SchemaRevision>,
        seen: &Observation,
    ) -> Result<(), Failure> {
        let ledger = &self.context.ledger;
        let to = &seen.current.revisions;
        ledger.record_applied(&self.context.app, self.id, with, direction, from, to)?;
        Ok(ledger.set_schema(&self.context.app, to, &seen.system_identifier)?)
    }

    pub(super) async fn restore(&self) -> Result<Option<String>, Failure> {
        let Some(id) = self.fact::<String>(fact::BACKUP)? else {
            return Err(Failure::release(Reason::RevertFailed, "the rollout has no backup to restore"));
        };
        let (target, _helper) = self.context.equipped(self.target, self.database().await?).await?;
        self.locked(&target).await?;
        let (engine, databases) = (self.context.engine.as_ref(), self.context.databases.as_ref());
        let (store, tag) = (self.context.store(), self.id.to_string());
        let restored = databases.restore(engine, &store, &target, &id, &tag).await?;
        let seen = databases.observe(&target).await?;
        self.context.ledger.set_schema(
            &self.context.app,
            &seen.current.revisions,
            &seen.system_identifier,
        )?;
        Ok(Some(format!("backup {id} is in place; what was there is kept as database {}", restored.kept_as)))
    }

    pub(super) async fn drop_invalid_indexes(&self, indexes: &[String]) -> Result<Option<String>, Failure> {
        let target = self.database().await?;
        self.locked(&target).await?;
        self.context.databases.drop_indexes(&target, indexes).await?;
        Ok(None)
    }
}

fn arguments(direction: Direction, to: &BTreeSet<SchemaRevision>) -> Vec<String> {
    let verb = match direction {
        Direction::Up => "upgrade",
        Direction::Down => "downgrade",
    };
    let to = to.iter().next().map_or_else(|| "base".to_owned(), ToString::to_string);
    vec![verb.to_owned(), to]
}

fn limits(release: &Release) -> Limits {
    let migrations = release.manifest.spec.database.as_ref().map(|database| &database.migrations);
    Limits {
        timeout: migrations.map_or(Duration::from_secs(600), |migrations| migrations.timeout),
        max_blocking: migrations.map_or(Duration::from_secs(5), |migrations| migrations.max_blocking),
    }
}

/// What a migration that did not get there has to say for itself.
fn explained(outcome: &Outcome, arguments: &[String], seen: &Observation) -> String {
    let how = match &outcome.ended {
        Ended::Finished => format!("exited with code {}", outcome.exit_code),
        Ended::TimedOut => format!("took longer than {:.0} s and was ended", outcome.took.as_secs_f64()),
        Ended::CancelledForBlocking(blocking) => {
            format!("was ended, because it kept others waiting: {blocking}")
        }
    };
    let tail: Vec<String> = outcome.tail.iter().map(|line| format!("  | {line}")).collect();
    format!(
        "`{}` {how}; the schema is at {}{}\nits last lines:\n{}",
        arguments.join(" "),
        revisions(&seen.current.revisions),
        aside(outcome),
        tail.join("\n")
    )
}

/// What else is worth knowing of a migration, for the journal.
fn aside(outcome: &Outcome) -> String {
    let waited = outcome.waited.iter().flat_map(|blocking| {
        let seconds = blocking.waited.as_secs_f64();
        blocking.obstacles.iter().map(move |it| {
            format!("; it waited {seconds:.0} s and more for process {}: {}", it.pid, it.query)
        })
    });
    let hunted = outcome.hunted.iter().map(|it| {
        let from = it.address.as_deref().unwrap_or("the server's own machine");
        format!(
            "; a killed migration had left process {} ({} from {from}), which was ended: {}",
            it.pid, it.application, it.query
        )
    });
    waited.chain(hunted).collect()
}

/// A network's gateway: the first address, as the engine gives it out. The host's own sessions come from there.
pub(super) fn gateway(subnet: &str) -> Option<IpAddr> {
    let address: std::net::Ipv4Addr = subnet.split_once('/')?.0.parse().ok()?;
    Some(IpAddr::V4(std::net::Ipv4Addr::from(u32::from(address) + 1)))
}

/// Takes the secrets of every service out of a text.
pub(super) fn redacted(release: &Release, text: &str) -> String {
    let redactors: Vec<Redactor> =
        release.project.services.values().map(|service| Redactor::new(&service.environment, [])).collect();
    let lines = text
        .lines()
        .map(|line| redactors.iter().fold(line.to_owned(), |line, redactor| redactor.line(&line)));
    lines.collect::<Vec<_>>().join("\n")
}
