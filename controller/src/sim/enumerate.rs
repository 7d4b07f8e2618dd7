//! Tells every story, ends it by a crash wherever there can be one, lets every effect fail, and looks how it ends.
//!
//! `EVENKEEL_SIM=full` takes everything where an ordinary run takes a part; `EVENKEEL_STORY=WORDS` takes only the stories
//! whose names have these words.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::image::Image;
use super::machine::Mishap;
use super::process::{Circumstances, Process};
use super::stage::{End, IDLE, Stage, history, told};
use super::stories::{Story, all};

/// After every so many crashes all idle passes are made. After the others there is one, a minute after the end: each is a
/// function of what the one before it saw, so that one that does nothing is followed by others that do nothing.
const ALL_IDLE_PASSES_EVERY: usize = 100;
/// Failures that are shown in full.
const SHOWN: usize = 60;

/// Every effect that a step can have.
const EFFECTS: [&str; 29] = [
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
    "hand-over",
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
        let Self { stories, steps, effects, points, restarts, mishaps, pairs, covered, failures } = other;
        self.stories += stories;
        self.steps += steps;
        self.effects += effects;
        self.points += points;
        self.restarts += restarts;
        self.mishaps += mishaps;
        self.pairs += pairs;
        self.covered.extend(covered);
        self.failures.extend(failures);
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

impl Crash {
    /// What the next process finds; `None` where another kind of crash leaves the same.
    fn leaves(self, image: &Image) -> Option<Image> {
        let mut left = image.clone();
        left.world.locks.clear();
        match self {
            Self::Killed => {}
            // Where nothing is under way, nothing changes meanwhile.
            Self::KilledForAWhile if !image.world.migrates() => return None,
            Self::KilledForAWhile => left.world.advance(image.world.clock + Duration::from_millis(1_250)),
            // Until something else is done to it, the host is the same.
            Self::PowerLoss if !image.place.contains("after") => return None,
            Self::PowerLoss => left.world.reboot(),
        }
        Some(left)
    }
}

/// A story that was told without any mishap.
struct Reference<'a> {
    stage: Stage<'a>,
    beginning: Image,
    /// Wherever something had become durable.
    images: Vec<Image>,
    /// How it has to end.
    expected: End,
    figures: Figures,
}

impl<'a> Reference<'a> {
    async fn tell(story: &'a Story) -> Result<Self, String> {
        let stage = Stage::set(story);
        let beginning = stage.beginning().await;
        let (images, process, end) = recorded(&stage, &beginning, story.tip, IDLE).await?;
        let live = process.ledger.app(&process.app).unwrap().live_revision;
        if live.as_ref() != Some(&stage.revisions[story.ends_at]) {
            return Err(told(&process, &format!("it ends with {live:?} live")));
        }
        let figures = figures(&process, &beginning, images.len());
        let expected = match story.moves_to {
            None => end,
            Some(tip) => stage.run(&process.end("the end"), tip, Circumstances::default(), IDLE).await?.0,
        };
        Ok(Self { stage, beginning, images, expected, figures })
    }

    /// From an image to the same end.
    async fn restart(&self, left: &Image, how: Circumstances, idle: usize) -> Result<(), String> {
        let story = self.stage.story;
        let tip = story.moves_to.filter(|_| how.mishap.is_none()).unwrap_or(story.tip);
        let (end, process) = self.stage.run(left, tip, how, idle).await?;
        end.differs(&self.expected).map_or(Ok(()), |why| Err(told(&process, &why)))
    }
}

fn figures(process: &Process, beginning: &Image, points: usize) -> Figures {
    let history = history(process);
    let began = beginning.rollouts;
    let new = &history[..history.len() - began];
    let steps: Vec<_> = history.iter().flat_map(|rollout| &rollout.steps).collect();
    Figures {
        stories: 1,
        steps: new.iter().map(|rollout| rollout.steps.len()).sum(),
        effects: process.machine.effects(),
        points,
        covered: steps.iter().map(|step| step.step.clone()).collect(),
        ..Figures::default()
    }
}

/// A run with an image wherever something has become durable.
pub(super) async fn recorded(
    stage: &Stage<'_>,
    image: &Image,
    tip: usize,
    idle: usize,
) -> Result<(Vec<Image>, Process, End), String> {
    let images: Arc<Mutex<Vec<Image>>> = Arc::default();
    let sink = Arc::clone(&images);
    let take = move |image| sink.lock().unwrap().push(image);
    let how = Circumstances { sink: Some(Box::new(take)), ..Circumstances::default() };
    let (end, process) = stage.run(image, tip, how, idle).await?;
    let images = std::mem::take(&mut *images.lock().unwrap());
    Ok((images, process, end))
}

/// Ends a story at every point, in every way.
async fn crash_everywhere(reference: &Reference<'_>, figures: &mut Figures) {
    let mut losses = 0;
    for image in &reference.images {
        for crash in [Crash::Killed, Crash::KilledForAWhile, Crash::PowerLoss] {
            let Some(left) = crash.leaves(image) else { continue };
            losses += usize::from(matches!(crash, Crash::PowerLoss));
            if matches!(crash, Crash::PowerLoss) && !losses.is_multiple_of(one_in(1, 3)) {
                continue;
            }
            figures.restarts += 1;
            let idle = if figures.restarts.is_multiple_of(ALL_IDLE_PASSES_EVERY) { IDLE } else { 0 };
            if let Err(why) = reference.restart(&left, Circumstances::default(), idle).await {
                let name = reference.stage.story.name;
                figures.failures.push(format!("{name}: {crash:?} at {}: {why}", image.place));
            }
        }
    }
}

