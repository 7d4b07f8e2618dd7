//! A Compose project after reading: merged, interpolated, normalised; every name that the engine will see is final.
//!
//! Source of the meanings: the Compose Specification (<https://github.com/compose-spec/compose-spec>).

mod build;
mod mount;
mod network;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::build::{Build, PullPolicy};
pub use self::mount::{Mount, MountSource, Recursive, Volume};
pub use self::network::{Attachment, IpamPool, Network};
use super::classic::Classic;
use super::kernel::Kernel;
use super::modern::Modern;
use crate::name::{ProjectName, ServiceName};
use crate::secret::Secret;

/// A whole project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// The project's name.
    pub name: ProjectName,
    /// The directory that Compose would have been run in, absolute, on the host.
    pub directory: String,
    /// The Compose files it was read from, relative to the repository's root.
    pub files: Vec<String>,
    /// Services by name; those outside the active profiles are left out.
    pub services: BTreeMap<ServiceName, Service>,
    /// Networks by their key in the Compose file; only those that a service uses, and always `default` where one does.
    pub networks: BTreeMap<String, Network>,
    /// Named volumes by their key in the Compose file.
    pub volumes: BTreeMap<String, Volume>,
    /// Files outside git that the project reads (env files), absolute: the ones to watch.
    pub host_files: Vec<String>,
    /// Every service as docker-compose 1.29 has it: whoever has been let go of is compared with that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classic: BTreeMap<ServiceName, Classic>,
    /// Services of the Compose file that are not to run: those outside the active profiles, and those scaled to 0.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub inactive: BTreeSet<ServiceName>,
    /// Every service as `docker compose` 2 has it: what that program made is compared with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modern: BTreeMap<ServiceName, Modern>,
}

/// One service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// `image:`, as written: the tag that a build gets as well, or what is pulled.
    pub image: Option<String>,
    /// `build:`.
    pub build: Option<Build>,
    /// `command:`; `None` keeps the image's.
    pub command: Option<Vec<String>>,
    /// `entrypoint:`; `None` keeps the image's, empty clears it.
    pub entrypoint: Option<Vec<String>>,
    /// The environment, env files merged in (`environment:` wins). Values are secret.
    pub environment: BTreeMap<String, Secret>,
    /// Variables that are named without a value and have none anywhere: containers don't get them, not their image's either.
    /// Source: <https://github.com/compose-spec/compose-spec/blob/main/05-services.md#environment>.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unset: BTreeSet<String>,
    /// Published ports, ranges expanded.
    pub ports: Vec<Port>,
    /// `expose:`, as written; it publishes nothing.
    #[serde(default)]
    pub expose: Vec<String>,
    /// Volumes, binds and tmpfs mounts.
    pub mounts: Vec<Mount>,
    /// Networks by their key in [`Project::networks`]; empty with `network_mode`.
    pub networks: BTreeMap<String, Attachment>,
    /// `network_mode:` (`host`, `none`, `service:x`, `container:x`).
    pub network_mode: Option<String>,
    /// `healthcheck:`; `None` keeps the image's.
    pub healthcheck: Option<Healthcheck>,
    /// What it waits for.
    pub depends_on: BTreeMap<ServiceName, Dependency>,
    /// `restart:`.
    pub restart: RestartPolicy,
    /// `container_name:`.
    pub container_name: Option<String>,
    /// Labels that the user gave.
    pub labels: BTreeMap<String, String>,
    /// `user:`.
    pub user: Option<String>,
    /// `working_dir:`.
    pub working_dir: Option<String>,
    /// `hostname:`.
    pub hostname: Option<String>,
    /// `domainname:`.
    pub domainname: Option<String>,
    /// Limits and reservations (`deploy.resources`, `mem_limit`, `cpus`, …).
    pub resources: Resources,
    /// `logging:`.
    pub logging: Option<Logging>,
    /// `stop_signal:`; `None` keeps the image's.
    pub stop_signal: Option<String>,
    /// `stop_grace_period:`; 10 s when unset.
    pub stop_grace_period: Option<Duration>,
    /// `init:`.
    pub init: Option<bool>,
    /// `ulimits:` by name, soft and hard.
    pub ulimits: BTreeMap<String, (i64, i64)>,
    /// `extra_hosts:` as `host:address`.
    pub extra_hosts: Vec<String>,
    /// `dns:`.
    pub dns: Vec<String>,
    /// `dns_search:`.
    pub dns_search: Vec<String>,
    /// `dns_opt:`.
    pub dns_opt: Vec<String>,
    /// `cap_add:`.
    pub cap_add: Vec<String>,
    /// `cap_drop:`.
    pub cap_drop: Vec<String>,
    /// `group_add:`.
    pub group_add: Vec<String>,
    /// `devices:` as `host:container:permissions`.
    pub devices: Vec<String>,
    /// `security_opt:`.
    pub security_opt: Vec<String>,
    /// `privileged:`.
    pub privileged: bool,
    /// `read_only:`.
    pub read_only: bool,
    /// `sysctls:`.
    pub sysctls: BTreeMap<String, String>,
    /// `shm_size:` in bytes.
    pub shm_size: Option<i64>,
    /// `tty:`.
    pub tty: bool,
    /// `stdin_open:`.
    pub stdin_open: bool,
    /// `pid:`.
    pub pid: Option<String>,
    /// `ipc:`.
    pub ipc: Option<String>,
    /// `platform:`.
    pub platform: Option<String>,
    /// `pull_policy:`.
    #[serde(default)]
    pub pull_policy: PullPolicy,
    /// `links:` with the alias that each has here: names that only this service uses for others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(ServiceName, String)>,
    /// `volumes_from:` containers outside of the project, as the engine takes them (`name` or `name:ro`). What other services
    /// mount is in `mounts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes_from: Vec<String>,
    /// `post_start:` in order: run in each container that has just been started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_start: Vec<ServiceHook>,
    /// `pre_stop:` in order: run in each container that is about to be stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_stop: Vec<ServiceHook>,
    /// What it asks of the kernel, the runtime and the engine beyond the ordinary.
    #[serde(default, skip_serializing_if = "Kernel::is_empty")]
    pub kernel: Kernel,
    /// Whether it is a one-shot: another service waits for it with `service_completed_successfully`.
    pub one_shot: bool,
}

