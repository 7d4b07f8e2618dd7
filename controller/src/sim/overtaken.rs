//! Something else is wanted after a crash: users who wait behind a fence are served all the same, whatever that is.

use std::time::Duration;

use tokio::time::sleep;

use super::enumerate::{block_on, full};
use super::image::Image;
use super::oracle::lost_rows;
use super::process::{Circumstances, Process};
use super::reference::Reference;
use super::stage::told;
use super::stories::{Story, all, commits};
use crate::rollout::fence_is_up;

/// Migrations that branch off where those of the story began: neither leads to the other.
const FORK: &str = "script a\nscript c\nthe other\n";
/// How long a container may take until it answers.
const STARTS: Duration = Duration::from_secs(10);
/// Enough for a rollout, the way back and another one, with what is tried again in between. What cannot be done is tried for ever.
const PASSES: usize = 12;

/// What is wanted by the time evenkeel is back.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// A commit with other migrations.
    Fork,
    /// A commit that cannot be read.
    Rubbish,
    /// Nothing: an operator has suspended the application.
    Nothing,
    /// The same, but the engine has no room for another container from then on, and the rollout cannot go on. Where the schema has begun to
    /// move, it cannot go back either: that takes a container, too.
    NoRoom,
}

impl Then {
    const ALL: [Self; 4] = [Self::Fork, Self::Rubbish, Self::Nothing, Self::NoRoom];
}

/// Its commits, and those two.
fn with_others(mut story: Story) -> (Story, usize) {
    let fork = story.commits.len();
    let mut others = commits(&[FORK, FORK]);
    "kind: rubbish".clone_into(&mut others[1].manifest);
    story.commits.extend(others);
    (story, fork)
}

impl Process {
    /// Whether users who come to the published port are answered; where several containers serve, and none can publish it, to the
    /// service's name.
    fn serves(&self) -> bool {
        let mut world = self.machine.snapshot();
        let outside = world.reached("127.0.0.1", 8000).map(|(place, _)| place);
        let place = outside.or_else(|| world.named("shop_default", "api"));
        place.is_some_and(|place| world.answer(place, "/") == Ok(Ok(())))
    }

    async fn passes(&self) {
        for _ in 0..PASSES {
            let Some(wait) = self.driver.pass("look").await else { return };
            sleep(wait).await;
        }
    }
}

/// What a crash leaves while users wait behind a fence, each once.
fn waiting(reference: &Reference<'_>) -> Vec<Image> {
    let mut found = Vec::new();
    while let Some(state) = reference.states.next() {
        let how = Circumstances::default();
        let process = reference.stage.start(&state.image, reference.stage.story.tip, how);
        let open = process.ledger.open_rollout(&process.app).unwrap();
        if open.is_some_and(|open| fence_is_up(&process.ledger, open.id).unwrap()) {
            found.push(state.image);
        }
    }
    found
}

/// Whether that can come at all; how it ends, where that is not well.
async fn goes_on(reference: &Reference<'_>, image: &Image, fork: usize, then: Then) -> Result<bool, String> {
    let mut left = image.clone();
    left.world.locks.clear();
    left.world.is_full = matches!(then, Then::NoRoom);
    let tip = match then {
        Then::Fork => fork,
        Then::Rubbish => fork + 1,
        Then::Nothing | Then::NoRoom => reference.stage.story.tip,
    };
    let process = reference.stage.start(&left, tip, Circumstances::default());
    let open = process.ledger.open_rollout(&process.app).unwrap();
    if matches!(then, Then::NoRoom)
        && open.is_some_and(|open| {
            process.ledger.fact::<serde::de::IgnoredAny>(open.id, "migrating").unwrap().is_some()
        })
    {
        return Ok(false);
    }
    if matches!(then, Then::Nothing) {
        process.ledger.set_suspended(&process.app, true).unwrap();
    }
    process.passes().await;
    // What stood before a first release is started and not proven: it takes a moment until it answers.
    sleep(STARTS).await;
    let world = process.machine.snapshot();
    let mut faults: Vec<String> = world.violations.iter().cloned().collect();
    faults.extend(lost_rows(&world));
    if !process.serves() {
        faults.push("nobody serves".to_owned());
    }
    if faults.is_empty() { Ok(true) } else { Err(told(&process, &faults.join("; "))) }
}

#[test]
fn whoever_waits_behind_a_fence_is_served_whatever_is_wanted_after_a_crash() {
    let mut failures = Vec::new();
    let mut crashes = 0;
    let is_fenced = |story: &Story| story.name.contains("fenced") || story.name.contains("only a backup");
    for story in all().into_iter().filter(|story| is_fenced(story) && story.moves_to.is_none()) {
        let (story, fork) = with_others(story);
        block_on(async {
            let reference = Reference::tell(&story).await.unwrap();
            for (place, image) in waiting(&reference).into_iter().enumerate() {
                let all = Then::ALL.into_iter().enumerate();
                for (_, then) in all.filter(|(which, _)| full() || *which == place % Then::ALL.len()) {
                    match goes_on(&reference, &image, fork, then).await {
                        Ok(tried) => crashes += usize::from(tried),
                        Err(why) => {
                            failures.push(format!("{}: {then:?} after {}: {why}", story.name, image.place))
                        }
                    }
                }
            }
        });
    }
    println!("{crashes} crashes behind a fence; {} left users waiting", failures.len());
    assert!(crashes > 0 && failures.is_empty(), "{}", failures.join("\n\n"));
}
