//! The way to the world: every read and every effect goes through here, is counted, may fail, and may be the last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::image::Recorder;
use super::world::World;

/// How long the world takes to do something.
const TAKES: Duration = Duration::from_millis(20);

/// What becomes of one effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// It does not reach the world.
    Refused,
    /// It is done, and the answer is lost.
    LostReply,
}

/// A world, and who watches it.
#[derive(Clone)]
pub(super) struct Machine(Arc<Mutex<Inner>>);

struct Inner {
    world: World,
    /// The runtime's clock when the world's stood at `began`.
    origin: Instant,
    began: Duration,
    /// Effects that were asked for.
    effects: u64,
    /// Changes that came of them.
    changes: u64,
    mishap: Option<(u64, Mishap)>,
    recorder: Option<Recorder>,
}

impl Machine {
    pub(super) fn new(world: World) -> Self {
        let began = world.clock;
        let origin = Instant::now();
        let inner = Inner { world, origin, began, effects: 0, changes: 0, mishap: None, recorder: None };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// One effect is going to fail.
    pub(super) fn with_mishap(self, at: u64, mishap: Mishap) -> Self {
        self.inner().mishap = Some((at, mishap));
        self
    }

    /// Whatever becomes durable is recorded.
    pub(super) fn recorded_by(self, recorder: Recorder) -> Self {
        self.inner().recorder = Some(recorder);
        self
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many effects there have been.
    pub(super) fn effects(&self) -> u64 {
        self.inner().effects
    }

    /// What time it is in the world.
    pub(super) fn clock(&self) -> Duration {
        let inner = self.inner();
        inner.began + inner.origin.elapsed()
    }

    /// Looks.
    pub(super) fn look<T>(&self, read: impl FnOnce(&mut World) -> T) -> T {
        let mut inner = self.inner();
        inner.tick();
        read(&mut inner.world)
    }

    /// Does something that lasts.
    pub(super) async fn act<T, E>(
        &self,
        what: String,
        unreachable: impl Fn() -> E,
        change: impl FnOnce(&mut World) -> Result<T, E>,
    ) -> Result<T, E> {
        sleep(TAKES).await;
        let mut inner = self.inner();
        inner.tick();
        let number = inner.effects;
        inner.effects += 1;
        let mishap = inner.mishap.filter(|(at, _)| *at == number).map(|(_, mishap)| mishap);
        if mishap == Some(Mishap::Refused) {
            return Err(unreachable());
        }
        inner.record(&format!("before {what}"));
        let result = change(&mut inner.world);
        inner.changes += 1;
        inner.record(&format!("after {what}"));
        if mishap == Some(Mishap::LostReply) { Err(unreachable()) } else { result }
    }

    /// The ledger asks for the time once in every write, before it changes anything: what it wrote before is durable by now.
    pub(super) fn ledger_writes(&self) {
        let mut inner = self.inner();
        inner.tick();
        inner.record("before the ledger is written");
    }

    /// The world as it is now.
    pub(super) fn snapshot(&self) -> World {
        self.look(|world| world.clone())
    }
}

impl Inner {
    fn tick(&mut self) {
        let now = self.began + self.origin.elapsed();
        self.world.advance(now);
    }

    fn record(&mut self, what: &str) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(&self.world, self.changes, what);
        }
    }
}
