//! A story that is told without any mishap: how every other telling has to end.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use evenkeel_core::name::ReleaseDigest;
use evenkeel_core::status::{Outcome, StepRecord};

use super::enumerate::Figures;
use super::image::{Image, Moment};
use super::likeness::likeness;
use super::machine::{Fault, Mishap};
use super::process::{Circumstances, Process};
use super::stage::{End, IDLE, Stage, history, told};
use super::stories::Story;
use super::world::{Instance, World};

/// A story that was told without any mishap.
pub(super) struct Reference<'a> {
    pub(super) stage: Stage<'a>,
    pub(super) beginning: Image,
    /// Wherever something had become durable.
    pub(super) images: Vec<Image>,
    /// Those of them that are not like others.
    pub(super) states: States,
    /// How it has to end.
    pub(super) expected: End,
    /// How its rollouts end.
    outcomes: Vec<(ReleaseDigest, Option<Outcome>)>,
    pub(super) figures: Figures,
}

impl<'a> Reference<'a> {
    /// Tells it.
    pub(super) async fn tell(story: &'a Story) -> Result<Self, String> {
        let stage = Stage::set(story);
        let beginning = stage.beginning().await;
        let (images, states): (Arc<Mutex<Vec<Image>>>, States) = Default::default();
        let sink = {
            let (images, states) = (Arc::clone(&images), states.clone());
            move |moment: &mut Moment<'_>| {
                let image = moment.image();
                states.add(moment, 1, |_| image.clone());
                images.lock().unwrap().push(image);
            }
        };
        let how = Circumstances { sink: Some(Box::new(sink)), ..Circumstances::default() };
        let (end, process) = stage.run(&beginning, story.tip, how, IDLE).await?;
        let images = std::mem::take(&mut *images.lock().unwrap());
        let live = process.ledger.app(&process.app).unwrap().live_revision;
        if live.as_ref() != story.ends_at.map(|commit| &stage.revisions[commit]) {
            return Err(told(&process, &format!("it ends with {live:?} live")));
        }
        stays(story, &beginning, &process, Instance::started).map_err(|why| told(&process, &why))?;
        let figures = figures(&process, &beginning, images.len());
        let outcomes = outcomes(&process);
        let expected = match story.moves_to {
            None => end,
            Some(tip) => stage.run(&process.end("the end"), tip, Circumstances::default(), IDLE).await?.0,
        };
        Ok(Self { stage, beginning, images, states, expected, outcomes, figures })
    }

    /// From an image to the same end.
    pub(super) async fn restart(&self, left: &Image, how: Circumstances, idle: usize) -> Result<(), String> {
        let story = self.stage.story;
        let tip = story.moves_to.filter(|_| how.fault.is_none()).unwrap_or(story.tip);
        let is_done = matches!(how.fault, Some(Fault::At(_, Mishap::LostReply)));
        let (end, process) = self.stage.run(left, tip, how, idle).await?;
        stays(story, &self.beginning, &process, Instance::id).map_err(|why| told(&process, &why))?;
        if is_done && outcomes(&process) != self.outcomes && !lost_a_backup(&process) {
            return Err(told(&process, "what was done is not recognised, and something is tried again"));
        }
        end.differs(&self.expected).map_or(Ok(()), |why| Err(told(&process, &why)))
    }
}

/// Whether what the story keeps is what stood there when it began, by what tells one container from another.
fn stays(
    story: &Story,
    beginning: &Image,
    process: &Process,
    told_by: fn(&Instance) -> String,
) -> Result<(), String> {
    let now = process.machine.snapshot();
    let of = |world: &World, name: &str| world.find(name).map(told_by);
    let lost = story.keeps.iter().find(|name| of(&beginning.world, name) != of(&now, name));
    lost.map_or(Ok(()), |name| Err(format!("{name} did not stay")))
}

impl Instance {
    fn id(&self) -> String {
        self.seen.id.to_string()
    }

    fn started(&self) -> String {
        format!("{} {} {:?}", self.seen.id, self.seen.started_at, self.since)
    }
}

fn outcomes(process: &Process) -> Vec<(ReleaseDigest, Option<Outcome>)> {
    history(process).into_iter().map(|rollout| (rollout.release, rollout.outcome)).collect()
}

/// A backup that nobody heard of counts for nothing: it is made again, perhaps in another try.
fn lost_a_backup(process: &Process) -> bool {
    let lost = |step: &StepRecord| step.step == "backup" && step.outcome.as_deref() == Some("failed");
    history(process).iter().any(|rollout| rollout.steps.iter().any(lost))
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
        reads: process.machine.reads(),
        writes: process.machine.writes(),
        points,
        covered: steps.iter().map(|step| step.step.clone()).collect(),
        ..Figures::default()
    }
}

/// A run with an image of every moment at which something has become durable.
pub(super) async fn recorded(
    stage: &Stage<'_>,
    image: &Image,
    tip: usize,
    idle: usize,
) -> Result<(Vec<Image>, Process, End), String> {
    let images: Arc<Mutex<Vec<Image>>> = Arc::default();
    let sink = Arc::clone(&images);
    let take = move |moment: &mut Moment<'_>| sink.lock().unwrap().push(moment.image());
    let how = Circumstances { sink: Some(Box::new(take)), ..Circumstances::default() };
    let (end, process) = stage.run(image, tip, how, idle).await?;
    let images = std::mem::take(&mut *images.lock().unwrap());
    Ok((images, process, end))
}

/// What crashes leave, each once.
#[derive(Clone, Default)]
pub(super) struct States(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    seen: HashSet<u64>,
    ahead: Vec<State>,
}

/// What a crash leaves.
pub(super) struct State {
    pub(super) image: Image,
    /// How many crashes there will have been.
    pub(super) crashes: usize,
    /// Stands for all that is like it.
    pub(super) number: u64,
}

impl States {
    /// Notes what a crash at this moment would leave, unless it is like what is there already.
    pub(super) fn add(
        &self,
        moment: &mut Moment<'_>,
        crashes: usize,
        image: impl FnOnce(&mut Moment<'_>) -> Image,
    ) {
        let mut hasher = std::hash::DefaultHasher::new();
        likeness(moment.world, moment.records, moment.header).hash(&mut hasher);
        let number = hasher.finish();
        let mut inner = self.0.lock().unwrap();
        if inner.seen.insert(number) {
            inner.ahead.push(State { image: image(moment), crashes, number });
        }
    }

    /// One that has not been gone on from.
    pub(super) fn next(&self) -> Option<State> {
        self.0.lock().unwrap().ahead.pop()
    }
}
