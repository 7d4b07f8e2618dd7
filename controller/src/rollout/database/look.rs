//! What the planner has to know of a database.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::database::fingerprint::{additive, compare};
use evenkeel_core::database::{Backup, Fingerprint, SchemaWord, classify};
use evenkeel_core::name::{ContainerId, RolloutId, SchemaRevision, ServiceName};
use evenkeel_core::plan::{DatabaseFacts, HalfDone, Hints, Observed, revisions};
use evenkeel_core::release::{Outputs, Release};
use evenkeel_core::status::Reason;

use super::super::run::fact;
use super::super::{Context, Failure};
use super::Begun;
use super::reach::target;
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
    let looks_closer = hints.reverting || matches!(facts.word, Some(SchemaWord::Behind | SchemaWord::Empty));
    if looks_closer {
        let now = context.databases.fingerprint(&target).await?;
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
    let value = context.ledger.fact(rollout, key)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
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
    let Some((rollout, begun)) = context.ledger.newest_fact(&context.app, fact::MIGRATING)? else {
        return Ok(());
    };
    let Ok(begun) = serde_json::from_value::<Begun>(begun) else { return Ok(()) };
    // A backup that was put back since took the whole move back.
    let restored = fact_of::<Begun>(context, Some(rollout), fact::RESTORING)?;
    let begun = restored.filter(|_| !begun.puts_back).unwrap_or(begun);
    let open = context.ledger.open_rollout(&context.app)?.map(|open| open.id);
    if open == Some(rollout) && asking != Some(rollout) {
        return Ok(());
    }
    let noted = context.ledger.applied(&context.app)?.pop();
    let is_noted = noted.is_some_and(|noted| noted.rollout == rollout && noted.to == begun.to);
    if seen.current.revisions == begun.to && !begun.failed && !is_noted {
        let applied = Applied {
            rollout,
            release: begun.with,
            direction: begun.direction,
            from: begun.from,
            to: begun.to,
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
    // The fingerprint is of the way there, not of the way back.
    if begun.puts_back || seen.current.revisions != begun.from || differences.is_empty() {
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
