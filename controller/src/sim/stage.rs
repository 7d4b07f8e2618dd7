//! Where one story is told: its repository, and runs from whatever image to the end.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::name::Revision;
use evenkeel_core::status::RolloutRecord;

use super::image::Image;
use super::oracle::{end_of, faults_of, hooked};
use super::process::{Circumstances, Process, Shared};
use super::stories::{Commit, Story};
use crate::metrics::Metrics;
use crate::source::Watches;
use crate::source::testing::Repo;

/// Passes after the end, in which nothing may happen any more.
pub(super) const IDLE: usize = 100;

/// A story with what it needs.
pub(super) struct Stage<'a> {
    pub(super) story: &'a Story,
    pub(super) revisions: Vec<Revision>,
    pub(super) shared: Shared,
    repo: Repo,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(super) struct End {
    lines: Vec<String>,
    hooked: bool,
}

impl<'a> Stage<'a> {
    pub(super) fn set(story: &'a Story) -> Self {
        let repo = Repo::new();
        let revisions = story.commits.iter().map(|commit| push(&repo, commit)).collect();
        let source = Arc::new(repo.mirrored());
        let day = Duration::from_secs(86_400);
        let watches = Arc::new(Watches::new(day, day).0);
        let metrics = Arc::new(Metrics::new("0", "0").unwrap());
        Self { story, revisions, shared: Shared { source, watches, metrics }, repo }
    }

    /// Somebody pushes another commit in the place of the last, and nothing but evenkeel keeps the one that it takes away.
    pub(super) fn rewritten(&self, commit: &Commit) -> Revision {
        self.repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
        let revision = push(&self.repo, commit);
        self.repo.fetched();
        revision
    }

    pub(super) fn start(&self, image: &Image, tip: usize, how: Circumstances) -> Process {
        Process::start(image, &self.shared, &self.revisions[tip], how)
    }

    /// What there is when the story begins.
    pub(super) async fn beginning(&self) -> Image {
        // The ledger is there from the first: it has the key that releases are named by.
        let mut image =
            self.start(&Image::blank(), self.story.tip, Circumstances::default()).end("the beginning");
        for commit in &self.story.before {
            let process = self.start(&image, *commit, Circumstances::default());
            process.settle().await.unwrap();
            image = process.end("the beginning");
        }
        if self.story.made_by_compose {
            let before = self.start(&image, self.story.tip, Circumstances::default());
            let live = before.ledger.app(&before.app).unwrap().live_release.unwrap();
            let live = before.ledger.release(&before.app, &live).unwrap().unwrap();
            let blank = self.start(&Image::blank(), self.story.tip, Circumstances::default());
            let world = std::mem::replace(&mut image, blank.end("the beginning")).world;
            image.world = world;
            image.world.as_compose_made_it(&live);
        }
        (self.story.drift)(&mut image.world);
        image
    }

    /// Goes on from an image until nothing is left to do, looks at what must hold then, and that nothing more is done.
    pub(super) async fn run(
        &self,
        image: &Image,
        tip: usize,
        how: Circumstances,
        idle: usize,
    ) -> Result<(End, Process), String> {
        // One that is put back because of a mishap behind the fence is not at fault, and is tried once more.
        let tries = if how.fault.is_some() { 2 } else { 1 };
        let process = self.start(image, tip, how);
        process.settle().await.map_err(|why| told(&process, &why))?;
        process.idle(idle).await.map_err(|why| told(&process, &why))?;
        Ok((ended(&process, tries)?, process))
    }
}

/// How it ended, after a look at what must hold at every end; a release that fails may have been tried so often.
pub(super) fn ended(process: &Process, tries: usize) -> Result<End, String> {
    let faults = faults_of(process, tries);
    if !faults.is_empty() {
        return Err(told(process, &faults.join("; ")));
    }
    Ok(End { lines: end_of(process), hooked: hooked(&process.machine.snapshot()) })
}

fn push(repo: &Repo, commit: &Commit) -> Revision {
    repo.write("evenkeel.yaml", &commit.manifest);
    repo.write("compose.yaml", &commit.compose);
    repo.write("app.ini", "greeting = hello\n");
    repo.write("api/Dockerfile", "FROM scratch\n");
    repo.write("api/code", commit.code);
    repo.commit("a change")
}

impl End {
    /// The same but for one line.
    pub(super) fn without(mut self, line: &str) -> Self {
        self.lines.retain(|it| it != line);
        self
    }

    /// How this end differs from the one that is expected.
    pub(super) fn differs(&self, expected: &Self) -> Option<String> {
        let missing = expected.lines.iter().filter(|line| !self.lines.contains(line));
        let extra = self.lines.iter().filter(|line| !expected.lines.contains(line));
        let lines: String = missing
            .map(|line| format!("\n  - {line}"))
            .chain(extra.map(|line| format!("\n  + {line}")))
            .chain((expected.hooked && !self.hooked).then(|| "\n  - the hook ran".to_owned()))
            .collect();
        (!lines.is_empty()).then(|| format!("another end{lines}"))
    }
}

/// The journal of a process.
pub(super) fn history(process: &Process) -> Vec<RolloutRecord> {
    process.ledger.history(Some(&process.app), 1_000).unwrap_or_default()
}

/// What went wrong, with the journal.
pub(super) fn told(process: &Process, why: &str) -> String {
    let mut text = why.to_owned();
    if let Some(hit) = process.machine.hit() {
        let _ = write!(text, "\n  it went wrong at: {hit}");
    }
    for rollout in history(process).iter().rev() {
        let (id, release, outcome) = (rollout.id, rollout.release.short(), rollout.outcome);
        let message = rollout.message.as_deref().unwrap_or_default();
        let _ = write!(text, "\n  {id} of {release}: {outcome:?} {message}");
        for step in &rollout.steps {
            let (outcome, detail) = (step.outcome.as_deref(), step.detail.as_deref().unwrap_or_default());
            let outcome = outcome.unwrap_or_default();
            let _ = write!(text, "\n    [{}] {} {}: {outcome} {detail}", step.stage, step.step, step.subject);
        }
    }
    text
}
