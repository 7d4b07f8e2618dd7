//! From a service and its part to the container that the engine is asked for.

use std::collections::BTreeMap;

use crate::compose::{Mount, MountSource, Recursive, RestartPolicy, Service};
use crate::container::{BindMount, ContainerSpec, Endpoint, label};
use crate::name::{ImageId, RolloutId, ServiceName};
use crate::observed::{Container, Joined};
use crate::plan::{Role, backstage, final_name};
use crate::release::Release;
use crate::secret::Secret;

/// What a container is made from, beside the release.
pub struct Making<'a> {
    /// The release.
    pub release: &'a Release,
    /// The service.
    pub service: &'a ServiceName,
    /// The image's id.
    pub image: &'a ImageId,
    /// The rollout.
    pub rollout: RolloutId,
    /// The containers of the project that run now: candidates bring names for them.
    pub peers: &'a [Container],
    /// Which container serves, by service.
    pub serving: &'a BTreeMap<ServiceName, crate::name::ContainerId>,
    /// Where the release's files stand, as the engine sees it; without a trailing slash.
    pub files: &'a str,
    /// Whether there is a backstage network.
    pub backstage: bool,
}

impl Making<'_> {
    fn spec(&self) -> Service {
        self.release.project.services.get(self.service).cloned().unwrap_or_default()
    }

    /// A service's container, in one of its parts.
    pub fn container(&self, name: &str, role: Role) -> ContainerSpec {
        let mut service = self.spec();
        let shares = self.share_namespaces(&mut service);
        let endpoints = match role {
            Role::Replacement => self.own_endpoints(&service),
            Role::Successor | Role::StandIn => self.private_endpoints(),
        };
        ContainerSpec {
            name: name.to_owned(),
            image: self.image.to_string(),
            labels: self
                .labels(&service, role.as_str(), role == Role::StandIn)
                .into_iter()
                .chain(shares.map(|shares| (label::SHARES.to_owned(), shares)))
                .collect(),
            publish: role != Role::StandIn,
            endpoints,
            restart: if role == Role::StandIn { RestartPolicy::No } else { service.restart },
            binds: self.binds(&service),
            mounts: self.mounts(&service),
            tmpfs: tmpfs(&service),
            anonymous: anonymous(&service),
            auto_remove: false,
            service,
        }
    }

    /// A container that runs one command with the service's image, environment and mounts, and serves nobody. `database`
    /// replaces the name under which it reaches a service (a scratch server instead of the real one).
    pub fn one_off(
        &self,
        name: &str,
        command: &[String],
        workdir: Option<&str>,
        instead: &[(String, String)],
    ) -> ContainerSpec {
        let mut service = self.spec();
        self.share_namespaces(&mut service);
        service.entrypoint = Some(command.iter().take(1).cloned().collect());
        service.command = Some(command.iter().skip(1).cloned().collect());
        service.working_dir = workdir.map(str::to_owned).or(service.working_dir);
        service.healthcheck = None;
        service.ports.clear();
        let mut endpoints = self.private_endpoints();
        if !instead.is_empty() && outside(self.release) {
            // Nothing but the private network: from nowhere else can it be sure to miss the real one.
            endpoints.truncate(1);
            service.extra_hosts.retain(|host| !instead.iter().any(|(_, name)| mapped(host, name).is_some()));
        }
        for endpoint in &mut endpoints {
            endpoint.links.retain(|(_, alias)| !instead.iter().any(|(_, name)| name == alias));
            endpoint.links.extend(instead.iter().cloned());
        }
        ContainerSpec {
            name: name.to_owned(),
            image: self.image.to_string(),
            labels: self.labels(&service, "one-off", true),
            publish: false,
            endpoints,
            restart: RestartPolicy::No,
            binds: self.binds(&service),
            mounts: self.mounts(&service),
            tmpfs: tmpfs(&service),
            anonymous: anonymous(&service),
            auto_remove: false,
            service,
        }
    }

    /// A scratch server from the database's own service: its image and settings, none of its data.
    pub fn scratch(&self, name: &str) -> ContainerSpec {
        let mut service = self.spec();
        service.ports.clear();
        service.healthcheck = None;
        (service.pid, service.ipc) = (None, None);
        service.mounts.retain(|mount| mount.read_only && !matches!(mount.source, MountSource::Volume { .. }));
        service.environment.insert("PGDATA".to_owned(), Secret::new(SCRATCH_DATA));
        service.command = Some(scratch_command(service.command.as_deref()));
        let mut tmpfs = tmpfs(&service);
        tmpfs.insert("/evenkeel".to_owned(), String::new());
        ContainerSpec {
            name: name.to_owned(),
            image: self.image.to_string(),
            labels: self.labels(&service, "scratch", true),
            publish: false,
            endpoints: vec![Endpoint {
                network: backstage(&self.release.project.name),
                ..Endpoint::default()
            }],
            restart: RestartPolicy::No,
            binds: self.binds(&service),
            mounts: self.mounts(&service),
            tmpfs,
            anonymous: Vec::new(),
            auto_remove: false,
            service,
        }
    }

    fn labels(&self, service: &Service, role: &str, oneoff: bool) -> BTreeMap<String, String> {
        let project = &self.release.project;
        let mut labels = service.labels.clone();
        let one_off = if oneoff { "True" } else { "False" };
        let files: Vec<String> =
            project.files.iter().map(|file| format!("{}/{file}", project.directory)).collect();
        labels.extend(
            [
                (label::APP, self.release.app.as_str()),
                (label::RELEASE, self.release.digest.short()),
                (label::ROLLOUT, &self.rollout.to_string()),
                (label::CONFIG, self.release.config(self.service)),
                (label::ROLE, role),
                (label::COMPOSE_PROJECT, project.name.as_str()),
                (label::COMPOSE_SERVICE, self.service.base()),
                (label::COMPOSE_ONEOFF, one_off),
                (label::COMPOSE_NUMBER, &self.service.number().to_string()),
                (label::COMPOSE_VERSION, COMPOSE_VERSION),
                (label::COMPOSE_WORKING_DIR, &project.directory),
                (label::COMPOSE_CONFIG_FILES, &files.join(",")),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let classic = project.classic.get(self.service).filter(|_| !oneoff);
        let hash = classic.and_then(|classic| classic.hash(self.image));
        labels.extend(hash.map(|hash| (label::COMPOSE_CONFIG_HASH.to_owned(), hash)));
        labels
    }

    /// The networks of the service with all its names, and the backstage network, nameless.
    fn own_endpoints(&self, service: &Service) -> Vec<Endpoint> {
        let mut endpoints = own_endpoints(self.release, self.service, service);
        if self.backstage && service.network_mode.is_none() {
            endpoints.push(Endpoint {
                network: backstage(&self.release.project.name),
                aliases: self.backstage_aliases(),
                ..Endpoint::default()
            });
        }
        endpoints
    }

    /// The backstage network, with names for everybody else of the project that is on it; and what the manifest adds.
    fn private_endpoints(&self) -> Vec<Endpoint> {
        let mut links = self.links();
        let mut aliases = self.backstage_aliases();
        let mut take = || (std::mem::take(&mut links), std::mem::take(&mut aliases));
        let networks = private_networks(self.release).into_iter();
        networks
            .map(|network| {
                let (links, aliases) = take();
                Endpoint { network, links, aliases, ..Endpoint::default() }
            })
            .collect()
    }

    /// For every other service: its candidate of this rollout where there is one, else the container that serves. That one by its
    /// name, which its successors will have: whoever has the link is led to them at once, and to nobody who is about to stop.
    fn links(&self) -> Vec<(String, String)> {
        let (own, mut links) = (self.spec(), Vec::new());
        let others = self.release.project.services.iter();
        let others = others.filter(|(name, _)| name.base() != self.service.base() && name.number() == 1);
        for (name, service) in others {
            let Some(container) = self.provider(name) else { continue };
            let lasting = final_name(&self.release.project, name, service, Some(container));
            let target = match self.pool(name, container) {
                Some(pool) => pool,
                None if container.name == lasting => lasting,
                None => container.id.short().to_owned(),
            };
            let aliases = own.links.iter().filter(|(other, _)| other == name).map(|(_, alias)| alias.clone());
            let mut names = names(name, service);
            names.extend(aliases.filter(|alias| alias != name.as_str()));
            links.extend(names.into_iter().map(|alias| (target.clone(), alias)));
        }
        links
    }

    /// The name backstage that all containers of a service have which one rollout made: a link to it leads to each of them. Nobody else
    /// knows it, so that nobody is led to one that is not proven.
    fn pool(&self, name: &ServiceName, first: &Container) -> Option<String> {
        let project = &self.release.project;
        let more: Vec<&ServiceName> = project.further(name).collect();
        let pool = pool(name, first.label(label::ROLLOUT)?);
        let backstage = backstage(&project.name);
        let is_in =
            |it: &Container| it.networks.get(&backstage).is_some_and(|joined| joined.aliases.contains(&pool));
        let all = is_in(first) && more.iter().all(|other| self.provider(other).is_some_and(is_in));
        (all && !more.is_empty()).then_some(pool)
    }

    /// What it is called backstage, where it is one of several.
    fn backstage_aliases(&self) -> Vec<String> {
        let several = self.release.project.services.contains_key(&self.service.numbered(2));
        several.then(|| pool(self.service, &self.rollout.to_string())).into_iter().collect()
    }

    /// Other services' namespaces become those of the containers that they have, or are about to have. Which these are, for the
    /// label.
    fn share_namespaces(&self, service: &mut Service) -> Option<String> {
        let lenders: BTreeMap<ServiceName, Option<String>> =
            service.lenders().map(|lender| (lender.clone(), self.lender(&lender))).collect();
        for mode in [&mut service.network_mode, &mut service.pid, &mut service.ipc] {
            let Some(other) = mode.as_ref().and_then(|mode| mode.strip_prefix("service:")) else { continue };
            let Some(Some(id)) = lenders.get(other) else { continue };
            *mode = Some(format!("container:{id}"));
        }
        let known = lenders.iter().filter_map(|(name, id)| Some(format!("{name}={}", id.as_ref()?)));
        let known: Vec<String> = known.collect();
        (!known.is_empty()).then(|| known.join(","))
    }

    /// The container of a service that is going to serve.
    fn lender(&self, service: &ServiceName) -> Option<String> {
        let rollout = self.rollout.to_string();
        let lasting = [Some(Role::Successor.as_str()), Some(Role::Replacement.as_str())];
        let made = self.peers.iter().find(|container| {
            container.instance(&self.release.project).as_ref() == Some(service)
                && container.label(label::ROLLOUT) == Some(&rollout)
                && lasting.contains(&container.label(label::ROLE))
        });
        made.map(|container| &container.id).or_else(|| self.serving.get(service)).map(ToString::to_string)
    }

    fn provider(&self, service: &ServiceName) -> Option<&Container> {
        let backstage = backstage(&self.release.project.name);
        let of_service = |container: &&Container| {
            container.instance(&self.release.project).as_ref() == Some(service)
                && container.networks.contains_key(&backstage)
        };
        let rollout = self.rollout.to_string();
        let ours = |role: Role| {
            let is = move |it: &&Container| it.label(label::ROLE) == Some(role.as_str());
            let of_rollout = |it: &&Container| it.label(label::ROLLOUT) == Some(&rollout);
            self.peers.iter().filter(of_service).filter(of_rollout).find(is)
        };
        // One that has to wait for its port is stood in for.
        let candidate = ours(Role::Successor).filter(|it| it.running());
        let candidate = candidate.or_else(|| ours(Role::StandIn).filter(|it| it.running()));
        candidate.or_else(|| ours(Role::Successor)).or_else(|| {
            let id = self.serving.get(service);
            self.peers.iter().filter(of_service).find(|container| Some(&container.id) == id)
        })
    }

    fn binds(&self, service: &Service) -> Vec<String> {
        service.mounts.iter().filter_map(|mount| self.bind(mount)).collect()
    }

    fn mounts(&self, service: &Service) -> Vec<BindMount> {
        service.mounts.iter().filter_map(|mount| self.mount(mount)).collect()
    }

    /// What the short form cannot say.
    fn mount(&self, mount: &Mount) -> Option<BindMount> {
        let create = match &mount.source {
            MountSource::Host { create, .. } => *create,
            MountSource::Repository { .. } => true,
            _ => return None,
        };
        if create && mount.recursive == Recursive::Enabled {
            return None;
        }
        let propagation = mount.options.iter().find(|option| PROPAGATION.contains(&option.as_str()));
        Some(BindMount {
            source: self.source(&mount.source)?,
            target: mount.target.clone(),
            read_only: mount.read_only,
            propagation: propagation.cloned(),
            recursive: mount.recursive,
            create,
        })
    }

    fn source(&self, source: &MountSource) -> Option<String> {
        Some(match source {
            MountSource::Volume { volume, .. } => {
                self.release.project.volumes.get(volume).map_or(volume.clone(), |volume| volume.name.clone())
            }
            MountSource::Repository { path, .. } => format!("{}/{path}", self.files),
            MountSource::Given { name, .. } => given(self.files, name),
            MountSource::Host { path, .. } => path.clone(),
            MountSource::Anonymous | MountSource::Tmpfs { .. } => return None,
        })
    }

    fn bind(&self, mount: &Mount) -> Option<String> {
        if self.mount(mount).is_some() {
            return None;
        }
        let source = self.source(&mount.source)?;
        let mut options = mount.options.clone();
        if mount.read_only {
            options.insert(0, "ro".to_owned());
        }
        if matches!(mount.source, MountSource::Volume { no_copy: true, .. }) {
            options.push("nocopy".to_owned());
        }
        let suffix = if options.is_empty() { String::new() } else { format!(":{}", options.join(",")) };
        Some(format!("{source}:{}{suffix}", mount.target))
    }
}

/// The version of docker-compose that evenkeel's containers pass for: the one whose digest they bear.
const COMPOSE_VERSION: &str = "1.29.2";

/// Options of a bind that say what becomes of later mounts below it.
const PROPAGATION: [&str; 6] = ["shared", "slave", "private", "rshared", "rslave", "rprivate"];

/// Where a file that the Compose file gives the content of stands, beside the files of the repository.
fn given(files: &str, name: &str) -> String {
    let release = files.rsplit_once('/').map_or("", |(release, _)| release);
    format!("{release}/{GIVEN}/{name}")
}

/// The directory of a release beside its `files`, for those whose content the Compose file gives.
pub const GIVEN: &str = "given";

/// The networks of a container that nobody is to reach yet: the private one first.
pub(crate) fn private_networks(release: &Release) -> Vec<String> {
    let project = &release.project;
    let extra = release.manifest.spec.rollout.dependency_networks.iter().map(|key| {
        project.networks.get(key).map_or(key.as_str(), |network| network.name.as_str()).to_owned()
    });
    let bridge = needs_bridge(release).then(|| "bridge".to_owned());
    [backstage(&project.name)].into_iter().chain(extra).chain(bridge).collect()
}

/// Whether a container is on every network that one of its part is created on. The engine creates it on the first and joins it
/// to the others: a crash in between leaves it half made. `has_backstage`: whether there is the private network.
pub fn whole(
    release: &Release,
    name: &ServiceName,
    role: Role,
    has_backstage: bool,
    container: &Container,
) -> bool {
    let Some(service) = release.project.services.get(name) else { return true };
    let own = own_endpoints(release, name, service).into_iter().map(|endpoint| endpoint.network);
    let wanted: Vec<String> = match role {
        Role::Successor | Role::StandIn => private_networks(release),
        Role::Replacement if has_backstage && service.network_mode.is_none() => {
            own.chain([backstage(&release.project.name)]).collect()
        }
        Role::Replacement => own.collect(),
    };
    wanted.iter().all(|network| container.networks.contains_key(network))
}

/// A container with PostgreSQL's client programs, for a database outside the project: it sleeps while they run in it, on the
/// host's own network, so that it sees what evenkeel sees.
pub fn client(release: &Release, image: &ImageId) -> ContainerSpec {
    let service = Service {
        entrypoint: Some(vec!["sleep".to_owned()]),
        command: Some(vec!["infinity".to_owned()]),
        network_mode: Some("host".to_owned()),
        init: Some(true),
        ..Service::default()
    };
    beside(release, image, service, "client", "one-off")
}

/// A scratch server for such a database, from the same image, listening where the real one does.
pub fn client_scratch(release: &Release, image: &ImageId, port: u16) -> ContainerSpec {
    let mut command = scratch_command(None);
    command.extend(["-c".to_owned(), format!("port={port}")]);
    let service = Service {
        environment: [("PGDATA".to_owned(), Secret::new(SCRATCH_DATA))].into(),
        command: Some(command),
        ..Service::default()
    };
    let endpoint = Endpoint { network: backstage(&release.project.name), ..Endpoint::default() };
    let spec = beside(release, image, service, "rehearsal", "scratch");
    ContainerSpec {
        endpoints: vec![endpoint],
        tmpfs: [("/evenkeel".to_owned(), String::new())].into(),
        ..spec
    }
}

/// A container beside those of the services. It is labelled as a one-off of the one that migrates.
fn beside(release: &Release, image: &ImageId, service: Service, name: &str, role: &str) -> ContainerSpec {
    let project = &release.project.name;
    let migrates =
        release.manifest.spec.database.as_ref().map_or("", |database| database.migrations.service.as_str());
    let labels = [
        (label::APP, release.app.as_str()),
        (label::RELEASE, release.digest.short()),
        (label::ROLE, role),
        (label::COMPOSE_PROJECT, project.as_str()),
        (label::COMPOSE_SERVICE, migrates),
        (label::COMPOSE_ONEOFF, "True"),
    ];
    ContainerSpec {
        name: format!("{project}-{name}"),
        image: image.to_string(),
        service,
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..ContainerSpec::default()
    }
}

/// Whether the database is somewhere outside the project.
pub fn outside(release: &Release) -> bool {
    release.manifest.spec.database.as_ref().is_some_and(|database| database.url_from.is_some())
}

/// Whether candidates need a way out before they can be proven.
fn needs_bridge(release: &Release) -> bool {
    release.manifest.spec.rollout.candidate_egress || outside(release)
}

/// Whether candidates are on more than the private network from the start. There the engine binds published ports at once.
pub fn binds_at_start(release: &Release) -> bool {
    needs_bridge(release) || !release.manifest.spec.rollout.dependency_networks.is_empty()
}

/// The address that an entry of `extra_hosts` (`name:address`) gives to a name.
pub fn mapped<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    let (host, address) = entry.split_once(':')?;
    (host == name).then(|| address.trim_matches(['[', ']']))
}

