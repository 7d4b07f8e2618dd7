//! What a plan is made from: everything observed at one moment, and what the ledger knows.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::{MountSource, Port, Service, start_order};
use crate::container::label;
use crate::database::{Difference, SchemaWord, Scripts};
use crate::name::{ContainerId, ImageId, ReleaseDigest, RolloutId, SchemaRevision, ServiceName};
use crate::observed::{Container, Image, NetworkState, State};
use crate::release::{Outputs, RehearsedFrom, Release};

/// What the engine shows.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Every container of the project.
    pub containers: Vec<Container>,
    /// Networks by name: the project's, the external ones it uses, the backstage.
    pub networks: BTreeMap<String, NetworkState>,
    /// Names of those volumes of the project that exist.
    pub volumes: BTreeSet<String>,
    /// Images by the reference that they were looked up with.
    pub images: BTreeMap<String, Image>,
    /// Images on record that those names no longer lead to.
    pub recorded: BTreeMap<ImageId, Image>,
    /// Whether the files that containers mount are in the data directory.
    pub materialised: bool,
    /// Who else, outside the project, holds a host port that it publishes: port and protocol to container name.
    pub port_holders: BTreeMap<Port, String>,
    /// Who else, outside the project, has a container name that it wants: name to whom.
    pub name_holders: BTreeMap<String, String>,
    /// The minor number of the newest API that the engine speaks (44 for 1.44), where the project asks for more than every engine
    /// knows.
    pub engine_api: Option<u16>,
}

/// What the database shows.
#[derive(Clone, Debug, Default)]
pub struct DatabaseFacts {
    /// The rows of the revision table; `None` while it cannot be read.
    pub current: Option<BTreeSet<SchemaRevision>>,
    /// The relation to the desired release; `None` while unknown.
    pub word: Option<SchemaWord>,
    /// The major version of the server that runs: 15 for 15.4.
    pub server_major: Option<u32>,
    /// The digest of the schema's fingerprint.
    pub fingerprint: String,
    /// Why it cannot be read, where it should be there.
    pub unreachable: Option<String>,
    /// Why nothing may be done to it: (reason, message).
    pub blocked: Option<(crate::status::Reason, String)>,
    /// A migration of this rollout stopped midway: what differs from before.
    pub half_done: Option<HalfDone>,
    /// The revisions in the backup of this rollout that was taken behind its fence, where there is one.
    pub fenced_backup: Option<BTreeSet<SchemaRevision>>,
}

/// What a migration left behind that did not finish.
#[derive(Clone, Debug, Default)]
pub struct HalfDone {
    /// Everything that differs.
    pub differences: Vec<Difference>,
    /// Those that are invalid indexes, by name.
    pub invalid_indexes: Vec<String>,
    /// Whether the rest are additions only.
    pub additive: bool,
}

/// A release of the past whose image has migration scripts.
#[derive(Clone, Debug)]
pub struct KnownScripts {
    /// The release.
    pub release: ReleaseDigest,
    /// Its scripts.
    pub scripts: Scripts,
    /// What its rehearsals showed, the last one first.
    pub rehearsals: Vec<RehearsedFrom>,
}

/// What was decided before, in this rollout.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// The plan puts things back after a failure: no bake, no smoke.
    pub reverting: bool,
    /// The older code has shown that it cannot run on the newer schema.
    pub force_fenced: bool,
    /// The new code has served users in this rollout.
    pub taken_over: bool,
    /// Something that was stopped and started in this rollout has worked on the schema that it moved: users may have written.
    pub written: bool,
    /// The migration of this rollout was fenced.
    pub was_fenced: bool,
    /// Where the schema stood before this rollout moved it; `None` where it has not.
    pub began_at: Option<BTreeSet<SchemaRevision>>,
    /// The revisions that the ledger itself has moved the schema to.
    pub applied: Vec<BTreeSet<SchemaRevision>>,
    /// Containers that were started, and whose `post_start` hooks have not run to their end since.
    pub post_start_due: BTreeSet<ContainerId>,
    /// Services that have yet to be restarted, because what they depend on has been replaced or restarted.
    pub restarts_due: BTreeSet<ServiceName>,
    /// Whom `rollout.onTakeover` has yet to tell that names have changed hands.
    pub untold: BTreeSet<ServiceName>,
    /// Services that a repair leaves as they are: they have been tried too often lately.
    pub held: BTreeSet<ServiceName>,
}

