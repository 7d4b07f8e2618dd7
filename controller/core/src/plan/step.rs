//! The steps of a plan: one effect each, with the reason that made it necessary.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::compose::RestartPolicy;
use crate::limits::ResourceLimits;
use crate::name::{ContainerId, ReleaseDigest, SchemaRevision, ServiceName};

/// A container that an effect is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The service it belongs to.
    pub service: ServiceName,
    /// Its name when the effect comes.
    pub name: String,
    /// Its id, where it exists already; one that the same plan creates is found by name and checked against the rollout.
    pub id: Option<ContainerId>,
}

/// The part that a new container is going to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Proven in private, then takes over.
    Successor,
    /// Carries the names, without ports, while the published port changes hands.
    StandIn,
    /// Takes the place of one that was stopped first.
    Replacement,
}

impl Role {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Successor => "successor",
            Self::StandIn => "stand-in",
            Self::Replacement => "replacement",
        }
    }
}

/// Which way the schema moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// `upgrade`.
    Up,
    /// `downgrade`.
    Down,
}

/// One effect. Each can be told from reality whether it is already done, but for those that say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "camelCase")]
pub enum Effect {
    /// Writes what containers mount from the repository into the data directory.
    Materialise,
    /// Builds an image from the commit's tree.
    Build {
        /// The service that builds it.
        service: ServiceName,
        /// Its name by content.
        image: String,
    },
    /// Pulls an image.
    Pull {
        /// A service that uses it.
        service: ServiceName,
        /// The reference.
        reference: String,
    },
    /// Creates a network of the project.
    CreateNetwork {
        /// Its key in the Compose file.
        key: String,
        /// The engine's name.
        name: String,
    },
    /// Creates the private network.
    CreateBackstage {
        /// The engine's name.
        name: String,
    },
    /// Creates a named volume.
    CreateVolume {
        /// Its key in the Compose file.
        key: String,
        /// The engine's name.
        name: String,
    },
    /// Reads the migration scripts of the release's image.
    ReadScripts {
        /// The service whose image has them.
        service: ServiceName,
    },
    /// Tries the migration on a scratch server.
    Rehearse {
        /// Where the schema stands.
        from: BTreeSet<SchemaRevision>,
        /// Where it is to stand.
        to: BTreeSet<SchemaRevision>,
    },
    /// Joins a running container to a network, under no new name where `aliases` is empty.
    Attach {
        /// The container.
        container: Subject,
        /// The engine's name of the network.
        network: String,
    },
    /// Creates a container.
    Create {
        /// It.
        container: Subject,
        /// Its part.
        role: Role,
    },
    /// Starts a container.
    Start {
        /// It.
        container: Subject,
    },
    /// Runs the `post_start` hooks of the Compose file in a container that has been started. At least once a start: whether they have
    /// run is on record only once all of them have.
    PostStart {
        /// It.
        container: Subject,
    },
    /// Stops a container, with its own signal and grace time, and starts it again.
    Restart {
        /// It.
        container: Subject,
        /// When it began, as it was seen, where it is restarted for its own sake: one that has begun since was restarted. `None`
        /// where it is restarted with what it depends on, and the record of what is due tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<String>,
    },
    /// Unpauses a container.
    Unpause {
        /// It.
        container: Subject,
    },
    /// Waits until containers have shown that they work, without a break for `minHealthy`.
    Prove {
        /// They.
        containers: Vec<Subject>,
    },
    /// Joins a proven container to its own networks with all its names: from here on it serves.
    Join {
        /// It.
        container: Subject,
        /// Its part: only a successor becomes the service's container.
        role: Role,
    },
    /// Sets a restart policy; the one it had is journalled.
    SetRestart {
        /// The container.
        container: Subject,
        /// The policy.
        policy: RestartPolicy,
    },
    /// Sets limits back to what the release says.
    SetLimits {
        /// The container.
        container: Subject,
        /// They.
        limits: ResourceLimits,
    },
    /// Renames a container.
    Rename {
        /// It.
        container: Subject,
        /// The new name.
        to: String,
    },
    /// Moves a name from one container to another. For a moment nobody has it (an engine gives a name to one container only), so
    /// both renames are one step.
    HandOver {
        /// Who has it.
        from: Subject,
        /// What that one is called from now on.
        aside: String,
        /// Who gets it.
        to: Subject,
    },
    /// Stops a container: its `pre_stop` hooks of the Compose file, its own signal and grace time.
    Stop {
        /// It.
        container: Subject,
    },
    /// Removes a container, and its anonymous volumes if it was a temporary one of ours.
    Remove {
        /// It.
        container: Subject,
    },
    /// Moves the tag that the Compose file names.
    Tag {
        /// The service.
        service: ServiceName,
        /// The image's reference.
        image: String,
        /// The tag.
        tag: String,
    },
    /// Backs the database up and decodes the dump in full.
    Backup {
        /// The revisions it holds.
        at: BTreeSet<SchemaRevision>,
    },
    /// Moves the schema. Never repeated blindly: what runs is hunted down, then the revision is looked at.
    Migrate {
        /// Which way.
        direction: Direction,
        /// The release whose image has the script.
        with: ReleaseDigest,
        /// From.
        from: BTreeSet<SchemaRevision>,
        /// To.
        to: BTreeSet<SchemaRevision>,
    },
    /// Puts the backup of this rollout back, beside, and swaps by renaming; the replaced database is kept.
    Restore {
        /// The revisions it holds.
        to: BTreeSet<SchemaRevision>,
    },
    /// Drops invalid indexes that a failed migration of ours left behind.
    DropInvalidIndexes {
        /// Their names, schema-qualified.
        indexes: Vec<String>,
    },
    /// Runs a hook of the manifest after a take-over. At least once.
    Hook {
        /// The index in `rollout.onTakeover`.
        index: usize,
        /// The service or container.
        service: String,
        /// The command.
        command: Vec<String>,
    },
    /// Runs the smoke checks. Those that are not `GET` or `HEAD`: at most once.
    Smoke,
    /// Watches the release for the manifest's `bake`.
    Bake {
        /// Seconds.
        seconds: u64,
    },
    /// Records the release as the one to fall back to.
    MarkLive,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    #[serde(flatten)]
    pub effect: Effect,
    /// Why it is necessary: which file, tree, digest, variable name or revision.
    pub why: String,
}

