//! Several containers of a service.

use super::drive::{deploy, forward, nothing_to_do};
use super::prefixes::{Pair, pair, resumes, reverts, supersedes};
use super::releases::{SPEC, release};
use super::world::{Code, World};
use crate::container::label;
use crate::observed::State;
use crate::release::Release;

const TWO: &str = "
services:
  api: {build: ., image: shop-api, restart: always, scale: 2}
  web:
    image: web
    healthcheck: {test: [CMD, check]}
    depends_on: [api]
  worker: {image: worker, deploy: {replicas: 2}, depends_on: [api]}
";

fn with(count: u32) -> Release {
    release(SPEC, &TWO.replace("scale: 2", &format!("scale: {count}")), "code-1")
}

fn names(world: &World) -> Vec<&str> {
    let mut names: Vec<&str> = world.observed.containers.iter().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn all_are_proven_and_then_they_take_over_one_after_the_other() {
    let Pair { mut world, new, old } = pair(SPEC, TWO, Code::default(), Code::default());
    insta::assert_snapshot!(deploy(&mut world, &new, 2).join("\n"), @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    deploy:
      create shop-api-1-r2 — the build context . changed
      start shop-api-1-r2 — in private: no user reaches it there
      create shop-api-2-r2 — the build context . changed
      start shop-api-2-r2 — in private: no user reaches it there
      prove shop-api-1-r2, shop-api-2-r2 — nothing that serves is touched before its successor is proven
      join shop-api-1-r2 — it is proven
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      stop shop-api-1-000000000001-old — its successor serves
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      join shop-api-2-r2 — it is proven
      set-restart shop-api-2 — it must not come back by itself
      hand-over the name shop-api-2 to shop-api-2-r2 — it serves under its own name
      stop shop-api-2-000000000002-old — its successor serves
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000001-old — it is no longer needed
      remove shop-api-2-000000000002-old — it is no longer needed
    ");
    assert_eq!(names(&world), ["shop-api-1", "shop-api-2", "shop-web-1", "shop-worker-1", "shop-worker-2"]);
    let told = |it: &&crate::observed::Container| {
        let (service, number) = (it.label(label::COMPOSE_SERVICE), it.label(label::COMPOSE_NUMBER));
        (service, number) == (Some("api"), Some("2")) && it.networks["shop_default"].aliases == ["api"]
    };
    assert!(world.observed.containers.iter().any(|it| told(&it)), "{:?}", world.observed.containers);
    assert_eq!(old.config(&"api".into()), old.config(&"api#2".into()), "its number is no configuration");
}

#[test]
fn one_more_and_one_less_touch_no_other() {
    let two = with(2);
    let mut world = World::default();
    world.knows(&two, Code::default());
    deploy(&mut world, &two, 1);
    let three = with(3);
    world.knows(&three, Code::default());
    insta::assert_snapshot!(deploy(&mut world, &three, 2).join("\n"), @"
    deploy:
      create shop-api-3-r2 — no container of it exists
      start shop-api-3-r2 — in private: no user reaches it there
      prove shop-api-3-r2 — nothing that serves is touched before its successor is proven
      join shop-api-3-r2 — it is proven
      rename shop-api-3-r2 to shop-api-3 — it serves under its own name
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
    ");
    insta::assert_snapshot!(deploy(&mut world, &two, 3).join("\n"), @"
    deploy:
      set-restart shop-api-3 — it must not come back by itself
      stop shop-api-3 — its successor serves
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-3 — it is no longer needed
    ");
    let one = with(1);
    world.knows(&one, Code::default());
    insta::assert_snapshot!(deploy(&mut world, &one, 4).join("\n"), @"
    deploy:
      set-restart shop-api-2 — it must not come back by itself
      stop shop-api-2 — its successor serves
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-2 — it is no longer needed
    ");
    assert_eq!(names(&world), ["shop-api-1", "shop-web-1", "shop-worker-1", "shop-worker-2"]);
}

#[test]
fn the_one_that_is_stopped_is_started() {
    let Pair { mut world, old, .. } = pair(SPEC, TWO, Code::default(), Code::default());
    let second = world.observed.containers.iter_mut().find(|it| it.name == "shop-api-2").unwrap();
    second.state = State::Exited;
    insta::assert_snapshot!(forward(&old, 2).run(&mut world).lines.join("\n"), @"
    deploy:
      start shop-api-2 — it is stopped (exit code 0)
      prove shop-api-2 — it was repaired
    ");
    nothing_to_do(&mut world, &old);
}

#[test]
fn whatever_interrupts_it() {
    let mut pair = pair(SPEC, TWO, Code::default(), Code::default());
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
    for count in [1, 3] {
        pair.new = with(count);
        pair.world.knows(&pair.new, Code::default());
        resumes(&pair.world, forward(&pair.new, 2));
        reverts(&pair);
        supersedes(&pair, &pair.old, Code::default());
    }
}
