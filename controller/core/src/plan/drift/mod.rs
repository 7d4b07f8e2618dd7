//! What somebody can change behind evenkeel's back: every kind by its name, in one table, and how it is told from what is there.

#[cfg(test)]
mod docs_tests;
mod find;
mod table;

use std::fmt;

pub use find::found;
pub use table::{KINDS, entry};

/// The kinds of drift. The word of each is the label `kind` of the metric `evenkeel_drift_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the table says what each is")]
pub enum Kind {
    Stopped,
    Killed,
    CrashLoop,
    Unhealthy,
    Paused,
    Removed,
    Dead,
    Replaced,
    Renamed,
    Limits,
    RestartPolicy,
    NetworkDetached,
    AliasLost,
    NetworkAttached,
    NetworkRemoved,
    NetworkChanged,
    Labels,
    ImageRetagged,
    ImageRemoved,
    VolumeRemoved,
    Orphan,
    Schema,
}

impl Kind {
    /// Its word: lower case, with hyphens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::CrashLoop => "crash-loop",
            Self::Unhealthy => "unhealthy",
            Self::Paused => "paused",
            Self::Removed => "removed",
            Self::Dead => "dead",
            Self::Replaced => "replaced",
            Self::Renamed => "renamed",
            Self::Limits => "limits",
            Self::RestartPolicy => "restart-policy",
            Self::NetworkDetached => "network-detached",
            Self::AliasLost => "alias-lost",
            Self::NetworkAttached => "network-attached",
            Self::NetworkRemoved => "network-removed",
            Self::NetworkChanged => "network-changed",
            Self::Labels => "labels",
            Self::ImageRetagged => "image-retagged",
            Self::ImageRemoved => "image-removed",
            Self::VolumeRemoved => "volume-removed",
            Self::Orphan => "orphan",
            Self::Schema => "schema",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is known of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The kind.
    pub kind: Kind,
    /// What somebody did, and what is seen of it.
    pub what: &'static str,
    /// The engine's events that have evenkeel look at once, each an object and what happens to it; none where only the look of
    /// every ten minutes finds it.
    pub events: &'static [(&'static str, &'static str)],
    /// What is done about it.
    pub healing: Healing,
}

/// What is done about a kind of drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Healing {
    /// The smallest action that heals it: its first step, by the names of steps that it may be, and in words.
    By(&'static [&'static str], &'static str),
    /// Nothing: it is shown, counted once, and left to a person; why.
    Reported(&'static str),
}

/// One thing that is not as it was left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    /// Of which kind.
    pub kind: Kind,
    /// What it is about: a container, a network, a volume, a tag.
    pub subject: String,
    /// What is seen.
    pub message: String,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, self.subject, self.message)
    }
}

/// Whether an event of the engine can mean drift, and so asks for a look. Both words are the engine's own; what follows a colon
/// (`health_status: unhealthy`) says more of the same.
pub fn tells(object: &str, action: &str) -> bool {
    let mut events = KINDS.iter().flat_map(|entry| entry.events);
    events.any(|(of, what)| *of == object && (action == *what || action.split(": ").next() == Some(*what)))
}
