//! The process may end after any step. Planned again from whatever that left behind, every story has the same end.

use super::drive::{Drive, End, back, forward, nothing_to_do};
use super::releases::{API_PORT, POOLED, SPEC, SPEC_DB, SPEC_EGRESS, STACK, release};
use super::world::{Code, Notes, World};
use crate::plan::Effect;
use crate::release::Release;

/// A world in which the first of two releases is live; and both.
pub(super) struct Pair {
    pub(super) world: World,
    pub(super) old: Release,
    pub(super) new: Release,
}

pub(super) fn pair(spec: &str, compose: &str, old: Code, new: Code) -> Pair {
    let mut world = World::default();
    let (first, second) = (release(spec, compose, "code-1"), release(spec, compose, "code-2"));
    world.knows(&first, old);
    super::drive::deploy(&mut world, &first, 1);
    world.knows(&second, new);
    world.notes = Notes::default();
    Pair { world, old: first, new: second }
}

pub(super) fn code(scripts: &'static str, additive: bool, exact: bool) -> Code {
    Code { scripts, additive, exact, ..Code::default() }
}

fn finish(drive: Drive<'_>, world: &mut World, place: &str) {
    let log = drive.run(world);
    assert!(matches!(log.end, End::Finished), "{place}: {:?}\n{}", log.end, log.lines.join("\n"));
}

/// Stops after every step, with and without the ledger knowing of the last; goes on with the same rollout.
pub(super) fn resumes(start: &World, drive: Drive<'_>) {
    let mut whole = start.clone();
    finish(drive, &mut whole, "uninterrupted");
    nothing_to_do(&mut whole, drive.release);
    let steps = { drive.run(&mut start.clone()).steps };
    for (stop, torn) in (0..=steps).flat_map(|stop| [(stop, false), (stop, true)]) {
        let mut world = start.clone();
        let before = drive.stop_after(stop).torn(torn).run(&mut world);
        let place = format!(
            "stopped after {stop} of {steps}, torn: {torn}\n{}\n-- crash --",
            before.lines.join("\n")
        );
        finish(drive, &mut world, &place);
        nothing_to_do(&mut world, drive.release);
        assert_eq!(world.shape(), whole.shape(), "{place}");
    }
}

/// Fails after every step of the way there; goes back, itself interrupted after every step.
pub(super) fn reverts(pair: &Pair) {
    let there = forward(&pair.new, 2).failing(|effect| matches!(effect, Effect::MarkLive));
    let steps = there.run(&mut pair.world.clone()).steps;
    for stop in 0..steps {
        let mut world = pair.world.clone();
        let log = there.stop_after(stop).run(&mut world);
        let place = format!("failed after {stop} of {steps}\n{}\n-- back --", log.lines.join("\n"));
        finish(back(&pair.old, 2), &mut world.clone(), &place);
        resumes(&world, back(&pair.old, 2));
        finish(back(&pair.old, 2), &mut world, &place);
        nothing_to_do(&mut world, &pair.old);
        assert_eq!(world.shape(), pair.world.shape(), "{place}");
    }
}

/// A newer release comes after every step of the way to one; it is rolled out from there.
pub(super) fn supersedes(pair: &Pair, newest: &Release, code: Code) {
    let mut start = pair.world.clone();
    start.knows(newest, code);
    let mut whole = start.clone();
    finish(forward(newest, 3), &mut whole, "uninterrupted");
    let there = forward(&pair.new, 2);
    let steps = there.run(&mut start.clone()).steps;
    for stop in 0..steps {
        let mut world = start.clone();
        let log = there.stop_after(stop).run(&mut world);
        world.notes = Notes::default();
        let place = format!("superseded after {stop} of {steps}\n{}\n-- newer --", log.lines.join("\n"));
        finish(forward(newest, 3), &mut world, &place);
        nothing_to_do(&mut world, newest);
        assert_eq!(world.shape(), whole.shape(), "{place}");
    }
}

/// A world that Compose made: the containers of a release, and a ledger that has not heard of them.
fn by_compose(spec: &str, compose: &str, old: Code, new: Code) -> Pair {
    let mut pair = pair(spec, compose, old, new);
    for container in &mut pair.world.observed.containers {
        container.labels.retain(|name, _| !name.starts_with("evenkeel."));
        container.networks.retain(|name, _| !name.contains("backstage"));
        if container.image.contains("shop-api") {
            container.image = "shop-api".to_owned();
        }
    }
    pair.world.observed.networks.retain(|name, _| !name.contains("backstage"));
    pair.world.books = super::world::Books::default();
    pair.world.releases.retain(|release| release.digest == pair.new.digest);
    pair
}

/// The first release that evenkeel brings fails after every step; it is undone, itself interrupted after every step.
pub(super) fn undoes(pair: &Pair) {
    let there = forward(&pair.new, 2).failing(|effect| matches!(effect, Effect::MarkLive));
    let steps = there.run(&mut pair.world.clone()).steps;
    let stood = pair.world.standing();
    for stop in 0..steps {
        let mut failed = pair.world.clone();
        let log = there.stop_after(stop).run(&mut failed);
        let all = forward(&pair.new, 2).undo(&mut failed.clone()).steps;
        for (until, torn) in (0..=all).flat_map(|until| [(until, false), (until, true)]) {
            let mut world = failed.clone();
            let way = forward(&pair.new, 2).stop_after(until).torn(torn).undo(&mut world);
            let end = forward(&pair.new, 2).undo(&mut world);
            let told = format!(
                "failed after {stop} of {steps}\n{}\n-- undone until {until} of {all}, torn: {torn}\n{}\n-- again\n{}",
                log.lines.join("\n"),
                way.lines.join("\n"),
                end.lines.join("\n")
            );
            assert!(matches!(end.end, End::Finished), "{:?}\n{told}", end.end);
            assert_eq!(world.standing(), stood, "{told}");
        }
    }
}

