//! Why a project may not be touched, in words that say whose it is and what to do.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{Of, introduced};
use crate::engine::{EngineError, Owner};
use crate::ledger::LedgerError;

/// Why a project may not be touched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnerError {
    /// It is another's, or nobody is meant to touch it: whose, and what to do.
    #[error("{0}")]
    Elsewhere(String),
    /// The engine does not tell.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The ledger fails.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The lock of this host can be nowhere.
    #[error(
        "the lock that keeps two evenkeels of one host apart can be nowhere (last tried: {}: {source}); let evenkeel write in \
         /run/evenkeel", .path.display()
    )]
    NoPlace {
        /// The last place that was tried.
        path: PathBuf,
        /// Why not there.
        source: std::io::Error,
    },
}

impl OwnerError {
    pub(super) fn owned(of: Of<'_>, owner: &Owner) -> Self {
        let Of { app, project, .. } = of;
        Self::Elsewhere(format!(
            "project {project} is looked after by {}; nothing is done to it from here. Let one alone follow it: take the \
             application out of the sources here, or let go of it there (`evenkeel disown`). If that one is gone for good: \
             `evenkeel claim {app} --from {}`",
            introduced(owner),
            owner.id
        ))
    }

    pub(super) fn held(of: Of<'_>, holder: &str) -> Self {
        let project = of.project;
        Self::Elsewhere(format!(
            "another evenkeel on this host has project {project}: {holder}; nothing is done to it from here until that process \
             has ended"
        ))
    }

    pub(super) fn missing(of: Of<'_>, since: Timestamp) -> Self {
        let Of { app, project, .. } = of;
        Self::Elsewhere(format!(
            "project {project} was another evenkeel's, and nobody is on record at the engine since {since:.0}; if that one does \
             not come back, this one begins by itself in a moment, or at once with `evenkeel claim {app}`"
        ))
    }

    pub(super) fn let_go(of: Of<'_>, now: Option<&Owner>) -> Self {
        let Of { app, project, .. } = of;
        let (whose, from) = match now {
            Some(owner) => {
                (format!("; it is looked after by {}", introduced(owner)), format!(" --from {}", owner.id))
            }
            None => ("; nobody is on record at the engine".to_owned(), String::new()),
        };
        Self::Elsewhere(format!(
            "an operator let go of project {project} here (`evenkeel disown`){whose}. `evenkeel claim {app}{from}` takes it up again"
        ))
    }
}
