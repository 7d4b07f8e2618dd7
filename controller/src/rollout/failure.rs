//! Every way in which a rollout can end early, and what follows from it: one place for the retry policy.

use evenkeel_core::plan::Blocked;
use evenkeel_core::status::Reason;

use crate::engine::EngineError;
use crate::ledger::LedgerError;
use crate::owner::OwnerError;
use crate::verify::VerifyError;

/// Why a step, and with it the rollout, did not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The release is at fault: it is put back, and quarantined.
    #[error("{message}")]
    Release {
        /// The condition's word.
        reason: Reason,
        /// The evidence.
        message: String,
    },
    /// Something around it is at fault: tried again, later and later.
    #[error("{message}")]
    Transient {
        /// The condition's word.
        reason: Reason,
        /// What.
        message: String,
    },
    /// Something newer is wanted, or the process is going down.
    #[error("{0}")]
    Cancelled(String),
    /// Nothing can be done until somebody changes something.
    #[error("{message}")]
    Blocked {
        /// The condition's word.
        reason: Reason,
        /// What, and what to do.
        message: String,
    },
}

impl Failure {
    pub(crate) fn release(reason: Reason, message: impl Into<String>) -> Self {
        Self::Release { reason, message: message.into() }
    }

    pub(crate) fn transient(reason: Reason, message: impl Into<String>) -> Self {
        Self::Transient { reason, message: message.into() }
    }
}

impl Failure {
    /// The same, with the release's secrets taken out: containers print what they like.
    pub(super) fn redacted(mut self, release: &evenkeel_core::release::Release) -> Self {
        let (Self::Release { message, .. } | Self::Transient { message, .. } | Self::Blocked { message, .. }) =
            &mut self
        else {
            return self;
        };
        *message = super::database::redacted(release, message);
        self
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        match error {
            gone if gone.is_gone() => Self::transient(Reason::Drifted, message),
            conflict if conflict.is_conflict() => Self::transient(Reason::PreflightFailed, message),
            EngineError::Unreachable { .. } | EngineError::Timeout { .. } => {
                Self::transient(Reason::EngineUnreachable, message)
            }
            EngineError::NoSpace { .. }
            | EngineError::NotLetThrough { .. }
            | EngineError::Hindered { .. } => Self::transient(Reason::PreflightFailed, message),
            EngineError::BuildFailed { tail, .. } => {
                let tail: Vec<String> = tail.iter().map(|line| format!("  | {line}")).collect();
                Self::release(Reason::BuildFailed, format!("{message}\nits last lines:\n{}", tail.join("\n")))
            }
            EngineError::LayerLost { .. } | EngineError::PullFailed { transient: true, .. } => {
                Self::transient(Reason::BuildFailed, message)
            }
            EngineError::PullFailed { .. } => Self::release(Reason::BuildFailed, message),
            full if full.lacks_addresses() => Self::transient(Reason::PreflightFailed, message),
            taken if taken.is_taken() => Self::release(Reason::PreflightFailed, message),
            EngineError::Refused { .. } => Self::release(Reason::ProbeFailed, message),
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::transient(Reason::PreflightFailed, error.to_string())
    }
}

impl From<OwnerError> for Failure {
    fn from(error: OwnerError) -> Self {
        let message = error.to_string();
        match error {
            // A record that does not say whose it is, is somebody's all the same.
            OwnerError::Elsewhere(_) | OwnerError::Engine(EngineError::Refused { status: 409, .. }) => {
                Self::Blocked { reason: Reason::OwnedElsewhere, message }
            }
            // No release is at fault when the engine does not say whose a project is.
            OwnerError::Engine(EngineError::Refused { .. }) => {
                Self::transient(Reason::EngineUnreachable, message)
            }
            OwnerError::Engine(error) => error.into(),
            OwnerError::Ledger(error) => error.into(),
            OwnerError::NoPlace { .. } => Self::Blocked { reason: Reason::PreflightFailed, message },
        }
    }
}

impl From<Blocked> for Failure {
    fn from(blocked: Blocked) -> Self {
        Self::Blocked { reason: blocked.reason, message: blocked.message }
    }
}

/// A verification that failed, under the word of its step.
pub(crate) fn verification(error: VerifyError, reason: Reason) -> Failure {
    match error {
        VerifyError::Failed(message) => Failure::Release { reason, message },
        VerifyError::Cancelled(message) => Failure::Cancelled(message),
        VerifyError::Unreachable(message) => Failure::transient(Reason::EngineUnreachable, message),
        VerifyError::Hindered(message) => Failure::transient(Reason::PreflightFailed, message),
        VerifyError::Gone(message) => Failure::transient(Reason::Drifted, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, reason: &str) -> Failure {
        EngineError::Refused { action: "start container web".into(), status, reason: reason.into() }.into()
    }

    #[test]
    fn what_the_host_is_to_blame_for_is_tried_again() {
        let action = || "start container web".to_owned();
        let hindered = EngineError::Hindered { action: action(), reason: "iptables failed".into() };
        let barred = EngineError::NotLetThrough {
            endpoint: "tcp://proxy:2375".into(),
            action: action(),
            status: 403,
            advice: "allow it".into(),
        };
        for error in [hindered, barred] {
            let failure = Failure::from(error);
            assert!(
                matches!(failure, Failure::Transient { reason: Reason::PreflightFailed, .. }),
                "{failure:?}"
            );
        }
        let pruned = refused(404, "network shop_default not found");
        assert!(matches!(pruned, Failure::Transient { reason: Reason::Drifted, .. }), "{pruned:?}");
        let hindered = verification(VerifyError::Hindered("it is late".into()), Reason::ProbeFailed);
        assert!(matches!(hindered, Failure::Transient { reason: Reason::PreflightFailed, .. }));
    }

    #[test]
    fn what_the_release_asks_for_is_its_own() {
        for (status, reason, word) in [
            (
                400,
                "OCI runtime create failed: exec: nope: executable file not found in $PATH",
                Reason::ProbeFailed,
            ),
            (400, "invalid mount config for type bind", Reason::ProbeFailed),
            (500, "Bind for 0.0.0.0:80 failed: port is already allocated", Reason::PreflightFailed),
        ] {
            let failure = refused(status, reason);
            assert!(
                matches!(&failure, Failure::Release { reason: told, .. } if *told == word),
                "{failure:?}"
            );
        }
    }
}
