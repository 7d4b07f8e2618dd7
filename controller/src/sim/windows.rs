//! Windows hold new releases back, and nothing else.

use evenkeel_core::status::Reason;

use super::enumerate::block_on;
use super::process::{Circumstances, Process};
use super::stage::{Stage, told};
use super::stories::{Commit, Story};

/// All day, every day.
fn closed(commit: &mut Commit) {
    commit.manifest.push_str("  windows: [{deny: '0 0 * * *', for: 24h}]\n");
}

/// At three in the morning, too: what ran before may come back.
#[test]
fn what_was_live_before_may_come_back_while_a_window_holds_new_releases_back() {
    let story = Story::of("windows").runs_already();
    let story = story.and(|commit| commit.code = "script a\nnext\n").and(closed).and(|commit| {
        closed(commit);
        commit.code = "script a\nother\n";
    });
    block_on(async {
        let stage = Stage::set(&story);
        let process = stage.start(&stage.beginning().await, 1, Circumstances::default());
        let is_at = |it: &Process, commit: usize| {
            it.ledger.app(&it.app).unwrap().live_revision.as_ref() == Some(&stage.revisions[commit])
        };
        process.until("rolled out", |it| is_at(it, 1)).await;
        process.driver.follow(&stage.revisions[2]);
        process.until("taken back", |it| is_at(it, 2)).await;
        process.driver.follow(&stage.revisions[3]);
        process.until("held back", |it| !it.says(Reason::WindowClosed).is_empty()).await;
        let effects = process.machine.effects();
        for _ in 0..3 {
            process.driver.pass("look").await;
        }
        assert_eq!(process.machine.effects(), effects, "{}", told(&process, "something is done"));
        assert!(is_at(&process, 2), "{}", told(&process, "it was not held back"));
    });
}
