//! Names and ports change hands; what served before is set aside.

use super::super::on_takeover::hooks;
use super::super::service::{Work, active};
use super::super::{Class, Effect, Role, Step, Subject, told};
use super::Deployment;
use crate::compose::RestartPolicy;
use crate::name::{ContainerId, ServiceName};
use crate::observed::Container;

/// What the name of a stand-in ends with.
pub(super) const STAND_IN: &str = "-stand-in";
/// What the change of a published port's owner takes.
const SHORT_GAP: &str = "as long as the old container takes to stop, and a third of a second";
/// The same, where the new one cannot be started while the port is held.
const LONG_GAP: &str = "the old container's stop, and the new one's start: it needs the outside world to start, and there its \
                        port is bound at once";

impl<'a, 'f> Deployment<'a, 'f> {
    pub(super) fn take_over(&mut self) {
        let candidates: Vec<&Work<'f>> =
            self.works.iter().filter(|work| work.replaced() && work.class == Class::Candidate).collect();
        for work in candidates {
            self.take_over_one(work);
        }
        // Successors that already serve while an interrupted take-over left others behind.
        let works = self.works;
        for work in works.iter().filter(|work| !work.replaced()) {
            self.stand_down_others(work, None);
        }
    }

    /// The service's container name goes from hand to hand before anything stops: it decides who is found, so that nobody in
    /// the project is sent to what is about to stop.
    fn take_over_one(&mut self, work: &Work<'_>) {
        let new = self.new_subject(work);
        self.announce_turns(work);
        let Some(stand_in) = self.stand_in(work) else {
            self.push(Effect::Join { container: new.clone(), role: Role::Successor }, "it is proven");
            self.come_forward(work, &new, new.clone(), "it serves under its own name");
            self.stand_down_others(work, new.id.as_ref());
            self.tag_new(work);
            return;
        };
        self.announce_gap(work);
        self.push(
            Effect::Join { container: stand_in.clone(), role: Role::StandIn },
            "it carries the names while the port changes hands",
        );
        let stand_in = self.come_forward(work, &new, stand_in, "it serves meanwhile");
        self.stand_down_others(work, new.id.as_ref());
        if self.waits_for_port(work) {
            let container = new.clone();
            self.push(Effect::Start { container }, "the port is free; it is bound as soon as it starts");
            self.prove_successor(&new);
        }
        self.push(Effect::Join { container: new.clone(), role: Role::Successor }, "the port is free");
        let aside = self.new_name(work, STAND_IN);
        self.hand_over(stand_in.clone(), &aside, new, "it serves under its own name");
        let stand_in = Subject { name: aside, ..stand_in };
        self.hooks_before(std::slice::from_ref(&stand_in));
        self.push(Effect::Stop { container: stand_in.clone() }, "the successor serves; it drains");
        self.push(Effect::Remove { container: stand_in }, "it was temporary");
        self.tag_new(work);
    }

    /// A container that has joined gets the service's name from whoever has it; then what served is stopped.
    fn come_forward(&mut self, work: &Work<'_>, new: &Subject, front: Subject, why: &str) -> Subject {
        let right = self.final_name(work);
        let stand_in = self.stand_in(work).and_then(|subject| subject.id);
        let ours =
            |other: &Container| new.id.as_ref() == Some(&other.id) || stand_in.as_ref() == Some(&other.id);
        let named = work.others.iter().copied().filter(|other| other.name == right && !ours(other));
        let (mut from, mut stopping) = (None, Vec::new());
        for old in work.current.into_iter().chain(named).collect::<Vec<_>>() {
            let Some(mut subject) = self.set_aside(work, old) else { continue };
            if old.name == right {
                let aside = self.aside(work, old);
                from = Some((subject.clone(), aside.clone()));
                subject.name = aside;
            }
            if active(old) && !self.stopped.contains(&old.id) {
                stopping.push(subject);
            }
        }
        let front = match from.filter(|_| front.name != right) {
            Some((from, aside)) => self.hand_over(from, &aside, front, why),
            None => self.rename(front, right, why),
        };
        self.hooks_before(&stopping);
        self.stop(stopping, "its successor serves");
        front
    }

