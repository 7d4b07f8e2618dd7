//! The Docker Engine, as a trait of single effects and single reads. Only this folder names the engine's client library.

mod docker;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use evenkeel_core::compose::{Port, RestartPolicy};
use evenkeel_core::container::{ContainerSpec, Endpoint};
use evenkeel_core::limits::ResourceLimits;
use evenkeel_core::name::{ContainerId, ImageId, InstanceId, ProjectName};
use evenkeel_core::observed::{Container, Image, NetworkState};
use futures_util::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use docker::connect;

/// What went wrong at the engine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// It cannot be reached: transient, and never the release's fault.
    #[error("the Docker Engine at {endpoint} does not answer: {reason}")]
    Unreachable {
        /// Where it should be.
        endpoint: String,
        /// What the connection said.
        reason: String,
    },
    /// It refused.
    #[error("the Docker Engine refused to {action}: {reason} (status {status})")]
    Refused {
        /// What was asked, with the object's name: "start container convertik-api-r3".
        action: String,
        /// HTTP status.
        status: u16,
        /// The engine's own words.
        reason: String,
    },
    /// What stands before it, such as a proxy of its socket, does not let the request through: never the release's fault.
    #[error(
        "what stands before the Docker Engine at {endpoint} does not let evenkeel {action} (status {status}): {advice}"
    )]
    NotLetThrough {
        /// Where it is.
        endpoint: String,
        /// What was asked.
        action: String,
        /// HTTP status.
        status: u16,
        /// What to do.
        advice: String,
    },
    /// Something on its host is in the way, such as a firewall that was reloaded, or its answer cannot be used: never the release's fault.
    #[error("the Docker Engine could not {action}: {reason}")]
    Hindered {
        /// What was asked.
        action: String,
        /// What is in the way, and what to do where that is known.
        reason: String,
    },
    /// A build failed.
    #[error("building {image} failed: {reason}")]
    BuildFailed {
        /// The image's name.
        image: String,
        /// The builder's last error.
        reason: String,
        /// The last lines of its output.
        tail: Vec<String>,
    },
    /// Somebody removed a layer under a build, again and again: transient, and never the release's fault.
    #[error("building {image} was disturbed: what it had built so far was removed meanwhile ({reason})")]
    LayerLost {
        /// The image's name.
        image: String,
        /// The builder's words.
        reason: String,
    },
    /// A pull failed.
    #[error("pulling {image} failed: {reason}")]
    PullFailed {
        /// The reference.
        image: String,
        /// The registry's words.
        reason: String,
        /// Whether trying again can help (a timeout, a 5xx), as opposed to a name that does not exist.
        transient: bool,
    },
    /// It did not answer in time.
    #[error("the Docker Engine took longer than {}s to {action}", .after.as_secs())]
    Timeout {
        /// What was asked.
        action: String,
        /// The limit.
        after: Duration,
    },
    /// No space left on its disk.
    #[error("the Docker Engine has no space left while it was to {action}: {reason}")]
    NoSpace {
        /// What was asked.
        action: String,
        /// The engine's own words.
        reason: String,
    },
}

impl EngineError {
    /// Whether what is there forbids it: a name that is taken, a container that does not run any more, a removal under way. Something is not
    /// as it was when it was looked at, because somebody was quicker, or because a request that its client had given up was carried
    /// out after all.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }

    /// Whether a container, an image or a network is not there any more that was there when it was looked at: somebody has removed it.
    pub(crate) fn is_gone(&self) -> bool {
        let says = |reason: &str| {
            let reason = reason.to_lowercase();
            reason.contains("no such container") || reason.contains("no such image")
        };
        matches!(self, Self::Refused { status: 404, reason, .. } if says(reason)) || self.lacks_network()
    }