/// Where a scratch server keeps its cluster: on a tmpfs.
const SCRATCH_DATA: &str = "/evenkeel/data";

/// The service's own command with everything off that only protects data.
fn scratch_command(command: Option<&[String]>) -> Vec<String> {
    let mut command = command
        .filter(|command| !command.is_empty())
        .map_or_else(|| vec!["postgres".to_owned()], <[String]>::to_vec);
    for setting in ["fsync=off", "full_page_writes=off", "synchronous_commit=off"] {
        command.extend(["-c".to_owned(), setting.to_owned()]);
    }
    command
}

/// A service's places on its own networks, with its names.
///
/// A name that is an alias leads to whoever has joined with it until it leaves, the one that is about to stop too; a container's
/// own name changes hands at once. So the container's name is no alias beside.
pub fn own_endpoints(release: &Release, name: &ServiceName, service: &Service) -> Vec<Endpoint> {
    let mut attachments: Vec<_> = service.networks.iter().collect();
    attachments.sort_by_key(|(key, attachment)| (-attachment.priority, (*key).clone()));
    attachments
        .into_iter()
        .filter_map(|(key, attachment)| {
            let network = release.project.networks.get(key)?;
            let mut aliases = vec![name.base().to_owned()];
            aliases.extend(attachment.aliases.iter().cloned());
            aliases.dedup();
            aliases.retain(|alias| Some(alias) != service.container_name.as_ref());
            Some(Endpoint {
                network: network.name.clone(),
                aliases,
                links: own_links(service),
                ipv4_address: attachment.ipv4_address.clone(),
                ipv6_address: attachment.ipv6_address.clone(),
                mac_address: attachment.mac_address.clone(),
                link_local_ips: attachment.link_local_ips.clone(),
                driver_opts: attachment.driver_opts.clone(),
            })
        })
        .collect()
}

