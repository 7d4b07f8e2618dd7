//! What becomes of it by an effect.

use std::collections::BTreeMap;

use super::super::releases::scripts;
use super::{Revisions, World};
use crate::database::Rehearsal;
use crate::name::{ImageId, ReleaseDigest, RolloutId, ServiceName};
use crate::observed::{Container, HealthStatus, Image, Joined, NetworkState, State};
use crate::plan::{Direction, Effect, Subject, is_last, told};
use crate::release::{RehearsedFrom, Release};
use crate::spec::Pool;

impl World {
    /// Makes an effect. `torn`: the process ends after the engine has done it, before the ledger knows.
    pub(in crate::plan::tests) fn apply(
        &mut self,
        release: &Release,
        rollout: RolloutId,
        reverting: bool,
        effect: &Effect,
        torn: bool,
    ) -> Result<(), String> {
        let books = self.books.clone();
        self.make(release, rollout, reverting, effect)?;
        if torn {
            // What is due is on record before the effect, and off the record after it.
            let now = std::mem::replace(&mut self.books, books);
            if !matches!(effect, Effect::Restart { .. }) {
                self.books.due = now.due;
            }
            if !matches!(effect, Effect::Hook { .. }) {
                self.books.untold = now.untold;
            }
            if !matches!(effect, Effect::PostStart { .. }) {
                self.books.post_start_due = now.post_start_due;
            }
        }
        self.check()
    }

    pub(super) fn make(
        &mut self,
        release: &Release,
        rollout: RolloutId,
        reverting: bool,
        effect: &Effect,
    ) -> Result<(), String> {
        match effect {
            Effect::Materialise => drop(self.materialised.insert(release.digest.clone())),
            Effect::Build { image, .. } => self.image(release, image),
            Effect::Pull { reference, .. } => self.image(release, reference),
            Effect::CreateNetwork { name, .. } | Effect::CreateBackstage { name } => {
                let internal = matches!(effect, Effect::CreateBackstage { .. });
                self.observed.networks.insert(name.clone(), network(name, internal));
            }
            Effect::CreateVolume { name, .. } => drop(self.observed.volumes.insert(name.clone())),
            Effect::ReadScripts { .. } => {
                let scripts = scripts(self.code[&release.digest].scripts);
                self.books.outputs.entry(release.digest.clone()).or_default().scripts = Some(scripts);
            }
            Effect::Rehearse { from, .. } => self.rehearse(release, from),
            Effect::Attach { container, network } => {
                let (service, peers) = (&container.service, &self.observed.containers);
                let pool = Pool { release, service, peers, serving: &self.books.serving };
                let joined = Joined { aliases: pool.for_found(rollout), ..Joined::default() };
                self.get(container, rollout)?.networks.insert(network.clone(), joined);
            }
            Effect::Create { container, role } => self.create(release, rollout, container, *role)?,
            Effect::Start { container } => self.start(release, rollout, container)?,
            Effect::Restart { container, since } => {
                let it = self.get(container, rollout)?;
                if since.as_ref().is_some_and(|since| *since != it.started_at) {
                    return Ok(());
                }
                it.state = State::Running;
                it.restart_count += 1;
                it.started_at.push('+');
                if let Some(health) = &mut it.health {
                    health.status = HealthStatus::Starting;
                }
                let id = it.id.clone();
                self.serves_anew(release, &container.service);
                if since.is_none() {
                    self.books.untold = told(release);
                }
                self.begins(&container.service, &id);
            }
            Effect::PostStart { container } => {
                let it = self.get(container, rollout)?;
                if !it.running() {
                    return Err(format!("{} does not run", container.name));
                }
                let id = it.id.clone();
                self.books.post_start_due.remove(&id);
                self.hooked.insert(id);
            }
            Effect::Unpause { container } => self.get(container, rollout)?.state = State::Running,
            Effect::Prove { containers } => {
                self.prove(release, rollout, containers)?;
                let is_served = |it: &&Subject| {
                    let place = self.find(it, rollout).map(|place| &self.observed.containers[place].id);
                    crate::plan::writes(release, &it.service) && self.books.serving.get(&it.service) == place
                };
                self.notes.written |=
                    !reverting && self.notes.migrating && containers.iter().any(|it| is_served(&it));
            }
            Effect::Join { container, role } => self.join(release, rollout, container, *role, reverting)?,
            Effect::SetRestart { container, policy } => self.get(container, rollout)?.restart = *policy,
            Effect::SetLimits { container, limits } => self.get(container, rollout)?.limits = limits.clone(),
            Effect::Rename { container, to } => self.rename(rollout, container, to)?,
            Effect::HandOver { from, aside, to } => {
                let moved = [(from, aside), (to, &from.name)].into_iter().all(|(subject, name)| {
                    self.find(&Subject { name: name.clone(), ..subject.clone() }, rollout)
                        .is_some_and(|place| self.observed.containers[place].name == *name)
                });
                self.books.untold = told(release);
                if !moved {
                    self.rename(rollout, from, aside)?;
                    self.rename(rollout, to, &from.name)?;
                }
            }
            Effect::Stop { container } => {
                if let Ok(container) = self.get(container, rollout) {
                    container.state = State::Exited;
                }
            }
            Effect::Remove { container } => {
                if let Some(place) = self.find(container, rollout) {
                    let gone = self.observed.containers.remove(place);
                    self.books.known.remove(&gone.id);
                }
            }
            Effect::Tag { image, tag, .. } => {
                let image = self
                    .observed
                    .images
                    .values()
                    .find(|it| it.id.as_str() == image)
                    .or(self.observed.images.get(image));
                let image = image.cloned().ok_or("no such image")?;
                self.observed.images.insert(tag.clone(), image);
            }
            Effect::Backup { .. } => {
                self.database_runs(release)?;
                if !reverting {
                    self.notes.backup = Some(self.schema.clone());
                }
            }
            Effect::Migrate { direction, with, from, to } => {
                self.notes.migrating = true;
                self.migrate(release, *direction, with, from, to)?
            }
            Effect::Restore { to } => {
                self.schema = self.notes.backup.clone().ok_or("no backup")?;
                self.half_done = None;
                self.books.schema = Some(self.schema.clone());
                self.books.applied = Some(self.schema.clone());
                if self.schema != *to {
                    return Err("the backup holds another revision".to_owned());
                }
            }
            Effect::DropInvalidIndexes { .. } => self.half_done = None,
            Effect::Hook { index, service, .. } => {
                let name = ServiceName::new(service.as_str());
                if is_last(release, *index, &name) {
                    self.books.untold.remove(&name);
                }
            }
            Effect::Smoke | Effect::Bake { .. } => {}
            Effect::MarkLive => self.books.live = Some(release.digest.clone()),
        }
        Ok(())
    }

