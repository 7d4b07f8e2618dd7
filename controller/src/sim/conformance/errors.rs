//! Errors as a transcript has them: what kind, never whose words.

use crate::database::DatabaseError;
use crate::engine::EngineError;

/// An error's kind.
pub(super) trait Kind {
    fn kind(&self) -> String;
}

impl Kind for EngineError {
    fn kind(&self) -> String {
        match self {
            Self::Unreachable { .. } => "unreachable".to_owned(),
            Self::Refused { status: 404, .. } => "not found".to_owned(),
            Self::Refused { status, .. } => format!("refused with {status}"),
            Self::NotLetThrough { status, .. } => format!("not let through, {status}"),
            Self::Hindered { .. } => "hindered".to_owned(),
            Self::BuildFailed { .. } => "the build failed".to_owned(),
            Self::LayerLost { .. } => "a layer was lost".to_owned(),
            Self::PullFailed { transient, .. } => format!("the pull failed, transient {transient}"),
            Self::Timeout { .. } => "too late".to_owned(),
            Self::NoSpace { .. } => "no space".to_owned(),
        }
    }
}

impl Kind for DatabaseError {
    fn kind(&self) -> String {
        let kind = match self {
            // Which of the two depends on how long ago the address was somebody's.
            Self::Unreachable { .. } | Self::Timeout { .. } => "not reached",
            Self::Refused { .. } => "refused",
            Self::Locked { .. } => "locked",
            Self::NoBackup { .. } => "no such backup",
            Self::Engine(error) => return error.kind(),
            other => return format!("{other:?}"),
        };
        format!("{kind}, transient {}", self.transient())
    }
}

/// How something ended.
pub(super) fn outcome<T, E: Kind>(result: &Result<T, E>) -> String {
    result.as_ref().err().map_or_else(|| "done".to_owned(), Kind::kind)
}