impl Hints {
    /// Whether users may have written to what this rollout has started, on the schema that it moved.
    pub fn users_may_have_written(&self) -> bool {
        self.taken_over || self.written
    }
}

/// Everything.
pub struct Facts<'a> {
    /// What is to run.
    pub desired: &'a Release,
    /// What is known of it beyond its inputs.
    pub outputs: &'a Outputs,
    /// What runs, as far as the ledger knows: for reasons only.
    pub live: Option<&'a Release>,
    /// The engine.
    pub observed: &'a Observed,
    /// The database; `None` for an application without one.
    pub database: Option<&'a DatabaseFacts>,
    /// Releases that can move the schema down.
    pub known_scripts: &'a [KnownScripts],
    /// The number that new containers get.
    pub rollout: RolloutId,
    /// Containers that the ledger records as the application's.
    pub known: &'a BTreeSet<ContainerId>,
    /// Containers that docker-compose made and that were found to be what a release asks for ([`super::vetted`]): the digest of the
    /// configuration that each has.
    pub vetted: &'a BTreeMap<ContainerId, String>,
    /// The container that serves, by service, as the ledger records it.
    pub serving: &'a BTreeMap<ServiceName, ContainerId>,
    /// What was decided before.
    pub hints: &'a Hints,
}

/// How a service is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// A private copy is proven first.
    Candidate,
    /// Stopped and started; why it cannot be proven first.
    Restart(String),
    /// Runs to its end.
    OneShot,
}

impl<'a> Facts<'a> {
    /// The engine's name of the private network.
    pub fn backstage(&self) -> String {
        backstage(&self.desired.project.name)
    }

    /// How a service is replaced.
    pub fn class(&self, name: &ServiceName, service: &Service) -> Class {
        class(self.desired, name, service, self.image(name))
    }

