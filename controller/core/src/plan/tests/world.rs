//! A pure world: what the engine, the database and the ledger would come to show after each effect.

use std::collections::{BTreeMap, BTreeSet};

use super::releases::scripts;
use crate::compose::{RestartPolicy, restarted_with};
use crate::container::{ContainerSpec, Endpoint, label};
use crate::database::{Current, Rehearsal, classify};
use crate::name::{ContainerId, ImageId, ReleaseDigest, RolloutId, SchemaRevision, ServiceName};
use crate::observed::{Container, HealthStatus, Image, Joined, NetworkState, State};
use crate::plan::{
    Before, DatabaseFacts, Direction, Effect, Facts, HalfDone, Hints, KnownScripts, Observed, Role, Subject,
    backstage,
};
use crate::release::{Outputs, RehearsedFrom, Release};
use crate::spec::{Making, Pool, serving_endpoints};

type Revisions = BTreeSet<SchemaRevision>;

/// What the code of a release is like.
#[derive(Clone, Default)]
pub(super) struct Code {
    /// Its migrations, in a row.
    pub(super) scripts: &'static str,
    /// The last of them only adds.
    pub(super) additive: bool,
    /// The last of them leads back exactly.
    pub(super) exact: bool,
    /// It fails every proof.
    pub(super) broken: bool,
    /// It runs on its own schema only, not on one with additions.
    pub(super) picky: bool,
}

/// What the ledger keeps.
#[derive(Clone, Default)]
pub(super) struct Books {
    pub(super) known: BTreeSet<ContainerId>,
    pub(super) vetted: BTreeMap<ContainerId, String>,
    pub(super) serving: BTreeMap<ServiceName, ContainerId>,
    pub(super) outputs: BTreeMap<ReleaseDigest, Outputs>,
    pub(super) live: Option<ReleaseDigest>,
    pub(super) applied: Option<Revisions>,
    pub(super) schema: Option<Revisions>,
    /// Services that have yet to be restarted with what they depend on.
    pub(super) due: BTreeSet<ServiceName>,
    /// Containers whose `post_start` has yet to run.
    pub(super) post_start_due: BTreeSet<ContainerId>,
}

/// What the ledger keeps of one rollout.
#[derive(Clone, Default)]
pub(super) struct Notes {
    pub(super) taken_over: bool,
    pub(super) fenced: bool,
    pub(super) force_fenced: bool,
    pub(super) backup: Option<Revisions>,
    pub(super) before: Option<Vec<Before>>,
}

#[derive(Clone, Default)]
pub(super) struct World {
    pub(super) observed: Observed,
    pub(super) materialised: BTreeSet<ReleaseDigest>,
    pub(super) schema: Revisions,
    pub(super) half_done: Option<HalfDone>,
    /// Why the database cannot be looked at, though it runs.
    pub(super) unreachable: Option<String>,
    /// Services that are left alone.
    pub(super) held: BTreeSet<ServiceName>,
    /// The major version of the server that runs, where it is told.
    pub(super) server_major: Option<u32>,
    pub(super) books: Books,
    pub(super) notes: Notes,
    /// Releases that the ledger has, the newest first.
    pub(super) releases: Vec<Release>,
    pub(super) code: BTreeMap<ReleaseDigest, Code>,
    /// Containers whose `post_start` has run since they were started.
    pub(super) hooked: BTreeSet<ContainerId>,
    made: u32,
}

/// Everything seen at one moment.
pub(super) struct Seen {
    outputs: Outputs,
    observed: Observed,
    database: Option<DatabaseFacts>,
    known_scripts: Vec<KnownScripts>,
    books: Books,
    hints: Hints,
    live: Option<Release>,
}

impl Seen {
    pub(super) fn facts<'a>(&'a self, desired: &'a Release, rollout: RolloutId) -> Facts<'a> {
        Facts {
            desired,
            outputs: &self.outputs,
            live: self.live.as_ref(),
            observed: &self.observed,
            database: self.database.as_ref(),
            known_scripts: &self.known_scripts,
            rollout,
            known: &self.books.known,
            vetted: &self.books.vetted,
            serving: &self.books.serving,
            hints: &self.hints,
        }
    }
}

