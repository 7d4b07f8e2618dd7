//! Services that ask to be restarted with what they depend on.

use super::drive::{back, deploy, forward, lines, nothing_to_do};
use super::prefixes::{Pair, code, pair, resumes, reverts, supersedes};
use super::releases::{SPEC, SPEC_DB, release};
use super::world::{Code, Notes, World};
use crate::name::RolloutId;
use crate::observed::State;
use crate::plan::make;

/// A service that is proven first, another that is, too, and one that is not; each asks to be restarted with the one before.
const CHAIN: &str = "
services:
  api: {build: ., image: shop-api, restart: always}
  cache:
    image: redis
    healthcheck: {test: [CMD, redis-cli, ping]}
    depends_on: {api: {condition: service_started, restart: true}}
  mailer:
    image: mailer
    depends_on: {cache: {condition: service_started, restart: true}}
";

/// Those that depend are replaced with it.
const TOGETHER: &str = "
services:
  api: {build: ., image: shop-api, restart: always}
  worker:
    image: shop-api
    depends_on: {api: {condition: service_started, restart: true}}
";

/// One that is proven first asks to be restarted with one that is not, and that one with one that is: all are replaced.
const ACROSS: &str = "
services:
  api: {build: ., image: shop-api, restart: always}
  worker:
    image: shop-api
    depends_on: {api: {condition: service_started, restart: true}}
  web:
    image: shop-api
    healthcheck: {test: [CMD, check]}
    depends_on: {worker: {condition: service_started, restart: true}}
";

/// One that is not proven first depends on one that is, and asks for nothing.
const PLAIN: &str = "
services:
  api: {build: ., image: shop-api, restart: always}
  mailer: {image: mailer, restart: always, depends_on: [api]}
";

/// One that writes, and asks to be restarted with its database.
const WITH_DATABASE: &str = "
services:
  db:
    image: postgres
    restart: always
    volumes: ['data:/var/lib/postgresql/data']
    healthcheck: {test: [CMD, pg_isready]}
  api: {build: ., image: shop-api, restart: always, depends_on: [db]}
  worker:
    image: worker
    depends_on:
      db: {condition: service_healthy, restart: true}
      api: {condition: service_started, restart: true}
volumes: {data: {}}
";

fn restarts(world: &World) -> Vec<(&str, i64)> {
    let restarted = world.observed.containers.iter().filter(|it| it.restart_count > 0);
    restarted.map(|it| (it.name.as_str(), it.restart_count)).collect()
}