    /// The image of a service, where the engine has it: the one on record, though its name may lead to another one by now.
    pub fn image(&self, name: &ServiceName) -> Option<&'a Image> {
        let named = self.observed.images.get(self.desired.images.get(name)?.reference())?;
        match self.outputs.images.get(name) {
            Some(id) if named.id != *id => self.observed.recorded.get(id),
            _ => Some(named),
        }
    }

    /// Whether any container has to be proven, or any migration run, in private.
    pub fn needs_backstage(&self) -> bool {
        self.desired.manifest.spec.database.is_some()
            || self
                .desired
                .project
                .services
                .iter()
                .any(|(name, service)| self.class(name, service) == Class::Candidate)
    }

    /// The containers of a service that evenkeel may act on: the ledger's, its own by label and number, and for a stack
    /// that it has not met before the ones Compose made.
    pub fn containers_of(&self, service: &ServiceName) -> Vec<&'a Container> {
        self.observed
            .containers
            .iter()
            .filter(|container| {
                container.instance(&self.desired.project).as_ref() == Some(service) && !temporary(container)
            })
            .filter(|container| {
                self.known.contains(&container.id)
                    || self.ours(container)
                    || self.adoptable(container, service)
            })
            .filter(|container| !container.given_up() || self.in_the_way(container, service))
            .collect()
    }

    /// Whether something that the engine has given up has still to be seen to: another takes its place, or its name.
    fn in_the_way(&self, container: &Container, service: &ServiceName) -> bool {
        let project = &self.desired.project;
        let right = |it| super::final_name(project, service, it, Some(container));
        self.serving.get(service) == Some(&container.id)
            || project.services.get(service).map(right).as_ref() == Some(&container.name)
    }

    fn ours(&self, container: &Container) -> bool {
        container.label(label::APP) == Some(self.desired.app.as_str())
            && container.label(label::ROLLOUT).is_some()
    }

    /// Whether another ledger's evenkeel made it, and this ledger knows of nothing that it made itself for the service: then it is
    /// adopted like what Compose made.
    pub(super) fn stranger(&self, container: &Container) -> bool {
        let rollout = self.rollout.to_string();
        let made_here = |it: &Container| {
            self.known.contains(&it.id)
                && it.label(label::ROLLOUT).is_some()
                && it.instance(&self.desired.project) == container.instance(&self.desired.project)
        };
        self.ours(container)
            && container.label(label::ROLE).is_some()
            && container.label(label::ROLLOUT) != Some(&rollout)
            && !matches!(container.state, State::Created | State::Dead | State::Removing)
            && !self.observed.containers.iter().any(made_here)
    }

    /// Where nothing of the service is on record, or what is on record was removed and another stands in its place, under its name.
    fn adoptable(&self, container: &Container, service: &ServiceName) -> bool {
        let is_there = |id: &ContainerId| self.observed.containers.iter().any(|it| it.id == *id);
        let project = &self.desired.project;
        let in_its_place = || {
            project
                .services
                .get(service)
                .is_some_and(|it| super::final_name(project, service, it, Some(container)) == container.name)
        };
        let free = self.serving.get(service).is_none_or(|id| !is_there(id) && in_its_place());
        free && container.label(label::COMPOSE_ONEOFF) != Some("True")
    }

    /// Containers that bear the project's labels, and that nobody asked for. Those of `docker compose run` are somebody's at work; so
    /// are those of services in the Compose file that are not to run by themselves, which Compose removes as orphans neither.
    pub(super) fn orphans(&self) -> Vec<&'a Container> {
        let services = self.desired.project.services.keys();
        let ours: BTreeSet<&ContainerId> =
            services.flat_map(|name| self.containers_of(name)).map(|container| &container.id).collect();
        let inactive = &self.desired.project.inactive;
        let is_inactive = |it: &Container| it.service().is_some_and(|service| inactive.contains(&service));
        let is_nobodys = |it: &&Container| {
            !ours.contains(&it.id)
                && !self.known.contains(&it.id)
                && !temporary(it)
                && it.label(label::COMPOSE_ONEOFF) != Some("True")
                && (it.label(label::APP).is_some() || !is_inactive(it))
                && it.label(label::APP).is_none_or(|app| app == self.desired.manifest.metadata.name.as_str())
        };
        self.observed.containers.iter().filter(is_nobodys).collect()
    }

    /// Whether what is wanted is what is live, and nothing but drift can have changed it.
    pub(super) fn is_repair(&self) -> bool {
        let hints = self.hints;
        !hints.reverting
            && !hints.taken_over
            && self.live.is_some_and(|live| live.digest == self.desired.digest)
    }

    /// The services that a repair leaves alone: those that are held, and whatever lives in a namespace of theirs.
    pub(super) fn left_alone(&self) -> BTreeSet<ServiceName> {
        let project = &self.desired.project;
        let mut alone = self.hints.held.clone();
        for name in start_order(project).into_iter().filter(|_| !self.hints.held.is_empty()) {
            let lodges = |service: &Service| service.lenders().any(|lender| alone.contains(&lender));
            if project.services.get(&name).is_some_and(lodges) {
                alone.insert(name);
            }
        }
        alone
    }

    /// Whether a container is exactly what the release asks for.
    pub fn fits(&self, name: &ServiceName, container: &Container) -> bool {
        self.made_for(name, container) && container.label(label::ROLE) != Some(super::Role::StandIn.as_str())
    }

    /// Whether a container was made from the release's configuration and image, whatever part it plays.
    pub(super) fn made_for(&self, name: &ServiceName, container: &Container) -> bool {
        match self.config_of(container) {
            Some(config) => {
                config == self.desired.config(name)
                    && self.outputs.images.get(name).is_none_or(|image| *image == container.image_id)
                    && super::alike::has_its_variables(self, name, container).is_ok()
            }
            None => super::alike::is_kept(self, name, container).is_ok(),
        }
    }

    /// The digest of the configuration that a container has: its label where evenkeel made it, else what was found when it was
    /// adopted; `None` where nobody has looked yet.
    pub(super) fn config_of<'c>(&'c self, container: &'c Container) -> Option<&'c str> {
        container.label(label::CONFIG).or_else(|| self.vetted.get(&container.id).map(String::as_str))
    }
}

