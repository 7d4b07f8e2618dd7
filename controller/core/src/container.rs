//! What a container is created from: a service, and the part that it is going to play.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::compose::{Recursive, RestartPolicy, Service};

/// Labels that evenkeel puts on what it makes. They help people and `docker ps --filter`; decisions rest on ids and the ledger.
pub mod label {
    /// The application.
    pub const APP: &str = "evenkeel.app";
    /// The digest of the release.
    pub const RELEASE: &str = "evenkeel.release";
    /// The rollout that made it.
    pub const ROLLOUT: &str = "evenkeel.rollout";
    /// The digest of the service's own configuration.
    pub const CONFIG: &str = "evenkeel.config";
    /// The part it plays: `successor`, `stand-in`, `one-off`, `scratch`.
    pub const ROLE: &str = "evenkeel.role";
    /// Whose namespaces it lives in: `service=container id`, joined by commas.
    pub const SHARES: &str = "evenkeel.shares";
    /// Compose's: the project.
    pub const COMPOSE_PROJECT: &str = "com.docker.compose.project";
    /// Compose's: the service.
    pub const COMPOSE_SERVICE: &str = "com.docker.compose.service";
    /// Compose's: whether it was made by `run`.
    pub const COMPOSE_ONEOFF: &str = "com.docker.compose.oneoff";
    /// Compose's: its number among the service's containers.
    pub const COMPOSE_NUMBER: &str = "com.docker.compose.container-number";
    /// Compose's: a network of the project.
    pub const COMPOSE_NETWORK: &str = "com.docker.compose.network";
    /// Compose's: a volume of the project.
    pub const COMPOSE_VOLUME: &str = "com.docker.compose.volume";
    /// Compose's: where it was run.
    pub const COMPOSE_WORKING_DIR: &str = "com.docker.compose.project.working_dir";
    /// Compose's: the files it was run with.
    pub const COMPOSE_CONFIG_FILES: &str = "com.docker.compose.project.config_files";
    /// Compose's: which version of it made the container. docker-compose 1.29 falls over one that does not have it.
    pub const COMPOSE_VERSION: &str = "com.docker.compose.version";
    /// Compose's: a digest of the configuration, as docker-compose 1.29 makes it.
    pub const COMPOSE_CONFIG_HASH: &str = "com.docker.compose.config-hash";
}

/// All that the engine needs to create a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// The image: an id where one is known, else a reference.
    pub image: String,
    /// The configuration; `networks`, `container_name` and `restart` in it are overridden by the fields here.
    pub service: Service,
    /// Every label, Compose's and evenkeel's and the user's.
    pub labels: BTreeMap<String, String>,
    /// Whether the service's ports are bound (a stand-in binds none).
    pub publish: bool,
    /// The networks it is on before it starts, in the order of joining; none at all means `network_mode: none`
    /// unless the service names a mode itself.
    pub endpoints: Vec<Endpoint>,
    /// The restart policy.
    pub restart: RestartPolicy,
    /// Binds with every path final: `source:target[:options]`, named volumes by the engine's name.
    pub binds: Vec<String>,
    /// Binds that the short form cannot say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<BindMount>,
    /// Tmpfs mounts: target to options.
    pub tmpfs: BTreeMap<String, String>,
    /// Anonymous volumes: targets.
    pub anonymous: Vec<String>,
    /// Removed by the engine with its anonymous volumes once it has exited.
    pub auto_remove: bool,
}

/// A bind that the engine's short form cannot say: its source must exist, or mounts below it are treated in a way of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindMount {
    /// The path on the host.
    pub source: String,
    /// Where, in the container.
    pub target: String,
    /// Read-only.
    pub read_only: bool,
    /// Propagation (`rshared`, `rslave`, …); the engine's own where `None`.
    pub propagation: Option<String>,
    /// What becomes of mounts below the source.
    pub recursive: Recursive,
    /// Whether the engine makes a missing directory. From API 1.44 on; the engine refuses where it is `false`.
    pub create: bool,
}

/// A container's place on a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The engine's name of the network.
    pub network: String,
    /// Names that everybody on the network can use for it.
    pub aliases: Vec<String>,
    /// Names that only this container uses for others: (container's short id or name, alias). On a user-defined network
    /// the engine resolves them lazily, so that a provider needs no name on the backstage network itself.
    pub links: Vec<(String, String)>,
    /// A static IPv4 address.
    pub ipv4_address: Option<String>,
    /// A static IPv6 address.
    pub ipv6_address: Option<String>,
    /// A static MAC address. From API 1.44 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Link-local addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link_local_ips: Vec<String>,
    /// Options for the network's driver.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
}
