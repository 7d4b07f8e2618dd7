//! Tells every story, crashes it everywhere, and looks how it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_core::name::Revision;

use super::image::Image;
use super::machine::Mishap;
use super::oracle::{attempts, end_of, faults_of};
use super::process::{Circumstances, Process, Shared};
use super::stories::{Story, all};
use crate::metrics::Metrics;
use crate::source::Watches;
use crate::source::testing::Repo;

/// Passes after the end, in which nothing may happen any more.
const IDLE: usize = 20;

/// Every effect that a step can have.
const EFFECTS: [&str; 28] = [
    "materialise",
    "build",
    "pull",
    "create-network",
    "create-backstage",
    "create-volume",
    "read-scripts",
    "rehearse",
    "attach",
    "create",
    "start",
    "unpause",
    "prove",
    "join",
    "set-restart",
    "set-limits",
    "rename",
    "stop",
    "remove",
    "tag",
    "backup",
    "migrate",
    "restore",
    "drop-invalid-indexes",
    "hook",
    "smoke",
    "bake",
    "mark-live",
];

/// What was tried.
#[derive(Clone, Default)]
struct Figures {
    stories: usize,
    steps: usize,
    effects: u64,
    points: usize,
    restarts: usize,
    mishaps: usize,
    pairs: usize,
    covered: BTreeSet<String>,
    failures: Vec<String>,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.stories += other.stories;
        self.steps += other.steps;
        self.effects += other.effects;
        self.points += other.points;
        self.restarts += other.restarts;
        self.mishaps += other.mishaps;
        self.pairs += other.pairs;
        self.covered.extend(other.covered);
        self.failures.extend(other.failures);
    }
}

/// What happens when the process ends.
#[derive(Clone, Copy, Debug)]
enum Crash {
    /// It is back at once.
    Killed,
    /// It is back after a while, in which the world goes on.
    KilledForAWhile,
    /// The whole host goes down and comes back.
    PowerLoss,
}

/// A story on a thread of its own.
struct Stage<'a> {
    story: &'a Story,
    revisions: Vec<Revision>,
    shared: Shared,
    _repo: Repo,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    lines: Vec<String>,
    attempts: BTreeMap<String, usize>,
}

impl<'a> Stage<'a> {
    fn set(story: &'a Story) -> Self {
        let repo = Repo::new();
        let revisions = story
            .commits
            .iter()
            .map(|commit| {
                repo.write("evenkeel.yaml", &commit.manifest);
                repo.write("compose.yaml", &commit.compose);
                repo.write("app.ini", "greeting = hello\n");
                repo.write("api/Dockerfile", "FROM scratch\n");
                repo.write("api/code", commit.code);
                repo.commit("a change")
            })
            .collect();
        let source = Arc::new(repo.mirrored());
        let day = Duration::from_secs(86_400);
        let watches = Arc::new(Watches::new(day, day).0);
        let metrics = Arc::new(Metrics::new("0", "0").unwrap());
        Self { story, revisions, shared: Shared { source, watches, metrics }, _repo: repo }
    }

    fn start(&self, image: &Image, tip: usize, how: Circumstances) -> Process {
        Process::start(image, &self.shared, &self.revisions[tip], how)
    }

    /// The world in which the story begins.
    async fn beginning(&self) -> Image {
        let mut image = Image::blank();
        for commit in &self.story.before {
            let process = self.start(&image, *commit, Circumstances::default());
            process.settle().await.unwrap();
            image = process.image("the beginning");
        }
        (self.story.drift)(&mut image.world);
        image
    }

    /// Goes on from an image until nothing is left to do.
    async fn run(&self, image: &Image, tip: usize, how: Circumstances) -> Result<(End, Process), String> {
        let process = self.start(image, tip, how);
        process.settle().await.map_err(|why| told(&process, why))?;
        let end = self.end(&process);
        process.idle(IDLE).await.map_err(|why| told(&process, why))?;
        let faults = faults_of(&process);
        if faults.is_empty() { Ok((end, process)) } else { Err(told(&process, faults.join("; "))) }
    }

    fn end(&self, process: &Process) -> End {
        let history = process.ledger.history(Some(&process.app), 1_000).unwrap();
        End { lines: end_of(process), attempts: attempts(&history) }
    }
}

/// What went wrong, with the journal.
fn told(process: &Process, why: String) -> String {
    let mut text = why;
    let history = process.ledger.history(Some(&process.app), 1_000).unwrap_or_default();
    for rollout in history.iter().rev() {
        let _ = write!(
            text,
            "\n  {} of {}: {:?} {}",
            rollout.id,
            rollout.release.short(),
            rollout.outcome,
            rollout.message.clone().unwrap_or_default()
        );
        for step in &rollout.steps {
            let outcome = step.outcome.clone().unwrap_or_default();
            let detail = step.detail.clone().unwrap_or_default();
            let _ = write!(text, "\n    [{}] {} {}: {outcome} {detail}", step.stage, step.step, step.subject);
        }
    }
    text
}

