//! What asks to be restarted with what it depends on (`restart: true`): once that serves, and proven afterwards.

use std::collections::BTreeSet;

use super::super::{Class, Effect, Facts, Role, Step, Subject};
use super::Deployment;
use crate::compose::start_order;
use crate::container::label;
use crate::name::ServiceName;

impl<'a, 'f> Deployment<'a, 'f> {
    /// Services that are stopped and started anyway, and only after what takes over: they ask to be restarted after it, were stopped
    /// with it, or depend on one of those.
    pub(super) fn after_the_take_over(&self) -> BTreeSet<ServiceName> {
        let takes_over: BTreeSet<&ServiceName> = self.candidates().map(|work| &work.name).collect();
        let mut later = BTreeSet::new();
        for work in self.works.iter().filter(|work| work.class != Class::Candidate || !work.replaced()) {
            let early = self.is_early(work);
            let waits = work.service.depends_on.iter().any(|(name, dependency)| {
                later.contains(name) || (dependency.restart || early) && takes_over.contains(name)
            });
            if waits && work.class != Class::OneShot {
                later.insert(work.name.clone());
            }
        }
        later
    }

    pub(super) fn restart_dependents(&mut self) {
        let works = self.works;
        for (name, cause) in to_restart(self.facts, &self.steps) {
            let Some(work) = works.iter().find(|work| work.name == name) else { continue };
            let it = match (work.replaced(), work.current) {
                (true, _) if work.class == Class::Candidate => self.subject_for(work, Role::Successor),
                (true, _) => self.subject_for(work, Role::Replacement),
                (false, Some(current)) => Self::existing(work, current),
                (false, None) => continue,
            };
            let container = Subject { name: self.final_name(work), ..it };
            // It may come back at another address.
            self.hooks_due = true;
            self.gaps.push(format!("{name} is restarted after {cause}, as its `depends_on` asks for"));
            self.push(
                Effect::Restart { container: container.clone(), since: None },
                format!("`restart: true`: {cause} has begun anew"),
            );
            self.push(Effect::Prove { containers: vec![container] }, "it was restarted");
        }
    }
}

/// Services that have to be restarted at the end of these steps, in the order of dependencies, and because of what: those that
/// were not started since a service that they are to be restarted with was.
pub(in crate::plan) fn to_restart(facts: &Facts<'_>, steps: &[Step]) -> Vec<(ServiceName, String)> {
    let project = &facts.desired.project;
    let mut found: Vec<(ServiceName, String)> = Vec::new();
    for name in start_order(project) {
        let Some(service) = project.services.get(&name).filter(|service| !service.one_shot) else { continue };
        let own = last_start(facts, steps, &name);
        let restarted = |other: &ServiceName| {
            let at = last_start(facts, steps, other).filter(|at| serves_anew(facts, steps, *at));
            found.iter().any(|(name, _)| name == other) || at.is_some_and(|at| own.is_none_or(|own| own < at))
        };
        let mut causes = service.depends_on.iter().filter(|(_, dependency)| dependency.restart);
        let cause = causes.find(|(other, _)| restarted(other)).map(|(other, _)| other.to_string());
        let left = || {
            let due = own.is_none() && facts.hints.restarts_due.contains(&name);
            due.then(|| "what it depends on".to_owned())
        };
        if let Some(cause) = cause.or_else(left) {
            found.push((name, cause));
        }
    }
    found
}

/// The last step with which a service's container begins to serve.
fn last_start(facts: &Facts<'_>, steps: &[Step], name: &ServiceName) -> Option<usize> {
    let starts = |step: &Step| match &step.effect {
        Effect::Start { container } => container.service == *name && !is_private(facts, steps, container),
        Effect::Join { container, role } => container.service == *name && *role == Role::Successor,
        Effect::Restart { container, .. } => container.service == *name,
        _ => false,
    };
    steps.iter().rposition(starts)
}

/// Whether users did not reach that container before: nobody depends on what has never served, and what has only lost a network
/// was not restarted.
fn serves_anew(facts: &Facts<'_>, steps: &[Step], at: usize) -> bool {
    match steps.get(at).map(|step| &step.effect) {
        Some(Effect::Join { container, .. }) => {
            facts.serving.get(&container.service).is_some_and(|id| Some(id) != container.id.as_ref())
        }
        Some(Effect::Start { container } | Effect::Restart { container, .. }) => {
            facts.serving.contains_key(&container.service)
        }
        _ => false,
    }
}

/// A candidate is started where nobody reaches it.
fn is_private(facts: &Facts<'_>, steps: &[Step], subject: &Subject) -> bool {
    let private = |role: Option<&str>| {
        [Role::Successor, Role::StandIn].into_iter().any(|candidate| role == Some(candidate.as_str()))
    };
    match &subject.id {
        Some(id) => {
            let there = facts.observed.containers.iter().find(|container| container.id == *id);
            facts.serving.get(&subject.service) != Some(id)
                && there.is_some_and(|container| private(container.label(label::ROLE)))
        }
        None => steps.iter().any(|step| {
            matches!(&step.effect, Effect::Create { container, role } if container.name == subject.name && private(Some(role.as_str())))
        }),
    }
}