impl World {
    /// A release becomes known, with the code that it has.
    pub(super) fn knows(&mut self, release: &Release, code: Code) {
        self.releases.retain(|known| known.digest != release.digest);
        self.releases.insert(0, release.clone());
        self.code.insert(release.digest.clone(), code);
    }

    pub(super) fn look(&mut self, desired: &Release, reverting: bool) -> Seen {
        let outputs = self.outputs(desired);
        self.books.outputs.insert(desired.digest.clone(), outputs.clone());
        let hints = Hints {
            reverting,
            force_fenced: self.notes.force_fenced,
            taken_over: self.notes.taken_over,
            was_fenced: self.notes.fenced,
            applied: self.books.applied.clone().into_iter().collect(),
            post_start_due: self.books.post_start_due.clone(),
            restarts_due: self.books.due.clone(),
            held: self.held.clone(),
        };
        let mut observed = self.observed.clone();
        observed.materialised = self.materialised.contains(&desired.digest);
        let live =
            self.releases.iter().find(|release| Some(&release.digest) == self.books.live.as_ref()).cloned();
        let database = self.database_facts(desired, &outputs, &hints);
        Seen {
            database,
            known_scripts: self.known_scripts(),
            books: self.books.clone(),
            outputs,
            observed,
            hints,
            live,
        }
    }

    /// Images that are there already are outputs too.
    fn outputs(&self, release: &Release) -> Outputs {
        let mut outputs = self.books.outputs.get(&release.digest).cloned().unwrap_or_default();
        for (service, source) in &release.images {
            if let (None, Some(image)) =
                (outputs.images.get(service), self.observed.images.get(source.reference()))
            {
                outputs.images.insert(service.clone(), image.id.clone());
            }
        }
        outputs
    }

    fn database_facts(&self, release: &Release, outputs: &Outputs, hints: &Hints) -> Option<DatabaseFacts> {
        let service = release.database_service()?;
        let backstage = backstage(&release.project.name);
        let runs = self.of(service).any(|it| it.running() && it.networks.contains_key(&backstage));
        if !runs || self.unreachable.is_some() {
            return Some(DatabaseFacts { unreachable: self.unreachable.clone(), ..DatabaseFacts::default() });
        }
        let known: Vec<_> =
            self.books.outputs.values().filter_map(|outputs| outputs.scripts.as_ref()).collect();
        let current = Current { revisions: self.schema.clone(), tables: !self.schema.is_empty() };
        let word = outputs
            .scripts
            .as_ref()
            .map(|desired| classify(&current, desired, &known, self.books.schema.as_ref()));
        Some(DatabaseFacts {
            current: Some(self.schema.clone()),
            word,
            server_major: self.server_major,
            fingerprint: self.fingerprint(),
            half_done: self.half_done.clone(),
            fenced_backup: hints.was_fenced && self.notes.backup.is_some(),
            ..DatabaseFacts::default()
        })
    }

    fn fingerprint(&self) -> String {
        format!("of {}", crate::plan::revisions(&self.schema))
    }

    fn known_scripts(&self) -> Vec<KnownScripts> {
        let known = self.releases.iter().filter_map(|release| {
            let outputs = self.books.outputs.get(&release.digest)?;
            let (release, rehearsals) = (release.digest.clone(), outputs.rehearsals().cloned().collect());
            Some(KnownScripts { release, scripts: outputs.scripts.clone()?, rehearsals })
        });
        known.collect()
    }

