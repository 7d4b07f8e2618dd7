//! What holds for every plan, whatever it is for: said once here, checked wherever a plan is made.

use std::collections::{BTreeMap, BTreeSet};

use super::deploy::to_restart;
use super::hooks::has_hooks;
use super::{Class, Effect, Facts, Plan, Role, Stage, Strategy, Subject};
use crate::compose::RestartPolicy;
use crate::database::SchemaWord;
use crate::name::{ContainerId, ServiceName};
use crate::observed::{Container, State};

/// The rules that a plan breaks, each a sentence; none, unless the planner is wrong.
pub fn lint(plan: &Plan, facts: &Facts<'_>) -> Vec<String> {
    let mut lint = Lint { plan, facts, found: Vec::new() };
    lint.nothing_stops_before_its_successor_is_proven();
    lint.no_migration_without_a_backup();
    lint.one_container_on_a_volume();
    lint.what_is_created_starts();
    lint.nothing_joins_unproven();
    lint.temporaries_go();
    lint.the_way_back_stays_until_the_bake_is_over();
    lint.names_are_free();
    lint.dependents_are_restarted();
    lint.what_starts_has_its_hooks_run();
    lint.found
}

struct Lint<'a, 'f> {
    plan: &'a Plan,
    facts: &'a Facts<'f>,
    found: Vec<String>,
}

impl<'a, 'f> Lint<'a, 'f> {
    fn steps(&self) -> impl DoubleEndedIterator<Item = (usize, &'a Effect)> + use<'a> {
        self.plan.steps.iter().map(|step| &step.effect).enumerate()
    }

    fn before(&self, end: usize, holds: impl Fn(&Effect) -> bool) -> bool {
        self.steps().take(end).any(|(_, effect)| holds(effect))
    }

    fn after(&self, start: usize, holds: impl Fn(&Effect) -> bool) -> bool {
        self.steps().skip(start + 1).any(|(_, effect)| holds(effect))
    }

    fn observed(&self, id: &ContainerId) -> Option<&'f Container> {
        self.facts.observed.containers.iter().find(|container| container.id == *id)
    }

    /// The container that users reach now, where the service's successors can be proven first.
    fn serves(&self, subject: &Subject) -> bool {
        let Some(service) = self.facts.desired.project.services.get(&subject.service) else { return false };
        let Some(container) = subject.id.as_ref().and_then(|id| self.observed(id)) else { return false };
        let recorded = self.facts.serving.get(&subject.service).is_some_and(|id| *id == container.id);
        let adopted = !self.facts.serving.contains_key(&subject.service);
        container.running()
            && (recorded || adopted)
            && self.facts.class(&subject.service, service) == Class::Candidate
    }

    fn nothing_stops_before_its_successor_is_proven(&mut self) {
        if self.plan.strategy == Strategy::Fenced {
            return;
        }
        let faults: Vec<String> = self
            .steps()
            .filter_map(|(at, effect)| {
                let (Effect::Stop { container } | Effect::Remove { container }) = effect else { return None };
                let is_safe =
                    !self.serves(container) || self.before(at, |effect| proves_another(effect, container));
                (!is_safe).then(|| format!("{} goes before a successor of it is proven", container.name))
            })
            .collect();
        self.found.extend(faults);
    }

    fn no_migration_without_a_backup(&mut self) {
        if self.facts.database.is_some_and(|database| database.word == Some(SchemaWord::Empty)) {
            return;
        }
        let bare = self.steps().find(|(at, effect)| {
            matches!(effect, Effect::Migrate { .. })
                && !self.before(*at, |effect| matches!(effect, Effect::Backup { .. }))
        });
        self.found.extend(bare.map(|_| "the schema moves without a backup".to_owned()));
    }

    /// A container is startable while it runs, or would come back with the engine.
    fn one_container_on_a_volume(&mut self) {
        let mut faults = Vec::new();
        for (at, effect) in self.steps() {
            let Effect::Start { container } = effect else { continue };
            if !self.writes_alone(&container.service) {
                continue;
            }
            let others = self
                .facts
                .containers_of(&container.service)
                .into_iter()
                .filter(|other| Some(&other.id) != container.id.as_ref() && self.startable(other, at));
            faults.extend(
                others.map(|other| format!("{} and {} write to one volume", container.name, other.name)),
            );
        }
        self.found.extend(faults);
    }

