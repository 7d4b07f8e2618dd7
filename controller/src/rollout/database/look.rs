//! What the planner has to know of a database.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::database::fingerprint::{additive, compare};
use evenkeel_core::database::{Backup, Fingerprint, SchemaWord, classify};
use evenkeel_core::name::{ContainerId, ReleaseDigest, RolloutId, SchemaRevision, ServiceName};
use evenkeel_core::plan::{DatabaseFacts, Direction, HalfDone, Hints, Observed, revisions};
use evenkeel_core::release::{Outputs, Release};
use evenkeel_core::status::Reason;

use super::super::run::fact;
use super::super::{Context, Failure};
use super::reach::target;
use super::{Begun, Stood};
use crate::database::Observation;
use crate::ledger::Applied;

/// What the planner has to know about the database.
pub(in crate::rollout) async fn facts(
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
    // Whoever wants it as it is takes nothing back.
    let is_wanted = facts.word == Some(SchemaWord::AtHead);
    let part = if is_wanted { None } else { part(context, &seen)? };
    let looks_closer = hints.reverting
        || matches!(facts.word, Some(SchemaWord::Behind | SchemaWord::Empty))
        || part.as_ref().is_some_and(|part| part.is_new);
    if looks_closer {
        let now = context.databases.fingerprint(&target).await?;
        part.map_or(Ok(()), |part| part.keep(context, &seen, &now))?;
        facts.half_done = half_done(context, rollout, &seen, &now)?;
        facts.fingerprint = now.digest();
    }
    facts.fenced_backup = if hints.was_fenced { backup_revisions(context, rollout)? } else { None };
    facts.server_major = u32::try_from(seen.server_version / 10_000).ok();
    facts.current = Some(seen.current.revisions);
    Ok(Some(facts))
}

fn fact_of<T: serde::de::DeserializeOwned>(
    context: &Context,
    rollout: Option<RolloutId>,
    key: &str,
) -> Result<Option<T>, Failure> {
    let Some(rollout) = rollout else { return Ok(None) };
    Ok(context.ledger.fact(rollout, key)?)
}

/// What the backup of a rollout holds.
fn backup_revisions(
    context: &Context,
    rollout: Option<RolloutId>,
) -> Result<Option<BTreeSet<SchemaRevision>>, Failure> {
    let Some(id) = fact_of::<String>(context, rollout, fact::BACKUP)? else { return Ok(None) };
    let record = context.ledger.backups(&context.app)?.into_iter().find(|backup| backup.id == id);
    let backup = record.and_then(|record| serde_json::from_value::<Backup>(record.json).ok());
    Ok(backup.map(|backup| backup.revisions))
}

