//! Candidates are made in private and proven there.

use std::collections::BTreeSet;

use super::super::service::{Work, active};
use super::super::{Class, Effect, Role, Subject};
use super::Deployment;
use crate::name::ServiceName;
use crate::observed::Container;
use crate::spec::binds_at_start;

impl<'a, 'f> Deployment<'a, 'f> {
    fn create(&mut self, subject: &Subject, role: Role, why: &str) {
        if subject.id.is_none() && !self.is_created(subject) {
            self.push(Effect::Create { container: subject.clone(), role }, why);
        }
    }

    fn create_and_start(&mut self, work: &Work<'_>, subject: &Subject, role: Role, why: [&str; 2]) {
        self.create(subject, role, why[0]);
        let runs = |container: &Container| container.running() && !self.stopped.contains(&container.id);
        if !self.reusable(work, role).is_some_and(runs) {
            self.push(Effect::Start { container: subject.clone() }, why[1]);
        }
    }

    /// Created before a fence, so that the pause is short; but for those that get names for what does not exist yet.
    pub(super) fn create_candidates(&mut self) {
        let new: Vec<(Subject, String)> = self
            .candidates()
            .filter(|work| !self.dependencies(work).any(|dependency| self.has_to_exist(dependency)))
            .map(|work| (self.new_subject(work), work.why().to_owned()))
            .filter(|(subject, _)| subject.id.is_none())
            .collect();
        for (container, why) in new {
            if !self.is_created(&container) {
                self.push(Effect::Create { container, role: Role::Successor }, why);
            }
        }
    }

    fn is_created(&self, subject: &Subject) -> bool {
        self.steps.iter().any(
            |step| matches!(&step.effect, Effect::Create { container, .. } if container.name == subject.name),
        )
    }

    pub(super) fn prove_candidates(&mut self) {
        let mut unproven: Vec<Subject> = Vec::new();
        let candidates: Vec<&Work<'f>> =
            self.works.iter().filter(|work| work.replaced() && work.class == Class::Candidate).collect();
        for work in candidates {
            if unproven.iter().any(|container| work.service.depends_on.contains_key(&container.service)) {
                self.prove(std::mem::take(&mut unproven));
            }
            self.run_dependencies(work);
            let subject = self.new_subject(work);
            if self.waits_for_port(work) {
                self.create(&subject, Role::Successor, work.why());
            } else {
                self.free_port(work, &subject);
                let why = [work.why(), "in private: no user reaches it there"];
                self.create_and_start(work, &subject, Role::Successor, why);
                unproven.push(subject);
            }
            if let Some(stand_in) = self.stand_in(work) {
                let why = "the published port is still held; a portless copy carries the names meanwhile";
                self.create_and_start(work, &stand_in, Role::StandIn, [why, "in private"]);
                unproven.push(stand_in);
            }
        }
        self.prove(unproven);
    }

    fn prove(&mut self, containers: Vec<Subject>) {
        if !containers.is_empty() {
            self.push(
                Effect::Prove { containers },
                "nothing that serves is touched before its successor is proven",
            );
        }
    }

    /// What an interrupted try left with the port goes before the next one starts.
    fn free_port(&mut self, work: &Work<'_>, successor: &Subject) {
        if !binds_at_start(self.facts.desired) {
            return;
        }
        for other in work.others.iter().filter(|other| Some(&other.id) != successor.id.as_ref()) {
            if active(other) && self.holds_port(other) {
                self.stand_down(work, other);
            }
        }
    }

    pub(super) fn holds_port(&self, container: &Container) -> bool {
        let backstage = self.facts.backstage();
        !container.port_bindings.is_empty() && container.networks.keys().any(|name| *name != backstage)
    }

    pub(super) fn prove_successor(&mut self, successor: &Subject) {
        let containers = vec![successor.clone()];
        self.push(Effect::Prove { containers }, "it gets the names once it works as its copy does");
    }

    /// What a candidate depends on runs before it is proven: what is started for the first time, for nobody is served by it yet
    /// and the candidate brings names only for what exists; and what a fence stopped.
    fn run_dependencies(&mut self, work: &Work<'_>) {
        let dependencies: Vec<&'a Work<'f>> = self.dependencies(work).collect();
        for dependency in dependencies {
            if self.has_to_exist(dependency) {
                self.run_dependencies(dependency);
                self.restart(dependency);
            } else if self.has_to_come_back(dependency) {
                self.run_dependencies(dependency);
                self.bring_back(dependency);
            }
        }
    }

    fn dependencies(&self, work: &Work<'_>) -> impl Iterator<Item = &'a Work<'f>> + use<'a, 'f> {
        let names: BTreeSet<ServiceName> = work.service.depends_on.keys().cloned().collect();
        let works = self.works;
        works.iter().filter(move |other| names.contains(&other.name))
    }

    /// Whether it is stopped and started, and does not run when candidates are proven.
    fn has_to_exist(&self, work: &Work<'_>) -> bool {
        let down = !work.serves() || self.fenced.contains(&work.name);
        work.replaced() && work.class != Class::Candidate && down
    }
}
