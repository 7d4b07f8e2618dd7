//! What goes wrong at the database, and whether trying again can help.

use std::io;
use std::path::Path;
use std::time::Duration;

use evenkeel_core::database::HistoryError;
use tokio_postgres::error::SqlState;

use super::target::Target;
use crate::engine::EngineError;
use crate::space;

/// What went wrong at the database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// It cannot be reached, or the connection broke.
    #[error("{target} cannot be reached: {reason}")]
    Unreachable {
        /// Which database.
        target: String,
        /// What the connection said.
        reason: String,
    },
    /// The connection is not to be as safe as its URL wants it.
    #[error("no TLS to {target} with sslmode={mode}: {reason}")]
    Tls {
        /// Which database.
        target: String,
        /// How much was asked for.
        mode: &'static str,
        /// Why not, and what to do.
        reason: String,
    },
    /// Its address asks for what evenkeel cannot do.
    #[error("the database's URL cannot be used: {reason}")]
    Url {
        /// Why; never the URL itself.
        reason: String,
    },
    /// It refused.
    #[error("{target} refused to {action}: {reason}")]
    Refused {
        /// Which database.
        target: String,
        /// What was asked.
        action: String,
        /// The server's own words.
        reason: String,
        /// Whether trying again can help (a lock, a shutdown), as opposed to a missing privilege.
        transient: bool,
    },
    /// It did not come about in time.
    #[error("{target}: could not {action} within {}s", .after.as_secs())]
    Timeout {
        /// Which database.
        target: String,
        /// What was asked.
        action: String,
        /// The limit.
        after: Duration,
    },
    /// Another rollout holds the database.
    #[error("{target} is locked by {holder}")]
    Locked {
        /// Which database.
        target: String,
        /// Who: application name, address, process id and since when.
        holder: String,
    },
    /// One of PostgreSQL's programs failed.
    #[error("{program} failed with exit code {exit_code}: {reason}")]
    Program {
        /// Its name.
        program: String,
        /// Its exit code.
        exit_code: i64,
        /// The last of what it said.
        reason: String,
    },
    /// The scratch server does not come up.
    #[error("the scratch server ended with exit code {exit_code}: {reason}")]
    Scratch {
        /// Its exit code.
        exit_code: i64,
        /// The last of what it said.
        reason: String,
    },
    /// The client programs are older than the server.
    #[error(
        "{program} is of version {client}, older than the server's {server}: its dumps are not to be trusted; name a newer client image"
    )]
    OldClient {
        /// The program.
        program: String,
        /// Its major version.
        client: i32,
        /// The server's.
        server: i32,
    },
    /// No way to run PostgreSQL's programs is known.
    #[error("{target}: there is no container to run {program} in; name a client image")]
    NoPrograms {
        /// Which database.
        target: String,
        /// The program.
        program: String,
    },
    /// A backup does not hold what its manifest says.
    #[error("backup {id} is not good: {reason}")]
    BadBackup {
        /// Its id.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no such backup.
    #[error("there is no backup {id} in {directory}")]
    NoBackup {
        /// Its id.
        id: String,
        /// Where it was looked for.
        directory: String,
    },
    /// No space left where backups lie.
    #[error("the backup cannot be made: {reason}")]
    NoSpace {
        /// Where, how much there is and how much it takes, and what to do.
        reason: String,
    },
    /// A file failed.
    #[error("cannot {action} {path}: {}", space::reason(Path::new(.path), .source))]
    File {
        /// What was asked.
        action: &'static str,
        /// The path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The migration's scripts cannot be read.
    #[error("reading the migration scripts failed with exit code {exit_code}: {}", .tail.join(" | "))]
    Scripts {
        /// The tool's exit code.
        exit_code: i64,
        /// The last lines of its output, secrets taken out.
        tail: Vec<String>,
    },
    /// The migration's scripts make no graph.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl DatabaseError {
    /// Whether trying again later can help, so that nobody is to blame for it.
    pub(crate) fn transient(&self) -> bool {
        match self {
            // Certificates are renewed, and the files on the host are no part of a release.
            Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::Timeout { .. }
            | Self::Locked { .. }
            | Self::NoSpace { .. } => true,
            Self::Refused { transient, .. } => *transient,
            Self::Engine(EngineError::PullFailed { transient, .. }) => *transient,
            Self::Engine(error) if error.is_conflict() || error.is_gone() => true,
            Self::Engine(error) => {
                !matches!(error, EngineError::Refused { .. } | EngineError::BuildFailed { .. })
            }
            Self::File { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            Self::Url { .. }
            | Self::Program { .. }
            | Self::Scratch { .. }
            | Self::OldClient { .. }
            | Self::NoPrograms { .. }
            | Self::BadBackup { .. }
            | Self::NoBackup { .. }
            | Self::Scripts { .. }
            | Self::History(_) => false,
        }
    }

    /// An error of the client library, told apart by what it means here.
    pub(super) fn sql(target: &Target, action: impl Into<String>, error: &tokio_postgres::Error) -> Self {
        let (target, action) = (target.to_string(), action.into());
        match error.as_db_error() {
            Some(db) => {
                let transient = again(db.code());
                Self::Refused { target, action, reason: db.message().to_owned(), transient }
            }
            None => Self::Unreachable { target, reason: chain(error) },
        }
    }

    /// A directory of backups on a full disk; `need` is how many bytes it takes, as far as can be told.
    pub(super) fn no_space(directory: &Path, need: Option<u64>) -> Self {
        Self::NoSpace { reason: space::full(directory, need) }
    }

    /// An error of a file; of one that the disk had no room for, that.
    pub(super) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        if space::is_full(&source) {
            let directory = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
            return Self::no_space(directory, None);
        }
        Self::File { action, path: path.display().to_string(), source }
    }
}

/// Classes that pass by themselves: connections, resources, locks and serialisation, an operator's intervention.
fn again(code: &SqlState) -> bool {
    let passing = ["08", "40", "53", "57"].iter().any(|class| code.code().starts_with(class));
    passing || [SqlState::LOCK_NOT_AVAILABLE, SqlState::OBJECT_IN_USE].contains(code)
}

/// The library's `Display` leaves out what it was caused by.
pub(super) fn chain(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
