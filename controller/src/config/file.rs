//! The shape of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_core::manifest::duration;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{DEFAULT_DATA_DIR, DEFAULT_LISTEN, SOCKET_NAME, SecretFile, SecretFrom};

/// All of it, complete.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The sources to follow.
    pub(crate) sources: Vec<Source>,
    /// The Docker Engine.
    pub(crate) engine: Engine,
    /// Where evenkeel keeps what it has to remember.
    pub(crate) data_dir: PathBuf,
    /// The read-only listener's `host:port`, or `off`.
    pub(crate) listen: String,
    /// The control socket; by default in the data directory.
    pub(crate) socket: Option<PathBuf>,
    /// The webhook.
    pub(crate) webhook: Webhook,
    /// The log.
    pub(crate) log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            engine: Engine::default(),
            data_dir: DEFAULT_DATA_DIR.into(),
            listen: DEFAULT_LISTEN.to_owned(),
            socket: None,
            webhook: Webhook::default(),
            log: Log::default(),
        }
    }
}

impl Config {
    /// Where the control socket is.
    pub(crate) fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| self.data_dir.join(SOCKET_NAME))
    }

    /// Where the read-only listener is, unless it is off.
    pub(crate) fn listen(&self) -> Option<&str> {
        Some(self.listen.as_str()).filter(|listen| !matches!(*listen, "" | "off"))
    }
}

/// A git repository, a branch and a path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Source {
    /// Its name in status, metrics and webhooks; by default the URL's last part.
    #[serde(default)]
    pub(crate) name: String,
    /// The repository: `https://`, `ssh://`, `git@host:path`, or a path on this machine.
    pub(crate) url: String,
    /// The branch.
    #[serde(default = "main_branch")]
    pub(crate) branch: String,
    /// The folder under which manifests are looked for; the whole repository by default.
    #[serde(default)]
    pub(crate) path: String,
    /// How often to look.
    #[serde(default = "poll", deserialize_with = "read_duration")]
    pub(crate) poll: Duration,
    /// How to get in.
    #[serde(default)]
    pub(crate) credentials: Credentials,
}

impl Source {
    /// A source with everything by default but its URL.
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            name: String::new(),
            url: url.into(),
            branch: main_branch(),
            path: String::new(),
            poll: poll(),
            credentials: Credentials::default(),
        }
    }
}

/// How to get into a repository. Secrets are read where they are when they are used, so that they can be changed there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Credentials {
    /// Where the token or password for `https://` is.
    pub(crate) token_from: Option<SecretFrom>,
    /// The user that goes with it.
    pub(crate) username: Option<String>,
    /// A private key's file for SSH.
    pub(crate) ssh_key: Option<PathBuf>,
    /// The known hosts' file for SSH.
    pub(crate) known_hosts: Option<PathBuf>,
}

/// The Docker Engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Engine {
    /// `unix:///var/run/docker.sock`; by default what `DOCKER_HOST` says, or that.
    pub(crate) endpoint: Option<String>,
    /// A file with credentials for registries, as `docker login` writes it; by default the Docker command line's own.
    pub(crate) registry_credentials: Option<PathBuf>,
}

/// The webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Webhook {
    /// The shared secret's file; without one every call is taken.
    pub(crate) secret_file: Option<SecretFile>,
}

/// The log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Log {
    /// Its format.
    pub(crate) format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

fn main_branch() -> String {
    "main".to_owned()
}

fn poll() -> Duration {
    Duration::from_secs(30)
}

fn read_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    duration::parse(&text).filter(|duration| *duration >= Duration::from_secs(1)).ok_or_else(|| {
        D::Error::custom(format!("`{text}` is no time to poll in; write for example 30s or 5m, at least 1s"))
    })
}