/// A migration that reached its end before the process could note it is noted now, also where its rollout is over by now. One
/// that another task is making at this moment is left to that one.
fn believe(context: &Context, asking: Option<RolloutId>, seen: &Observation) -> Result<(), Failure> {
    let newest = context.ledger.newest_fact::<Begun>(&context.app, fact::MIGRATING)?;
    let Some((rollout, begun)) = newest else { return Ok(()) };
    let open = context.ledger.open_rollout(&context.app)?.map(|open| open.id);
    if open == Some(rollout) && asking != Some(rollout) {
        return Ok(());
    }
    let there = &seen.current.revisions;
    if open != Some(rollout) && begun.from == *there && !begun.came_to_nothing {
        let begun = Begun { came_to_nothing: true, ..begun.clone() };
        context.ledger.set_fact(rollout, fact::MIGRATING, &begun)?;
    }
    // A backup that was put back since took the whole move back.
    let restored = fact_of::<Begun>(context, Some(rollout), fact::RESTORING)?;
    let begun = restored.filter(|_| !begun.puts_back).unwrap_or(begun);
    let noted = context.ledger.applied(&context.app)?.pop();
    // What came to its end is over: who moves the schema after that is somebody else.
    let is_noted =
        noted.is_some_and(|noted| noted.rollout == rollout && (noted.to == *there || noted.to == begun.to));
    let got_there = begun.to == *there || !begun.came_to_nothing && begun.stopped_between(context, there)?;
    if got_there && !begun.failed && !is_noted {
        let applied = Applied {
            rollout,
            release: begun.with,
            direction: begun.direction,
            from: begun.from,
            to: there.clone(),
            at: context.ledger.now(),
        };
        context.ledger.record_applied(&context.app, &applied, &seen.system_identifier)?;
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

/// What a migration of this rollout left behind that did not come to its end: where it began, or between two of its scripts.
fn half_done(
    context: &Context,
    rollout: Option<RolloutId>,
    seen: &Observation,
    now: &Fingerprint,
) -> Result<Option<HalfDone>, Failure> {
    let Some(begun) = fact_of::<Begun>(context, rollout, fact::MIGRATING)? else { return Ok(None) };
    let Some(stood) = fact_of::<Stood>(context, rollout, fact::FINGERPRINT)? else { return Ok(None) };
    let there = &seen.current.revisions;
    let up = begun.direction == Direction::Up;
    let stopped = begun.from == *there || up && begun.stopped_between(context, there)?;
    let last = context.ledger.applied(&context.app)?.pop();
    let ended = last.is_some_and(|last| Some(last.rollout) == rollout && last.to == begun.to);
    let before = &stood.fingerprint;
    let differences = compare(before, now);
    // The fingerprint is of the way there, not of the way back.
    if begun.puts_back || ended || !stopped || differences.is_empty() {
        return Ok(None);
    }
    let invalid = new_invalid_indexes(before, now);
    let additive = only_adds(before, now);
    Ok(Some(HalfDone { additive, invalid_indexes: invalid.into_iter().collect(), differences }))
}

fn new_invalid_indexes(before: &Fingerprint, now: &Fingerprint) -> BTreeSet<String> {
    now.invalid_indexes().difference(&before.invalid_indexes()).cloned().collect()
}

/// Whether a schema, without the invalid indexes that came with it, only adds to what it was before.
fn only_adds(before: &Fingerprint, now: &Fingerprint) -> bool {
    additive(before, &now.clone().without_indexes(&new_invalid_indexes(before, now))).is_ok()
}

/// What has been done of a migration of several scripts, on its way there or on its way back. It may have to be taken back by itself, now or by a
/// later release, and whether it only adds, no rehearsal has shown: they go all the way.
struct Part {
    release: ReleaseDigest,
    before: Stood,
    /// Nobody has looked yet.
    is_new: bool,
}

/// The part that is there.
fn part(context: &Context, seen: &Observation) -> Result<Option<Part>, Failure> {
    let (ledger, app) = (&context.ledger, &context.app);
    let there = &seen.current.revisions;
    let Some(last) = ledger.applied(app)?.pop().filter(|last| last.to == *there) else { return Ok(None) };
    let outputs = ledger.outputs(app, &last.release)?;
    let Some(scripts) = outputs.scripts.as_ref().filter(|scripts| scripts.heads != *there) else {
        return Ok(None);
    };
    // What went down from above began below in a rollout before.
    let stood = ledger.facts::<Stood>(app, fact::FINGERPRINT)?;
    let mut below =
        stood.into_iter().filter(|stood| stood.at != *there && scripts.lead_down(there, &stood.at));
    let Some(before) = below.next() else { return Ok(None) };
    let is_new = !outputs.has_part(&before.at, there);
    Ok(Some(Part { release: last.release, before, is_new }))
}

impl Part {
    /// Puts on record whether it only adds.
    fn keep(self, context: &Context, seen: &Observation, now: &Fingerprint) -> Result<(), Failure> {
        let (ledger, app) = (&context.ledger, &context.app);
        let known = ledger.outputs(app, &self.release)?;
        let mut outputs = known.clone();
        let Stood { at, fingerprint } = &self.before;
        outputs.keep_part(at, &seen.current.revisions, fingerprint.digest(), only_adds(fingerprint, now));
        if outputs != known {
            ledger.put_outputs(app, &self.release, &outputs)?;
        }
        Ok(())
    }
}
