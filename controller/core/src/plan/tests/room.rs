//! What one service held and another takes.

use super::drive::{back, deploy, forward, lines, nothing_to_do};
use super::releases::{SPEC, SPEC_DB, STACK, release};
use super::stories::{code, first, told};
use super::world::{Code, World};
use crate::name::RolloutId;
use crate::plan::{Effect, make};
use crate::release::Release;

/// A store with data, and a proxy in front of it.
const STORE: &str = "
services:
  api: {build: ., image: shop-api, restart: always}
  store:
    image: redis
    restart: always
    ports: ['6379:6379']
    volumes: ['kept:/data']
  front: {image: nginx, restart: always, container_name: front, ports: ['80:80']}
volumes: {kept: {}}
";

fn renamed() -> (World, Release, Release) {
    let (mut world, old, _) = first(SPEC, STORE, Code::default());
    let compose = STORE.replace("  store:", "  cache:").replace("  front: {", "  gate: {");
    let next = release(SPEC, &compose, "code-1");
    world.knows(&next, Code::default());
    (world, old, next)
}

/// Steps on who goes, and who comes.
fn moves(lines: &[String]) -> String {
    let words = ["stop", "start", "rename", "join", "deploy"];
    let is_told = |line: &&String| words.iter().any(|word| line.trim_start().starts_with(word));
    told(&lines.iter().filter(is_told).cloned().collect::<Vec<_>>())
}

#[test]
fn whoever_holds_something_goes_before_whoever_takes_it() {
    let (mut world, _, next) = renamed();
    let done = deploy(&mut world, &next, 2);
    insta::assert_snapshot!(moves(&done), @"
    deploy:
      rename shop-cache-1-r2 to shop-cache-1 — it serves under its own name
      stop shop-store-1 — service cache takes the volume shop_kept
      start shop-cache-1 — it takes its place
      stop front — service gate takes the name front
      rename front to front-000000000002-old — service gate takes the name front
      rename front-r2 to front — it serves under its own name
      start front — it takes its place
    ");
    nothing_to_do(&mut world, &next);
}

#[test]
fn it_comes_back_the_same_way() {
    let (mut world, old, next) = renamed();
    let there = forward(&next, 2).failing(|effect| matches!(effect, Effect::Bake { .. })).run(&mut world);
    assert!(matches!(there.end, super::drive::End::Failed(_)), "{}", there.lines.join("\n"));
    insta::assert_snapshot!(moves(&back(&old, 2).run(&mut world).lines), @"
    deploy:
      stop front — service front takes the port 80/tcp
      start front-000000000002-old — it is stopped (exit code 0)
      rename front to front-000000000005-old — service front takes the name front
      rename front-000000000002-old to front — it serves under front
      stop shop-cache-1 — service store takes the volume shop_kept
      start shop-store-1 — it is stopped (exit code 0)
    ");
    nothing_to_do(&mut world, &old);
}

#[test]
fn a_database_that_runs_is_not_renamed() {
    let (mut world, ..) = first(SPEC_DB, STACK, code("a", true, true));
    let compose = STACK.replace("  db:", "  base:").replace("[db]", "[base]");
    let next = release(&SPEC_DB.replace("service: db,", "service: base,"), &compose, "code-1");
    world.knows(&next, code("a", true, true));
    let seen = world.look(&next, false);
    let made = make(&seen.facts(&next, RolloutId(2))).map(|plan| told(&lines(&plan)));
    insta::assert_snapshot!(made.unwrap_err().message, @"the database's volume shop_data is that of service db, whose container shop-db-1 runs, and service base takes it in this commit. A database that runs is not renamed: keep the name db (`aliases` of its network give it further ones), or stop shop-db-1 and remove it by hand first");
}
