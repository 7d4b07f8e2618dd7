//! Tags that have moved.

use super::drive::{deploy, forward, lines};
use super::world::{Code, Notes, World};
use crate::compose::testing::disk;
use crate::name::RolloutId;
use crate::plan::make;
use crate::release::Release;
use crate::tags::Pins;

const COMPOSE: &str = "services: {cache: {image: 'redis:7'}, front: {image: 'caddy:2'}}";
const PIN: &str = "redis@sha256:2";

/// A stack that runs, and the release that it is once its tag has moved.
fn moved() -> (World, Release) {
    let mut world = World::default();
    let first = disk(COMPOSE).release_pinned(&Pins::new());
    world.knows(&first, Code::default());
    deploy(&mut world, &first, 1);
    world.notes = Notes::default();
    let next = disk(COMPOSE).release_pinned(&Pins::from([("redis:7".to_owned(), PIN.to_owned())]));
    world.knows(&next, Code::default());
    (world, next)
}

#[test]
fn another_image_takes_the_place_of_the_one_before() {
    let (mut world, next) = moved();
    insta::assert_snapshot!(deploy(&mut world, &next, 2).join("\n"), @"
    prepare:
      pull redis@sha256:2 — the engine does not have it
    deploy:
      create shop-cache-1-r2 — the tag redis:7 has moved: image redis@sha256:2 instead of redis:7
      rename shop-cache-1 to shop-cache-1-000000000001-old — its successor gets the name
      stop shop-cache-1-000000000001-old — its successor serves
      rename shop-cache-1-r2 to shop-cache-1 — it serves under its own name
      start shop-cache-1 — it takes its place
      prove shop-cache-1 — it must work before anything that depends on it moves on
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-cache-1-000000000001-old — it is no longer needed
    ");
}

/// The index has another member, or another platform's image is new.
#[test]
fn the_same_image_under_another_digest_replaces_nothing() {
    let (mut world, next) = moved();
    let before: Vec<_> = world.observed.containers.iter().map(|it| it.id.clone()).collect();
    // It is asked for all the same: only then can it be told.
    let seen = world.look(&next, false);
    let plan = make(&seen.facts(&next, RolloutId(2))).unwrap();
    insta::assert_snapshot!(lines(&plan).join("\n"), @"  pull redis@sha256:2 — the engine does not have it");
    let same = world.observed.images["redis:7"].clone();
    world.observed.images.insert(PIN.to_owned(), same);
    let log = forward(&next, 2).run(&mut world);
    insta::assert_snapshot!(log.lines.join("\n"), @"
    deploy:
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
    ");
    assert_eq!(world.observed.containers.iter().map(|it| it.id.clone()).collect::<Vec<_>>(), before);
    assert_eq!(world.books.live, Some(next.digest));
}

/// Nothing else changes, and nobody knows the image that it led to first: it has gone from the host, or another has its name.
#[test]
fn a_tag_that_moved_back_is_asked_for_where_its_image_is_not_known() {
    let (mut world, next) = moved();
    deploy(&mut world, &next, 2);
    world.observed.images.remove("redis:7");
    let back = disk(COMPOSE).release_with("rollout: {bake: 1m}");
    world.knows(&back, Code::default());
    let seen = world.look(&back, false);
    let plan = make(&seen.facts(&back, RolloutId(3))).unwrap();
    insta::assert_snapshot!(lines(&plan).join("\n"), @"  pull redis:7 — the engine does not have it");
    let log = deploy(&mut world, &back, 3).join("\n");
    assert!(log.contains("create shop-cache-1-r3"), "{log}");
}
