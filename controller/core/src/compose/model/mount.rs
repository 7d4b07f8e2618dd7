//! Volumes, and what is mounted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// A named volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The engine's name for it (`convertik_pgdata`, or `name:`).
    pub name: String,
    /// `external: true`: must exist, is never created.
    pub external: bool,
    /// Driver; `local` when unset.
    pub driver: Option<String>,
    /// Driver options.
    pub driver_opts: BTreeMap<String, String>,
    /// Labels that the user gave.
    pub labels: BTreeMap<String, String>,
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// Where, in the container.
    pub target: String,
    /// `read_only: true` / `:ro`.
    pub read_only: bool,
    /// Other options of the short syntax, kept in order (`z`, `Z`, `cached`, `rshared`, …).
    pub options: Vec<String>,
    /// `bind.recursive`: whether mounts below the source come along.
    #[serde(default, skip_serializing_if = "Recursive::is_enabled")]
    pub recursive: Recursive,
}

/// Whether what is mounted below the source of a bind comes along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recursive {
    /// It does; read-only where the kernel can.
    #[default]
    Enabled,
    /// It does not.
    Disabled,
    /// It does, and stays writable under a read-only bind. From API 1.44 on.
    Writable,
    /// It does, and must be read-only too. From API 1.44 on.
    Readonly,
}

impl Recursive {
    fn is_enabled(&self) -> bool {
        *self == Self::Enabled
    }
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MountSource {
    /// A named volume, by its key in [`Project::volumes`].
    Volume {
        /// The key.
        volume: String,
        /// `volume.nocopy`.
        no_copy: bool,
    },
    /// An anonymous volume.
    Anonymous,
    /// A file or directory of the commit's tree; materialised per release, so that a rollback mounts the old content.
    Repository {
        /// Path relative to the repository's root.
        path: String,
        /// git's object id of it: content, not name, makes the configuration.
        id: String,
    },
    /// A path of the host, absolute.
    Host {
        /// The path.
        path: String,
        /// `bind.create_host_path` / the short syntax: the engine makes a missing directory.
        create: bool,
        /// A digest of the file's content, where a change of it makes another configuration: configs and secrets, not binds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Secret>,
    },
    /// A file that the Compose file gives the content of (`configs`, `secrets`): written out for the release.
    Given {
        /// Its path below the release's given files; the same name, the same content.
        name: String,
        /// The content. May be secret.
        content: Secret,
        /// Its permissions.
        mode: u32,
        /// Its owner's number; evenkeel's own where `None`.
        uid: Option<u32>,
        /// Its group's number; evenkeel's own where `None`.
        gid: Option<u32>,
    },
    /// A tmpfs.
    Tmpfs {
        /// Options as `docker run --tmpfs` takes them (`size=64m,mode=1770`).
        options: String,
    },
}