    fn hand_over(&mut self, from: Subject, aside: &str, to: Subject, why: &str) -> Subject {
        let name = from.name.clone();
        self.push(Effect::HandOver { from, aside: aside.to_owned(), to: to.clone() }, why);
        Subject { name, ..to }
    }

    fn announce_gap(&mut self, work: &Work<'_>) {
        self.gaps.push(format!(
            "published port{} of {} refuse{} connections while it changes hands ({}); whoever asks for the container's name, or tries \
             another address, notices nothing",
            ports(work),
            work.name,
            if work.service.ports.len() == 1 { "s" } else { "" },
            if self.waits_for_port(work) { LONG_GAP } else { SHORT_GAP },
        ));
    }

    /// The name of several leads to each of them until it is gone; that of one alone changes hands before anything stops.
    fn announce_turns(&mut self, work: &Work<'_>) {
        let several = self.facts.desired.project.further(&work.name).next().is_some();
        if several && work.serves() && work.name.number() == 1 {
            self.gaps.push(format!(
                "the containers of {} take turns: while one of them stops, its address is still among those of the name; whoever tries \
                 one address only may be refused for as long as that takes",
                work.name
            ));
        }
    }

    fn rename(&mut self, container: Subject, to: String, why: &str) -> Subject {
        if container.name != to {
            self.push(Effect::Rename { container: container.clone(), to: to.clone() }, why);
        }
        Subject { name: to, ..container }
    }

    fn stop(&mut self, containers: Vec<Subject>, why: &str) {
        for container in containers {
            self.push(Effect::Stop { container }, why);
        }
    }

    pub(super) fn aside(&self, work: &Work<'_>, container: &Container) -> String {
        format!("{}-{}-old", self.final_name(work), container.id.short())
    }

    fn may_come_back(&self, container: &Container) -> bool {
        container.restart != RestartPolicy::No
            && !container.given_up()
            && !self.stopped.contains(&container.id)
    }

    /// It will not come back by itself. `None` where that has been seen to.
    fn set_aside(&mut self, work: &Work<'_>, container: &Container) -> Option<Subject> {
        if !self.aside.insert(container.id.clone()) {
            return None;
        }
        let subject = Self::existing(work, container);
        if self.may_come_back(container) {
            self.push(
                Effect::SetRestart { container: subject.clone(), policy: RestartPolicy::No },
                "it must not come back by itself",
            );
        }
        Some(subject)
    }

    /// Sets a container aside: it will not come back by itself, its name is free, it is stopped. It stays until the bake is over.
    pub(super) fn stand_down(&mut self, work: &Work<'_>, container: &Container) {
        let Some(mut subject) = self.set_aside(work, container) else { return };
        if container.name == self.final_name(work) {
            subject = self.rename(subject, self.aside(work, container), "its successor gets the name");
        }
        if active(container) && !self.stopped.contains(&container.id) {
            let fewer = self.is_beyond(work, container);
            self.stop(
                vec![subject],
                if fewer { "the release asks for fewer" } else { "its successor serves" },
            );
        }
    }

    /// Whatever else of the service runs, or has its name, is set aside.
    pub(super) fn stand_down_others(&mut self, work: &Work<'_>, except: Option<&ContainerId>) {
        let right = self.final_name(work);
        let stand_in = self.stand_in(work).and_then(|subject| subject.id);
        for other in work
            .others
            .iter()
            .filter(|other| except != Some(&other.id) && stand_in.as_ref() != Some(&other.id))
        {
            if active(other) || other.name == right {
                self.stand_down(work, other);
            }
        }
    }

