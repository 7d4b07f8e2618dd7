//! From a service and its part to the container that the engine is asked for.

mod beside;
mod mounts;
mod places;
mod pool;

use std::collections::BTreeMap;

pub use self::beside::{client, client_scratch, mapped, outside};
pub use self::mounts::GIVEN;
use self::mounts::{anonymous, tmpfs};
pub(crate) use self::places::private_networks;
pub use self::places::{answers, binds_at_start, names, own_endpoints, serving_endpoints, whole};
pub use self::pool::Pool;
use crate::compose::{RestartPolicy, Service};
use crate::container::{ContainerSpec, label};
use crate::name::{ImageId, RolloutId, ServiceName};
use crate::observed::Container;
use crate::plan::Role;
use crate::release::Release;

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
            // Nobody is led to it.
            endpoint.aliases.clear();
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
}

/// The version of docker-compose that evenkeel's containers pass for: the one whose digest they bear.
const COMPOSE_VERSION: &str = "1.29.2";

#[cfg(test)]
mod tests;
