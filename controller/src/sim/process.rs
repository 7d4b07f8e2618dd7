//! evenkeel itself: started on what a crash left, and driven pass by pass.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_core::name::{AppName, Revision};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio::time::sleep;

use super::image::{Image, Recorder, Sink};
use super::machine::{Fault, Machine};
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::owner::{Ownership, Surroundings};
use crate::reconcile::Driver;
use crate::rollout::{Context, Helpers, Live};
use crate::source::{Source, Watches};

/// Midnight in the world, Unix seconds.
const MIDNIGHT: i64 = 1_767_225_600;
/// After so many passes without an end it is going round in circles.
const PASSES: usize = 60;

thread_local! {
    /// The machine whose clock the ledger of this thread's process reads.
    static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) };
}

/// The time of the simulated host.
fn clock() -> Timestamp {
    let now =
        MACHINE.with_borrow(|machine| machine.as_ref().map(|machine| (machine.clock(), machine.skew())));
    let (now, skew) = now.unwrap_or_default();
    Timestamp::from_second(MIDNIGHT + skew).unwrap() + now
}

/// What processes of one thread share because it costs time to make: nothing is ever decided upon it.
pub(super) struct Shared {
    pub(super) source: Arc<Source>,
    pub(super) watches: Arc<Watches>,
    pub(super) metrics: Arc<Metrics>,
}

/// How a process is started.
#[derive(Default)]
pub(super) struct Circumstances {
    /// Something goes wrong.
    pub(super) fault: Option<Fault>,
    /// Who hears of every moment at which something has become durable.
    pub(super) sink: Option<Sink>,
    /// Where the host's locks are, for several processes on one; a place of its own otherwise.
    pub(super) locks: Option<PathBuf>,
}

fn temporary() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

/// A data directory as an image has it.
fn directory(image: &Image) -> TempDir {
    let directory = temporary();
    image.lay_out(directory.path());
    directory
}

/// A running evenkeel.
pub(super) struct Process {
    pub(super) machine: Machine,
    pub(super) ledger: Ledger,
    pub(super) app: AppName,
    pub(super) driver: Driver,
    data_dir: TempDir,
    _locks: Option<TempDir>,
}

impl Process {
    /// Starts it on what is there, following a commit.
    pub(super) fn start(image: &Image, shared: &Shared, tip: &Revision, how: Circumstances) -> Self {
        let data_dir = directory(image);
        let mut machine = Machine::new(image.world.clone());
        if let Some(fault) = how.fault {
            machine = machine.with_fault(fault);
        }
        let process = Self::on(machine, data_dir, how.locks, shared, tip);
        if let Some(sink) = how.sink {
            process.machine.recorded_by(Recorder::new(process.data_dir.path(), sink));
        }
        process
    }

    /// Starts another one on the same world, with the data directory of an image.
    pub(super) fn beside(&self, image: &Image, shared: &Shared, tip: &Revision, locks: PathBuf) -> Self {
        Self::on(self.machine.clone(), directory(image), Some(locks), shared, tip)
    }

    fn on(
        machine: Machine,
        data_dir: TempDir,
        locks: Option<PathBuf>,
        shared: &Shared,
        tip: &Revision,
    ) -> Self {
        let own = locks.is_none().then(temporary);
        let lock_places = locks.into_iter().chain(own.as_ref().map(|own| own.path().to_owned())).collect();
        MACHINE.set(Some(machine.clone()));
        let ledger = Ledger::open_with_clock(data_dir.path(), clock).unwrap();
        ledger.before_every_write({
            let machine = machine.clone();
            move || machine.ledger_is_written()
        });
        let app = AppName::new("shop");
        let surroundings = Surroundings { host: "simulated".to_owned(), lock_places };
        let ownership = Ownership::new(ledger.clone(), data_dir.path().to_owned(), surroundings).unwrap();
        let context = Context {
            engine: Arc::new(machine.clone()),
            databases: Arc::new(machine.clone()),
            wire: Arc::new(machine.clone()),
            ledger: ledger.clone(),
            ownership: Arc::new(ownership),
            source: Arc::clone(&shared.source),
            app: app.clone(),
            data_dir: data_dir.path().to_owned(),
            metrics: Arc::clone(&shared.metrics),
            progress: broadcast::Sender::new(1),
            live: Arc::new(Mutex::new(Live::default())),
            helpers: Helpers::default(),
        };
        let key = ledger.digest_key().unwrap();
        let driver = Driver::new(context, key, Arc::clone(&shared.watches), tip.clone());
        Self { machine, ledger, app, driver, data_dir, _locks: own }
    }

    /// Passes until nothing is left to do, nor a minute later.
    pub(super) async fn settle(&self) -> Result<(), String> {
        let mut quiet = 0;
        for _ in 0..PASSES {
            let before = self.machine.effects();
            self.machine.pass_begins();
            let wait = self.driver.pass("look").await;
            let is_quiet = wait.is_none() && self.machine.effects() == before;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == 2 {
                return Ok(());
            }
            sleep(wait.unwrap_or(Duration::from_secs(61))).await;
        }
        Err(format!("{PASSES} passes, and still something to do"))
    }

    /// Further passes, a minute apart, that have to do nothing at all.
    /// What they leave is what the end left.
    pub(super) async fn idle(&self, passes: usize) -> Result<(), String> {
        self.machine.is_over();
        let (effects, rollouts) = (self.machine.effects(), self.rollouts());
        for pass in 0..passes {
            sleep(Duration::from_secs(61)).await;
            let wait = self.driver.pass("look").await;
            if self.machine.effects() != effects || self.rollouts() != rollouts || wait.is_some() {
                return Err(format!("pass {pass} after the end does something"));
            }
        }
        Ok(())
    }

    pub(super) fn rollouts(&self) -> usize {
        self.ledger.history(Some(&self.app), 1_000).map_or(0, |history| history.len())
    }

    /// Ends it where it stands; what is there then.
    pub(super) fn killed(self) -> Image {
        let mut world = self.machine.snapshot();
        world.locks.clear();
        Image::take(&world, self.data_dir.path(), "killed".to_owned())
    }

    /// Ends it in good order; what is there then.
    pub(super) fn end(self, place: &str) -> Image {
        let (world, rollouts) = (self.machine.snapshot(), self.rollouts());
        let Self { ledger, driver, data_dir, .. } = self;
        drop((ledger, driver));
        let mut image = Image::take(&world, data_dir.path(), place.to_owned());
        image.rollouts = rollouts;
        image
    }
}
