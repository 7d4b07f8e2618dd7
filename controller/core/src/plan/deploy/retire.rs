//! The release is watched; then what it replaced goes.

use std::collections::BTreeSet;

use super::super::service::active;
use super::super::{Class, Effect, Role, Subject};
use super::Deployment;
use crate::container::label;
use crate::manifest::Orphans;
use crate::name::ServiceName;
use crate::observed::Container;

impl<'a, 'f> Deployment<'a, 'f> {
    pub(super) fn watch(&mut self) {
        if !self.is_new_release() {
            return;
        }
        self.prove_again();
        let spec = &self.facts.desired.manifest.spec;
        if !spec.smoke.is_empty() {
            self.push(Effect::Smoke, "once, after the take-over");
        }
        if !spec.rollout.bake.is_zero() {
            self.push(
                Effect::Bake { seconds: spec.rollout.bake.as_secs() },
                "the release is watched before the old one goes",
            );
        }
    }

    /// What this rollout had made and put in its place before it was interrupted may have been restarted with the host since.
    fn prove_again(&mut self) {
        let rollout = self.facts.rollout.to_string();
        let database = self.facts.desired.database_service();
        let interrupted = self
            .works
            .iter()
            .filter(|work| !work.replaced() && work.class != Class::OneShot && Some(&work.name) != database);
        let containers: Vec<Subject> = interrupted
            .filter_map(|work| Some((work, work.current?)))
            .filter(|(_, current)| current.label(label::ROLLOUT) == Some(&rollout))
            .map(|(work, current)| Subject { name: self.final_name(work), ..Self::existing(work, current) })
            .collect();
        if !containers.is_empty() {
            self.push(Effect::Prove { containers }, "it served already when the rollout was interrupted");
        }
    }

    /// Whether it has yet to show that it works: neither a revert nor a repair of what is live.
    fn is_new_release(&self) -> bool {
        !self.facts.hints.reverting
            && self.facts.live.is_none_or(|live| live.digest != self.facts.desired.digest)
    }

    /// Whatever is no longer needed goes, now that the release has shown that it works.
    pub(super) fn retire(&mut self) {
        if self.is_new_release() {
            self.push(Effect::MarkLive, "it has shown that it works");
        }
        let removed_already: BTreeSet<_> = self
            .steps
            .iter()
            .filter_map(|step| match &step.effect {
                Effect::Remove { container } => container.id.clone(),
                _ => None,
            })
            .collect();
        for work in self.works {
            let role = if work.class == Class::Candidate { Role::Successor } else { Role::Replacement };
            let used = self.reusable(work, role).map(|container| &container.id);
            let current = work.current.filter(|_| work.replaced());
            for old in current.iter().chain(&work.others) {
                if work.replaced() && Some(&old.id) == used || removed_already.contains(&old.id) {
                    continue;
                }
                let name = if self.renamed_aside(old) { self.aside(work, old) } else { old.name.clone() };
                let container = Subject { name, ..Self::existing(work, old) };
                self.push(Effect::Remove { container }, "it is no longer needed");
            }
        }
        for container in self.removed() {
            let service =
                container.instance(&self.facts.desired.project).unwrap_or_else(|| ServiceName::new(""));
            let subject = Subject { service, name: container.name.clone(), id: Some(container.id.clone()) };
            self.push(Effect::Remove { container: subject }, "the Compose file no longer has its service");
        }
    }

    /// What nobody asked for goes, where the manifest says so.
    pub(super) fn remove_orphans(&mut self) {
        let asked = self.facts.desired.manifest.spec.orphans == Orphans::Remove;
        let orphans = self.facts.orphans().into_iter().filter(|orphan| !orphan.given_up());
        for orphan in orphans.filter(|_| asked && self.facts.is_repair()).collect::<Vec<_>>() {
            let service = orphan.service().unwrap_or_else(|| ServiceName::new(""));
            let container = Subject { service, name: orphan.name.clone(), id: Some(orphan.id.clone()) };
            let why = "nobody asked for it, and the manifest says `orphans: remove`";
            if active(orphan) {
                self.push(Effect::Stop { container: container.clone() }, why);
            }
            self.push(Effect::Remove { container }, why);
        }
    }

    fn renamed_aside(&self, container: &Container) -> bool {
        self.steps.iter().any(|step| {
            matches!(
                &step.effect,
                Effect::Rename { container: subject, .. } | Effect::HandOver { from: subject, .. }
                    if subject.id.as_ref() == Some(&container.id)
            )
        })
    }
}