    pub(super) fn image(&mut self, release: &Release, reference: &str) {
        let id = ImageId::new(format!("sha256:{reference}"));
        let image = Image {
            id: id.clone(),
            tags: vec![reference.to_owned()],
            digests: Vec::new(),
            healthcheck: false,
            volumes: Vec::new(),
            environment: Vec::new(),
            created_at: String::new(),
            size: 0,
            labels: BTreeMap::new(),
            content: String::new(),
        };
        self.observed.images.insert(reference.to_owned(), image);
        let outputs = self.books.outputs.entry(release.digest.clone()).or_default();
        for (service, _) in release.images.iter().filter(|(_, source)| source.reference() == reference) {
            outputs.images.insert(service.clone(), id.clone());
        }
    }

    pub(super) fn rehearse(&mut self, release: &Release, from: &Revisions) {
        let code = &self.code[&release.digest];
        let rehearsal =
            Rehearsal { runs: true, additive: code.additive, exact: code.exact, ..Rehearsal::default() };
        let rehearsed =
            RehearsedFrom { from: from.clone(), to: None, fingerprint: self.fingerprint(), rehearsal };
        self.books.outputs.entry(release.digest.clone()).or_default().keep_rehearsal(rehearsed);
    }

    pub(super) fn rename(&mut self, rollout: RolloutId, subject: &Subject, to: &str) -> Result<(), String> {
        let done = Subject { name: to.to_owned(), ..subject.clone() };
        if self.find(&done, rollout).is_some_and(|place| self.observed.containers[place].name == to) {
            return Ok(());
        }
        if self.observed.containers.iter().any(|it| it.name == to) {
            return Err(format!("{} cannot be renamed: {to} is taken", subject.name));
        }
        self.get(subject, rollout)?.name = to.to_owned();
        Ok(())
    }

    pub(super) fn database_runs(&self, release: &Release) -> Result<(), String> {
        let service = release.database_service().ok_or("no database")?;
        self.of(service)
            .any(Container::running)
            .then_some(())
            .ok_or_else(|| "the database does not run".to_owned())
    }

    pub(super) fn migrate(
        &mut self,
        release: &Release,
        direction: Direction,
        with: &ReleaseDigest,
        from: &Revisions,
        to: &Revisions,
    ) -> Result<(), String> {
        self.database_runs(release)?;
        if self.schema != *to && self.schema != *from {
            return Err("the schema is elsewhere".to_owned());
        }
        let scripts = scripts(self.code[with].scripts);
        let (lower, upper) = if direction == Direction::Up { (from, to) } else { (to, from) };
        if !lower.iter().chain(upper).all(|revision| scripts.contains(revision)) {
            return Err("the image has no such script".to_owned());
        }
        if direction == Direction::Up {
            self.notes.began_at.get_or_insert_with(|| self.schema.clone());
        }
        self.is_moved(to);
        Ok(())
    }

    /// The schema is somewhere else, and the ledger says that evenkeel has brought it there.
    pub(in crate::plan::tests) fn is_moved(&mut self, to: &Revisions) {
        self.schema.clone_from(to);
        self.books.applied = Some(to.clone());
        self.books.schema = Some(to.clone());
    }
}

fn network(name: &str, internal: bool) -> NetworkState {
    NetworkState {
        id: format!("id-{name}"),
        name: name.to_owned(),
        labels: BTreeMap::new(),
        subnets: Vec::new(),
        internal,
        driver: "bridge".to_owned(),
        pools: Vec::new(),
        attachable: false,
        enable_ipv6: false,
        options: BTreeMap::new(),
        containers: Vec::new(),
    }
}
