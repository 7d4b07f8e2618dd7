//! The way to the world: every read and every effect goes through here, is counted, may fail, and may be the last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::ffi;
use tokio::time::{Instant, sleep};

use super::image::Recorder;
use super::late::Late;
use super::world::World;

/// How long the world takes to do something.
const TAKES: Duration = Duration::from_millis(20);

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an engine that restarts is away.
const AWAY: Duration = Duration::from_secs(5);
/// How far a clock jumps.
const JUMP: i64 = 3_600;

/// What goes wrong at one effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// It does not reach the world: the connection is refused, and nobody has said no.
    Refused,
    /// It is done, and the answer is lost.
    LostReply,
    /// Nothing is heard of it until the client gives up, and it is not done.
    TimedOut,
    /// It is done, but the client had given up before.
    DoneTooLate,
    /// Nothing is heard of it until the client gives up; it is done later, when the client has looked and gone on: right before so many
    /// more effects. What is no request to the engine that concerns a container is not done.
    Late(u64),
    /// There is no space left for it.
    NoSpace,
    /// The engine goes down before it, is away for a while, and starts what its policies say.
    EngineRestart,
    /// It is done; from then on the clock of the host is an hour ahead.
    ClockAhead,
    /// It is done; from then on the clock of the host is an hour behind.
    ClockBehind,
    /// It is done; from then on nothing can be written to the ledger, until somebody has put that right.
    LedgerReadOnly,
}

impl Mishap {
    /// All of them.
    pub(super) const ALL: [Self; 11] = [
        Self::Refused,
        Self::LostReply,
        Self::TimedOut,
        Self::DoneTooLate,
        Self::Late(1),
        Self::Late(4),
        Self::NoSpace,
        Self::EngineRestart,
        Self::ClockAhead,
        Self::ClockBehind,
        Self::LedgerReadOnly,
    ];
}

/// How a request ends that does not succeed, and is not refused for what it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The connection broke.
    Unreachable,
    /// The client gave up.
    TimedOut,
    /// The disk is full.
    NoSpace,
}

/// What goes wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// One effect, by its number.
    At(u64, Mishap),
    /// One write to the ledger, by its number, fails: the disk reports that it could not keep it. Those after it succeed.
    Ledger(u64),
    /// One read of the engine, by its number, shows what was before the last change.
    Stale(u64),
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
    /// Reads of the engine that were asked for.
    reads: u64,
    /// Writes to the ledger.
    writes: u64,
    /// Changes that came of them.
    changes: u64,
    fault: Option<Fault>,
    /// The world before its last change, while a read may be stale; and what that change was.
    before: Option<(World, String)>,
    /// Where it went wrong.
    hit: Option<String>,
    /// What the engine has yet to do, though its client has given it up.
    late: Option<Late>,
    /// Until when the engine is away.
    away_until: Duration,
    /// How far the clock of the host is off, seconds.
    skew: i64,
    /// Passes that have begun since the ledger refuses writes.
    refused_for: Option<usize>,
    recorder: Option<Recorder>,
    /// Reads and writes to the ledger are not counted any more.
    over: bool,
}

