//! Long runs by chance: commits good and bad, operators, drift, mishaps and crashes in any order, and then one good commit.
//!
//! A seed makes the same run again: `EVENKEEL_SEED=7` takes one, `EVENKEEL_SEEDS=1000` so many from the first on. What fails is
//! kept in [`REGRESSIONS`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::observed::State;
use fastrand::Rng;
use tokio::time::sleep;

use super::enumerate::block_on;
use super::image::Image;
use super::machine::{Fault, Mishap};
use super::oracle::faults_of;
use super::process::{Circumstances, Process};
use super::stage::{Stage, told};
use super::stories::{Story, commits};
use super::world::World;

/// Seeds that once showed a fault.
const REGRESSIONS: [u64; 6] = [14, 27, 73, 101, 127, 189];
/// Seeds of an ordinary run.
const SEEDS: u64 = 13;
/// Processes in one run.
const PROCESSES: usize = 6;

/// What can be committed; the schema goes one way, and back.
const CODE: [&str; 14] = [
    "script a\n",
    "script a\nnew\n",
    "script a\nscript b\n",
    "script a\nscript b\nnew\n",
    "script a\nscript b\nscript c breaking\n",
    "script a\nscript b\nscript c breaking\nscript d\n",
    "script a\nfault build\n",
    "script a\nfault start\n",
    "script a\nscript b\nfault probe\n",
    "script a\nscript b\nfault late\n",
    "script a\nscript b\nscript c breaking\nfault late\n",
    "script a\nscript b\nscript c breaking\nscript d\nfault smoke\n",
    "script a\nscript b\nscript c breaking\nscript e fails-on-rows\n",
    // The last is what it has to come to in the end.
    "script a\nscript b\nscript c breaking\nscript d\nthe end\n",
];
const LAST: usize = CODE.len() - 1;

/// What happens while evenkeel runs.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The branch moves.
    Moves(usize),
    /// Something goes wrong at an effect that is to come.
    Wrong(u64, Mishap),
    /// Somebody does something to a container.
    Drift(usize),
    /// An operator.
    Suspend,
    Resume,
    Retry,
}

/// How a process ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// When nothing is left to do.
    Settled,
    /// By `kill -9` after so many more effects.
    Killed(u64),
    /// With the whole host, after so many more effects.
    PowerLoss(u64),
}

/// One run.
struct Run<'a> {
    stage: &'a Stage<'a>,
    rng: Rng,
    tip: usize,
    /// What has happened, to be told when it fails.
    told: Vec<String>,
}