    fn writes_alone(&self, name: &ServiceName) -> bool {
        let project = &self.facts.desired.project;
        project.services.get(name).is_some_and(|service| {
            service.writable_volumes().next().is_some() && self.facts.class(name, service) != Class::Candidate
        })
    }

    fn startable(&self, container: &Container, at: usize) -> bool {
        let is = |subject: &Subject| subject.id.as_ref() == Some(&container.id);
        let removed =
            self.before(at, |effect| matches!(effect, Effect::Remove { container } if is(container)));
        let stopped = self.before(at, |effect| matches!(effect, Effect::Stop { container } if is(container)));
        let tied = self.before(at, |effect| {
            matches!(effect, Effect::SetRestart { container, policy: RestartPolicy::No } if is(container))
        });
        let runs = matches!(container.state, State::Running | State::Paused | State::Restarting) && !stopped;
        let returns = !matches!(container.state, State::Created | State::Dead)
            && container.restart != RestartPolicy::No;
        !removed && (runs || returns && !tied)
    }

    fn what_is_created_starts(&mut self) {
        let faults: Vec<String> = self
            .steps()
            .filter_map(|(at, effect)| {
                let Effect::Create { container, .. } = effect else { return None };
                let names = self.names_of(container, at);
                let starts = self.after(
                    at,
                    |effect| matches!(effect, Effect::Start { container } if names.contains(&container.name)),
                );
                (!starts).then(|| format!("{} is created and never started", container.name))
            })
            .collect();
        self.found.extend(faults);
    }

    /// The names that a container has from a step on: its own, and what it is renamed to.
    fn names_of(&self, subject: &Subject, from: usize) -> BTreeSet<String> {
        let mut names = BTreeSet::from([subject.name.clone()]);
        for (_, effect) in self.steps().skip(from) {
            match effect {
                Effect::Rename { container, to }
                    if container.id == subject.id && names.contains(&container.name) =>
                {
                    names.insert(to.clone());
                }
                Effect::HandOver { from, to, .. } if to.id == subject.id && names.contains(&to.name) => {
                    names.insert(from.name.clone());
                }
                _ => {}
            }
        }
        names
    }

    fn nothing_joins_unproven(&mut self) {
        let faults: Vec<String> = self
            .steps()
            .filter_map(|(at, effect)| {
                let Effect::Join { container, .. } = effect else { return None };
                // What serves and has lost a network is repaired.
                let repaired = container.id.is_some()
                    && container.id.as_ref() == self.facts.serving.get(&container.service);
                let proven = self.before(
                    at,
                    |effect| matches!(effect, Effect::Prove { containers } if containers.contains(container)),
                );
                (!repaired && !proven && !self.is_kept(container))
                    .then(|| format!("{} serves before it is proven", container.name))
            })
            .collect();
        self.found.extend(faults);
    }

    /// Whether no other container of the service takes part: then there is nothing to take over from.
    fn is_kept(&self, subject: &Subject) -> bool {
        subject.id.is_some()
            && !self.steps().any(|(_, effect)| matches!(effect, Effect::Create { container, .. } if container.service == subject.service))
    }

    fn temporaries_go(&mut self) {
        let faults: Vec<String> = self
            .steps()
            .filter_map(|(at, effect)| {
                let Effect::Create { container, role: Role::StandIn } = effect else { return None };
                let goes = self.after(
                    at,
                    |effect| matches!(effect, Effect::Remove { container: gone } if gone == container),
                );
                (!goes).then(|| format!("{} is temporary and stays", container.name))
            })
            .collect();
        self.found.extend(faults);
    }

    fn the_way_back_stays_until_the_bake_is_over(&mut self) {
        let Some(bake) =
            self.steps().find(|(_, effect)| matches!(effect, Effect::Bake { .. })).map(|(at, _)| at)
        else {
            return;
        };
        let faults: Vec<String> = self
            .steps()
            .take(bake)
            .filter_map(|(_, effect)| {
                let Effect::Remove { container } = effect else { return None };
                let old = container
                    .id
                    .as_ref()
                    .is_some_and(|id| self.facts.serving.get(&container.service) == Some(id));
                (old && !self.keeps_data(&container.service))
                    .then(|| format!("{} goes before the bake is over", container.name))
            })
            .collect();
        self.found.extend(faults);
    }

