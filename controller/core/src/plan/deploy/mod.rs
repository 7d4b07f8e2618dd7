//! The second half: the schema moves, candidates are proven, names and ports change hands, the release is watched.

mod adopted;
mod blind;
mod dependents;
mod fence;
mod prove;
mod repair;
mod restart;
mod retire;
mod schema;
mod take_over;

use std::collections::BTreeSet;

pub(super) use adopted::intentions;
pub(super) use dependents::to_restart;
pub use fence::writes;
use take_over::STAND_IN;

use super::hooks::with_hooks;
use super::schema::SchemaMove;
use super::service::{Work, final_name};
use super::{Class, Effect, Facts, Plan, Role, Stage, Step, Strategy, Subject};
use crate::container::label;
use crate::name::{ContainerId, ServiceName};
use crate::observed::{Container, State};
use crate::spec::{binds_at_start, whole};

/// The deployment, as one ordered list.
pub(super) fn deploy(facts: &Facts<'_>, works: &[Work<'_>], schema: &SchemaMove) -> Plan {
    let mut plan = Deployment {
        facts,
        works,
        steps: Vec::new(),
        gaps: Vec::new(),
        notes: intentions(facts, works),
        fenced: BTreeSet::new(),
        deferred: BTreeSet::new(),
        stopped: BTreeSet::new(),
        aside: BTreeSet::new(),
        restarted: BTreeSet::new(),
        hooks_due: false,
    };
    plan.announce_blind();
    plan.prove_adopted();
    plan.repair(matches!(schema, SchemaMove::Up { .. }) || strategy(schema) == Strategy::Fenced);
    plan.replace_database(schema);
    plan.move_schema(schema);
    if is_half_way(facts, schema) {
        return plan.finish(Stage::Prepare, schema);
    }
    plan.prove_candidates();
    plan.restart_others();
    plan.take_over();
    plan.restart_the_rest();
    plan.restart_dependents();
    plan.stand_down_removed();
    plan.last_hooks();
    plan.go_down(schema);
    plan.watch();
    plan.retire();
    plan.remove_orphans();
    plan.finish(Stage::Deploy, schema)
}

/// Whether a mended schema has further to go: the failed migration began above the release that is gone back to.
fn is_half_way(facts: &Facts<'_>, schema: &SchemaMove) -> bool {
    let ends = match schema {
        SchemaMove::Restore { to } => Some(to),
        SchemaMove::Sweep { .. } => facts.database.and_then(|database| database.current.as_ref()),
        _ => None,
    };
    let wanted = facts.outputs.scripts.as_ref().map(|scripts| &scripts.heads);
    ends.is_some() && ends != wanted
}

fn strategy(schema: &SchemaMove) -> Strategy {
    match schema {
        SchemaMove::Up { strategy, .. } | SchemaMove::Down { strategy, .. } => *strategy,
        SchemaMove::Restore { .. } => Strategy::Fenced,
        _ => Strategy::None,
    }
}

struct Deployment<'a, 'f> {
    facts: &'a Facts<'f>,
    works: &'a [Work<'f>],
    steps: Vec<Step>,
    gaps: Vec<String>,
    notes: Vec<String>,
    /// Services whose container is stopped before the schema moves.
    fenced: BTreeSet<ServiceName>,
    /// Services whose repairs wait until the schema has moved.
    deferred: BTreeSet<ServiceName>,
    /// Containers that the fence stops.
    stopped: BTreeSet<ContainerId>,
    /// Containers that are set aside.
    aside: BTreeSet<ContainerId>,
    /// Services that are stopped and started, so far.
    restarted: BTreeSet<ServiceName>,
    /// Names have changed hands since the hooks ran.
    hooks_due: bool,
}

impl<'a, 'f> Deployment<'a, 'f> {
    fn finish(self, stage: Stage, schema: &SchemaMove) -> Plan {
        let steps = with_hooks(self.facts, self.steps);
        Plan { stage, strategy: strategy(schema), steps, gaps: self.gaps, notes: self.notes }
    }

    fn push(&mut self, effect: Effect, why: impl Into<String>) {
        self.steps.push(Step { effect, why: why.into() });
    }

    /// The name that a new container has until it serves. On the way back of a rollout, containers of its way there may still
    /// have theirs.
    fn new_name(&self, work: &Work<'_>, suffix: &str) -> String {
        let back = if self.facts.hints.reverting { "-back" } else { "" };
        format!("{}-{}{back}{suffix}", self.final_name(work), self.facts.rollout)
    }

    fn final_name(&self, work: &Work<'_>) -> String {
        final_name(&self.facts.desired.project, &work.name, work.service, work.current)
    }

    fn existing(work: &Work<'_>, container: &Container) -> Subject {
        Subject { service: work.name.clone(), name: container.name.clone(), id: Some(container.id.clone()) }
    }

    /// What this rollout made before it was interrupted, and is exactly right, is used again. What another one made is not: the
    /// names that it was given lead to containers that may be gone.
    fn reusable<'w>(&self, work: &Work<'w>, role: Role) -> Option<&'w Container> {
        let rollout = self.facts.rollout.to_string();
        let has_backstage = self.facts.observed.networks.contains_key(&self.facts.backstage());
        let right = |container: &Container| {
            self.facts.made_for(&work.name, container)
                && container.label(label::ROLE) == Some(role.as_str())
                && container.label(label::ROLLOUT) == Some(&rollout)
                && whole(self.facts.desired, &work.name, role, has_backstage, container)
                && !matches!(container.state, State::Exited | State::Dead | State::Removing)
        };
        work.others.iter().find(|container| right(container)).copied()
    }

    fn subject_for(&self, work: &Work<'_>, role: Role) -> Subject {
        let suffix = if role == Role::StandIn { STAND_IN } else { "" };
        match self.reusable(work, role) {
            Some(container) => Self::existing(work, container),
            None => Subject { service: work.name.clone(), name: self.new_name(work, suffix), id: None },
        }
    }

    fn new_subject(&self, work: &Work<'_>) -> Subject {
        self.subject_for(work, Role::Successor)
    }

    fn stand_in(&self, work: &Work<'_>) -> Option<Subject> {
        let needed = !work.service.ports.is_empty() && work.serves() && !self.fenced.contains(&work.name);
        needed.then(|| self.subject_for(work, Role::StandIn))
    }

    /// Whether the successor would bind its port, which is still held, as soon as it starts: its portless copy is proven, and it
    /// starts when the port is free.
    fn waits_for_port(&self, work: &Work<'_>) -> bool {
        binds_at_start(self.facts.desired) && self.stand_in(work).is_some()
    }

    fn candidates(&self) -> impl Iterator<Item = &Work<'f>> {
        self.works.iter().filter(|work| work.replaced() && work.class == Class::Candidate)
    }
}
