//! Whether the tip that a remote names is believed at once.
//!
//! A branch that goes back takes releases back, and may take a schema down. It does so when somebody pushes it back; and it seems to when
//! one of several servers behind an address, or a mirror, lags behind the one that was asked before. The two look the same, but for
//! the second being over soon: so who goes back is asked again.

use std::time::{Duration, Instant};

use evenkeel_core::name::Revision;

use crate::source::Tip;

/// How long a branch has to stay where it went back to.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(10);

/// A tip that is not believed yet.
#[derive(Debug, Default)]
pub(super) struct Doubt(Option<(Revision, Instant)>);

impl Doubt {
    /// Whether the tip that was named `now` is to be followed, where another one is followed so far. Whoever lags catches up step by step:
    /// what comes after a doubted tip is doubted as well, unless it is what is followed already.
    pub(super) fn believes(&mut self, tip: &Tip, followed: Option<&Revision>, now: Instant) -> bool {
        match &self.0 {
            Some((revision, since))
                if *revision == tip.revision && now.duration_since(*since) < ASK_AGAIN =>
            {
                false
            }
            Some((revision, _)) if *revision == tip.revision => {
                self.0 = None;
                true
            }
            doubted => {
                let doubts = tip.back || doubted.is_some() && followed != Some(&tip.revision);
                self.0 = doubts.then(|| (tip.revision.clone(), now));
                !doubts
            }
        }
    }

    /// Whether somebody has to ask again soon.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tip(revision: &str, back: bool) -> Tip {
        Tip { revision: revision.into(), moved: back, forced: back, back, recloned: None }
    }

    #[test]
    fn whatever_goes_on_is_believed_at_once() {
        let (mut doubt, now) = (Doubt::default(), Instant::now());
        assert!(doubt.believes(&tip("a", false), None, now));
        assert!(doubt.believes(&tip("b", false), None, now));
        assert!(!doubt.is_open());
    }

    #[test]
    fn what_goes_back_is_believed_when_it_stays_there() {
        let (mut doubt, now) = (Doubt::default(), Instant::now());
        assert!(!doubt.believes(&tip("a", true), None, now));
        assert!(doubt.is_open());
        assert!(
            !doubt.believes(&tip("a", false), None, now + ASK_AGAIN / 2),
            "whoever nudges does not make it truer"
        );
        assert!(doubt.believes(&tip("a", false), None, now + ASK_AGAIN));
        assert!(!doubt.is_open());
    }

    #[test]
    fn a_server_that_lagged_behind_is_forgotten() {
        let (mut doubt, now) = (Doubt::default(), Instant::now());
        let followed = Some(&"b".into());
        assert!(!doubt.believes(&tip("a", true), followed, now));
        assert!(doubt.believes(&tip("b", false), followed, now + ASK_AGAIN));
        assert!(!doubt.believes(&tip("a", true), followed, now + ASK_AGAIN * 2), "each time anew");
    }

    #[test]
    fn a_server_that_catches_up_step_by_step_is_not_believed_on_the_way() {
        let (mut doubt, now) = (Doubt::default(), Instant::now());
        let followed = Some(&"d".into());
        assert!(!doubt.believes(&tip("a", true), followed, now));
        assert!(!doubt.believes(&tip("b", false), followed, now + ASK_AGAIN));
        assert!(!doubt.believes(&tip("c", false), followed, now + ASK_AGAIN * 3 / 2));
        assert!(doubt.believes(&tip("d", false), followed, now + ASK_AGAIN * 2));
        assert!(doubt.believes(&tip("e", false), followed, now + ASK_AGAIN * 3));
    }
}