    fn keeps_data(&self, name: &ServiceName) -> bool {
        let project = &self.facts.desired.project;
        project.services.get(name).is_some_and(|service| {
            service.writable_volumes().next().is_some()
                || !super::anonymous_volumes(service, self.facts.image(name)).is_empty()
        })
    }

    /// Follows every name through the plan: no two containers have one at a time, and no step is about one that nobody has.
    fn names_are_free(&mut self) {
        let mut holders: BTreeMap<String, Option<ContainerId>> =
            self.facts.observed.containers.iter().map(|it| (it.name.clone(), Some(it.id.clone()))).collect();
        let mut faults = Vec::new();
        for (_, effect) in self.steps() {
            match effect {
                Effect::Create { container, .. } => {
                    let holder = holders.insert(container.name.clone(), None);
                    if holder.is_some_and(|id| id.is_none_or(|id| !self.makes_room(&id))) {
                        faults.push(format!(
                            "{} is created while another container has that name",
                            container.name
                        ));
                    }
                }
                Effect::Rename { container, to } => {
                    holders.retain(|name, id| !is(container, name, id.as_ref()));
                    if holders.insert(to.clone(), container.id.clone()).is_some() {
                        faults.push(format!("{} is renamed to {to}, which is taken", container.name));
                    }
                }
                Effect::HandOver { from, aside, to } => {
                    let is_there = holders.iter().any(|(name, id)| is(from, name, id.as_ref()));
                    holders.retain(|name, id| !is(from, name, id.as_ref()) && !is(to, name, id.as_ref()));
                    if !is_there || holders.contains_key(aside) || holders.contains_key(&from.name) {
                        faults.push(format!("{} hands over a name that is not its own to give", from.name));
                    }
                    holders.insert(aside.clone(), from.id.clone());
                    holders.insert(from.name.clone(), to.id.clone());
                }
                Effect::Remove { container } => holders.retain(|name, id| !is(container, name, id.as_ref())),
                Effect::Start { container } | Effect::Stop { container } | Effect::Join { container, .. } => {
                    let is_there = holders.iter().any(|(name, id)| is(container, name, id.as_ref()));
                    faults.extend(
                        (!is_there)
                            .then(|| format!("{} {}: nobody has that name", effect.name(), container.name)),
                    );
                }
                _ => {}
            }
        }
        self.found.extend(faults);
    }

    fn dependents_are_restarted(&mut self) {
        if self.plan.stage == Stage::Deploy {
            let alone = self.facts.left_alone();
            let left = to_restart(self.facts, &self.plan.steps).into_iter();
            self.found.extend(
                left.filter(|(name, _)| !alone.contains(name))
                    .map(|(name, cause)| format!("{name} asks to be restarted with {cause}, and is not")),
            );
        }
    }

    fn what_starts_has_its_hooks_run(&mut self) {
        let faults: Vec<String> = self
            .steps()
            .filter_map(|(at, effect)| {
                let (Effect::Start { container } | Effect::Restart { container, .. }) = effect else {
                    return None;
                };
                let next = self.plan.steps.get(at + 1).map(|step| &step.effect);
                let run = next.is_some_and(
                    |effect| matches!(effect, Effect::PostStart { container: it } if it == container),
                );
                (has_hooks(self.facts, container) && !run)
                    .then(|| format!("{} is started without its hooks", container.name))
            })
            .collect();
        self.found.extend(faults);
    }

    /// A left-over of ours that does not run is removed by whoever needs its name.
    fn makes_room(&self, id: &ContainerId) -> bool {
        let app = crate::container::label::APP;
        self.observed(id)
            .is_some_and(|it| !it.running() && it.label(app) == Some(self.facts.desired.app.as_str()))
    }
}

fn is(subject: &Subject, name: &str, id: Option<&ContainerId>) -> bool {
    match &subject.id {
        Some(wanted) => id == Some(wanted),
        None => name == subject.name,
    }
}

fn proves_another(effect: &Effect, than: &Subject) -> bool {
    let Effect::Prove { containers } = effect else { return false };
    containers.iter().any(|it| it.service == than.service && it.id != than.id)
}