    /// Whether it is a network that is not there any more: `docker network prune` takes what nobody has joined yet.
    pub(crate) fn lacks_network(&self) -> bool {
        let says = |reason: &str| {
            let words: Vec<&str> = reason.split_whitespace().collect();
            words.windows(4).any(|four| {
                matches!(four, ["network" | "Network", name, "not", found] if found.starts_with("found")
                    && !["driver", "plugin"].contains(name))
            })
        };
        matches!(self, Self::Refused { status: 404, reason, .. } if says(reason))
    }

    /// Whether no addresses are left for a network, or somebody else's network has those that are asked for.
    pub(crate) fn lacks_addresses(&self) -> bool {
        let says = |reason: &str| {
            let reason = reason.to_lowercase();
            reason.contains("pool overlaps")
                || reason.contains("address pool") && reason.contains("overlap")
                || reason.contains("fully subnetted")
        };
        matches!(self, Self::Refused { reason, .. } if says(reason))
    }

    /// Whether somebody else holds a port or an address that is asked for: the words of the engine's port allocator, and those of the kernel.
    pub(crate) fn is_taken(&self) -> bool {
        let says = |reason: &str| {
            reason.contains("port is already allocated")
                || reason.to_lowercase().contains("address already in use")
        };
        matches!(self, Self::Refused { reason, .. } if says(reason))
    }
}

/// The engine itself.
#[derive(Clone, Debug)]
pub(crate) struct EngineInfo {
    /// Its id: the same across restarts, so that two evenkeels on one engine notice each other.
    pub id: String,
    /// Version, such as `20.10.24`.
    pub version: String,
    /// Highest API version.
    pub api_version: String,
    /// Whether it offers BuildKit for builds.
    pub buildkit: bool,
}

/// A network to make.
#[derive(Clone, Debug, Default)]
pub(crate) struct NetworkSpec {
    /// Name.
    pub name: String,
    /// Driver; the engine's default when `None`.
    pub driver: Option<String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// No route outside.
    pub internal: bool,
    /// Containers may attach.
    pub attachable: bool,
    /// IPv6.
    pub enable_ipv6: bool,
    /// Address pools.
    pub ipam: Vec<evenkeel_core::compose::IpamPool>,
    /// Options for the address manager.
    pub ipam_options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A volume to make.
#[derive(Clone, Debug, Default)]
pub(crate) struct VolumeSpec {
    /// Name.
    pub name: String,
    /// Driver.
    pub driver: Option<String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// Who looks after a Compose project: one evenkeel, by the ledger in its data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Its installation: all that ownership is decided by.
    pub id: InstanceId,
    /// The host that it ran on when it was put on record.
    pub host: String,
    /// Its data directory, then.
    pub data_dir: String,
    /// Since when.
    pub since: jiff::Timestamp,
}

/// A build.
pub(crate) struct BuildRequest {
    /// The tag to give it: the content name.
    pub tag: String,
    /// The context as an uncompressed tar file on disk; streamed, so that memory stays small.
    pub context: PathBuf,
    /// The Dockerfile, relative to the context.
    pub dockerfile: String,
    /// Arguments.
    pub args: BTreeMap<String, String>,
    /// Stage.
    pub target: Option<String>,
    /// Labels on the image.
    pub labels: BTreeMap<String, String>,
    /// Network of `RUN` steps.
    pub network: Option<String>,
    /// Extra hosts.
    pub extra_hosts: Vec<String>,
    /// Shared memory, bytes.
    pub shm_size: Option<i64>,
    /// Platform.
    pub platform: Option<String>,
    /// Whether layers of earlier builds may be reused.
    pub cache: bool,
    /// Images of the engine whose layers may be used; none named means any.
    pub cache_from: Vec<String>,
    /// Limits of `RUN` steps by name, soft and hard.
    pub ulimits: BTreeMap<String, (i64, i64)>,
    /// Ask for newer base images.
    pub pull: bool,
    /// Values that steps may ask for by these ids. Never logged, and in no layer.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Sockets of SSH agents that steps may ask for by these ids.
    pub agents: BTreeMap<String, PathBuf>,
    /// Limit.
    pub timeout: Duration,
}

/// Where progress lines go: a build's output, a pull's state.
pub(crate) type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// One line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogLine {
    /// Whether it came over stderr.
    pub stderr: bool,
    /// The line, without its end.
    pub text: String,
}

