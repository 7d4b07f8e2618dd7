//! What a source is told.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_core::secret::Secret;
use serde::{Deserialize, Serialize};

/// One source.
#[derive(Clone, Debug)]
pub(crate) struct SourceConfig {
    /// Its name: the folder of its mirror.
    pub name: String,
    /// `https://…`, `ssh://…`, `git@host:path`, `file://…` or a local path.
    pub url: String,
    /// The branch that is followed.
    pub branch: String,
    /// The folder under which manifests are looked for; empty for the whole repository.
    pub path: String,
    /// How it shows who it is.
    pub credentials: Credentials,
    /// Where evenkeel keeps what it knows.
    pub data_dir: PathBuf,
    /// How long a remote may be silent before it counts as unreachable. A long clone that makes progress is not silent.
    pub silence: Duration,
}

impl SourceConfig {
    /// A source without credentials, with the usual limit.
    pub(crate) fn new(
        name: impl Into<String>,
        url: impl Into<String>,
        branch: impl Into<String>,
        data_dir: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            branch: branch.into(),
            path: String::new(),
            credentials: Credentials::None,
            data_dir: data_dir.into(),
            silence: Duration::from_secs(30),
        }
    }
}

/// How a source shows who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// By a token or password over https.
    Token {
        /// The user; `x-access-token` by default, which GitHub, GitLab and Gitea all accept.
        user: Option<String>,
        /// The token.
        token: Secret,
    },
    /// By a key over ssh.
    SshKey {
        /// The private key's file.
        key: PathBuf,
        /// Its passphrase.
        passphrase: Option<Secret>,
        /// The server keys that are trusted; by default the user's and the system's known_hosts.
        known_hosts: Option<PathBuf>,
    },
}
