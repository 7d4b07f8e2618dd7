//! The second half: the schema moves, candidates are proven, names and ports change hands, the release is watched.

use std::collections::BTreeSet;

use super::schema::SchemaMove;
use super::service::{Action, Work, active, final_name};
use super::{Class, Direction, Effect, Facts, Plan, Role, Stage, Step, Strategy, Subject};
use crate::compose::RestartPolicy;
use crate::container::label;
use crate::name::{ContainerId, ServiceName};
use crate::observed::{Container, State};
use crate::spec::binds_at_start;

/// The deployment, as one ordered list.
pub(super) fn deploy(facts: &Facts<'_>, works: &[Work<'_>], schema: &SchemaMove) -> Plan {
    let mut plan = Deployment {
        facts,
        works,
        steps: Vec::new(),
        gaps: Vec::new(),
        notes: Vec::new(),
        fenced: BTreeSet::new(),
        deferred: BTreeSet::new(),
        stopped: BTreeSet::new(),
        aside: BTreeSet::new(),
        restarted: BTreeSet::new(),
    };
    plan.repair(strategy(schema) == Strategy::Fenced);
    plan.replace_database(schema);
    plan.move_schema(schema);
    plan.prove_candidates();
    plan.restart_others();
    plan.take_over();
    plan.stand_down_removed();
    plan.hooks();
    plan.go_down(schema);
    plan.watch();
    plan.retire();
    Plan {
        stage: Stage::Deploy,
        strategy: strategy(schema),
        steps: plan.steps,
        gaps: plan.gaps,
        notes: plan.notes,
    }
}

fn strategy(schema: &SchemaMove) -> Strategy {
    match schema {
        SchemaMove::Up { strategy, .. } | SchemaMove::Down { strategy, .. } => *strategy,
        SchemaMove::Restore { .. } => Strategy::Fenced,
        _ => Strategy::None,
    }
}

/// What the change of a published port's owner takes.
const SHORT_GAP: &str = "the old container's stop and one connect, usually well under a second";
/// The same, where the new one cannot be started while the port is held.
const LONG_GAP: &str = "the old container's stop, and the new one's start: it needs the outside world to start, and there its \
                        port is bound at once";

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
}

