//! What is: the engine's and the database's state as data, read at one moment.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::compose::{IpamPool, Project, RestartPolicy};
use crate::limits::ResourceLimits;
use crate::name::{ContainerId, ImageId, ServiceName};
use crate::secret::Secret;

/// A container as the engine's inspect shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the leading slash.
    pub name: String,
    /// The image it was created from, as it was named then.
    pub image: String,
    /// The id of that image.
    pub image_id: ImageId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it is doing.
    pub state: State,
    /// Its Docker healthcheck, where it has one.
    pub health: Option<Health>,
    /// When it was created, RFC 3339.
    pub created_at: String,
    /// When it was last started, RFC 3339; empty if never.
    pub started_at: String,
    /// How often the engine restarted it.
    pub restart_count: i64,
    /// Its restart policy now.
    pub restart: RestartPolicy,
    /// The networks it is on, by the engine's name.
    pub networks: BTreeMap<String, Joined>,
    /// Ports that it asks for: (`port/protocol`, host address, host port).
    pub port_bindings: Vec<(String, String, String)>,
    /// Ports that are bound now, in the same form.
    pub bound_ports: Vec<(String, String, String)>,
    /// The limits that can be changed while it lives.
    #[serde(default)]
    pub limits: ResourceLimits,
    /// Whether it writes to an anonymous or named volume, by mount: (volume name or host path, target, writable).
    pub mounts: Vec<(String, String, bool)>,
    /// Its environment, `NAME=value`; secret.
    pub environment: Vec<Secret>,
    /// The exit code of the last run.
    pub exit_code: i64,
    /// What the engine said when it could not start it.
    pub error: String,
    /// Whether the kernel killed it for want of memory.
    pub oom_killed: bool,
}

/// A container's place on a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The network's id.
    pub network_id: String,
    /// Its IPv4 address; empty while it is not running.
    pub ip_address: String,
    /// Its names there.
    pub aliases: Vec<String>,
    /// Whom it has names for there: the name that is looked for, and the one that it is found under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(String, String)>,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Created, never started.
    Created,
    /// Running.
    Running,
    /// Paused.
    Paused,
    /// Between two runs.
    Restarting,
    /// Exited.
    Exited,
    /// Being removed.
    Removing,
    /// Beyond the engine's power.
    Dead,
}

/// What the Docker healthcheck says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The status.
    pub status: HealthStatus,
    /// Failures in a row.
    pub failing_streak: i64,
    /// The output of the last check.
    pub last_output: String,
    /// The command that checks, as it is executed in the container.
    #[serde(default)]
    pub command: Vec<Secret>,
    /// How long it may take.
    #[serde(default)]
    pub timeout: Duration,
}

/// The statuses of a Docker healthcheck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Within the start period, or not yet checked.
    Starting,
    /// The last check succeeded.
    Healthy,
    /// So many checks in a row failed.
    Unhealthy,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its tags.
    pub tags: Vec<String>,
    /// Registry digests.
    pub digests: Vec<String>,
    /// Whether it has a healthcheck of its own.
    pub healthcheck: bool,
    /// Volumes that it declares (targets).
    pub volumes: Vec<String>,
    /// Its environment.
    pub environment: Vec<String>,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// Size in bytes.
    pub size: i64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// A digest of all that a container has of it: its layers, its platform, and its configuration but for evenkeel's own labels.
    /// Images of two builds that have the same are the same image to whatever runs. Empty where the engine does not tell.
    pub content: String,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkState {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its subnets, CIDR.
    pub subnets: Vec<String>,
    /// Its pools of addresses: those subnets, and what else is said of each.
    #[serde(default)]
    pub pools: Vec<IpamPool>,
    /// Whether it is internal.
    pub internal: bool,
    /// Whether standalone containers may attach.
    #[serde(default)]
    pub attachable: bool,
    /// Whether it has IPv6.
    #[serde(default)]
    pub enable_ipv6: bool,
    /// Options for its driver.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Its driver.
    pub driver: String,
    /// The ids of the containers on it that run.
    pub containers: Vec<ContainerId>,
}

impl Container {
    /// The service it belongs to, as Compose's label says.
    pub fn service(&self) -> Option<ServiceName> {
        self.labels.get(crate::container::label::COMPOSE_SERVICE).map(|name| ServiceName::new(name.clone()))
    }

    /// Which of a project's services it belongs to, where a service may have several containers: the one of its number, or the last
    /// that the project has.
    pub fn instance(&self, project: &Project) -> Option<ServiceName> {
        let service = self.service()?;
        let count = project.further(&service).map(ServiceName::number).max();
        Some(service.numbered(self.number().min(count.unwrap_or(1))))
    }

    /// Its number among the containers of its service, as Compose counts them.
    pub fn number(&self) -> u32 {
        let number = self.label(crate::container::label::COMPOSE_NUMBER);
        number.and_then(|number| number.parse().ok()).unwrap_or(1)
    }

    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// Whether the engine has given it up: it can be renamed and removed, and nothing else. Where its files cannot be removed, it stays
    /// there until they can.
    pub fn given_up(&self) -> bool {
        matches!(self.state, State::Dead | State::Removing)
    }

    /// Whether it runs.
    pub fn running(&self) -> bool {
        self.state == State::Running
    }
}