/// A command in a running container.
#[derive(Default)]
pub(crate) struct Exec {
    /// Command and arguments.
    pub command: Vec<String>,
    /// Extra environment, `NAME=value`. May hold secrets: never logged.
    pub environment: Vec<String>,
    /// User; the container's by default.
    pub user: Option<String>,
    /// Working directory; the container's by default.
    pub working_dir: Option<String>,
    /// Whether it has all rights on the host.
    pub privileged: bool,
    /// What it reads; closed at its end.
    pub stdin: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Where its standard output goes; kept in [`ExecOutcome::stdout`] (bounded to 16 MiB) where `None`.
    pub stdout: Option<Box<dyn AsyncWrite + Send + Unpin>>,
}

/// How a command ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExecOutcome {
    /// Exit code.
    pub exit_code: i64,
    /// Standard output, where it was not sent elsewhere.
    pub stdout: Vec<u8>,
    /// Standard error, the last 64 KiB.
    pub stderr: String,
}

/// Everything at a glance. What it says of things is good for one question only: whether it says the same as before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// What it says of the containers of each Compose project, and of the record of its owner.
    pub projects: BTreeMap<ProjectName, BTreeSet<String>>,
    /// What it says of networks, volumes and tags of images, by name.
    pub objects: BTreeMap<String, String>,
}

/// Something happened at the engine. A reason to look, never a fact to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineEvent {
    /// `container`, `network`, `image`, `volume`, `daemon`.
    pub kind: String,
    /// `die`, `start`, `disconnect`, `health_status: unhealthy`, …
    pub action: String,
    /// The object's id or name.
    pub id: String,
    /// The Compose project, where a label says so.
    pub project: Option<ProjectName>,
    /// The name of the container, image or network.
    pub name: String,
}

