//! What cannot be proven first is stopped and started.

use std::collections::BTreeSet;

use super::super::service::Work;
use super::super::{Class, Effect, Role, Subject};
use super::Deployment;
use crate::name::ServiceName;

impl<'a, 'f> Deployment<'a, 'f> {
    pub(super) fn restart_others(&mut self) {
        let after = self.after_the_take_over();
        self.restart_but(&after);
    }

    /// What is to be restarted after something that takes over is started only then: once is enough.
    pub(super) fn restart_the_rest(&mut self) {
        self.restart_but(&BTreeSet::new());
    }

    fn restart_but(&mut self, later: &BTreeSet<ServiceName>) {
        let works = self.works;
        let now = |work: &&Work<'f>| !later.contains(&work.name);
        for work in works.iter().filter(|work| work.class != Class::Candidate).filter(now) {
            if work.replaced() {
                self.restart(work);
            }
        }
        for work in works.iter().filter(|work| self.has_to_come_back(work)).filter(now).collect::<Vec<_>>() {
            self.bring_back(work);
        }
    }

    /// Stops and starts what cannot be proven first. Created before the old one stops, so that the pause is short.
    pub(super) fn restart(&mut self, work: &Work<'_>) {
        if !self.restarted.insert(work.name.clone()) {
            return;
        }
        let new = self.subject_for(work, Role::Replacement);
        let right = self.final_name(work);
        if new.id.is_none() {
            self.push(
                Effect::Create { container: new.clone(), role: Role::Replacement },
                work.why().to_owned(),
            );
        }
        self.stand_down_others(work, new.id.as_ref());
        if let Some(current) = work.current {
            if let Class::Restart(why) = &work.class {
                self.gaps.push(format!("{} is stopped and started again, because {why}", work.name));
            }
            self.stand_down(work, current);
            // Never two startable containers on one writable volume. Before the first release of an adopted stack the old
            // container is the only way back, so there it stays.
            let keeps_data = work.service.writable_volumes().next().is_some()
                || !super::super::anonymous_volumes(work.service, self.facts.image(&work.name)).is_empty();
            if keeps_data && self.facts.live.is_some() {
                let aside = self.aside(work, current);
                let container = Subject { name: aside, ..Self::existing(work, current) };
                self.push(
                    Effect::Remove { container },
                    "never two startable containers on one writable volume",
                );
            }
        }
        if new.name != right {
            self.push(
                Effect::Rename { container: new.clone(), to: right.clone() },
                "it serves under its own name",
            );
        }
        let new = Subject { name: right, ..new };
        self.push(Effect::Start { container: new.clone() }, "it takes its place");
        self.push(
            Effect::Prove { containers: vec![new] },
            "it must work before anything that depends on it moves on",
        );
        self.tag_new(work);
    }
}