/// The names that only this service has for others. The engine resolves a link's target as a name of the network, so the service's
/// name leads to whoever serves.
fn own_links(service: &Service) -> Vec<(String, String)> {
    let other = service.links.iter().filter(|(name, alias)| alias != name.as_str());
    other.map(|(name, alias)| (name.to_string(), alias.clone())).collect()
}

/// Whether a container that is on a network answers to all its names there. Its own name needs no alias.
pub fn answers(endpoint: &Endpoint, joined: &Joined) -> bool {
    endpoint.aliases.iter().all(|alias| joined.aliases.contains(alias))
}

/// What those of a service's containers that one rollout made are called backstage.
fn pool(service: &ServiceName, rollout: &str) -> String {
    format!("{}.{rollout}", service.base())
}

/// The names that everybody may use for a service.
pub fn names(name: &ServiceName, service: &Service) -> Vec<String> {
    let mut names = vec![name.base().to_owned()];
    names.extend(service.container_name.clone().filter(|container| *container != names[0]));
    names
}

fn tmpfs(service: &Service) -> BTreeMap<String, String> {
    let mounts = service.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Tmpfs { options } => Some((mount.target.clone(), options.clone())),
        _ => None,
    });
    mounts.collect()
}

fn anonymous(service: &Service) -> Vec<String> {
    let mounts = service.mounts.iter().filter(|mount| mount.source == MountSource::Anonymous);
    mounts.map(|mount| mount.target.clone()).collect()
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