/// The engine. Every method is one request or one read; each effect is idempotent where the engine can be made so (removing what
/// is gone and stopping what is stopped succeed).
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// The engine's identity; also the cheapest way to see whether it answers.
    async fn info(&self) -> Result<EngineInfo, EngineError>;

    /// Every container of a Compose project, running or not, one-offs too, inspected.
    async fn containers(&self, project: &ProjectName) -> Result<Vec<Container>, EngineError>;

    /// One container by id or name; `None` if there is none.
    async fn container(&self, id_or_name: &str) -> Result<Option<Container>, EngineError>;

    /// The container, of whatever project, that holds a host port: (its name, its Compose project).
    async fn port_holder(&self, port: &Port) -> Result<Option<(String, Option<String>)>, EngineError>;

    /// Creates a container: on its first endpoint's network, then connected to the others, not started.
    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError>;

    /// Starts it.
    async fn start(&self, id: &str) -> Result<(), EngineError>;

    /// Sends its stop signal, waits for its grace period (`grace` overrides), then kills.
    async fn stop(&self, id: &str, grace: Option<Duration>) -> Result<(), EngineError>;

    /// Unpauses it.
    async fn unpause(&self, id: &str) -> Result<(), EngineError>;

    /// Renames it.
    async fn rename(&self, id: &str, name: &str) -> Result<(), EngineError>;

    /// Sets its restart policy.
    async fn set_restart(&self, id: &str, policy: RestartPolicy) -> Result<(), EngineError>;

    /// Sets its limits. One that is there can be changed but not taken away (but for that of processes): that takes a new
    /// container, and is refused.
    async fn set_limits(&self, id: &str, limits: &ResourceLimits) -> Result<(), EngineError>;

    /// Kills and removes it, with its anonymous volumes if asked. Named volumes are never touched.
    async fn remove(&self, id: &str, anonymous_volumes: bool) -> Result<(), EngineError>;

    /// Removes one that has never run, with nothing else. Where it runs by now, that is refused.
    async fn withdraw(&self, id: &str) -> Result<(), EngineError>;

    /// Waits until it has exited; its exit code.
    async fn wait(&self, id: &str) -> Result<i64, EngineError>;

    /// Its log since a Unix time in seconds (0: all), at most the last `tail` lines.
    async fn logs(&self, id: &str, since: i64, tail: Option<usize>) -> Result<Vec<LogLine>, EngineError>;

    /// Runs a command in it. Dropping the future closes the command's input, but the engine has no way to end it.
    async fn exec(&self, id: &str, exec: Exec) -> Result<ExecOutcome, EngineError>;

    /// An image by id or reference; `None` if the engine has none.
    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError>;

    /// Pulls an image.
    async fn pull(&self, reference: &str, progress: Progress<'_>) -> Result<Image, EngineError>;

    /// The digest that a tag has at its registry now (`sha256:…`): of the list of platforms, where it is one.
    async fn digest(&self, reference: &str) -> Result<String, EngineError>;

    /// Builds an image.
    async fn build(&self, request: BuildRequest, progress: Progress<'_>) -> Result<Image, EngineError>;

    /// Gives an image a further tag, moving it from whatever had it.
    async fn tag(&self, image: &ImageId, reference: &str) -> Result<(), EngineError>;

    /// Removes a tag, and the image with its last one. An image that a container uses stays.
    async fn remove_image(&self, reference: &str) -> Result<(), EngineError>;

    /// A network by name; `None` if there is none.
    async fn network(&self, name: &str) -> Result<Option<NetworkState>, EngineError>;

    /// Every network: their subnets tell which addresses are free.
    async fn networks(&self) -> Result<Vec<NetworkState>, EngineError>;

    /// Creates a network; its id. Where one of that name exists already, that is an error.
    async fn create_network(&self, spec: &NetworkSpec) -> Result<String, EngineError>;

    /// Joins a container to a network. Joined already: fine, with the names it has there. A running container whose join fails
    /// over a port that somebody holds ("port is already allocated") cannot join that network any more before it was stopped,
    /// disconnected and started: make sure that the port is free first.
    async fn connect(&self, container: &str, endpoint: &Endpoint) -> Result<(), EngineError>;

    /// Takes a container off a network, also one that does not run.
    async fn disconnect(&self, container: &str, network: &str) -> Result<(), EngineError>;

    /// Whether a volume exists.
    async fn volume_exists(&self, name: &str) -> Result<bool, EngineError>;

    /// Creates a volume; fine if it exists.
    async fn create_volume(&self, spec: &VolumeSpec) -> Result<(), EngineError>;

    /// Everything at a glance, in a few requests however many projects there are; `None` from one that cannot.
    async fn survey(&self) -> Result<Option<Survey>, EngineError> {
        Ok(None)
    }

    /// How often it has not answered, or broken off, so far. Containers that ended between two counts that differ may have been
    /// taken along by it.
    fn outages(&self) -> u64 {
        0
    }

    /// Who is on record at the engine as the one who looks after a project; `None` if nobody. A record that does not say whose it
    /// is, is an error.
    async fn owner(&self, project: &ProjectName) -> Result<Option<Owner>, EngineError>;

    /// Puts an owner on record where there is none, atomically; the one who is on record then, which may be another. The record
    /// outlives the process.
    async fn claim(&self, project: &ProjectName, owner: &Owner) -> Result<Owner, EngineError>;

    /// Takes this owner off the record; fine if the record is gone. That of anybody else is not touched, which is an error.
    async fn disown(&self, project: &ProjectName, owner: &Owner) -> Result<(), EngineError>;

    /// What happens at the engine, from the first poll on. Commands run in containers are left out. Ends when the connection does.
    fn events(&self) -> BoxStream<'static, Result<EngineEvent, EngineError>>;
}
