//! The way back where there is no earlier release to go to: whatever stood before is put back as it was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::schema::{SchemaMove, schema_move};
use super::service::active;
use super::{Effect, Facts, Plan, Stage, Step, Strategy, Subject};
use crate::compose::RestartPolicy;
use crate::name::ServiceName;
use crate::observed::Container;

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

/// Undoes a first release that failed. The database's own container stays: it holds the volume, and the next release needs it.
pub fn undo(facts: &Facts<'_>, before: &BTreeMap<ServiceName, Before>) -> Plan {
    let mut steps = Vec::new();
    let mut push = |effect: Effect, why: &str| steps.push(Step { effect, why: why.to_owned() });
    let database = facts.desired.database_service();
    let made: Vec<&Container> =
        made_by_rollout(facts, before).filter(|it| it.service().as_ref() != database).collect();
    for container in made.iter().filter(|container| active(container)) {
        push(Effect::Stop { container: subject(container) }, "its release failed");
    }
    let base = std::collections::BTreeSet::new();
    if let Some((from, with)) = migrated_from_nothing(facts) {
        push(
            Effect::Migrate { direction: super::Direction::Down, with, from, to: base },
            "the release that made the schema failed, and nobody wrote to it",
        );
    }
    for container in made {
        push(Effect::Remove { container: subject(container) }, "its release failed");
    }
    for was in before.values() {
        let Some(container) =
            facts.observed.containers.iter().find(|it| Some(&it.id) == was.container.id.as_ref())
        else {
            continue;
        };
        put_back(was, container, &mut push);
    }
    Plan { stage: Stage::Deploy, strategy: Strategy::None, steps, gaps: Vec::new(), notes: Vec::new() }
}

fn put_back(was: &Before, container: &Container, push: &mut impl FnMut(Effect, &str)) {
    let it = subject(container);
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

fn made_by_rollout<'a>(
    facts: &Facts<'a>,
    before: &'a BTreeMap<ServiceName, Before>,
) -> impl Iterator<Item = &'a Container> + use<'a> {
    let app = facts.desired.app.clone();
    facts.observed.containers.iter().filter(move |container| {
        container.label(crate::container::label::APP) == Some(app.as_str())
            && !before.values().any(|was| was.container.id.as_ref() == Some(&container.id))
    })
}

/// Only a schema that this ledger made out of nothing, and whose downgrade leads back exactly, is taken down.
fn migrated_from_nothing(
    facts: &Facts<'_>,
) -> Option<(std::collections::BTreeSet<crate::name::SchemaRevision>, crate::name::ReleaseDigest)> {
    let current = facts.database?.current.clone().filter(|current| !current.is_empty())?;
    let rehearsed = facts.outputs.rehearsal.as_ref()?;
    let ours =
        facts.hints.applied.contains(&current) && rehearsed.from.is_empty() && rehearsed.rehearsal.exact;
    (ours && schema_move(facts) == SchemaMove::Stay).then(|| (current, facts.desired.digest.clone()))
}

fn subject(container: &Container) -> Subject {
    Subject {
        service: container.service().unwrap_or_else(|| ServiceName::new("")),
        name: container.name.clone(),
        id: Some(container.id.clone()),
    }
}
