//! The fence: what may write is stopped while the schema moves.

use std::collections::BTreeSet;

use super::super::service::{Action, Work, active};
use super::super::{Effect, Role, Step, Subject};
use super::Deployment;
use crate::compose::RestartPolicy;
use crate::name::ServiceName;
use crate::observed::Container;

impl<'a, 'f> Deployment<'a, 'f> {
    /// Services that may write to the database: all but the database itself and those that do not depend on it.
    pub(super) fn writers(&self) -> impl Iterator<Item = &Work<'f>> {
        let release = self.facts.desired;
        self.works.iter().filter(move |work| writes(release, &work.name))
    }

    /// Whatever runs of them, the candidates of a try before included; and what writes of services that the release no longer has.
    pub(super) fn running_writers(&self) -> Vec<(ServiceName, &'f Container)> {
        let present = self.writers().flat_map(|work| work.containers().map(|it| (work.name.clone(), it)));
        let removed =
            self.removed().into_iter().filter_map(|it| Some((it.instance(&self.facts.desired.project)?, it)));
        let removed = removed.filter(|(name, _)| self.facts.live.is_none_or(|live| writes(live, name)));
        present.chain(removed).filter(|(_, container)| active(container)).collect()
    }

    /// The fence is going to be put up: candidates that are created before it get names only for what comes back as it is.
    pub(super) fn announce_fence(&mut self) {
        let running: BTreeSet<ServiceName> =
            self.running_writers().into_iter().map(|(name, _)| name).collect();
        let serving = self.works.iter().filter(|work| work.serves()).map(|work| work.name.clone());
        self.fenced = serving.filter(|name| running.contains(name)).collect();
    }

    pub(super) fn fence(&mut self, why: &str) {
        self.announce_fence();
        let running = self.running_writers();
        let mut names: Vec<&str> = running.iter().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        if !names.is_empty() {
            self.gaps.push(format!(
                "{} stopped while the schema moves ({why}); whoever stands before them answers 502 or 503 until the new code \
                 is proven",
                are(&names)
            ));
        }
        for (service, container) in running {
            let subject = Subject {
                service: service.clone(),
                name: container.name.clone(),
                id: Some(container.id.clone()),
            };
            // One that this rollout is going to use again is only stopped.
            if !self.is_reused(&service, container) {
                self.push(
                    Effect::SetRestart { container: subject.clone(), policy: RestartPolicy::No },
                    "fence",
                );
            }
            self.push(Effect::Stop { container: subject }, format!("fence: {why}"));
            self.stopped.insert(container.id.clone());
        }
    }

    fn is_reused(&self, service: &ServiceName, container: &Container) -> bool {
        let work = self.works.iter().find(|work| work.name == *service && work.replaced());
        let of = |work: &Work<'f>| {
            [Role::Successor, Role::Replacement].into_iter().find_map(|role| self.reusable(work, role))
        };
        work.and_then(of).is_some_and(|reused| reused.id == container.id)
    }

    /// Whether it is kept, and was stopped by the fence or not repaired for its sake.
    pub(super) fn has_to_come_back(&self, work: &Work<'_>) -> bool {
        !work.replaced() && (self.fenced.contains(&work.name) || self.deferred.contains(&work.name))
    }

    pub(super) fn bring_back(&mut self, work: &Work<'_>) {
        if !self.restarted.insert(work.name.clone()) {
            return;
        }
        if self.fenced.contains(&work.name) {
            self.lift_fence(work);
        } else if let Action::Keep(repairs) = &work.action {
            self.make_way(work);
            self.put_right(repairs);
        }
    }

    fn lift_fence(&mut self, work: &Work<'_>) {
        let Some(container) = work.current.map(|it| Self::existing(work, it)) else { return };
        let why = "the fence is lifted";
        self.make_way(work);
        self.push(Effect::SetRestart { container: container.clone(), policy: work.service.restart }, why);
        self.push(Effect::Start { container: container.clone() }, why);
        if let Action::Keep(repairs) = &work.action {
            let moves = |step: &&Step| {
                !matches!(
                    step.effect,
                    Effect::SetRestart { .. }
                        | Effect::Start { .. }
                        | Effect::PostStart { .. }
                        | Effect::Prove { .. }
                )
            };
            self.put_right(repairs.iter().filter(moves));
        }
        self.push(Effect::Prove { containers: vec![container] }, why);
    }
}

/// Whether a service of a release may write to its database.
pub fn writes(release: &crate::release::Release, name: &ServiceName) -> bool {
    let database = release.database_service();
    let migrates = release.manifest.spec.database.as_ref().map(|database| &database.migrations.service);
    let depends = |database: &ServiceName| {
        release.project.services.get(name).is_none_or(|service| service.depends_on.contains_key(database))
    };
    Some(name) != database
        && (migrates.is_some_and(|migrates| migrates.base() == name.base())
            || database.is_none_or(depends)
            || shares_image(release, name, migrates))
}

fn shares_image(
    release: &crate::release::Release,
    name: &ServiceName,
    migrates: Option<&ServiceName>,
) -> bool {
    let reference = |name: &ServiceName| release.images.get(name).map(crate::release::ImageSource::reference);
    migrates.and_then(&reference).is_some_and(|image| reference(name) == Some(image))
}

fn are(names: &[&str]) -> String {
    match names {
        [one] => format!("{one} is"),
        many => format!("{} are", many.join(", ")),
    }
}