impl Run<'_> {
    async fn go(&mut self) -> Result<(), String> {
        let mut image = self.stage.beginning().await;
        for _ in 0..PROCESSES {
            image = self.process(&image).await?;
        }
        self.last(&image).await
    }

    /// A process from its start to its end.
    async fn process(&mut self, image: &Image) -> Result<Image, String> {
        let process = self.stage.start(image, self.tip, Circumstances::default());
        for _ in 0..self.rng.usize(1..4) {
            let event = self.event();
            let after = self.rng.u64(0..60);
            self.told.push(format!("{event:?} after {after} effects"));
            self.meet(&process, event, after).await;
        }
        let end = self.end();
        self.told.push(format!("{end:?}"));
        match end {
            End::Settled => {
                process.machine.nothing_goes_wrong();
                process.settle().await.map_err(|why| told(&process, &why))?;
                self.holds(&process)?;
                Ok(process.end("settled"))
            }
            End::Killed(after) => {
                until(&process, after).await;
                Ok(process.killed())
            }
            End::PowerLoss(after) => {
                until(&process, after).await;
                let mut image = process.killed();
                image.world.reboot();
                Ok(image)
            }
        }
    }

    /// What comes in the end, whatever was before.
    async fn last(&mut self, image: &Image) -> Result<(), String> {
        self.told.push("the last commit".to_owned());
        self.tip = LAST;
        let process = self.stage.start(image, LAST, Circumstances::default());
        process.ledger.set_suspended(&process.app, false).unwrap();
        process.driver.retry();
        process.settle().await.map_err(|why| told(&process, &why))?;
        process.idle(super::stage::IDLE).await.map_err(|why| told(&process, &why))?;
        self.holds(&process)?;
        let live = process.ledger.app(&process.app).unwrap().live_revision;
        if live.as_ref() != Some(&self.stage.revisions[LAST]) {
            return Err(told(&process, &format!("it ends with {live:?} live")));
        }
        Ok(())
    }

    /// Passes go on, and after so many effects it happens.
    async fn meet(&mut self, process: &Process, event: Event, after: u64) {
        until(process, after).await;
        match event {
            Event::Moves(to) => {
                self.tip = to;
                process.driver.follow(&self.stage.revisions[to]);
            }
            Event::Wrong(after, mishap) => {
                process.machine.goes_wrong(Fault::At(process.machine.effects() + after, mishap));
            }
            Event::Drift(which) => process.machine.look(|world| drift(world, which)),
            Event::Suspend => process.ledger.set_suspended(&process.app, true).unwrap(),
            Event::Resume => process.ledger.set_suspended(&process.app, false).unwrap(),
            Event::Retry => process.driver.retry(),
        }
    }

    fn event(&mut self) -> Event {
        match self.rng.u8(0..10) {
            0..4 => Event::Moves(self.rng.usize(0..LAST)),
            4..6 => {
                let mishap = self.rng.choice(Mishap::ALL).unwrap_or(Mishap::Refused);
                Event::Wrong(self.rng.u64(0..30), mishap)
            }
            6..7 => Event::Drift(self.rng.usize(0..7)),
            7 => Event::Suspend,
            8 => Event::Resume,
            _ => Event::Retry,
        }
    }

    fn end(&mut self) -> End {
        match self.rng.u8(0..4) {
            0 => End::Settled,
            1 => End::PowerLoss(self.rng.u64(0..60)),
            _ => End::Killed(self.rng.u64(0..60)),
        }
    }

    /// What must hold whenever nothing is left to do.
    fn holds(&self, process: &Process) -> Result<(), String> {
        let faults = faults_of(process, usize::MAX);
        if faults.is_empty() { Ok(()) } else { Err(told(process, &faults.join("; "))) }
    }
}

/// Passes go on until there have been so many more effects, or nothing is left to do.
async fn until(process: &Process, more: u64) {
    let goal = process.machine.effects() + more;
    let reached = async {
        while process.machine.effects() < goal {
            sleep(Duration::from_millis(10)).await;
        }
    };
    // Which of the two is ready first is always the same: the clock is simulated, and there is one thread.
    tokio::select! {
        biased;
        () = reached => {}
        _ = process.settle() => {}
    }
}

/// What people do to containers behind evenkeel's back.
fn drift(world: &mut World, which: usize) {
    let services = ["shop-api-1", "shop-worker-1", "shop-db-1"];
    let Some(place) = services.get(which % 3).and_then(|name| world.position(name)) else { return };
    match which {
        0 | 1 => world.stop(place),
        2 => world.remove(place),
        3 if world.containers[place].since.is_some() => world.containers[place].seen.state = State::Paused,
        4 => world.containers[place].seen.restart = RestartPolicy::No,
        5 => world.leave(place, "shop_default"),
        _ => world.containers[place].seen.limits.memory = Some(1),
    }
}

/// One run; what happened, and how it failed.
fn run(seed: u64) -> Option<String> {
    let story = Story { commits: commits(&CODE), before: vec![0], ..Story::of("by chance") };
    block_on(async {
        let stage = Stage::set(&story);
        let mut run = Run { stage: &stage, rng: Rng::with_seed(seed), tip: 0, told: Vec::new() };
        let why = run.go().await.err()?;
        Some(format!("seed {seed}: {}: {why}", run.told.join(", ")))
    })
}

#[test]
fn whatever_happens_the_last_commit_is_live_in_the_end() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds: Vec<u64> = match (number("EVENKEEL_SEED"), number("EVENKEEL_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, some) => REGRESSIONS.into_iter().chain(0..some.unwrap_or(SEEDS)).collect(),
    };
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some(seed) = seeds.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap()) {
            failures.lock().unwrap_or_else(PoisonError::into_inner).extend(run(*seed));
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let failures = failures.into_inner().unwrap();
    println!("{} runs by chance, {} other ends", seeds.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