/// A command that is run in a service's container, beside what runs there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHook {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The user; the container's when unset.
    pub user: Option<String>,
    /// Whether it has all rights on the host.
    pub privileged: bool,
    /// The working directory; the container's when unset.
    pub working_dir: Option<String>,
    /// Variables beside the container's own, which they override. Values are secret.
    pub environment: BTreeMap<String, Secret>,
}

/// One published (or only exposed to the host) port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// The container's port.
    pub target: u16,
    /// The host's port; `None` lets the engine choose.
    pub published: Option<u16>,
    /// The host's address; every one when unset.
    pub host_ip: Option<String>,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// A health check (durations as in the Dockerfile's `HEALTHCHECK`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// `["CMD", …]`, `["CMD-SHELL", "…"]` or `["NONE"]`; empty keeps the image's.
    pub test: Vec<String>,
    /// Time between checks.
    pub interval: Option<Duration>,
    /// Time one check may take.
    pub timeout: Option<Duration>,
    /// Failures in a row that make it unhealthy.
    pub retries: Option<i64>,
    /// Time during which failures do not count.
    pub start_period: Option<Duration>,
    /// Time between checks until the first one succeeds, within `start_period`. From API 1.44 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<Duration>,
}

/// What a dependency must have reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The condition.
    pub condition: Condition,
    /// `required: false` only warns.
    pub required: bool,
    /// `restart: true`: restarted after the dependency was replaced or restarted by evenkeel, not by the engine.
    pub restart: bool,
}

/// The three conditions of `depends_on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It has been started.
    ServiceStarted,
    /// Its healthcheck says healthy.
    ServiceHealthy,
    /// It ran and exited with 0.
    ServiceCompletedSuccessfully,
}

/// The engine's restart policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// Always, also after it was stopped and the engine restarts.
    Always,
    /// On a non-zero exit; at most so many times (0: no limit).
    OnFailure(i64),
    /// Always, unless somebody stopped it.
    UnlessStopped,
}

/// Limits and reservations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// CPU limit in 10⁻⁹ CPUs.
    pub nano_cpus: Option<i64>,
    /// Relative CPU weight.
    pub cpu_shares: Option<i64>,
    /// `cpuset`.
    pub cpuset: Option<String>,
    /// Memory limit in bytes.
    pub memory: Option<i64>,
    /// Memory reservation in bytes.
    pub memory_reservation: Option<i64>,
    /// Memory plus swap in bytes.
    pub memory_swap: Option<i64>,
    /// Processes at most.
    pub pids: Option<i64>,
}

/// `logging:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// The driver (`json-file`, `journald`, …); the engine's own where nothing is said.
    pub driver: Option<String>,
    /// Its options.
    pub options: BTreeMap<String, String>,
}

impl Project {
    /// The containers of a service beyond the first, where it has several.
    pub fn further(&self, service: &ServiceName) -> impl Iterator<Item = &ServiceName> {
        let base = service.base().to_owned();
        let from = ServiceName::new(format!("{base}#"));
        self.services.range(from..).map(|(name, _)| name).take_while(move |name| name.base() == base)
    }
}

impl Port {
    /// Whether it is in the way of the same port on an address of the host: all addresses of a family are in the way of each of them.
    pub fn on(&self, address: &str) -> bool {
        let own = self.host_ip.as_deref().unwrap_or_default();
        let is_any = |address: &str| {
            address.is_empty() || address.parse::<IpAddr>().is_ok_and(|it| it.is_unspecified())
        };
        let is_six = |address: &str| address.contains(':');
        let is_same_family = own.is_empty() || address.is_empty() || is_six(own) == is_six(address);
        is_same_family && (own == address || is_any(own) || is_any(address))
    }
}

impl Service {
    /// The services whose network, processes or IPC it shares (`network_mode: service:x` and its kin).
    pub fn lenders(&self) -> impl Iterator<Item = ServiceName> {
        let modes = [&self.network_mode, &self.pid, &self.ipc];
        modes.into_iter().flatten().filter_map(|mode| mode.strip_prefix("service:")).map(ServiceName::new)
    }

    /// Whether it mounts anything that it may write to and that outlives the container.
    pub fn writable_volumes(&self) -> impl Iterator<Item = &Mount> {
        self.mounts.iter().filter(|mount| {
            !mount.read_only && !matches!(mount.source, MountSource::Tmpfs { .. } | MountSource::Anonymous)
        })
    }
}