    pub(super) fn of<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = &'a Container> {
        let number = service.number().to_string();
        self.observed.containers.iter().filter(move |container| {
            container.label(label::COMPOSE_SERVICE) == Some(service.base())
                && container.label(label::COMPOSE_NUMBER) == Some(&number)
        })
    }

    pub(super) fn code_of(&self, container: &Container) -> Option<(&Release, &Code)> {
        let short = container.label(label::RELEASE)?;
        let release = self.releases.iter().find(|release| release.digest.short() == short)?;
        // Whatever is pulled does not care for the schema.
        let image = release.images.get(&container.service()?)?.reference();
        image.contains("shop-api").then_some((release, self.code.get(&release.digest)?))
    }

    /// Whether code can run on the schema as it is now.
    pub(super) fn runs_on_schema(&self, release: &Release, code: &Code) -> bool {
        if release.database_service().is_none() || code.scripts.is_empty() {
            return true;
        }
        let own = scripts(code.scripts);
        if self.schema == own.heads {
            return true;
        }
        // What is there beyond its own has to be additions.
        let newer = self.code.values().find(|code| scripts(code.scripts).heads == self.schema);
        !code.picky
            && newer.is_some_and(|newer| {
                newer.additive && own.heads.iter().all(|it| scripts(newer.scripts).contains(it))
            })
    }

    fn find(&self, subject: &Subject, rollout: RolloutId) -> Option<usize> {
        let rollout = rollout.to_string();
        self.observed.containers.iter().position(|container| match &subject.id {
            Some(id) => container.id == *id,
            None => container.name == subject.name && container.label(label::ROLLOUT) == Some(&rollout),
        })
    }

    fn get(&mut self, subject: &Subject, rollout: RolloutId) -> Result<&mut Container, String> {
        let place = self.find(subject, rollout).ok_or_else(|| format!("{} is gone", subject.name))?;
        Ok(&mut self.observed.containers[place])
    }

    /// Makes an effect. `torn`: the process ends after the engine has done it, before the ledger knows.
    pub(super) fn apply(
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
            if !matches!(effect, Effect::PostStart { .. }) {
                self.books.post_start_due = now.post_start_due;
            }
        }
        self.check()
    }

    fn make(
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
            Effect::Prove { containers } => self.prove(release, rollout, containers)?,
            Effect::Join { container, role } => self.join(release, rollout, container, *role, reverting)?,
            Effect::SetRestart { container, policy } => self.get(container, rollout)?.restart = *policy,
            Effect::SetLimits { container, memory, nano_cpus } => {
                let it = self.get(container, rollout)?;
                (it.memory, it.nano_cpus) = (*memory, *nano_cpus);
            }
            Effect::Rename { container, to } => self.rename(rollout, container, to)?,
            Effect::HandOver { from, aside, to } => {
                let moved = [(from, aside), (to, &from.name)].into_iter().all(|(subject, name)| {
                    self.find(&Subject { name: name.clone(), ..subject.clone() }, rollout)
                        .is_some_and(|place| self.observed.containers[place].name == *name)
                });
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
            Effect::Hook { .. } | Effect::Smoke | Effect::Bake { .. } => {}
            Effect::MarkLive => self.books.live = Some(release.digest.clone()),
        }
        Ok(())
    }

    fn image(&mut self, release: &Release, reference: &str) {
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

    fn rehearse(&mut self, release: &Release, from: &Revisions) {
        let code = &self.code[&release.digest];
        let rehearsal =
            Rehearsal { runs: true, additive: code.additive, exact: code.exact, ..Rehearsal::default() };
        let rehearsed = RehearsedFrom { from: from.clone(), fingerprint: self.fingerprint(), rehearsal };
        self.books.outputs.entry(release.digest.clone()).or_default().keep_rehearsal(rehearsed);
    }

    fn create(
        &mut self,
        release: &Release,
        rollout: RolloutId,
        subject: &Subject,
        role: Role,
    ) -> Result<(), String> {
        if let Some(place) = self.find(subject, rollout) {
            let there = &self.observed.containers[place];
            if there.label(label::ROLE) == Some(role.as_str())
                && there.label(label::RELEASE) == Some(release.digest.short())
            {
                return Ok(());
            }
        }
        if let Some(place) = self.observed.containers.iter().position(|it| it.name == subject.name) {
            let there = &self.observed.containers[place];
            if there.label(label::APP) != Some(release.app.as_str()) || there.running() {
                return Err(format!("the name {} is taken", subject.name));
            }
            self.observed.containers.remove(place);
        }
        let outputs = self.outputs(release);
        let image = outputs.images.get(&subject.service).ok_or("no image")?;
        let making = Making {
            release,
            service: &subject.service,
            image,
            rollout,
            peers: &self.observed.containers,
            serving: &self.books.serving,
            files: "/files",
            backstage: self.observed.networks.contains_key(&backstage(&release.project.name)),
        };
        let spec = making.container(&subject.name, role);
        self.made += 1;
        let container = container(&spec, self.made);
        self.books.known.insert(container.id.clone());
        self.observed.containers.push(container);
        Ok(())
    }

    fn start(&mut self, release: &Release, rollout: RolloutId, subject: &Subject) -> Result<(), String> {
        let one_shot = release.project.services.get(&subject.service).is_some_and(|service| service.one_shot);
        let container = self.get(subject, rollout)?;
        container.state = if one_shot { State::Exited } else { State::Running };
        let private = [Role::Successor, Role::StandIn]
            .iter()
            .any(|role| container.label(label::ROLE) == Some(role.as_str()));
        let id = container.id.clone();
        self.begins(&subject.service, &id);
        if !private || self.books.serving.get(&subject.service) == Some(&id) {
            self.serves_anew(release, &subject.service);
            self.books.serving.insert(subject.service.clone(), id);
        }
        Ok(())
    }

    fn prove(&mut self, release: &Release, rollout: RolloutId, subjects: &[Subject]) -> Result<(), String> {
        for subject in subjects {
            let one_shot =
                release.project.services.get(&subject.service).is_some_and(|service| service.one_shot);
            let container = self.get(subject, rollout)?.clone();
            if !container.running() && !one_shot {
                return Err(format!("{} does not run", subject.name));
            }
            if self.has_hooks(&subject.service, &container.id) && !self.hooked.contains(&container.id) {
                return Err(format!("{} is to be proven before its hooks have run", subject.name));
            }
            let needed = release
                .project
                .services
                .get(&subject.service)
                .into_iter()
                .flat_map(|it| it.depends_on.keys());
            for needed in needed {
                let one_shot = release.project.services.get(needed).is_some_and(|service| service.one_shot);
                if !one_shot && !self.of(needed).any(Container::running) {
                    return Err(format!("{} needs {needed}, which does not run", subject.name));
                }
                // What is stopped and started finds what takes over only once it has.
                let is_led = container.networks.values().any(|joined| !joined.links.is_empty());
                if !one_shot && is_led && self.found(&container, needed.base()).next().is_none() {
                    return Err(format!("{} finds nobody under the name {needed}", subject.name));
                }
            }
            let (is_database, code) =
                (Some(&subject.service) == release.database_service(), self.code_of(&container));
            let works = |(of, code): (&Release, &Code)| !code.broken && self.runs_on_schema(of, code);
            if !is_database && code.is_some_and(|code| !works(code)) {
                return Err(format!("{} does not work", subject.name));
            }
        }
        Ok(())
    }

    fn join(
        &mut self,
        release: &Release,
        rollout: RolloutId,
        subject: &Subject,
        role: Role,
        reverting: bool,
    ) -> Result<(), String> {
        let service = release.project.services.get(&subject.service).ok_or("no such service")?;
        if role == Role::Successor && !reverting {
            self.notes.taken_over = true;
        }
        let endpoints = serving_endpoints(release, &subject.service, service);
        let container = self.get(subject, rollout)?;
        for endpoint in endpoints {
            container.networks.insert(endpoint.network.clone(), joined(&endpoint));
        }
        if role == Role::Successor {
            let id = container.id.clone();
            if self.books.serving.get(&subject.service) != Some(&id) {
                self.serves_anew(release, &subject.service);
            }
            self.books.serving.insert(subject.service.clone(), id);
        }
        Ok(())
    }

    /// It has been started: its hooks are due.
    fn begins(&mut self, service: &ServiceName, id: &ContainerId) {
        self.hooked.remove(id);
        if self.has_hooks(service, id) {
            self.books.post_start_due.insert(id.clone());
        }
    }

    /// Whether a container was made to have hooks.
    pub(super) fn has_hooks(&self, service: &ServiceName, id: &ContainerId) -> bool {
        let container = self.observed.containers.iter().find(|it| it.id == *id);
        let config = container.and_then(|it| it.label(label::CONFIG));
        let of = self.releases.iter().find(|release| Some(release.config(service)) == config);
        of.and_then(|release| release.project.services.get(service))
            .is_some_and(|it| !it.post_start.is_empty())
    }

    fn serves_anew(&mut self, release: &Release, service: &ServiceName) {
        self.books.due.remove(service);
        if self.books.serving.contains_key(service) {
            self.books.due.extend(restarted_with(&release.project, service).cloned());
        }
    }

    fn rename(&mut self, rollout: RolloutId, subject: &Subject, to: &str) -> Result<(), String> {
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

    fn database_runs(&self, release: &Release) -> Result<(), String> {
        let service = release.database_service().ok_or("no database")?;
        self.of(service)
            .any(Container::running)
            .then_some(())
            .ok_or_else(|| "the database does not run".to_owned())
    }

    fn migrate(
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
        self.schema.clone_from(to);
        self.books.applied = Some(to.clone());
        self.books.schema = Some(to.clone());
        Ok(())
    }

    /// What holds after every step: a port, a name and a written volume have one owner; and nobody serves on a schema that it
    /// cannot run on.
    fn check(&self) -> Result<(), String> {
        let containers = &self.observed.containers;
        let names: BTreeSet<&str> = containers.iter().map(|it| it.name.as_str()).collect();
        if names.len() != containers.len() {
            return Err("a name is had twice".to_owned());
        }
        let binds = containers
            .iter()
            .filter(|it| it.running() && self.reachable(it))
            .flat_map(|it| &it.port_bindings);
        let mut bound = BTreeSet::new();
        for port in binds {
            if !bound.insert(port) {
                return Err(format!("port {port:?} is already allocated"));
            }
        }
        let mounts =
            containers.iter().filter(|it| it.running()).flat_map(|it| &it.mounts).filter(|mount| mount.2);
        let mut written = BTreeSet::new();
        for (volume, ..) in mounts {
            if !written.insert(volume) {
                return Err(format!("two containers write to {volume}"));
            }
        }
        for container in containers.iter().filter(|it| it.running() && self.reachable(it)) {
            let Some((release, code)) = self.code_of(container) else { continue };
            let is_database = container.service().as_ref() == release.database_service();
            if !is_database && !self.runs_on_schema(release, code) {
                return Err(format!(
                    "{} serves on schema {}",
                    container.name,
                    crate::plan::revisions(&self.schema)
                ));
            }
        }
        Ok(())
    }

    /// Who runs and is meant by a name that a container asks for: its own links first, then the names that others have on its networks,
    /// but for those on which it has a link of that name. Networks that lead outside come first.
    pub(super) fn found<'a>(
        &'a self,
        client: &'a Container,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Container> {
        let internal = |network: &str| self.observed.networks.get(network).is_some_and(|it| it.internal);
        let mut networks: Vec<(&str, &Joined)> =
            client.networks.iter().map(|(network, joined)| (network.as_str(), joined)).collect();
        networks.sort_by_key(|(network, _)| internal(network));
        let link = |joined: &'a Joined| {
            let mut links = joined.links.iter().rev();
            links.find_map(|(target, alias)| (alias == name).then_some(target.as_str()))
        };
        let linked = networks.iter().filter_map(|(network, joined)| Some((*network, link(joined)?)));
        let plain = networks.iter().filter(|(_, joined)| link(joined).is_none());
        let ways = linked.chain(plain.map(|(network, _)| (*network, name))).collect::<Vec<_>>();
        let way = ways.into_iter().find(|(network, name)| self.named(network, name).next().is_some());
        way.into_iter().flat_map(|(network, name)| self.named(network, name))
    }

    /// Who runs and has a name on a network.
    fn named<'a>(&'a self, network: &'a str, name: &'a str) -> impl Iterator<Item = &'a Container> {
        self.observed.containers.iter().filter(move |it| {
            it.running()
                && it.networks.get(network).is_some_and(|joined| {
                    it.name == name
                        || it.id.short() == name
                        || joined.aliases.iter().any(|alias| alias == name)
                })
        })
    }

    /// Whether it is on a network that is not internal: then its ports are bound, and others reach it.
    pub(super) fn reachable(&self, container: &Container) -> bool {
        container.networks.keys().any(|name| {
            name == "bridge" || self.observed.networks.get(name).is_some_and(|network| !network.internal)
        })
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
        containers: Vec::new(),
    }
}

