//! The branch changes while a rollout goes on: an older commit is seen for a while, and a remote that was away for a day is back with
//! another history, with the clock of the host an hour off.
//!
//! What is polled is not played here: a process is told which commit it is that was seen, and the mirror has what was fetched.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::enumerate::{block_on, chosen, full};
use super::machine::{Fault, Mishap};
use super::oracle::BROKEN;
use super::process::{Circumstances, Process};
use super::reference::Reference;
use super::stage::{End, Stage, ended, told};
use super::stories::{Story, commits};

/// Of the moments at which the branch can change, an ordinary run takes one in so many.
const ORDINARY: usize = 19;
/// For how many effects the older commit is seen: too short for anything to be put back, and long enough.
const LASTS: [u64; 2] = [2, 40];
/// A release that something else overtakes may be put back for it, and is tried once more.
const TRIES: usize = 2;
const DAY: Duration = Duration::from_secs(86_400);
/// When something happens though there were not so many effects.
const AT_LATEST: Duration = Duration::from_secs(600);

/// Whether an older commit can be seen that is not the one the story begins with alone.
fn goes_back(story: &Story) -> bool {
    let earlier = story.before.last().is_some_and(|before| *before != story.tip);
    earlier && !story.made_by_compose && story.moves_to.is_none()
}

/// The commit that was the tip before is seen again for a while, as of a mirror that lags behind, or of a push and its undoing.
async fn seen_again(reference: &Reference<'_>, at: u64, lasts: u64) -> Result<(), String> {
    let (stage, story) = (&reference.stage, reference.stage.story);
    let older = story.before[story.before.len() - 1];
    let process = stage.start(&reference.beginning, story.tip, Circumstances::default());
    let moves = async {
        reached(&process, at).await;
        process.driver.follow(&stage.revisions[older]);
        reached(&process, at + lasts).await;
        process.driver.follow(&stage.revisions[story.tip]);
    };
    let (settled, ()) = tokio::join!(process.settle(), moves);
    settled.map_err(|why| told(&process, &why))?;
    process.settle().await.map_err(|why| told(&process, &why))?;
    process.idle(1).await.map_err(|why| told(&process, &why))?;
    // Where the release is in quarantine, which says why, going back to what works has taken the condition away.
    let quarantined = story.ends_at != Some(story.tip);
    let plain = |end: End| {
        if quarantined { end.without(BROKEN).without("condition MigrationFailed") } else { end }
    };
    let (end, expected) = (plain(ended(&process, TRIES)?), plain(reference.expected.clone()));
    end.differs(&expected).map_or(Ok(()), |why| Err(told(&process, &why)))
}

/// Waits until there have been so many effects; not for ever, since there may never be so many.
pub(super) async fn reached(process: &Process, effects: u64) {
    let deadline = Instant::now() + AT_LATEST;
    while process.machine.effects() < effects && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn an_older_commit_that_is_seen_for_a_while_changes_no_end() {
    let (mut seen, mut failures) = (0, Vec::new());
    for (number, story) in chosen().iter().filter(|story| goes_back(story)).enumerate() {
        block_on(async {
            let reference = Reference::tell(story).await.unwrap();
            let moments = (0..=reference.figures.effects).flat_map(|at| LASTS.map(|lasts| (at, lasts)));
            let stride = if full() { 1 } else { ORDINARY };
            for (at, lasts) in moments.skip(number % stride).step_by(stride) {
                seen += 1;
                if let Err(why) = seen_again(&reference, at, lasts).await {
                    failures.push(format!("{}: for {lasts} effects after {at}: {why}", story.name));
                }
            }
        });
    }
    println!("an older commit seen {seen} times, {} other ends", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// A day in which nothing can be asked: what was fetched goes on being the truth, and nothing is done once it is there.
async fn away_for_a_day(process: &Process) -> Result<(), String> {
    process.settle().await?;
    let (effects, rollouts) = (process.machine.effects(), process.rollouts());
    for _ in 0..24 {
        sleep(DAY / 24).await;
        process.driver.pass("look").await;
    }
    let quiet = process.machine.effects() == effects && process.rollouts() == rollouts;
    if quiet { Ok(()) } else { Err("something is done though nothing has changed".to_owned()) }
}

/// In the middle of a rollout the branch is another one, after a day without it; the clock jumps at that moment.
async fn rewritten(stage: &Stage<'_>, at: u64, jump: Option<Mishap>) -> Result<(), String> {
    let process = stage.start(&stage.beginning().await, 0, Circumstances::default());
    away_for_a_day(&process).await.map_err(|why| told(&process, &why))?;
    process.driver.follow(&stage.revisions[1]);
    let goal = process.machine.effects() + at;
    let moves = async {
        reached(&process, goal).await;
        if let Some(jump) = jump {
            process.machine.goes_wrong(Fault::At(process.machine.effects(), jump));
        }
        let tip = stage.rewritten(&commits(&[OTHER])[0]);
        process.driver.follow(&tip);
        tip
    };
    let (settled, tip) = tokio::join!(process.settle(), moves);
    settled.map_err(|why| told(&process, &why))?;
    process.settle().await.map_err(|why| told(&process, &why))?;
    away_for_a_day(&process).await.map_err(|why| told(&process, &why))?;
    ended(&process, TRIES)?;
    let live = process.ledger.app(&process.app).unwrap().live_revision;
    if live == Some(tip) { Ok(()) } else { Err(told(&process, &format!("it ends with {live:?} live"))) }
}

/// What the branch has after the day: the same migrations and other code.
const OTHER: &str = "script a\nscript b breaking\nother\n";

#[test]
fn a_branch_that_is_another_one_after_a_day_away_is_followed_from_wherever_a_rollout_stands() {
    let code = ["script a\n", "script a\nscript b breaking\n"];
    let story = Story { commits: commits(&code), before: vec![0], ..Story::of("rewritten") };
    let jumps = [None, Some(Mishap::ClockAhead), Some(Mishap::ClockBehind)];
    let mut failures = Vec::new();
    let mut tried = 0;
    for (number, at) in (0..60).step_by(if full() { 1 } else { 7 }).enumerate() {
        for jump in
            jumps.into_iter().skip(if full() { 0 } else { number % 3 }).step_by(if full() { 1 } else { 3 })
        {
            tried += 1;
            let end = block_on(async { rewritten(&Stage::set(&story), at, jump).await });
            failures.extend(end.err().map(|why| format!("{jump:?} after {at} effects: {why}")));
        }
    }
    println!("a branch rewritten {tried} times, {} other ends", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