#[test]
fn adoption() {
    let pair = by_compose(SPEC_DB, STACK, code("a", true, true), code("a", true, true));
    resumes(&pair.world, forward(&pair.new, 2));
    undoes(&pair);
}

#[test]
fn adoption_with_a_migration() {
    let pair = by_compose(SPEC_DB, STACK, code("a", true, true), code("a b", true, true));
    resumes(&pair.world, forward(&pair.new, 2));
    undoes(&pair);
}

#[test]
fn adoption_behind_a_fence() {
    let pair = by_compose(SPEC_DB, STACK, code("a", true, true), code("a b", false, true));
    resumes(&pair.world, forward(&pair.new, 2));
    undoes(&pair);
}

#[test]
fn first_deploy() {
    let mut world = World::default();
    let first = release(SPEC_DB, STACK, "code-1");
    world.knows(&first, code("a", true, true));
    resumes(&world, forward(&first, 1));
}

#[test]
fn code_only_with_ports() {
    let pair = pair(SPEC, API_PORT, Code::default(), Code::default());
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
}

#[test]
fn code_only_with_ports_that_are_bound_at_start() {
    let pair = pair(SPEC_EGRESS, API_PORT, Code::default(), Code::default());
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
    supersedes(&pair, &release(SPEC_EGRESS, API_PORT, "code-3"), Code::default());
}

#[test]
fn code_only_superseded() {
    let pair = pair(SPEC, API_PORT, Code::default(), Code::default());
    supersedes(&pair, &release(SPEC, API_PORT, "code-3"), Code::default());
}

#[test]
fn code_only_taken_back_by_a_commit() {
    let pair = pair(SPEC, API_PORT, Code::default(), Code::default());
    supersedes(&pair, &pair.old, Code::default());
}

#[test]
fn code_only_of_a_whole_stack() {
    let pair = pair(SPEC_DB, STACK, code("a", true, true), code("a", true, true));
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
}

#[test]
fn online_migration() {
    let pair = pair(SPEC_DB, STACK, code("a", true, true), code("a b", true, true));
    resumes(&pair.world, forward(&pair.new, 2));
}

#[test]
fn online_migration_reverted() {
    reverts(&pair(SPEC_DB, STACK, code("a", true, true), code("a b", true, true)));
}

#[test]
fn online_migration_reverted_to_code_that_takes_no_newer_schema() {
    let old = Code { picky: true, ..code("a", true, true) };
    let mut pair = pair(SPEC_DB, STACK, old.clone(), code("a b", true, true));
    // While it serves it does not notice; it is its start that fails.
    pair.world.code.insert(pair.old.digest.clone(), Code { picky: false, ..old });
    resumes(&pair.world, forward(&pair.new, 2));
}

#[test]
fn online_migration_superseded() {
    let pair = pair(SPEC_DB, STACK, code("a", true, true), code("a b", true, true));
    supersedes(&pair, &release(SPEC_DB, STACK, "code-3"), code("a b", true, true));
    supersedes(&pair, &release(SPEC_DB, STACK, "code-4"), code("a b c", true, true));
    supersedes(&pair, &pair.old, code("a", true, true));
}

#[test]
fn fenced_migration() {
    let pair = pair(SPEC_DB, STACK, code("a", true, true), code("a b", false, true));
    resumes(&pair.world, forward(&pair.new, 2));
}

#[test]
fn fenced_migration_of_what_needs_what_is_fenced() {
    let pair = pair(SPEC_DB, POOLED, code("a", true, true), code("a b", false, true));
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
    supersedes(&pair, &pair.old, code("a", true, true));
}

/// The one that is replaced behind the fence is needed there, too.
#[test]
fn fenced_migration_of_what_needs_what_is_replaced() {
    let mut pair = pair(SPEC_DB, POOLED, code("a", true, true), code("a b", false, true));
    pair.new = release(SPEC_DB, &POOLED.replace("image: redis", "image: redis-8"), "code-2");
    pair.world.knows(&pair.new, code("a b", false, true));
    let mut image = pair.world.observed.images["redis"].clone();
    image.id = "sha256:redis-8".into();
    pair.world.observed.images.insert("redis-8".to_owned(), image);
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
}

#[test]
fn fenced_migration_reverted() {
    reverts(&pair(SPEC_DB, STACK, code("a", true, true), code("a b", false, true)));
}

#[test]
fn fenced_migration_superseded() {
    let pair = pair(SPEC_DB, STACK, code("a", true, true), code("a b", false, true));
    supersedes(&pair, &release(SPEC_DB, STACK, "code-3"), code("a b", false, true));
    supersedes(&pair, &pair.old, code("a", true, true));
}

#[test]
fn a_commit_that_takes_an_online_migration_back() {
    let Pair { mut world, old, new } = pair(SPEC_DB, STACK, code("a", true, true), code("a b", true, true));
    super::drive::deploy(&mut world, &new, 2);
    world.notes = Notes::default();
    resumes(&world, forward(&old, 3));
}

#[test]
fn a_commit_that_takes_a_fenced_migration_back() {
    let Pair { mut world, old, new } = pair(SPEC_DB, STACK, code("a", true, true), code("a b", false, true));
    super::drive::deploy(&mut world, &new, 2);
    world.notes = Notes::default();
    resumes(&world, forward(&old, 3));
}
