//! Answers that are lost, and what is looked at then: not only the end is the same, but also what is on record of the way there.

use std::collections::BTreeSet;

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

/// The rollouts that there were, by how they ended, with the steps that failed; and what went wrong.
async fn rollouts(stage: &Stage<'_>, beginning: &Image, fault: Option<Fault>) -> (Vec<String>, String) {
    let how = Circumstances { fault, ..Circumstances::default() };
    let (_, process) = stage.run(beginning, stage.story.tip, how, 0).await.unwrap();
    let told = |it: RolloutRecord| {
        let failed = it.steps.iter().filter(|step| step.outcome.as_deref() == Some("failed")).count();
        format!("{:?} {:?}, {failed} steps failed", it.release, it.outcome)
    };
    (history(&process).into_iter().map(told).collect(), process.machine.hit().unwrap_or_default())
}

/// What was done counts as done, and is not done again: there is one rollout, and no step of it failed. What a look cannot tell, or what is a
/// part of a step only, is not among these.
#[test]
fn what_was_done_is_seen_though_its_answer_is_lost() {
    let mut seen = BTreeSet::new();
    for name in ["fenced migration", "additive migration"] {
        let story = named(name);
        block_on(async {
            let effects = Reference::tell(&story).await.unwrap().figures.effects;
            let stage = Stage::set(&story);
            let beginning = stage.beginning().await;
            let (undisturbed, _) = rollouts(&stage, &beginning, None).await;
            for at in 0..effects {
                let fault = Fault::At(at, Mishap::LostReply);
                let (ended, what) = rollouts(&stage, &beginning, Some(fault)).await;
                if ended == undisturbed {
                    seen.extend(what.split_whitespace().next().map(str::to_owned));
                }
            }
        });
    }
    insta::assert_snapshot!(seen.into_iter().collect::<Vec<_>>().join(" "), @"create remove rename set start stop tag");
}
