//! Somebody does something to containers while a rollout goes on, at any moment: it comes to the same end, and no release is blamed.

use std::time::Duration;

use evenkeel_core::name::ContainerId;
use evenkeel_core::status::Outcome;
use tokio::time::sleep;

use super::branch::reached;
use super::enumerate::{block_on, chosen, full};
use super::process::{Circumstances, Process};
use super::reference::Reference;
use super::stage::{Stage, ended, history, told};
use super::stories::Story;
use super::world::World;

/// Of the moments, an ordinary run takes one in so many.
const ORDINARY: usize = 13;

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Meddling {
    /// Candidates that do not run are removed, as `docker container prune` does.
    Prune,
    /// Whatever of the application was made last is restarted.
    Restart,
}

impl Meddling {
    fn with(self, world: &mut World) {
        match self {
            Self::Prune => {
                let waits =
                    |name: &str| name.starts_with("shop-api-1-r") || name.starts_with("shop-worker-1-r");
                for place in (0..world.containers.len()).rev() {
                    let it = &world.containers[place];
                    if it.since.is_none() && waits(&it.seen.name) {
                        world.remove(place);
                    }
                }
            }
            Self::Restart => {
                let is_ours = |name: &str| name.starts_with("shop-api-") || name.starts_with("shop-worker-");
                let runs =
                    world.containers.iter().rposition(|it| it.since.is_some() && is_ours(&it.seen.name));
                if let Some(place) = runs {
                    world.stop(place);
                    // Whoever has its port by now keeps it from starting.
                    drop(world.start(place));
                }
            }
        }
    }
}

async fn meddled(reference: &Reference<'_>, at: u64, what: Meddling) -> Result<(), String> {
    let process =
        reference.stage.start(&reference.beginning, reference.stage.story.tip, Circumstances::default());
    let meddles = async {
        reached(&process, at).await;
        process.machine.look(|world| what.with(world));
    };
    let (settled, ()) = tokio::join!(process.settle(), meddles);
    settled.map_err(|why| told(&process, &why))?;
    process.settle().await.map_err(|why| told(&process, &why))?;
    process.idle(1).await.map_err(|why| told(&process, &why))?;
    let end = ended(&process, 1)?;
    end.differs(&reference.expected).map_or(Ok(()), |why| Err(told(&process, &why)))
}

/// A release that works, without hooks: those run for the starts that evenkeel makes.
fn succeeds(story: &Story) -> bool {
    story.ends_at == Some(story.tip) && story.moves_to.is_none() && !story.name.contains("hooks")
}

#[test]
fn whoever_removes_or_restarts_what_is_being_made_puts_no_blame_on_a_release() {
    let (mut tried, mut failures) = (0, Vec::new());
    for (number, story) in chosen().iter().filter(|story| succeeds(story)).enumerate() {
        block_on(async {
            let reference = Reference::tell(story).await.unwrap();
            let kinds = [Meddling::Prune, Meddling::Restart];
            let moments = (0..=reference.figures.effects).flat_map(|at| kinds.map(|what| (at, what)));
            let stride = if full() { 1 } else { ORDINARY };
            for (at, what) in moments.skip(number % stride).step_by(stride) {
                tried += 1;
                if let Err(why) = meddled(&reference, at, what).await {
                    failures.push(format!("{}: {what:?} after {at} effects: {why}", story.name));
                }
            }
        });
    }
    println!("somebody meddled {tried} times, {} other ends", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// A name that the way back needs is somebody else's: it waits, until something newer is wanted.
#[test]
fn a_way_back_that_cannot_go_on_does_not_keep_a_newer_commit_out() {
    let story = Story::of("a name is taken").runs_already();
    let story = story.and(|commit| commit.code = "script a\nfault smoke\n");
    let story = story.and(|commit| commit.code = "script a\nmended\n");
    block_on(async {
        let stage = Stage::set(&story);
        let mut beginning = stage.beginning().await;
        let mut stranger = beginning.world.containers[0].clone();
        stranger.seen.id = ContainerId::new("f".repeat(64));
        stranger.seen.name = "shop-worker-1-r2-back".to_owned();
        stranger.seen.labels.clear();
        stranger.seen.mounts.clear();
        stranger.seen.networks.clear();
        beginning.world.containers.push(stranger);
        let process = stage.start(&beginning, 1, Circumstances::default());
        let goes_back = |it: &Process| history(it)[0].steps.iter().any(|step| step.stage == "revert");
        process.until("putting back", goes_back).await;
        for _ in 0..5 {
            process.driver.pass("look").await;
            sleep(Duration::from_secs(60)).await;
        }
        assert_eq!(history(&process)[0].outcome, None, "{}", told(&process, "it waits"));
        process.driver.follow(&stage.revisions[2]);
        process.settle().await.unwrap_or_else(|why| panic!("{}", told(&process, &why)));
        process.settle().await.unwrap_or_else(|why| panic!("{}", told(&process, &why)));
        let outcomes: Vec<_> = history(&process).iter().take(2).filter_map(|it| it.outcome).collect();
        assert_eq!(outcomes, [Outcome::Succeeded, Outcome::RevertFailed], "{}", told(&process, ""));
        process.idle(3).await.unwrap_or_else(|why| panic!("{}", told(&process, &why)));
    });
}
