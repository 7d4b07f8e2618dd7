//! Answers that are lost, and what is looked at then: not only the end is the same, but also what is on record of the way there.

use evenkeel_core::status::RolloutRecord;

use super::enumerate::block_on;
use super::image::Image;
use super::machine::{Fault, Mishap};
use super::process::Circumstances;
use super::reference::Reference;
use super::stage::{Stage, history};
use super::stories::{Story, all};

fn named(name: &str) -> Story {
    all().into_iter().find(|story| story.name == name).unwrap()
}

/// The rollouts that there were, by how they ended; and what went wrong.
async fn rollouts(stage: &Stage<'_>, beginning: &Image, fault: Option<Fault>) -> (Vec<String>, String) {
    let how = Circumstances { fault, ..Circumstances::default() };
    let (_, process) = stage.run(beginning, stage.story.tip, how, 0).await.unwrap();
    let told = |it: RolloutRecord| format!("{:?} {:?}", it.release, it.outcome);
    (history(&process).into_iter().map(told).collect(), process.machine.hit().unwrap_or_default())
}

/// What was done is not done again, and nobody is to blame: there is one rollout, as if nothing had happened. What cannot be seen is
/// listed: behind a fence what served serves again first.
#[test]
fn what_was_done_is_seen_though_its_answer_is_lost() {
    let mut begun_anew = Vec::new();
    for name in ["fenced migration", "additive migration"] {
        let story = named(name);
        block_on(async {
            let effects = Reference::tell(&story).await.unwrap().figures.effects;
            let stage = Stage::set(&story);
            let beginning = stage.beginning().await;
            let (undisturbed, _) = rollouts(&stage, &beginning, None).await;
            for at in 0..effects {
                let (ended, what) =
                    rollouts(&stage, &beginning, Some(Fault::At(at, Mishap::LostReply))).await;
                if ended != undisturbed {
                    begun_anew.push(format!("{name}: {what}"));
                }
            }
        });
    }
    insta::assert_snapshot!(begun_anew.join("\n"), @"fenced migration: back up");
}
