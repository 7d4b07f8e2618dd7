//! What an engine does when its client does not wait for it any more.
//!
//! A request may lie in a socket, or wait for a lock or a disk, while its client gives up, looks (nothing has happened), and goes on. The
//! engine does not know of that: what it has read it carries out.

use std::time::Duration;

use super::world::World;

/// How long after its client has given up it is done at the latest.
const AT_LATEST: Duration = Duration::from_secs(30);

/// A request that is yet to be carried out.
pub(super) struct Late {
    /// When so many effects have been asked for.
    effects: u64,
    /// Or then.
    at: Duration,
    change: Box<dyn FnOnce(&mut World) + Send>,
}

impl Late {
    /// To be done right before the effect of that number; the client gives up then.
    pub(super) fn new<T, E>(
        effects: u64,
        gives_up: Duration,
        change: impl FnOnce(&mut World) -> Result<T, E> + Send + 'static,
    ) -> Self {
        // Nobody hears what the engine answers.
        Self { effects, at: gives_up + AT_LATEST, change: Box::new(|world| drop(change(world))) }
    }

    /// Whether it is time: so many effects have been asked for.
    pub(super) fn is_due(&self, effects: u64, now: Duration) -> bool {
        effects >= self.effects || now >= self.at
    }

    /// It is done.
    pub(super) fn comes(self, world: &mut World) {
        (self.change)(world);
    }
}
