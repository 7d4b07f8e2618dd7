//! Tells every story, ends it by a crash wherever there can be one, lets every effect fail, and looks how it ends.
//!
//! `EVENKEEL_SIM=full` takes everything where an ordinary run takes a part, and `first` tells no further stories once one has failed;
//! `EVENKEEL_STORY=WORDS` takes only the stories whose names have these words, and `EVENKEEL_FAULT='Ledger(93)'` that mishap alone (`EVENKEEL_FAULT=Late` all of that kind).

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::crashes::crash_everywhere;
use super::mishaps::{every_late_effect, every_mishap};
use super::reference::Reference;
use super::stories::{Story, all};

/// Failures that are shown in full.
const SHOWN: usize = 60;
/// After so many failures an ordinary run tells no further stories.
const ENOUGH: usize = 5;

/// Every effect that a step can have.
const EFFECTS: [&str; 31] = [
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
    "post-start",
    "restart",
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
pub(super) struct Figures {
    pub(super) stories: usize,
    pub(super) steps: usize,
    pub(super) effects: u64,
    pub(super) reads: u64,
    /// Writes to the ledger.
    pub(super) writes: u64,
    /// Moments at which a story can be ended.
    pub(super) points: usize,
    /// Different states that crashes left, each gone on from.
    pub(super) states: usize,
    /// How many crashes led to one of them, at most.
    pub(super) crashes: usize,
    /// States that were not gone on from.
    pub(super) left_out: usize,
    /// Crashes with a pause.
    pub(super) longer: usize,
    pub(super) mishaps: usize,
    pub(super) covered: BTreeSet<String>,
    pub(super) failures: Vec<String>,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.stories += other.stories;
        self.steps += other.steps;
        self.effects += other.effects;
        self.reads += other.reads;
        self.writes += other.writes;
        self.points += other.points;
        self.states += other.states;
        self.crashes = self.crashes.max(other.crashes);
        self.left_out += other.left_out;
        self.longer += other.longer;
        self.mishaps += other.mishaps;
        self.covered.extend(other.covered);
        self.failures.extend(other.failures);
    }
}

/// Whether everything is taken where an ordinary run takes a part.
pub(super) fn full() -> bool {
    std::env::var("EVENKEEL_SIM").is_ok_and(|how| how == "full")
}

/// After how many failures no further stories are told.
fn enough() -> usize {
    match std::env::var("EVENKEEL_SIM").as_deref() {
        Ok("full") => usize::MAX,
        Ok("first") => 1,
        _ => ENOUGH,
    }
}

/// Tells stories on several threads.
fn tell_all(stories: &[Story], then: impl AsyncFn(&Reference<'_>, &mut Figures) + Sync) -> Figures {
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Figures::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let work = || {
        while let Some(story) = stories.get(next.fetch_add(1, Ordering::Relaxed)) {
            if total.lock().unwrap().failures.len() >= enough() {
                return;
            }
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
pub(super) fn chosen() -> Vec<Story> {
    let word = std::env::var("EVENKEEL_STORY").unwrap_or_default();
    let stories: Vec<Story> = all().into_iter().filter(|story| story.name.contains(&word)).collect();
    assert!(!stories.is_empty(), "no story has {word:?} in its name");
    stories
}

fn conclude(figures: &Figures, began: std::time::Instant) {
    let Figures {
        stories,
        steps,
        effects,
        reads,
        writes,
        points,
        states,
        crashes,
        left_out,
        longer,
        mishaps,
        ..
    } = figures;
    println!(
        "{stories} stories: {steps} steps of {} kinds, {effects} effects, {reads} reads, {writes} entries in the ledger, {points} crash points; \
         {states} different states left by up to {crashes} crashes ({left_out} more left out), {longer} longer crashes; \
         {mishaps} mishaps; {} other ends; {:.0} s",
        figures.covered.len(),
        figures.failures.len(),
        began.elapsed().as_secs_f64()
    );
    let shown: Vec<&str> = figures.failures.iter().take(SHOWN).map(String::as_str).collect();
    assert!(figures.failures.is_empty(), "{} failures, such as\n{}", shown.len(), shown.join("\n\n"));
}

#[test]
fn crashes_change_no_end() {
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
fn mishaps_change_no_end() {
    let began = std::time::Instant::now();
    let stories: Vec<Story> = chosen().into_iter().filter(|story| story.moves_to.is_none()).collect();
    conclude(&tell_all(&stories, every_mishap), began);
}

#[test]
fn what_is_carried_out_late_changes_no_end_of_an_adoption() {
    let began = std::time::Instant::now();
    let adopts = |story: &Story| story.moves_to.is_none() && story.name.contains("adoption");
    let stories: Vec<Story> = all().into_iter().filter(adopts).collect();
    conclude(&tell_all(&stories, every_late_effect), began);
}