fn difference(expected: &[String], found: &[String]) -> String {
    let missing = expected.iter().filter(|line| !found.contains(line)).map(|line| format!("\n  - {line}"));
    let extra = found.iter().filter(|line| !expected.contains(line)).map(|line| format!("\n  + {line}"));
    missing.chain(extra).collect()
}

/// A story from its reference run to its last crash.
async fn tell(story: &Story) -> Figures {
    let stage = Stage::set(story);
    let beginning = stage.beginning().await;
    let images: Arc<Mutex<Vec<Image>>> = Arc::default();
    let sink = Arc::clone(&images);
    let how =
        Circumstances { sink: Some(Box::new(move |image| sink.lock().unwrap().push(image))), mishap: None };
    let mut figures = Figures { stories: 1, ..Figures::default() };
    let (reference, process) = match stage.run(&beginning, story.tip, how).await {
        Ok(run) => run,
        Err(why) => {
            figures.failures.push(format!("{}: without any crash: {why}", story.name));
            return figures;
        }
    };
    let images = std::mem::take(&mut *images.lock().unwrap());
    let history = process.ledger.history(Some(&process.app), 1_000).unwrap();
    let steps: Vec<_> = history.iter().flat_map(|rollout| &rollout.steps).collect();
    figures.covered.extend(steps.iter().map(|step| step.step.clone()));
    figures.steps = history.first().map_or(0, |rollout| rollout.steps.len());
    figures.effects = process.machine.effects();
    figures.points = images.len();
    let live = process.ledger.app(&process.app).unwrap().live_revision;
    if live.as_ref() != Some(&stage.revisions[story.ends_at]) {
        figures.failures.push(told(&process, format!("{}: ends with {live:?} live", story.name)));
        return figures;
    }
    let expected = match story.moves_to {
        None => reference.clone(),
        Some(tip) => match stage.run(&process.image("the end"), tip, Circumstances::default()).await {
            Ok((end, _)) => end,
            Err(why) => {
                figures.failures.push(format!("{}: moved on after its end: {why}", story.name));
                return figures;
            }
        },
    };
    drop(process);
    for image in &images {
        crash(&stage, image, &expected, &mut figures).await;
    }
    figures
}

async fn crash(stage: &Stage<'_>, image: &Image, expected: &End, figures: &mut Figures) {
    let story = stage.story;
    let tip = story.moves_to.unwrap_or(story.tip);
    for crash in [Crash::Killed, Crash::KilledForAWhile, Crash::PowerLoss] {
        let mut left = image.clone();
        left.world.locks.clear();
        match crash {
            Crash::Killed => {}
            // Where nothing is under way, nothing changes meanwhile.
            Crash::KilledForAWhile if !image.world.migrates() => continue,
            Crash::KilledForAWhile => left.world.advance(image.world.clock + Duration::from_millis(1_250)),
            Crash::PowerLoss => left.world.reboot(),
        }
        figures.restarts += 1;
        let place = format!("{}: {crash:?} at {}", story.name, image.place);
        match stage.run(&left, tip, Circumstances::default()).await {
            Err(why) => figures.failures.push(format!("{place}: {why}")),
            Ok((end, process)) => {
                if end.lines != expected.lines {
                    let why = difference(&expected.lines, &end.lines);
                    figures.failures.push(told(&process, format!("{place}: another end{why}")));
                }
            }
        }
    }
}

/// Tells stories on several threads.
fn tell_all(stories: &[Story], tell: impl Fn(&Story) -> Figures + Sync) -> Figures {
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Figures::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(story) = stories.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let figures = tell(story);
                    total.lock().unwrap().add(figures);
                }
            });
        }
    });
    total.into_inner().unwrap()
}

/// A thread's runtime: its clock stands still while there is something to do, and jumps when there is not.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

/// Stories whose name contains what `EVENKEEL_STORY` says.
fn chosen() -> Vec<Story> {
    let word = std::env::var("EVENKEEL_STORY").unwrap_or_default();
    all().into_iter().filter(|story| story.name.contains(&word)).collect()
}

#[expect(clippy::print_stdout, reason = "the figures are what the test is for")]
fn conclude(figures: &Figures, began: std::time::Instant) {
    println!(
        "{} stories, {} steps, {} effects, {} crash points, {} restarts, {} mishaps, {} pairs, {:.0} s",
        figures.stories,
        figures.steps,
        figures.effects,
        figures.points,
        figures.restarts,
        figures.mishaps,
        figures.pairs,
        began.elapsed().as_secs_f64()
    );
    let shown: Vec<String> = figures.failures.iter().take(3).cloned().collect();
    assert!(
        figures.failures.is_empty(),
        "{} failures, such as\n{}",
        figures.failures.len(),
        shown.join("\n\n")
    );
}

#[test]
fn a_crash_anywhere_changes_no_end() {
    let began = std::time::Instant::now();
    let figures = tell_all(&chosen(), |story| block_on(tell(story)));
    conclude(&figures, began);
    if std::env::var_os("EVENKEEL_STORY").is_none() {
        let uncovered: Vec<&&str> = EFFECTS.iter().filter(|name| !figures.covered.contains(**name)).collect();
        assert!(uncovered.is_empty(), "no story has {uncovered:?}");
    }
}