fn joined(endpoint: &Endpoint) -> Joined {
    let (aliases, links) = (endpoint.aliases.clone(), endpoint.links.clone());
    Joined { aliases, links, ..Joined::default() }
}

/// What the engine makes of a specification.
fn container(spec: &ContainerSpec, number: u32) -> Container {
    let ports = spec.service.ports.iter().filter(|_| spec.publish);
    let bindings = ports.map(|port| {
        let published = port.published.map(|port| port.to_string()).unwrap_or_default();
        (format!("{}/{}", port.target, port.protocol), String::new(), published)
    });
    let mounts = spec.binds.iter().filter_map(|bind| {
        let mut parts = bind.split(':');
        let (source, target, options) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
        Some((source.to_owned(), target.to_owned(), !options.split(',').any(|option| option == "ro")))
    });
    Container {
        id: ContainerId::new(format!("{number:012}{}", "0".repeat(52))),
        name: spec.name.clone(),
        image: spec.image.clone(),
        image_id: ImageId::new(spec.image.clone()),
        labels: spec.labels.clone(),
        state: State::Created,
        health: None,
        created_at: String::new(),
        started_at: String::new(),
        restart_count: 0,
        restart: spec.restart,
        networks: spec
            .endpoints
            .iter()
            .map(|endpoint| (endpoint.network.clone(), joined(endpoint)))
            .collect(),
        port_bindings: bindings.collect(),
        bound_ports: Vec::new(),
        memory: spec.service.resources.memory.unwrap_or(0),
        nano_cpus: spec.service.resources.nano_cpus.unwrap_or(0),
        mounts: mounts.collect(),
        environment: Vec::new(),
        exit_code: 0,
        error: String::new(),
        oom_killed: false,
    }
}

