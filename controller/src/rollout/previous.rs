//! After a way back: whether the release that serves again works. Where it does not either, the fault was not the new one's.

use std::time::Duration;

use evenkeel_core::manifest::Rollout;
use evenkeel_core::plan::backstage;
use evenkeel_core::status::Reason;

use super::failure::verification;
use super::run::Run;
use super::{End, Failure};
use crate::engine::EngineError;
use crate::verify::{VerifyError, from_outside, prove};

/// How long what serves again may take to show that it works.
const PATIENCE: Duration = Duration::from_secs(15);

impl Run<'_> {
    /// Whether what serves after a revert works.
    ///
    /// # Errors
    /// [`Failure::Release`] only where it was seen that it does not. Whoever could not look to the end says nothing of it.
    pub(super) async fn previous_works(&self, reason: Reason) -> Result<(), Failure> {
        self.previous_serves(reason).await.map_err(|failure| failure.redacted(self.target))
    }

    /// Its containers, and then the addresses at which it is reached.
    async fn previous_serves(&self, reason: Reason) -> Result<(), Failure> {
        let mut proofs = Vec::new();
        for (service, id) in &self.context.ledger.serving(&self.context.app)? {
            let one_shot = self.target.project.services.get(service).is_none_or(|service| service.one_shot);
            if one_shot {
                continue;
            }
            let container = self.context.engine.container(id.as_str()).await.map_err(unseen)?;
            let container = container.ok_or_else(|| {
                Failure::transient(Reason::Drifted, format!("the container of {service} is gone"))
            })?;
            let mut proof = self.proof(service, &container)?;
            if let Some(probe) = &mut proof.probe {
                probe.start_timeout = probe.start_timeout.min(PATIENCE);
            }
            proofs.push(proof);
        }
        let network = backstage(&self.target.project.name);
        let reach = self.reach(&network);
        let spec = &self.target.manifest.spec;
        let rollout = Rollout { min_healthy: Duration::ZERO, ..spec.rollout.clone() };
        let proven = prove(&reach, &proofs, &rollout, &self.parked, &|_| {}).await;
        proven.map_err(|error| verification(error, Reason::ProbeFailed))?;
        // A certificate, a name or the uplink: that fails every release alike, but no build and no migration.
        if !matches!(reason, Reason::ProbeFailed | Reason::BakeFailed) {
            return Ok(());
        }
        let urls = spec.probes.iter().chain(spec.smoke.iter().filter_map(|check| check.url.as_ref()));
        let answered = from_outside(reach.wire, urls, PATIENCE, &self.parked).await;
        answered.map_err(|error| verification(error, Reason::ProbeFailed))
    }
}

/// Whatever the engine answers instead of showing a container, it is no word on what runs in it.
fn unseen(error: EngineError) -> Failure {
    verification(VerifyError::Unreachable(error.to_string()), Reason::ProbeFailed)
}

/// How a rollout ends whose release has been put back for a reason, by whether what serves again works.
///
/// Only where it was seen that the previous release does not work either, nobody is at fault. Where nobody could look to the end, the
/// rollout stays open and that is asked again: a release that is at fault would be tried a second time.
pub(super) fn end_of_the_way_back(
    reason: Reason,
    at_fault: bool,
    message: String,
    works: Result<(), Failure>,
) -> End {
    match works {
        Ok(()) => End::Reverted { reason, message, at_fault },
        Err(Failure::Release { message: why, .. }) => End::Reverted {
            reason,
            message: format!("{message}\nthe previous release does not work either: {why}"),
            at_fault: false,
        },
        Err(Failure::Cancelled(why)) => End::Parked(why),
        Err(Failure::Transient { message: why, .. } | Failure::Blocked { message: why, .. }) => {
            let again = "it is put back; whether the previous release works is asked again";
            End::Transient { reason, message: format!("{message}\n{again}: {why}") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(of: Result<(), VerifyError>) -> End {
        let works = of.map_err(|error| verification(error, Reason::ProbeFailed));
        end_of_the_way_back(Reason::BakeFailed, true, "it answered 500".to_owned(), works)
    }

    #[test]
    fn only_a_previous_release_that_was_seen_to_fail_excuses_the_new_one() {
        assert!(matches!(end(Ok(())), End::Reverted { reason: Reason::BakeFailed, at_fault: true, .. }));
        let failed = end(Err(VerifyError::Failed("it answered 502".to_owned())));
        let End::Reverted { reason: Reason::BakeFailed, message, at_fault: false } = failed else {
            panic!("{failed:?}")
        };
        assert_eq!(message, "it answered 500\nthe previous release does not work either: it answered 502");
    }

    #[test]
    fn a_look_that_came_to_no_end_leaves_the_rollout_open() {
        let why = || "a reason".to_owned();
        assert!(matches!(end(Err(VerifyError::Cancelled(why()))), End::Parked(_)));
        for error in [VerifyError::Unreachable(why()), VerifyError::Gone(why())] {
            let end = end(Err(error));
            assert!(matches!(end, End::Transient { reason: Reason::BakeFailed, .. }), "{end:?}");
        }
    }
}