impl Machine {
    pub(super) fn new(world: World) -> Self {
        let began = world.clock;
        let origin = Instant::now();
        let inner = Inner {
            world,
            origin,
            began,
            effects: 0,
            reads: 0,
            writes: 0,
            changes: 0,
            fault: None,
            before: None,
            hit: None,
            late: None,
            away_until: Duration::ZERO,
            skew: 0,
            refused_for: None,
            recorder: None,
            over: false,
        };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Something is going to go wrong.
    pub(super) fn with_fault(self, fault: Fault) -> Self {
        self.goes_wrong(fault);
        self
    }

    /// From now on something is going to go wrong.
    pub(super) fn goes_wrong(&self, fault: Fault) {
        self.inner().fault = Some(fault);
    }

    /// Nothing goes wrong any more.
    pub(super) fn nothing_goes_wrong(&self) {
        let mut inner = self.inner();
        inner.fault = None;
        inner.refused_for = None;
    }

    /// Whatever becomes durable is recorded.
    pub(super) fn recorded_by(&self, recorder: Recorder) {
        self.inner().recorder = Some(recorder);
    }

    /// The story is over: from here on nothing is recorded or counted, and nothing goes wrong.
    pub(super) fn is_over(&self) {
        let mut inner = self.inner();
        inner.recorder = None;
        inner.fault = None;
        inner.over = true;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many effects there have been.
    pub(super) fn effects(&self) -> u64 {
        self.inner().effects
    }

    /// How many reads of the engine there have been.
    pub(super) fn reads(&self) -> u64 {
        self.inner().reads
    }

    /// How many writes to the ledger there have been.
    pub(super) fn writes(&self) -> u64 {
        self.inner().writes
    }

    /// What time it is in the world.
    pub(super) fn clock(&self) -> Duration {
        let inner = self.inner();
        inner.began + inner.origin.elapsed()
    }

    /// How far the clock of the host is off, seconds.
    pub(super) fn skew(&self) -> i64 {
        self.inner().skew
    }

    /// A pass begins. A ledger that refuses writes does so for one whole pass after the one in which it began.
    pub(super) fn pass_begins(&self) {
        let mut inner = self.inner();
        let Some(passes) = &mut inner.refused_for else { return };
        *passes += 1;
        if *passes > 1 {
            inner.refused_for = None;
        }
    }

    /// Looks.
    pub(super) fn look<T>(&self, read: impl FnOnce(&mut World) -> T) -> T {
        let mut inner = self.inner();
        inner.tick();
        read(&mut inner.world)
    }

    /// Asks the engine: nothing while it is away, and once perhaps what was before its last change.
    pub(super) fn read<T, E>(
        &self,
        what: &str,
        unreachable: impl Fn(Trouble) -> E,
        read: impl FnOnce(&mut World) -> T,
    ) -> Result<T, E> {
        let mut inner = self.inner();
        inner.tick();
        let number = inner.reads;
        inner.reads += u64::from(!inner.over);
        if inner.is_away() {
            return Err(unreachable(Trouble::Unreachable));
        }
        let inner = &mut *inner;
        match &mut inner.before {
            Some((before, change)) if inner.fault == Some(Fault::Stale(number)) => {
                inner.hit = Some(format!("{what}, as before {change}"));
                Ok(read(before))
            }
            _ => Ok(read(&mut inner.world)),
        }
    }

    /// Does something that lasts.
    pub(super) async fn act<T, E>(
        &self,
        what: String,
        trouble: impl Fn(Trouble) -> E,
        change: impl FnOnce(&mut World) -> Result<T, E>,
    ) -> Result<T, E> {
        sleep(TAKES).await;
        let mishap = self.inner().meet();
        self.act_with(mishap, what, trouble, change).await
    }

    /// The same, for what an engine may do when nobody waits for it any more.
    pub(super) async fn request<T, E>(
        &self,
        what: String,
        trouble: impl Fn(Trouble) -> E,
        change: impl FnOnce(&mut World) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        sleep(TAKES).await;
        let mishap = self.inner().meet();
        let Some(Mishap::Late(after)) = mishap else {
            return self.act_with(mishap, what, trouble, change).await;
        };
        {
            let mut inner = self.inner();
            let (effects, now) = (inner.effects, inner.now());
            inner.hit = Some(format!("{what}, done late"));
            inner.late = Some(Late::new(effects + after, now + PATIENCE, change));
        }
        sleep(PATIENCE).await;
        Err(trouble(Trouble::TimedOut))
    }

    async fn act_with<T, E>(
        &self,
        mishap: Option<Mishap>,
        what: String,
        trouble: impl Fn(Trouble) -> E,
        change: impl FnOnce(&mut World) -> Result<T, E>,
    ) -> Result<T, E> {
        if let Some(mishap @ (Mishap::TimedOut | Mishap::NoSpace | Mishap::Refused | Mishap::Late(_))) =
            mishap
        {
            if matches!(mishap, Mishap::TimedOut | Mishap::Late(_)) {
                sleep(PATIENCE).await;
            }
            return Err(trouble(mishap.shown().unwrap_or(Trouble::Unreachable)));
        }
        let result = {
            let mut inner = self.inner();
            inner.tick();
            if inner.is_away() {
                return Err(trouble(Trouble::Unreachable));
            }
            inner.record(&format!("before {what}"));
            let stales = matches!(inner.fault, Some(Fault::Stale(_)));
            inner.before = stales.then(|| (inner.world.clone(), what.clone()));
            let result = change(&mut inner.world);
            inner.changes += 1;
            inner.record(&format!("after {what}"));
            if mishap.is_some() {
                inner.hit = Some(what);
            }
            inner.follows(mishap);
            result
        };
        if mishap == Some(Mishap::DoneTooLate) {
            sleep(PATIENCE).await;
        }
        mishap.and_then(Mishap::shown).map_or(result, |shown| Err(trouble(shown)))
    }

    /// The ledger is about to be written: what it wrote before is durable by now.
    ///
    /// # Errors
    /// When it cannot be.
    pub(super) fn ledger_is_written(&self) -> rusqlite::Result<()> {
        let mut inner = self.inner();
        inner.tick();
        inner.record("before the ledger is written");
        let number = inner.writes;
        inner.writes += u64::from(!inner.over);
        let code = match inner.fault {
            _ if inner.refused_for.is_some() => ffi::SQLITE_READONLY,
            Some(Fault::Ledger(at)) if at == number => ffi::SQLITE_IOERR_FSYNC,
            _ => return Ok(()),
        };
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }

    /// Where it went wrong, if it has.
    pub(super) fn hit(&self) -> Option<String> {
        self.inner().hit.clone()
    }

    /// The world as it is now.
    pub(super) fn snapshot(&self) -> World {
        self.look(|world| world.clone())
    }
}

impl Mishap {
    /// What the client gets to see in the place of the answer.
    fn shown(self) -> Option<Trouble> {
        match self {
            Self::Refused | Self::LostReply => Some(Trouble::Unreachable),
            Self::TimedOut | Self::DoneTooLate | Self::Late(_) => Some(Trouble::TimedOut),
            Self::NoSpace => Some(Trouble::NoSpace),
            Self::EngineRestart | Self::ClockAhead | Self::ClockBehind | Self::LedgerReadOnly => None,
        }
    }
}

impl Inner {
    /// Counts an effect; what goes wrong at it.
    fn meet(&mut self) -> Option<Mishap> {
        self.tick();
        let number = self.effects;
        self.effects += 1;
        self.come_late();
        let Some(Fault::At(at, mishap)) = self.fault else { return None };
        if at != number {
            return None;
        }
        if mishap == Mishap::EngineRestart {
            self.world.restart_engine();
            self.away_until = self.began + self.origin.elapsed() + AWAY;
        }
        Some(mishap)
    }

    /// What comes after an effect at which something goes wrong.
    fn follows(&mut self, mishap: Option<Mishap>) {
        match mishap {
            Some(Mishap::ClockAhead) => self.skew = JUMP,
            Some(Mishap::ClockBehind) => self.skew = -JUMP,
            Some(Mishap::LedgerReadOnly) => self.refused_for = Some(0),
            _ => {}
        }
    }

    fn is_away(&self) -> bool {
        self.now() < self.away_until
    }

    fn now(&self) -> Duration {
        self.began + self.origin.elapsed()
    }

    fn tick(&mut self) {
        let now = self.now();
        self.world.advance(now);
        self.come_late();
    }

    /// The engine does what its client has given up, if it is time.
    fn come_late(&mut self) {
        let now = self.now();
        if let Some(late) = self.late.take_if(|late| late.is_due(self.effects, now)) {
            late.comes(&mut self.world);
            self.changes += 1;
        }
    }

    fn record(&mut self, what: &str) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(&self.world, self.changes, what);
        }
    }
}