/// What is left of a container when ids and parts played do not matter.
pub(super) type Shape = (String, String, State, RestartPolicy, Vec<(String, Vec<String>)>, bool);

impl World {
    /// What stands, whoever made it: containers by name, image, state and networks that users know; schema; tags.
    pub(super) fn standing(&self) -> (BTreeSet<String>, Revisions, BTreeMap<String, ImageId>) {
        let told = |it: &Container| {
            let names = it.networks.iter().filter(|(name, _)| !name.contains("backstage"));
            let names: Vec<_> = names.map(|(name, joined)| (name, &joined.aliases)).collect();
            format!("{} {:?} {:?} {} {names:?}", it.name, it.state, it.restart, it.image_id)
        };
        let (.., tags) = self.shape();
        (self.observed.containers.iter().map(told).collect(), self.schema.clone(), tags)
    }

    /// What a user sees: containers, names, schema, tags, and what the ledger says.
    pub(super) fn shape(&self) -> (Vec<Shape>, Revisions, Option<ReleaseDigest>, BTreeMap<String, ImageId>) {
        let serving: BTreeSet<&ContainerId> = self.books.serving.values().collect();
        let mut containers: Vec<Shape> = self
            .observed
            .containers
            .iter()
            .map(|it| {
                let vetted = self.books.vetted.get(&it.id).map(String::as_str);
                let config = it.label(label::CONFIG).or(vetted).unwrap_or_default().to_owned();
                // Names backstage are by the rollout that made it.
                let users = |name: &str| !name.contains("backstage");
                let aliases = |name: &str, joined: &Joined| {
                    if users(name) { joined.aliases.clone() } else { Vec::new() }
                };
                let networks =
                    it.networks.iter().map(|(name, joined)| (name.clone(), aliases(name, joined))).collect();
                (it.name.clone(), config, it.state, it.restart, networks, serving.contains(&it.id))
            })
            .collect();
        containers.sort_by(|a, b| a.0.cmp(&b.0));
        let tags = self.observed.images.iter().filter(|(name, _)| !name.starts_with("evenkeel/"));
        let tags = tags.map(|(name, image)| (name.clone(), image.id.clone())).collect();
        (containers, self.schema.clone(), self.books.live.clone(), tags)
    }
}