#[test]
fn what_asks_for_it_is_restarted_once_the_new_one_serves() {
    let Pair { mut world, new, .. } = pair(SPEC, CHAIN, Code::default(), Code::default());
    let told = deploy(&mut world, &new, 2);
    insta::assert_snapshot!(told.join("\n"), @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    deploy:
      create shop-api-1-r2 — the build context . changed
      start shop-api-1-r2 — in private: no user reaches it there
      prove shop-api-1-r2 — nothing that serves is touched before its successor is proven
      join shop-api-1-r2 — it is proven
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      stop shop-api-1-000000000001-old — its successor serves
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      restart shop-cache-1 — `restart: true`: api has begun anew
      prove shop-cache-1 — it was restarted
      restart shop-mailer-1 — `restart: true`: cache has begun anew
      prove shop-mailer-1 — it was restarted
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000001-old — it is no longer needed
    ");
    assert_eq!(restarts(&world), [("shop-cache-1", 1), ("shop-mailer-1", 1)]);
}

#[test]
fn what_is_replaced_with_it_is_not_restarted_as_well() {
    let Pair { mut world, new, .. } = pair(SPEC, TOGETHER, Code::default(), Code::default());
    let told = deploy(&mut world, &new, 2);
    insta::assert_snapshot!(told.join("\n"), @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    deploy:
      create shop-api-1-r2 — the build context . changed
      start shop-api-1-r2 — in private: no user reaches it there
      prove shop-api-1-r2 — nothing that serves is touched before its successor is proven
      join shop-api-1-r2 — it is proven
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      stop shop-api-1-000000000001-old — its successor serves
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      create shop-worker-1-r2 — the build context . changed
      rename shop-worker-1 to shop-worker-1-000000000002-old — its successor gets the name
      stop shop-worker-1-000000000002-old — its successor serves
      rename shop-worker-1-r2 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000001-old — it is no longer needed
      remove shop-worker-1-000000000002-old — it is no longer needed
    ");
    assert_eq!(restarts(&world), []);
}

#[test]
fn what_takes_over_before_what_it_depends_on_is_restarted_after_it() {
    let Pair { mut world, new, .. } = pair(SPEC, ACROSS, Code::default(), Code::default());
    let told = deploy(&mut world, &new, 2);
    let told: Vec<&str> = told
        .iter()
        .map(|line| line.trim())
        .filter(|line| line.contains("web") || line.contains("start"))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @"
    start shop-api-1-r2 — in private: no user reaches it there
    create shop-web-1-r2 — the build context . changed
    start shop-web-1-r2 — in private: no user reaches it there
    prove shop-api-1-r2, shop-web-1-r2 — nothing that serves is touched before its successor is proven
    set-restart shop-api-1 — it must not come back by itself
    join shop-web-1-r2 — it is proven
    hand-over the name shop-web-1 to shop-web-1-r2 — it serves under its own name
    stop shop-web-1-000000000003-old — its successor serves
    start shop-worker-1 — it takes its place
    restart shop-web-1 — `restart: true`: worker has begun anew
    prove shop-web-1 — it was restarted
    remove shop-web-1-000000000003-old — it is no longer needed
    ");
    nothing_to_do(&mut world, &new);
}

/// Its name leads nowhere before.
#[test]
fn what_was_stopped_with_it_comes_back_once_the_new_one_serves() {
    let Pair { mut world, new, .. } = pair(SPEC, PLAIN, Code::default(), Code::default());
    for container in &mut world.observed.containers {
        container.state = State::Exited;
    }
    let told = deploy(&mut world, &new, 2);
    let at = |what: &str| told.iter().position(|line| line.trim().starts_with(what));
    let (joins, starts) = (at("join shop-api-1-r2"), at("start shop-mailer-1"));
    assert!(joins.is_some() && joins < starts, "{}", told.join("\n"));
    nothing_to_do(&mut world, &new);
}

#[test]
fn a_repair_that_starts_it_counts_and_one_that_does_not_does_not() {
    let Pair { mut world, old, .. } = pair(SPEC, CHAIN, Code::default(), Code::default());
    let api = |world: &mut World, state| {
        let it = world.observed.containers.iter_mut().find(|it| it.name == "shop-api-1").unwrap();
        it.state = state;
    };
    let plan = |world: &mut World| {
        let seen = world.look(&old, false);
        lines(&make(&seen.facts(&old, RolloutId(2))).unwrap()).join("\n")
    };
    api(&mut world, State::Paused);
    insta::assert_snapshot!(plan(&mut world), @"
    unpause shop-api-1 — it is paused
    prove shop-api-1 — it was repaired
    ");
    api(&mut world, State::Exited);
    insta::assert_snapshot!(plan(&mut world), @"
    start shop-api-1 — it is stopped (exit code 0)
    prove shop-api-1 — it was repaired
    restart shop-cache-1 — `restart: true`: api has begun anew
    prove shop-cache-1 — it was restarted
    restart shop-mailer-1 — `restart: true`: cache has begun anew
    prove shop-mailer-1 — it was restarted
    ");
}

#[test]
fn whatever_interrupts_it() {
    for compose in [CHAIN, TOGETHER, ACROSS] {
        let pair = pair(SPEC, compose, Code::default(), Code::default());
        resumes(&pair.world, forward(&pair.new, 2));
        reverts(&pair);
        supersedes(&pair, &release(SPEC, compose, "code-3"), Code::default());
        supersedes(&pair, &pair.old, Code::default());
    }
}

#[test]
fn whatever_interrupts_it_behind_a_fence() {
    let pair = pair(SPEC_DB, WITH_DATABASE, code("a", true, true), code("a b", false, true));
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
    supersedes(&pair, &pair.old, code("a", true, true));
}

#[test]
fn a_database_that_is_brought_up_again_restarts_it() {
    let Pair { mut world, old, .. } =
        pair(SPEC_DB, WITH_DATABASE, code("a", true, true), code("a", true, true));
    let db = world.observed.containers.iter_mut().find(|it| it.name == "shop-db-1").unwrap();
    db.state = State::Exited;
    let told = forward(&old, 2).run(&mut world.clone());
    insta::assert_snapshot!(told.lines.join("\n"), @"
    prepare:
      start shop-db-1 — it is stopped (exit code 0)
      prove shop-db-1 — it was repaired
    deploy:
      restart shop-worker-1 — `restart: true`: what it depends on has begun anew
      prove shop-worker-1 — it was restarted
    ");
    resumes(&world, forward(&old, 2));
}

/// Nobody is restarted for what has failed before it served.
#[test]
fn what_was_never_touched_restarts_nobody() {
    let Pair { mut world, old, new } =
        pair(SPEC, CHAIN, Code::default(), Code { broken: true, ..Code::default() });
    forward(&new, 2).run(&mut world);
    world.notes = Notes::default();
    back(&old, 2).run(&mut world);
    nothing_to_do(&mut world, &old);
    assert_eq!(restarts(&world), []);
}
