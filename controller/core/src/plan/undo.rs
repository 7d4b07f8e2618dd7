//! The way back where there is no earlier release to go to: whatever stood before is put back as it was.

use serde::{Deserialize, Serialize};

use super::deploy::to_restart;
use super::hooks::with_hooks;
use super::schema::{SchemaMove, mend, no_way_back, restorable};
use super::service::active;
use super::way_down::way_down;
use super::{Blocked, Effect, Facts, Plan, Stage, Step, Strategy, Subject, revisions};
use crate::compose::{RestartPolicy, start_order};
use crate::name::ServiceName;
use crate::observed::Container;
use crate::release::ImageSource;
use crate::status::Reason;

/// A container as it was before a rollout touched it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// It.
    pub container: Subject,
    /// Its restart policy.
    pub restart: RestartPolicy,
    /// Whether it ran.
    pub running: bool,
}

/// Undoes a first release that failed. Where its database stood in no container before, the new one stays: it holds the volume,
/// and the next release needs it.
///
/// # Errors
/// When the schema cannot be brought to where what stood before knew it, or to what only adds to that: then it is not started.
pub fn undo(facts: &Facts<'_>, before: &[Before]) -> Result<Plan, Blocked> {
    if is_unseen(facts) && before.iter().any(|was| was.running) {
        return database_first(facts, before);
    }
    let mut steps = Vec::new();
    let mut notes = Vec::new();
    let way = if before.iter().any(|was| was.running) { way_back(facts)? } else { sweep_only(facts) };
    let goes_further = goes_further(facts, &way);
    let mut push = |effect: Effect, why: &str| steps.push(Step { effect, why: why.to_owned() });
    let database = facts.desired.database_service();
    let of_database = |container: &Container| container.instance(&facts.desired.project).as_ref() == database;
    let came_back = before.iter().any(|was| Some(&was.container.service) == database);
    let (databases, made): (Vec<&Container>, Vec<&Container>) = made_by_rollout(facts, before)
        .filter(|it| !it.given_up())
        .partition(|container| of_database(container));
    let databases: Vec<&Container> = databases.into_iter().filter(|_| came_back).collect();
    for container in made.iter().filter(|container| active(container)) {
        stop(facts, container, "its release failed", &mut push);
    }
    match way {
        SchemaMove::Down { with, from, to, .. } => {
            // Users have reached the new code: what they wrote goes with what the downgrade takes away.
            if facts.hints.users_may_have_written() {
                push(
                    Effect::Backup { at: from.clone() },
                    "users may have written since the release took over",
                );
            }
            push(
                Effect::Migrate { direction: super::Direction::Down, with, from, to },
                "the release that moved the schema failed, and nobody writes to it any more",
            );
        }
        SchemaMove::Restore { to } => {
            push(
                Effect::Restore { to },
                "the release that changed the schema failed, and nobody wrote since",
            );
        }
        SchemaMove::Sweep { indexes, note } => {
            if !indexes.is_empty() {
                push(Effect::DropInvalidIndexes { indexes }, "the failed migration left them invalid");
            }
            notes.push(note);
        }
        SchemaMove::Keep(note) => notes.push(note),
        _ => {}
    }
    for container in databases.iter().filter(|container| active(container)) {
        stop(facts, container, "what ran before needs its volume", &mut push);
    }
    for container in made.into_iter().chain(databases) {
        push(Effect::Remove { container: subject(facts, container) }, "its release failed");
    }
    if let Some(further) = goes_further {
        let steps = with_hooks(facts, steps);
        notes.push(further);
        return Ok(Plan { stage: Stage::Prepare, strategy: Strategy::None, steps, gaps: Vec::new(), notes });
    }
    for was in in_start_order(facts, before) {
        let is = |it: &&Container| Some(&it.id) == was.container.id.as_ref();
        if let Some(container) = facts.observed.containers.iter().find(is).filter(|it| !it.given_up()) {
            put_back(facts, was, container, &mut push);
            tag_back(facts, was, container, &mut push);
        }
    }
    for (service, cause) in to_restart(facts, &steps) {
        let runs = |was: &&Before| was.container.service == service && was.running;
        if let Some(was) = before.iter().find(runs) {
            let container = was.container.clone();
            let why = format!("`restart: true`: {cause} has begun anew");
            steps.push(Step { effect: Effect::Restart { container, since: None }, why });
        }
    }
    let steps = with_hooks(facts, steps);
    Ok(Plan { stage: Stage::Deploy, strategy: Strategy::None, steps, gaps: Vec::new(), notes })
}