/// Ends it again on the way that follows a first crash. The points of both are taken evenly from all there are.
async fn crash_twice(reference: &Reference<'_>, figures: &mut Figures) {
    let tip = reference.stage.story.moves_to.unwrap_or(reference.stage.story.tip);
    let (first, second) = (one_in(7, 53), one_in(5, 23));
    for (number, image) in reference.images.iter().enumerate().step_by(first) {
        let Some(left) = Crash::Killed.leaves(image) else { continue };
        let again = match recorded(&reference.stage, &left, tip, 0).await {
            Ok((images, ..)) => images,
            Err(why) => {
                figures.failures.push(format!("{}: at {}: {why}", reference.stage.story.name, image.place));
                continue;
            }
        };
        for again in again.iter().skip(number % second).step_by(second) {
            let Some(left) = Crash::Killed.leaves(again) else { continue };
            figures.pairs += 1;
            if let Err(why) = reference.restart(&left, Circumstances::default(), 0).await {
                let (name, first, second) = (reference.stage.story.name, &image.place, &again.place);
                figures.failures.push(format!("{name}: at {first}, and again at {second}: {why}"));
            }
        }
    }
}

/// Lets every effect fail, once without and once with being done.
async fn every_mishap(reference: &Reference<'_>, figures: &mut Figures) {
    let stride = one_in(1, 7);
    for at in (reference.figures.effects % stride as u64..reference.figures.effects).step_by(stride) {
        for mishap in [Mishap::Refused, Mishap::LostReply] {
            figures.mishaps += 1;
            let how = Circumstances { mishap: Some((at, mishap)), ..Circumstances::default() };
            if let Err(why) = reference.restart(&reference.beginning, how, 0).await {
                let name = reference.stage.story.name;
                figures.failures.push(format!("{name}: {mishap:?} at effect {at}: {why}"));
            }
        }
    }
}

/// One in so many of what there is: in a full run, and in an ordinary one.
fn one_in(full: usize, ordinary: usize) -> usize {
    let is_full = std::env::var("EVENKEEL_SIM").is_ok_and(|how| how == "full");
    if is_full { full } else { ordinary }
}

/// Tells stories on several threads.
fn tell_all(stories: &[Story], then: impl AsyncFn(&Reference<'_>, &mut Figures) + Sync) -> Figures {
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Figures::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let work = || {
        while let Some(story) = stories.get(next.fetch_add(1, Ordering::Relaxed)) {
            let figures = block_on(async {
                match Reference::tell(story).await {
                    Err(why) => {
                        let failures = vec![format!("{}: without any mishap: {why}", story.name)];
                        Figures { failures, ..Figures::default() }
                    }
                    Ok(reference) => {
                        let mut figures = reference.figures.clone();
                        then(&reference, &mut figures).await;
                        figures
                    }
                }
            });
            total.lock().unwrap().add(figures);
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    total.into_inner().unwrap()
}

/// A thread's runtime: its clock stands still while there is something to do, and jumps when there is not.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

/// Stories whose name contains what `EVENKEEL_STORY` says.
fn chosen() -> Vec<Story> {
    let word = std::env::var("EVENKEEL_STORY").unwrap_or_default();
    all().into_iter().filter(|story| story.name.contains(&word)).collect()
}

fn conclude(figures: &Figures, began: std::time::Instant) {
    let Figures { stories, steps, effects, points, restarts, mishaps, pairs, covered, failures } = figures;
    println!(
        "{stories} stories, {steps} steps of {} kinds, {effects} effects on the host, {points} crash points; \
         {restarts} crashes, {pairs} second crashes, {mishaps} mishaps; {:.0} s",
        covered.len(),
        began.elapsed().as_secs_f64()
    );
    let shown: Vec<&str> = failures.iter().take(SHOWN).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} failures, such as\n{}", failures.len(), shown.join("\n\n"));
}

#[test]
fn a_crash_anywhere_changes_no_end() {
    let began = std::time::Instant::now();
    let figures = tell_all(&chosen(), crash_everywhere);
    conclude(&figures, began);
    if std::env::var_os("EVENKEEL_STORY").is_none() {
        let uncovered: Vec<&&str> = EFFECTS.iter().filter(|name| !figures.covered.contains(**name)).collect();
        assert!(uncovered.is_empty(), "no story has {uncovered:?}");
    }
    let unknown: Vec<&String> =
        figures.covered.iter().filter(|name| !EFFECTS.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?} is not listed");
}

#[test]
fn a_second_crash_changes_no_end() {
    let began = std::time::Instant::now();
    conclude(&tell_all(&chosen(), crash_twice), began);
}

#[test]
fn an_effect_that_fails_or_whose_answer_is_lost_changes_no_end() {
    let began = std::time::Instant::now();
    let stories: Vec<Story> = chosen().into_iter().filter(|story| story.moves_to.is_none()).collect();
    conclude(&tell_all(&stories, every_mishap), began);
}