/// One-off and scratch containers run a command and go; they are never a service's.
pub fn temporary(container: &Container) -> bool {
    matches!(container.label(label::ROLE), Some("one-off" | "scratch"))
}

/// The engine's name of a project's private network; it sorts after every network that Compose would name.
pub fn backstage(project: &crate::name::ProjectName) -> String {
    format!("zz_{project}_backstage")
}

/// How a service is replaced.
pub fn class(release: &Release, name: &ServiceName, service: &Service, image: Option<&Image>) -> Class {
    if service.one_shot {
        return Class::OneShot;
    }
    match obstacle(release, name, service, image) {
        Some(why) => Class::Restart(why),
        None => Class::Candidate,
    }
}

fn obstacle(
    release: &Release,
    name: &ServiceName,
    service: &Service,
    image: Option<&Image>,
) -> Option<String> {
    let options = release.options(name);
    if options.singleton {
        return Some("the manifest calls it a singleton".to_owned());
    }
    if let Some(mode) = &service.network_mode {
        return Some(format!("it uses network_mode: {mode}"));
    }
    if let Some(container) = service.volumes_from.first() {
        return Some(format!("it uses the volumes of {container}"));
    }
    if !service.devices.is_empty() || !service.kernel.device_requests.is_empty() {
        return Some("it uses a device".to_owned());
    }
    let fixed = service.networks.values().any(|network| {
        network.ipv4_address.is_some()
            || network.ipv6_address.is_some()
            || network.mac_address.is_some()
            || !network.link_local_ips.is_empty()
    });
    if fixed {
        return Some("it has a static address".to_owned());
    }
    if let Some(mount) =
        service.writable_volumes().find(|mount| !shared(&options.shared_volumes, &mount.source))
    {
        return Some(format!("it writes to {}", mount.target));
    }
    if let Some(target) = anonymous_volumes(service, image).first() {
        return Some(format!("it keeps data in an anonymous volume, {target}"));
    }
    if options.probe.is_none() && !has_healthcheck(service, image) {
        return Some("it has neither a probe nor a healthcheck".to_owned());
    }
    None
}

/// Whether two containers may share a mount for the moment of a take-over.
pub(super) fn shared(shared: &[String], source: &MountSource) -> bool {
    match source {
        MountSource::Volume { volume, .. } => shared.contains(volume),
        MountSource::Host { path, .. } => shared.contains(path),
        _ => false,
    }
}

/// Where a container of this service has volumes that nobody named: those of its Compose file, and those that its image
/// declares and nothing else covers.
pub fn anonymous_volumes(service: &Service, image: Option<&Image>) -> Vec<String> {
    let named = |target: &String| {
        service.mounts.iter().any(|mount| mount.target == *target && mount.source != MountSource::Anonymous)
    };
    let asked = service
        .mounts
        .iter()
        .filter(|mount| mount.source == MountSource::Anonymous)
        .map(|mount| &mount.target);
    let declared = image.iter().flat_map(|image| &image.volumes);
    let targets: BTreeSet<&String> = asked.chain(declared).filter(|target| !named(target)).collect();
    targets.into_iter().cloned().collect()
}

/// Whether a container of this service will have a Docker healthcheck.
pub fn has_healthcheck(service: &Service, image: Option<&Image>) -> bool {
    match &service.healthcheck {
        Some(check) if check.test.first().is_some_and(|word| word == "NONE") => false,
        Some(check) if !check.test.is_empty() => true,
        _ => image.is_some_and(|image| image.healthcheck),
    }
}