/// Whether nobody can tell where a schema stands that this rollout may have moved.
fn is_unseen(facts: &Facts<'_>) -> bool {
    let touched = facts.hints.was_fenced || !facts.hints.applied.is_empty();
    touched && facts.database.is_some_and(|database| database.current.is_none())
}

/// What stood before is not started on a schema that nobody could look at: only the database comes up.
fn database_first(facts: &Facts<'_>, before: &[Before]) -> Result<Plan, Blocked> {
    let database = facts.desired.database_service();
    let mut steps = Vec::new();
    let mut push = |effect: Effect, why: &str| steps.push(Step { effect, why: why.to_owned() });
    let is_there =
        |it: &&Container| it.instance(&facts.desired.project).as_ref() == database && !it.given_up();
    match made_by_rollout(facts, before).find(is_there) {
        Some(made) if active(made) => {}
        Some(made) => {
            push(Effect::Start { container: subject(facts, made) }, "its schema has to be looked at")
        }
        None => {
            for was in before.iter().filter(|was| Some(&was.container.service) == database) {
                let is = |it: &&Container| Some(&it.id) == was.container.id.as_ref();
                if let Some(container) = facts.observed.containers.iter().find(is).filter(|it| !it.given_up())
                {
                    put_back(facts, was, container, &mut push);
                }
            }
        }
    }
    if steps.is_empty() {
        let why = facts.database.and_then(|database| database.unreachable.clone());
        let message = why.unwrap_or_else(|| "the database cannot be looked at".to_owned());
        return Err(Blocked { reason: Reason::PreflightFailed, message });
    }
    let steps = with_hooks(facts, steps);
    Ok(Plan { stage: Stage::Prepare, strategy: Strategy::None, steps, gaps: Vec::new(), notes: Vec::new() })
}

/// For good: what is only stopped comes back with the engine, to a schema or a volume that is not its own any more.
fn stop(facts: &Facts<'_>, container: &Container, why: &str, push: &mut impl FnMut(Effect, &str)) {
    let it = subject(facts, container);
    if container.restart != RestartPolicy::No {
        let effect = Effect::SetRestart { container: it.clone(), policy: RestartPolicy::No };
        push(effect, "it must not come back by itself");
    }
    push(Effect::Stop { container: it }, why);
}

fn in_start_order<'a>(facts: &Facts<'_>, before: &'a [Before]) -> Vec<&'a Before> {
    let order = start_order(&facts.desired.project);
    let mut sorted: Vec<&Before> = before.iter().collect();
    sorted.sort_by_key(|was| order.iter().position(|name| *name == was.container.service));
    sorted
}

fn put_back(facts: &Facts<'_>, was: &Before, container: &Container, push: &mut impl FnMut(Effect, &str)) {
    let it = subject(facts, container);
    if container.name != was.container.name {
        push(Effect::Rename { container: it.clone(), to: was.container.name.clone() }, "as it was before");
    }
    let it = Subject { name: was.container.name.clone(), ..it };
    if container.restart != was.restart {
        push(Effect::SetRestart { container: it.clone(), policy: was.restart }, "as it was before");
    }
    if was.running && !container.running() {
        push(Effect::Start { container: it }, "as it was before");
    }
}

