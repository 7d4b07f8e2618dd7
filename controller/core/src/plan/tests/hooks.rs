//! `post_start`: what has been started is whole once its hooks have run.

use super::drive::{deploy, forward, lines, nothing_to_do};
use super::prefixes::{Pair, code, pair, resumes, reverts, supersedes};
use super::releases::{SPEC, SPEC_DB, release};
use super::world::{Code, World};
use crate::name::RolloutId;
use crate::observed::State;
use crate::plan::make;

/// One that is proven first and publishes a port, one that is stopped and started, and one that is restarted with the first.
const HOOKED: &str = "
services:
  api:
    build: .
    image: shop-api
    restart: always
    ports: ['8000:8000']
    post_start: [{command: [warm, up]}]
  worker:
    image: shop-api
    post_start: [{command: [own, /data], user: root}]
  mailer:
    image: mailer
    post_start: [{command: [announce]}]
    depends_on: {api: {condition: service_started, restart: true}}
";

/// All of them have hooks, the database too.
const WITH_DATABASE: &str = "
services:
  db:
    image: postgres
    restart: always
    volumes: ['data:/var/lib/postgresql/data']
    healthcheck: {test: [CMD, pg_isready]}
    post_start: [{command: [tune]}]
  api:
    build: .
    image: shop-api
    restart: always
    depends_on: [db]
    post_start: [{command: [warm, up]}]
  worker:
    image: worker
    depends_on: [db]
    post_start: [{command: [announce]}]
volumes: {data: {}}
";

fn plan(world: &mut World, release: &crate::release::Release) -> String {
    let seen = world.look(release, false);
    lines(&make(&seen.facts(release, RolloutId(2))).unwrap()).join("\n")
}

#[test]
fn each_start_is_followed_by_them_before_anything_else_happens() {
    let Pair { mut world, new, .. } = pair(SPEC, HOOKED, Code::default(), Code::default());
    let told = deploy(&mut world, &new, 2);
    let starts = |line: &&String| line.contains("start ");
    let told: Vec<&str> = told.iter().filter(starts).map(|line| line.trim()).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    start shop-api-1-r2 — in private: no user reaches it there
    post-start shop-api-1-r2 — its `post_start` belongs to the start
    start shop-api-1-r2-stand-in — in private
    post-start shop-api-1-r2-stand-in — its `post_start` belongs to the start
    start shop-worker-1 — it takes its place
    post-start shop-worker-1 — its `post_start` belongs to the start
    set-restart shop-api-1 — it must not come back by itself
    restart shop-mailer-1 — `restart: true`: api has begun anew
    post-start shop-mailer-1 — its `post_start` belongs to the start
    ");
}

#[test]
fn a_repair_runs_them_and_what_starts_nothing_does_not() {
    let Pair { mut world, old, .. } = pair(SPEC, HOOKED, Code::default(), Code::default());
    let worker = |world: &mut World, state| {
        let it = world.observed.containers.iter_mut().find(|it| it.name == "shop-worker-1").unwrap();
        it.state = state;
        it.id.clone()
    };
    worker(&mut world, State::Paused);
    insta::assert_snapshot!(plan(&mut world, &old), @"
    unpause shop-worker-1 — it is paused
    prove shop-worker-1 — it was repaired
    ");
    worker(&mut world, State::Exited);
    insta::assert_snapshot!(plan(&mut world, &old), @"
    start shop-worker-1 — it is stopped (exit code 0)
    post-start shop-worker-1 — its `post_start` belongs to the start
    prove shop-worker-1 — it was repaired
    ");
    // The process ended after the start.
    let id = worker(&mut world, State::Running);
    world.books.post_start_due.insert(id);
    insta::assert_snapshot!(plan(&mut world, &old), @"
    post-start shop-worker-1 — it was started, and its `post_start` has not run to its end since
    prove shop-worker-1 — it was repaired
    ");
    resumes(&world, forward(&old, 2));
}

#[test]
fn whatever_interrupts_it() {
    let pair = pair(SPEC, HOOKED, Code::default(), Code::default());
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
    supersedes(&pair, &release(SPEC, HOOKED, "code-3"), Code::default());
}

#[test]
fn whatever_interrupts_it_behind_a_fence() {
    let pair = pair(SPEC_DB, WITH_DATABASE, code("a", true, true), code("a b", false, true));
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
    supersedes(&pair, &pair.old, code("a", true, true));
}

#[test]
fn a_first_release_with_a_database() {
    let first = release(SPEC_DB, WITH_DATABASE, "code-1");
    let mut world = World::default();
    world.knows(&first, code("a", true, true));
    resumes(&world, forward(&first, 1));
    deploy(&mut world, &first, 1);
    let db = world.observed.containers.iter_mut().find(|it| it.name == "shop-db-1").unwrap();
    db.state = State::Exited;
    resumes(&world, forward(&first, 2));
    forward(&first, 2).run(&mut world);
    nothing_to_do(&mut world, &first);
}

/// What has new hooks is another container: those of the old one are its own.
#[test]
fn other_hooks_are_another_configuration() {
    let Pair { mut world, old, .. } = pair(SPEC, HOOKED, Code::default(), Code::default());
    let other = release(SPEC, &HOOKED.replace("announce", "proclaim"), "code-1");
    world.knows(&other, Code::default());
    let mailer = |line: &&str| line.contains("mailer");
    let told = plan(&mut world, &other);
    let told: Vec<&str> = told.lines().filter(mailer).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    create shop-mailer-1-r2 — post_start changed
    rename shop-mailer-1 to shop-mailer-1-000000000003-old — its successor gets the name
    stop shop-mailer-1-000000000003-old — its successor serves
    rename shop-mailer-1-r2 to shop-mailer-1 — it serves under its own name
    start shop-mailer-1 — it takes its place
    post-start shop-mailer-1 — its `post_start` belongs to the start
    prove shop-mailer-1 — it must work before anything that depends on it moves on
    remove shop-mailer-1-000000000003-old — it is no longer needed
    ");
    nothing_to_do(&mut world, &old);
}
