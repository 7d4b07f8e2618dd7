//! The steps that read or move a schema.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::container::ContainerSpec;
use evenkeel_core::database::{Reason as BackupReason, Rehearsal};
use evenkeel_core::name::{ReleaseDigest, SchemaRevision, ServiceName};
use evenkeel_core::plan::{Direction, revisions};
use evenkeel_core::release::{RehearsedFrom, Release};
use evenkeel_core::spec::{names, outside};
use evenkeel_core::status::{Phase, Reason};

use super::super::Failure;
use super::super::run::{Run, fact};
use super::backups::backup_failure;
use super::{Begun, CONNECT_AGAIN, CONNECT_TRIES, LOCK_WAIT, Stood, backup_now};
use crate::database::{DatabaseError, Ended, Limits, Observation, OneOff, Outcome, RehearsalRequest, Target};
use crate::ledger::Applied;

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

    pub(in crate::rollout) async fn read_scripts(
        &self,
        _service: &ServiceName,
    ) -> Result<Option<String>, Failure> {
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
    pub(in crate::rollout) async fn rehearse(
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
        outputs.keep_rehearsal(RehearsedFrom { from: from.clone(), to: None, fingerprint, rehearsal });
        ledger.put_outputs(&self.context.app, &self.target.digest, &outputs)?;
        Ok(Some(found))
    }

    /// Whether there is room for a backup, as far as that can be told.
    pub(in crate::rollout) async fn room_for_backup(&self) -> Result<(), Failure> {
        let seen = self.context.databases.observe(&self.database().await?).await?;
        self.context.store().room(seen.size).await.map(drop).map_err(backup_failure)
    }

    pub(in crate::rollout) async fn backup(&self) -> Result<Option<String>, Failure> {
        let target = self.database().await?;
        self.locked(&target).await?;
        let reason = if self.reverting() { BackupReason::Revert } else { BackupReason::Migration };
        let backup = backup_now(self.context, self.target, Some(self.id), reason).await?;
        // Behind one fence the first backup is the one to go back to: a later one has what an interrupted migration left.
        let behind_fence = self.fence_is_up()?;
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
    pub(in crate::rollout) async fn migrate(
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
        let begun = Begun {
            direction,
            with: with.clone(),
            from: from.clone(),
            to: to.clone(),
            failed: false,
            gave_up: false,
            came_to_nothing: false,
            puts_back: self.reverting(),
        };
        // What an interrupted try left behind, perhaps with some of its scripts applied, differs from how it was before the first one.
        let earlier = self.fact::<Begun>(fact::MIGRATING)?;
        let goes_on = earlier.is_some_and(|earlier| begun.goes_on_with(&earlier));
        if !self.reverting() && !goes_on {
            self.it_stands(&target, &seen).await?;
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
        if begun.stopped_between(self.context, &seen.current.revisions)? {
            self.migrated(direction, with, from, &seen)?;
        }
        let gave_up = matches!(outcome.ended, Ended::Finished);
        self.set_fact(fact::MIGRATING, &Begun { failed: true, gave_up, ..begun })?;
        Err(Failure::release(Reason::MigrationFailed, explained(&outcome, &arguments, &seen)))
    }

    /// Remembers the schema as it is.
    async fn it_stands(&self, target: &Target, seen: &Observation) -> Result<(), Failure> {
        let fingerprint = self.context.databases.fingerprint(target).await?;
        self.set_fact(fact::FINGERPRINT, &Stood { at: seen.current.revisions.clone(), fingerprint })
    }

    /// Whether the migration that was begun last failed by itself.
    pub(in crate::rollout) fn gave_up(&self) -> Result<bool, Failure> {
        Ok(self.fact::<Begun>(fact::MIGRATING)?.is_some_and(|begun| begun.failed && begun.gave_up))
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
        let applied = Applied {
            rollout: self.id,
            release: with.clone(),
            direction,
            from: from.clone(),
            to: seen.current.revisions.clone(),
            at: ledger.now(),
        };
        Ok(ledger.record_applied(&self.context.app, &applied, &seen.system_identifier)?)
    }

    /// Puts the backup back that was taken behind this rollout's fence.
    pub(in crate::rollout) async fn restore(
        &self,
        to: &BTreeSet<SchemaRevision>,
    ) -> Result<Option<String>, Failure> {
        let Some(id) = self.fact::<String>(fact::BACKUP)? else {
            return Err(Failure::release(Reason::RevertFailed, "the rollout has no backup to restore"));
        };
        let (target, _helper) = self.context.equipped(self.target, self.database().await?).await?;
        self.locked(&target).await?;
        let taken_back = self.taken_back(to)?;
        if let Some(move_back) = &taken_back {
            self.set_fact(fact::RESTORING, move_back)?;
        }
        let (engine, databases) = (self.context.engine.as_ref(), self.context.databases.as_ref());
        let (store, tag) = (self.context.store(), self.id.to_string());
        let restored = databases.restore(engine, &store, &target, &id, &tag).await?;
        let seen = databases.observe(&target).await?;
        if seen.current.revisions != *to {
            let (is, wanted) = (revisions(&seen.current.revisions), revisions(to));
            return Err(Failure::release(
                Reason::RevertFailed,
                format!("backup {id} was put back, and the schema is at {is} and not at {wanted}"),
            ));
        }
        // Nothing is half done any more, also where the backup is of a schema that was on its way already.
        self.it_stands(&target, &seen).await?;
        match &taken_back {
            Some(Begun { direction, with, from, .. }) => self.migrated(*direction, with, from, &seen)?,
            None => {
                let ledger = &self.context.ledger;
                ledger.set_schema(&self.context.app, &seen.current.revisions, &seen.system_identifier)?;
            }
        }
        Ok(Some(format!("backup {id} is in place; what was there is kept as database {}", restored.kept_as)))
    }

    /// The move that a backup takes back: this rollout's own, where evenkeel had brought the schema to what the backup holds.
    fn taken_back(&self, to: &BTreeSet<SchemaRevision>) -> Result<Option<Begun>, Failure> {
        if let Some(before) = self.fact(fact::RESTORING)? {
            return Ok(Some(before));
        }
        let applied = self.context.ledger.applied(&self.context.app)?;
        let Some(last) = applied.last().filter(|last| last.rollout == self.id && last.to != *to) else {
            return Ok(None);
        };
        let mut earlier = applied.iter().rev();
        let brought_there = earlier.find(|earlier| earlier.rollout != self.id || earlier.to == *to);
        Ok(brought_there.filter(|it| it.to == *to).map(|_| Begun {
            direction: match last.direction {
                Direction::Up => Direction::Down,
                Direction::Down => Direction::Up,
            },
            with: last.release.clone(),
            from: last.to.clone(),
            to: to.clone(),
            failed: false,
            gave_up: false,
            came_to_nothing: false,
            puts_back: true,
        }))
    }

    pub(in crate::rollout) async fn drop_invalid_indexes(
        &self,
        indexes: &[String],
    ) -> Result<Option<String>, Failure> {
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
