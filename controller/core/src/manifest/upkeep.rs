//! What the manifest says of the time between and after commits: tags that move, and a manifest that is removed.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;

/// `spec.images`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Images {
    /// Whether registries are asked where tags lead by now.
    #[serde(default)]
    pub tags: Tags,
    /// How often, with `poll`; not more often than once a minute.
    #[serde(default = "every_five_minutes", with = "duration")]
    #[schemars(with = "String")]
    pub every: Duration,
}

impl Default for Images {
    fn default() -> Self {
        Self { tags: Tags::Never, every: every_five_minutes() }
    }
}

fn every_five_minutes() -> Duration {
    Duration::from_secs(300)
}

/// What becomes of tags that move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Tags {
    /// Nobody looks: a tag means what it meant when it was first pulled here.
    #[default]
    Never,
    /// A tag that has moved at its registry makes a new release.
    Poll,
}

/// What becomes of a stack whose manifest is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnRemoval {
    /// It is kept as the last release says, and repaired, until an operator lets go of it.
    #[default]
    Keep,
    /// It is let go of, as by `evenkeel release`.
    Release,
}