/// Which half of a rollout a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// All that can be made ready without touching what serves; the other half is planned from what it finds out.
    Prepare,
    /// The rest.
    Deploy,
}

/// How code and schema move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The schema does not move.
    None,
    /// The old code keeps serving on the new schema.
    Online,
    /// What writes is stopped while the schema moves.
    Fenced,
}

/// An immutable, ordered plan: nothing is left to decide while it is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Which half.
    pub stage: Stage,
    /// How code and schema move.
    pub strategy: Strategy,
    /// The steps.
    pub steps: Vec<Step>,
    /// Pauses that users will notice, each a sentence.
    pub gaps: Vec<String>,
    /// Other things worth knowing (unproven services, orphans).
    pub notes: Vec<String>,
}

impl Plan {
    /// One that has no steps.
    pub fn nothing() -> Self {
        let (stage, strategy) = (Stage::Deploy, Strategy::None);
        Self { stage, strategy, steps: Vec::new(), gaps: Vec::new(), notes: Vec::new() }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// The names of steps, for metrics and tables.
impl Effect {
    /// A short fixed word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Materialise => "materialise",
            Self::Build { .. } => "build",
            Self::Pull { .. } => "pull",
            Self::CreateNetwork { .. } => "create-network",
            Self::CreateBackstage { .. } => "create-backstage",
            Self::CreateVolume { .. } => "create-volume",
            Self::ReadScripts { .. } => "read-scripts",
            Self::Rehearse { .. } => "rehearse",
            Self::Attach { .. } => "attach",
            Self::Create { .. } => "create",
            Self::Start { .. } => "start",
            Self::PostStart { .. } => "post-start",
            Self::Restart { .. } => "restart",
            Self::Unpause { .. } => "unpause",
            Self::Prove { .. } => "prove",
            Self::Join { .. } => "join",
            Self::SetRestart { .. } => "set-restart",
            Self::SetLimits { .. } => "set-limits",
            Self::Rename { .. } => "rename",
            Self::HandOver { .. } => "hand-over",
            Self::Stop { .. } => "stop",
            Self::Remove { .. } => "remove",
            Self::Tag { .. } => "tag",
            Self::Backup { .. } => "backup",
            Self::Migrate { .. } => "migrate",
            Self::Restore { .. } => "restore",
            Self::DropInvalidIndexes { .. } => "drop-invalid-indexes",
            Self::Hook { .. } => "hook",
            Self::Smoke => "smoke",
            Self::Bake { .. } => "bake",
            Self::MarkLive => "mark-live",
        }
    }

    /// What it is about, in a few words: a container, an image, revisions.
    pub fn subject(&self) -> String {
        match self {
            Self::Materialise | Self::Smoke | Self::MarkLive => String::new(),
            Self::Build { image, .. } => image.clone(),
            Self::Pull { reference, .. } => reference.clone(),
            Self::CreateNetwork { name, .. }
            | Self::CreateBackstage { name }
            | Self::CreateVolume { name, .. } => name.clone(),
            Self::ReadScripts { service } => service.to_string(),
            Self::Rehearse { from, to } | Self::Migrate { from, to, .. } => {
                format!("{} → {}", revisions(from), revisions(to))
            }
            Self::Attach { container, network } => format!("{} to {network}", container.name),
            Self::Rename { container, to } => format!("{} to {to}", container.name),
            Self::HandOver { from, to, .. } => format!("the name {} to {}", from.name, to.name),
            Self::Prove { containers } => {
                containers.iter().map(|container| container.name.as_str()).collect::<Vec<_>>().join(", ")
            }
            Self::Create { container, .. }
            | Self::Start { container }
            | Self::PostStart { container }
            | Self::Restart { container, .. }
            | Self::Unpause { container }
            | Self::Join { container, .. }
            | Self::SetRestart { container, .. }
            | Self::SetLimits { container, .. }
            | Self::Stop { container }
            | Self::Remove { container } => container.name.clone(),
            Self::Tag { image, tag, .. } => format!("{image} as {tag}"),
            Self::Backup { at } | Self::Restore { to: at } => format!("at {}", revisions(at)),
            Self::DropInvalidIndexes { indexes } => indexes.join(", "),
            Self::Hook { service, command, .. } => format!("{service}: {}", command.join(" ")),
            Self::Bake { seconds } => format!("{seconds} s"),
        }
    }
}

/// Revisions for people; `base` for none.
pub fn revisions(set: &BTreeSet<SchemaRevision>) -> String {
    if set.is_empty() {
        return "base".to_owned();
    }
    set.iter().map(SchemaRevision::as_str).collect::<Vec<_>>().join(", ")
}