impl<'a, 'f> Deployment<'a, 'f> {
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
        let right = |container: &Container| {
            self.facts.made_for(&work.name, container)
                && container.label(label::ROLE) == Some(role.as_str())
                && container.label(label::ROLLOUT) == Some(&rollout)
                && !matches!(container.state, State::Exited | State::Dead | State::Removing)
        };
        work.others.iter().find(|container| right(container)).copied()
    }

    fn subject_for(&self, work: &Work<'_>, role: Role) -> Subject {
        let suffix = if role == Role::StandIn { "-stand-in" } else { "" };
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

    fn candidates(&self) -> impl Iterator<Item = &Work<'f>> {
        self.works.iter().filter(|work| work.replaced() && work.class == Class::Candidate)
    }

    /// Repairs in place; what writes has to wait where the schema is going to move behind a fence.
    fn repair(&mut self, fenced: bool) {
        let works = self.works;
        let writers: BTreeSet<ServiceName> = self.writers().map(|work| work.name.clone()).collect();
        for work in works {
            match &work.action {
                Action::Keep(repairs) if fenced && writers.contains(&work.name) => {
                    if !repairs.is_empty() {
                        self.deferred.insert(work.name.clone());
                    }
                }
                Action::Keep(repairs) => {
                    self.make_way(work);
                    self.steps.extend(repairs.iter().cloned());
                }
                Action::Replace(_) => {}
            }
            self.tag(work);
        }
    }

    /// Before the right container is repaired, whatever has its name or its port goes, and whatever must not run beside it.
    fn make_way(&mut self, work: &Work<'_>) {
        let right = self.final_name(work);
        let alone = work.serves() || work.class != Class::Candidate;
        for other in &work.others {
            if other.name == right || active(other) && (alone || self.holds_port(other)) {
                self.stand_down(work, other);
            }
        }
    }

    /// The tag that the Compose file names moves with the release; it is also put right when somebody moved it.
    fn tag(&mut self, work: &Work<'_>) {
        use crate::release::ImageSource::Build;
        let facts = self.facts;
        if work.replaced() {
            return;
        }
        let (Some(Build { name, tag, .. }), Some(id)) =
            (facts.desired.images.get(&work.name), facts.outputs.images.get(&work.name))
        else {
            return;
        };
        for tag in tag.iter().chain([name]) {
            if facts.observed.images.get(tag).is_none_or(|image| image.id != *id) {
                self.push(
                    Effect::Tag { service: work.name.clone(), image: id.to_string(), tag: tag.clone() },
                    format!("{tag} names another image"),
                );
            }
        }
    }

    /// A database whose own container changes is stopped and started before the schema moves.
    fn replace_database(&mut self, schema: &SchemaMove) {
        let Some(service) = self.facts.desired.database_service() else { return };
        let works = self.works;
        let Some(work) = works.iter().find(|work| work.name == *service && work.replaced()) else { return };
        if work.serves() && !matches!(schema, SchemaMove::Unknown) {
            self.backup("the database's own container is replaced");
        }
        self.restart(work);
    }

    fn current_revisions(&self) -> BTreeSet<crate::name::SchemaRevision> {
        self.facts.database.and_then(|database| database.current.clone()).unwrap_or_default()
    }

    fn backup(&mut self, why: &str) {
        let at = self.current_revisions();
        if self
            .facts
            .database
            .is_some_and(|database| database.word != Some(crate::database::SchemaWord::Empty))
        {
            self.push(Effect::Backup { at }, why);
        }
    }

    fn move_schema(&mut self, schema: &SchemaMove) {
        match schema {
            SchemaMove::Up { from, to, strategy, .. } => {
                let fenced = *strategy == Strategy::Fenced;
                if fenced && !self.running_writers().is_empty() {
                    self.create_candidates();
                    self.fence("the migration is not additive, so nothing may write while it runs");
                }
                self.backup("no migration without a backup that was decoded in full");
                let why = if fenced { "behind the fence" } else { "it only adds: the old code runs on" };
                let with = self.facts.desired.digest.clone();
                self.push(
                    Effect::Migrate { direction: Direction::Up, with, from: from.clone(), to: to.clone() },
                    why,
                );
            }
            SchemaMove::Down { with, from, to, strategy: Strategy::Fenced } => {
                self.create_candidates();
                self.fence("the older code cannot run on the newer schema");
                self.backup("what was written since goes into it");
                self.push(
                    Effect::Migrate {
                        direction: Direction::Down,
                        with: with.clone(),
                        from: from.clone(),
                        to: to.clone(),
                    },
                    "with the newer image, the only one that has the script",
                );
                self.notes.push(format!(
                    "what was written into columns that exist only at {} is kept in the backup",
                    super::revisions(from)
                ));
            }
            SchemaMove::Restore { to } => {
                self.fence("the backup goes back behind it");
                self.push(
                    Effect::Restore { to: to.clone() },
                    "the migration failed halfway, and nobody wrote since the backup",
                );
            }
            SchemaMove::Sweep { indexes, note } => {
                if !indexes.is_empty() {
                    let effect = Effect::DropInvalidIndexes { indexes: indexes.clone() };
                    self.push(effect, "the failed migration left them invalid");
                }
                self.notes.push(note.clone());
            }
            SchemaMove::Keep(note) => self.notes.push(note.clone()),
            SchemaMove::Stay | SchemaMove::Unknown | SchemaMove::Down { .. } | SchemaMove::Blocked(..) => {
                if self.facts.hints.reverting || !self.works.iter().any(Work::replaced) {
                    return;
                }
                self.backup_before_rollout();
            }
        }
    }

    fn backup_before_rollout(&mut self) {
        use crate::manifest::BackupBefore;
        let spec = self.facts.desired.manifest.spec.database.as_ref();
        if spec.is_some_and(|database| database.backup.before == BackupBefore::Rollout) {
            self.backup("the manifest wants one before every rollout");
        }
    }

    /// Services that may write to the database: all but the database itself and those that do not depend on it.
    fn writers(&self) -> impl Iterator<Item = &Work<'f>> {
        let release = self.facts.desired;
        self.works.iter().filter(move |work| writes(release, &work.name))
    }

    /// Whatever runs of them, the candidates of a try before included; and what writes of services that the release no longer has.
    fn running_writers(&self) -> Vec<(ServiceName, &'f Container)> {
        let present = self.writers().flat_map(|work| work.containers().map(|it| (work.name.clone(), it)));
        let removed = self.removed().into_iter().filter_map(|it| Some((it.service()?, it)));
        let removed = removed.filter(|(name, _)| self.facts.live.is_none_or(|live| writes(live, name)));
        present.chain(removed).filter(|(_, container)| active(container)).collect()
    }

    fn fence(&mut self, why: &str) {
        let running = self.running_writers();
        let current: Vec<ServiceName> =
            self.works.iter().filter(|work| work.serves()).map(|work| work.name.clone()).collect();
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
            if current.contains(&service) {
                self.fenced.insert(service);
            }
        }
    }

    fn is_reused(&self, service: &ServiceName, container: &Container) -> bool {
        let work = self.works.iter().find(|work| work.name == *service && work.replaced());
        let of = |work: &Work<'f>| {
            [Role::Successor, Role::Replacement].into_iter().find_map(|role| self.reusable(work, role))
        };
        work.and_then(of).is_some_and(|reused| reused.id == container.id)
    }

    /// Created before a fence, so that the pause is short; but for those that get names for what does not exist yet.
    fn create_candidates(&mut self) {
        let new: Vec<(Subject, String)> = self
            .candidates()
            .filter(|work| self.first_dependencies(work).next().is_none())
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

    fn prove_candidates(&mut self) {
        let mut unproven: Vec<Subject> = Vec::new();
        let candidates: Vec<&Work<'f>> =
            self.works.iter().filter(|work| work.replaced() && work.class == Class::Candidate).collect();
        for work in candidates {
            if unproven.iter().any(|container| work.service.depends_on.contains_key(&container.service)) {
                self.prove(std::mem::take(&mut unproven));
            }
            self.first_start_of_dependencies(work);
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

    fn holds_port(&self, container: &Container) -> bool {
        let backstage = self.facts.backstage();
        !container.port_bindings.is_empty() && container.networks.keys().any(|name| *name != backstage)
    }

    fn prove_successor(&mut self, successor: &Subject) {
        let containers = vec![successor.clone()];
        self.push(Effect::Prove { containers }, "it gets the names once it works as its copy does");
    }

    /// What a candidate depends on and that does not run at all is started before the candidate is made: nobody is served by
    /// it yet, and the candidate brings names only for what exists.
    fn first_start_of_dependencies(&mut self, work: &Work<'_>) {
        let first: Vec<&'a Work<'f>> = self.first_dependencies(work).collect();
        for dependency in first {
            self.first_start_of_dependencies(dependency);
            self.restart(dependency);
        }
    }

    fn first_dependencies(&self, work: &Work<'_>) -> impl Iterator<Item = &'a Work<'f>> + use<'a, 'f> {
        let names: BTreeSet<ServiceName> = work.service.depends_on.keys().cloned().collect();
        let works = self.works;
        works.iter().filter(move |other| {
            names.contains(&other.name)
                && other.replaced()
                && !other.serves()
                && other.class != Class::Candidate
        })
    }

    fn restart_others(&mut self) {
        let works = self.works;
        for work in works.iter().filter(|work| work.class != Class::Candidate) {
            if work.replaced() {
                self.restart(work);
            }
        }
        for work in works.iter().filter(|work| !work.replaced()) {
            if let Action::Keep(repairs) = &work.action
                && self.deferred.contains(&work.name)
                && !self.fenced.contains(&work.name)
            {
                self.make_way(work);
                self.steps.extend(repairs.iter().cloned());
            }
            if !self.fenced.contains(&work.name) {
                continue;
            }
            self.lift_fence(work);
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
                    Effect::SetRestart { .. } | Effect::Start { .. } | Effect::Prove { .. }
                )
            };
            self.steps.extend(repairs.iter().filter(moves).cloned());
        }
        self.push(Effect::Prove { containers: vec![container] }, why);
    }

    /// Stops and starts what cannot be proven first. Created before the old one stops, so that the pause is short.
    fn restart(&mut self, work: &Work<'_>) {
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
                || !super::anonymous_volumes(work.service, self.facts.image(&work.name)).is_empty();
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

    fn aside(&self, work: &Work<'_>, container: &Container) -> String {
        format!("{}-{}-old", self.final_name(work), container.id.short())
    }

    /// Sets a container aside: it will not come back by itself, its name is free, it is stopped. It stays until the bake is over.
    fn stand_down(&mut self, work: &Work<'_>, container: &Container) {
        if !self.aside.insert(container.id.clone()) {
            return;
        }
        let subject = Self::existing(work, container);
        let aside = self.aside(work, container);
        let stopped = self.stopped.contains(&container.id);
        if container.restart != RestartPolicy::No && !stopped {
            self.push(
                Effect::SetRestart { container: subject.clone(), policy: RestartPolicy::No },
                "it must not come back by itself",
            );
        }
        let renamed = container.name == self.final_name(work);
        if renamed {
            self.push(
                Effect::Rename { container: subject.clone(), to: aside.clone() },
                "its successor gets the name",
            );
        }
        if active(container) && !stopped {
            let name = if renamed { aside } else { container.name.clone() };
            self.push(Effect::Stop { container: Subject { name, ..subject } }, "its successor serves");
        }
    }

    fn take_over(&mut self) {
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

    /// Whatever else of the service runs, or has its name, is set aside.
    fn stand_down_others(&mut self, work: &Work<'_>, except: Option<&ContainerId>) {
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

    fn take_over_one(&mut self, work: &Work<'_>) {
        let new = self.new_subject(work);
        let right = self.final_name(work);
        let stand_in = self.stand_in(work);
        if let Some(stand_in) = &stand_in {
            self.push(
                Effect::Join { container: stand_in.clone(), role: Role::StandIn },
                "it carries the names while the port changes hands",
            );
            self.gaps.push(format!(
                "published port{} of {} refuse{} connections while it changes hands ({}); clients inside and through a proxy \
                 notice nothing",
                ports(work),
                work.name,
                if work.service.ports.len() == 1 { "s" } else { "" },
                if self.waits_for_port(work) { LONG_GAP } else { SHORT_GAP },
            ));
        } else {
            self.push(Effect::Join { container: new.clone(), role: Role::Successor }, "it is proven");
        }
        if let Some(old) = work.current {
            self.stand_down(work, old);
        }
        self.stand_down_others(work, new.id.as_ref());
        if stand_in.is_some() {
            if self.waits_for_port(work) {
                let container = new.clone();
                self.push(Effect::Start { container }, "the port is free; it is bound as soon as it starts");
                self.prove_successor(&new);
            }
            self.push(Effect::Join { container: new.clone(), role: Role::Successor }, "the port is free");
        }
        if new.name != right {
            self.push(Effect::Rename { container: new, to: right }, "it serves under its own name");
        }
        if let Some(stand_in) = stand_in {
            self.push(Effect::Stop { container: stand_in.clone() }, "the successor serves; it drains");
            self.push(Effect::Remove { container: stand_in }, "it was temporary");
        }
        self.tag_new(work);
    }

    fn tag_new(&mut self, work: &Work<'_>) {
        use crate::release::ImageSource::Build;
        if let Some(Build { name, tag: Some(tag), .. }) = self.facts.desired.images.get(&work.name) {
            let effect = Effect::Tag { service: work.name.clone(), image: name.clone(), tag: tag.clone() };
            let is_same = |step: &Step| matches!(&step.effect, Effect::Tag { image, tag: to, .. } if image == name && to == tag);
            if !self.steps.iter().any(is_same) {
                self.push(effect, "the Compose file names it so");
            }
        }
    }

    /// Containers of services that the release no longer has.
    fn stand_down_removed(&mut self) {
        for container in self.removed() {
            let service = container.service().unwrap_or_else(|| ServiceName::new(""));
            let subject = Subject {
                service: service.clone(),
                name: container.name.clone(),
                id: Some(container.id.clone()),
            };
            if container.restart != RestartPolicy::No && !self.stopped.contains(&container.id) {
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

    fn removed(&self) -> Vec<&'f Container> {
        let facts = self.facts;
        facts
            .observed
            .containers
            .iter()
            .filter(|container| facts.known.contains(&container.id))
            .filter(|container| {
                container.service().is_none_or(|name| !facts.desired.project.services.contains_key(&name))
            })
            .collect()
    }

    fn hooks(&mut self) {
        let replaced = self.works.iter().any(Work::replaced);
        if !replaced {
            return;
        }
        for (index, hook) in self.facts.desired.manifest.spec.rollout.on_takeover.iter().enumerate() {
            let effect = Effect::Hook { index, service: hook.service.clone(), command: hook.exec.clone() };
            self.push(effect, "rollout.onTakeover");
        }
    }

    /// The newer code has stopped: what it wrote is in the backup, then the schema goes down.
    fn go_down(&mut self, schema: &SchemaMove) {
        let SchemaMove::Down { with, from, to, strategy } = schema else { return };
        if *strategy == Strategy::Fenced {
            return;
        }
        self.backup("behind the newer code's stop: all that it wrote is in it");
        self.push(
            Effect::Migrate {
                direction: Direction::Down,
                with: with.clone(),
                from: from.clone(),
                to: to.clone(),
            },
            "the older code serves; the newer image is the only one that has the script",
        );
        self.notes.push(format!(
            "what was written into columns that exist only at {} is kept in the backup",
            super::revisions(from)
        ));
    }

    fn watch(&mut self) {
        if !self.is_new_release() {
            return;
        }
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

    /// Whether it has yet to show that it works: neither a revert nor a repair of what is live.
    fn is_new_release(&self) -> bool {
        !self.facts.hints.reverting
            && self.facts.live.is_none_or(|live| live.digest != self.facts.desired.digest)
    }

    /// Whatever is no longer needed goes, now that the release has shown that it works.
    fn retire(&mut self) {
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
            let service = container.service().unwrap_or_else(|| ServiceName::new(""));
            let subject = Subject { service, name: container.name.clone(), id: Some(container.id.clone()) };
            self.push(Effect::Remove { container: subject }, "the Compose file no longer has its service");
        }
    }

    fn renamed_aside(&self, container: &Container) -> bool {
        self.steps.iter().any(|step| {
            matches!(&step.effect, Effect::Rename { container: subject, .. } if subject.id.as_ref() == Some(&container.id))
        })
    }
}

/// Whether a service of a release may write to its database.
fn writes(release: &crate::release::Release, name: &ServiceName) -> bool {
    let database = release.database_service();
    let migrates = release.manifest.spec.database.as_ref().map(|database| &database.migrations.service);
    let depends = |database: &ServiceName| {
        release.project.services.get(name).is_none_or(|service| service.depends_on.contains_key(database))
    };
    Some(name) != database
        && (Some(name) == migrates || database.is_none_or(depends) || shares_image(release, name, migrates))
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

/// ` 8001`, or `s 8001, 8002`.
fn ports(work: &Work<'_>) -> String {
    let list: Vec<String> =
        work.service.ports.iter().filter_map(|port| port.published).map(|port| port.to_string()).collect();
    format!("{} {}", if list.len() == 1 { "" } else { "s" }, list.join(", "))
}