    pub(super) fn tag_new(&mut self, work: &Work<'_>) {
        let facts = self.facts;
        let Some(source) = facts.desired.images.get(&work.name) else { return };
        let name = source.reference();
        self.tag_by_content(work, name);
        for tag in source.tags() {
            let effect = Effect::Tag { service: work.name.clone(), image: name.to_owned(), tag: tag.clone() };
            let is_same = |step: &Step| matches!(&step.effect, Effect::Tag { image, tag: to, .. } if image == name && to == tag);
            if !self.steps.iter().any(is_same) {
                self.push(effect, "the Compose file names it so");
            }
        }
    }

    /// The name by content may still lead to a build of the same content, beside the image that was found to run.
    fn tag_by_content(&mut self, work: &Work<'_>, name: &str) {
        use crate::release::ImageSource::Build;
        let facts = self.facts;
        let (Some(Build { .. }), Some(id), Some(there)) = (
            facts.desired.images.get(&work.name),
            facts.outputs.images.get(&work.name),
            facts.observed.images.get(name),
        ) else {
            return;
        };
        let effect = Effect::Tag { service: work.name.clone(), image: id.to_string(), tag: name.to_owned() };
        if there.id != *id && !self.steps.iter().any(|step| step.effect == effect) {
            self.push(effect, "another build of the same content has the name");
        }
    }

    /// Containers of services that the release no longer has.
    pub(super) fn stand_down_removed(&mut self) {
        for container in self.removed() {
            let service =
                container.instance(&self.facts.desired.project).unwrap_or_else(|| ServiceName::new(""));
            let subject = Subject {
                service: service.clone(),
                name: container.name.clone(),
                id: Some(container.id.clone()),
            };
            if self.may_come_back(container) {
                self.push(
                    Effect::SetRestart { container: subject.clone(), policy: RestartPolicy::No },
                    format!("the Compose file no longer has service {service}"),
                );
            }
            if active(container) && !self.stopped.contains(&container.id) {
                self.push(
                    Effect::Stop { container: subject },
                    format!("the Compose file no longer has service {service}"),
                );
            }
        }
    }

    pub(super) fn removed(&self) -> Vec<&'f Container> {
        let facts = self.facts;
        facts
            .observed
            .containers
            .iter()
            .filter(|container| facts.known.contains(&container.id))
            .filter(|container| {
                container
                    .instance(&self.facts.desired.project)
                    .is_none_or(|name| !facts.desired.project.services.contains_key(&name))
            })
            .collect()
    }

    /// Whoever asks for names seldom is told to ask again while what it knows still serves; what does not run yet, at the end.
    fn hooks_before(&mut self, stopping: &[Subject]) {
        let (project, facts) = (&self.facts.desired.project, self.facts);
        // Of a service, or a number, that comes again the one before may still be on record.
        let is_there = |id: &ContainerId| facts.observed.containers.iter().any(|it| it.id == *id);
        let runs = |name: &ServiceName| {
            !project.services.contains_key(name) || facts.serving.get(name).is_some_and(is_there)
        };
        self.hooks_due = stopping.is_empty() || !told(facts.desired).iter().all(runs);
        if !stopping.is_empty() {
            self.hooks(runs);
        }
    }

    /// Hooks that are still due, also of a process that was interrupted before they had run.
    pub(super) fn last_hooks(&mut self) {
        let restarted = self.works.iter().any(|work| work.replaced() && work.class != Class::Candidate);
        let (all, untold) = (self.hooks_due || restarted, &self.facts.hints.untold);
        // Who is left alone may not run; that it has yet to be told stays on record.
        let alone = self.facts.left_alone();
        self.hooks(|it| (all || untold.contains(it)) && !alone.contains(it));
    }

    fn hooks(&mut self, due: impl Fn(&ServiceName) -> bool) {
        for (_, effect) in hooks(self.facts.desired).into_iter().filter(|(name, _)| due(name)) {
            self.push(effect, "rollout.onTakeover");
        }
    }
}

/// ` 8001`, or `s 8001, 8002`.
fn ports(work: &Work<'_>) -> String {
    let list: Vec<String> =
        work.service.ports.iter().filter_map(|port| port.published).map(|port| port.to_string()).collect();
    format!("{} {}", if list.len() == 1 { "" } else { "s" }, list.join(", "))
}