/// A tag of the Compose file names again what it named.
fn tag_back(facts: &Facts<'_>, was: &Before, container: &Container, push: &mut impl FnMut(Effect, &str)) {
    let service = &was.container.service;
    let Some(ImageSource::Build { tag: Some(tag), .. }) = facts.desired.images.get(service) else { return };
    let moved = facts.observed.images.get(tag).is_some_and(|image| image.id != container.image_id);
    if moved && container.image == *tag {
        let image = container.image_id.to_string();
        push(Effect::Tag { service: service.clone(), image, tag: tag.clone() }, "as it was before");
    }
}

fn made_by_rollout<'a>(
    facts: &Facts<'a>,
    before: &'a [Before],
) -> impl Iterator<Item = &'a Container> + use<'a> {
    let app = facts.desired.app.clone();
    facts.observed.containers.iter().filter(move |container| {
        container.label(crate::container::label::APP) == Some(app.as_str())
            && !before.iter().any(|was| was.container.id.as_ref() == Some(&container.id))
    })
}

/// What is done to the schema for what stood before: only what this rollout did to it is taken back.
fn way_back(facts: &Facts<'_>) -> Result<SchemaMove, Blocked> {
    match mend(facts) {
        Some(SchemaMove::Blocked(reason, message)) => Err(Blocked { reason, message }),
        Some(mended) => Ok(mended),
        None => moved_back(facts),
    }
}

/// Where a mended schema has further to go down before anything older is started: its backup was taken after the first of this rollout's
/// migrations, or they stopped between two scripts.
fn goes_further(facts: &Facts<'_>, way: &SchemaMove) -> Option<String> {
    let ends = match way {
        SchemaMove::Restore { to } => Some(to),
        SchemaMove::Sweep { .. } => facts.database.and_then(|database| database.current.as_ref()),
        _ => None,
    }?;
    let began_at = facts.hints.began_at.as_ref().filter(|began_at| *began_at != ends)?;
    Some(format!("from {} the schema goes on down to {}", revisions(ends), revisions(began_at)))
}

/// Where nothing stood before, nothing has to fit the schema.
fn sweep_only(facts: &Facts<'_>) -> SchemaMove {
    match mend(facts) {
        Some(sweep @ SchemaMove::Sweep { .. }) => sweep,
        _ => moved_back(facts)
            .ok()
            .filter(|it| matches!(it, SchemaMove::Down { .. }))
            .unwrap_or(SchemaMove::Stay),
    }
}

/// A schema that this rollout moved is taken down where its rehearsal led back exactly, left where it only added, and else comes from
/// the backup behind the fence.
fn moved_back(facts: &Facts<'_>) -> Result<SchemaMove, Blocked> {
    let current = facts.database.and_then(|it| it.current.as_ref()).filter(|it| !it.is_empty());
    let (Some(from), Some(to)) = (current, &facts.hints.began_at) else { return Ok(SchemaMove::Stay) };
    let Some(way) = way_down(facts, from, to).filter(|_| from != to) else { return Ok(SchemaMove::Stay) };
    if way.exact {
        let (with, from, to) = (way.with.clone(), from.clone(), to.clone());
        return Ok(SchemaMove::Down { with, from, to, strategy: Strategy::None });
    }
    if way.additive {
        return Ok(SchemaMove::Keep(format!(
            "the schema stays at {}: its downgrade does not lead back exactly, and its additions disturb nobody",
            revisions(from)
        )));
    }
    match restorable(facts).filter(|held| *held != from) {
        Some(held) => Ok(SchemaMove::Restore { to: held.clone() }),
        // It was never stopped for the migration, because the manifest says that it runs on both.
        None if !facts.hints.was_fenced => Ok(SchemaMove::Keep(format!(
            "the schema stays at {}: what stood before ran on it",
            revisions(from)
        ))),
        None => Err(no_way_back(from)),
    }
}

fn subject(facts: &Facts<'_>, container: &Container) -> Subject {
    Subject {
        service: container.instance(&facts.desired.project).unwrap_or_else(|| ServiceName::new("")),
        name: container.name.clone(),
        id: Some(container.id.clone()),
    }
}
