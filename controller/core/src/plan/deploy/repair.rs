//! What is right but for a detail is put right in place.

use std::collections::BTreeSet;

use super::super::service::{Action, Work, active};
use super::super::{Class, Effect, Step};
use super::Deployment;
use crate::name::ServiceName;
use crate::observed::Container;

impl<'a, 'f> Deployment<'a, 'f> {
    /// Repairs in place. What writes has to wait where the schema moves up first, which is what its code needs, or moves behind a
    /// fence; and what does not run, for what it depends on.
    pub(super) fn repair(&mut self, moves_first: bool) {
        let works = self.works;
        let writers: BTreeSet<ServiceName> = self.writers().map(|work| work.name.clone()).collect();
        for work in works {
            match &work.action {
                Action::Keep(repairs)
                    if moves_first && writers.contains(&work.name) || self.is_early(work) =>
                {
                    if !repairs.is_empty() {
                        self.deferred.insert(work.name.clone());
                    }
                }
                Action::Keep(repairs) => {
                    self.make_way(work);
                    self.put_right(repairs);
                }
                Action::Replace(_) => {}
            }
            self.tag(work);
        }
    }

    /// What puts a container right that stays.
    pub(super) fn put_right<'s>(&mut self, repairs: impl IntoIterator<Item = &'s Step>) {
        for step in repairs {
            self.hooks_due |= matches!(step.effect, Effect::Rename { .. });
            self.steps.push(step.clone());
        }
    }

    /// Whether it is stopped, and so is what it depends on, whose successor is still to come.
    pub(super) fn is_early(&self, work: &Work<'_>) -> bool {
        let comes = |other: &&Work<'f>| other.replaced() && other.current.is_some() && !other.serves();
        let mut awaited = self.works.iter().filter(comes);
        !work.serves() && awaited.any(|other| work.service.depends_on.contains_key(&other.name))
    }

    /// Before the right container is repaired, whatever has its name or its port goes, and whatever must not run beside it. Where the
    /// release asks for fewer than there are, those beyond serve until all of it is proven.
    pub(super) fn make_way(&mut self, work: &Work<'_>) {
        let right = self.final_name(work);
        let alone = work.serves() || work.class != Class::Candidate;
        for other in &work.others {
            let alone = alone && !(work.serves() && self.is_beyond(work, other));
            if other.name == right || active(other) && (alone || self.holds_port(other)) {
                self.stand_down(work, other);
            }
        }
    }

    /// Whether a container's number is beyond what the release asks for.
    pub(super) fn is_beyond(&self, work: &Work<'_>, container: &Container) -> bool {
        let further = self.facts.desired.project.further(&work.name);
        container.number() > further.map(ServiceName::number).max().unwrap_or(1)
    }

    /// The tag that the Compose file names moves with the release; it is also put right when somebody moved it.
    fn tag(&mut self, work: &Work<'_>) {
        use crate::release::ImageSource::Build;
        let facts = self.facts;
        if work.replaced() {
            return;
        }
        let (Some(source @ Build { name, .. }), Some(id)) =
            (facts.desired.images.get(&work.name), facts.outputs.images.get(&work.name))
        else {
            return;
        };
        for tag in source.tags().chain([name]) {
            if facts.observed.images.get(tag).is_none_or(|image| image.id != *id) {
                self.push(
                    Effect::Tag { service: work.name.clone(), image: id.to_string(), tag: tag.clone() },
                    format!("{tag} names another image"),
                );
            }
        }
    }
}
