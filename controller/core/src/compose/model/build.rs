//! Where images come from.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MountSource;
use crate::secret::Secret;

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// Where the engine has none.
    #[default]
    Missing,
    /// Every time.
    Always,
    /// Never: it must be there.
    Never,
    /// It is built, also where an image of that name exists.
    Build,
    /// Where the engine has none; and the registry is asked so often whether the tag has moved (`daily`, `weekly`, `every_…`).
    Every(Duration),
}

/// How an image is built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The context, relative to the repository's root (`.` for the root itself).
    pub context: String,
    /// The Dockerfile, relative to the context.
    pub dockerfile: String,
    /// `dockerfile_inline:`, which is built instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile_inline: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// The stage to stop at.
    pub target: Option<String>,
    /// Labels put on the image.
    pub labels: BTreeMap<String, String>,
    /// `network:` during the build.
    pub network: Option<String>,
    /// `extra_hosts:` during the build.
    pub extra_hosts: Vec<String>,
    /// `shm_size:` during the build, bytes.
    pub shm_size: Option<i64>,
    /// `pull: true`: ask the registry for newer base images.
    pub pull: bool,
    /// `no_cache: true`: layers of earlier builds are not used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_cache: bool,
    /// `cache_from:` images of the engine whose layers may be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache_from: Vec<String>,
    /// `tags:` beside the service's `image`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// `ulimits:` during the build, by name, soft and hard.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, (i64, i64)>,
    /// `secrets:` that steps may read, by the id that the Dockerfile says, and where their values are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, MountSource>,
    /// `ssh:` the sockets of agents on the host, by id; evenkeel's own agent where `None`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ssh: BTreeMap<String, Option<String>>,
}

impl Build {
    /// The same without the values of its secrets: another value makes no other image, as none is in a layer.
    pub fn without_values(&self) -> Self {
        let mut build = self.clone();
        for secret in build.secrets.values_mut() {
            match secret {
                MountSource::Host { content, .. } => *content = None,
                MountSource::Given { content, .. } => *content = Secret::new(""),
                MountSource::Repository { id, .. } => id.clear(),
                _ => {}
            }
        }
        build
    }
}
