//! What can go wrong with a remote or its mirror.

use serde::{Deserialize, Serialize};

/// Why a source could not be polled. Crosses the helper's pipe, therefore serialisable; never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum SourceError {
    /// The remote does not answer: transient.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The repository, without credentials.
        url: String,
        /// What the transport said.
        reason: String,
    },
    /// The remote refuses who we are, or wants to know it and nothing is configured.
    #[error("{url} refused the credentials: {reason}")]
    Authentication {
        /// The repository, without credentials.
        url: String,
        /// What was tried, and what to do.
        reason: String,
    },
    /// The SSH server's key is not in known_hosts, or another one is.
    #[error(
        "the host key of {host} ({fingerprint}) is not trusted: compare the fingerprint with the host's published one, then \
         run `ssh-keyscan {keyscan} >> {known_hosts}`; if the key changed without notice, somebody may be in between"
    )]
    HostKey {
        /// The server.
        host: String,
        /// The SHA-256 fingerprint of the key that it showed.
        fingerprint: String,
        /// How to name it to `ssh-keyscan`.
        keyscan: String,
        /// The file that lacks it.
        known_hosts: String,
    },
    /// The server's TLS certificate is not valid.
    #[error("the certificate of {url} is not valid: {reason}")]
    Certificate {
        /// The repository, without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no repository there, or these credentials may not see it.
    #[error("there is no repository at {url}, or the credentials may not see it: {reason}")]
    NotFound {
        /// The repository, without credentials.
        url: String,
        /// What the transport said.
        reason: String,
    },
    /// The branch is not there.
    #[error("{url} has no branch `{branch}`; {}", list(.existing))]
    BranchVanished {
        /// The repository, without credentials.
        url: String,
        /// The branch that is followed.
        branch: String,
        /// Those that exist.
        existing: Vec<String>,
    },
    /// The mirror is broken and could not be made anew.
    #[error("the mirror {mirror} is broken: {reason}")]
    Corrupt {
        /// The mirror.
        mirror: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process works on the mirror.
    #[error("another process is using the mirror {mirror}")]
    Busy {
        /// The mirror.
        mirror: String,
    },
    /// The configuration cannot work.
    #[error("source `{name}`: {reason}")]
    Invalid {
        /// The source.
        name: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// This machine failed: disk, permissions, processes.
    #[error("cannot {action}: {reason}")]
    Local {
        /// What was being done.
        action: String,
        /// What the system said.
        reason: String,
    },
}

impl SourceError {
    /// Whether waiting and trying again can help without anybody doing anything.
    pub(crate) fn transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy { .. } | Self::Local { .. })
    }

    /// A stable word for metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Authentication { .. } => "authentication",
            Self::HostKey { .. } => "host_key",
            Self::Certificate { .. } => "certificate",
            Self::NotFound { .. } => "not_found",
            Self::BranchVanished { .. } => "branch_vanished",
            Self::Corrupt { .. } => "corrupt",
            Self::Busy { .. } => "busy",
            Self::Invalid { .. } => "invalid",
            Self::Local { .. } => "local",
        }
    }

    pub(super) fn local(action: impl Into<String>, reason: impl ToString) -> Self {
        Self::Local { action: action.into(), reason: reason.to_string() }
    }
}

/// At most ten branches: an error is read by people.
fn list(existing: &[String]) -> String {
    match existing {
        [] => "it has no branches yet".to_owned(),
        few if few.len() <= 10 => format!("it has {}", few.join(", ")),
        many => format!("it has {} and {} more", many[..10].join(", "), many.len() - 10),
    }
}
