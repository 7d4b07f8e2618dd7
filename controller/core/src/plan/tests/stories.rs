//! Plans as people read them.

use super::drive::{back, deploy, forward, lines, nothing_to_do};
use super::releases::{API, API_PORT, SPEC, SPEC_DB, SPEC_EGRESS, STACK, release};
use super::world::{Code, Notes, World};
use crate::compose::RestartPolicy;
use crate::container::label;
use crate::name::RolloutId;
use crate::observed::State;
use crate::plan::{Effect, make};
use crate::release::Release;

fn code(scripts: &'static str, additive: bool, exact: bool) -> Code {
    Code { scripts, additive, exact, ..Code::default() }
}

/// Every container name holds an id: what the steps say is the same on every run.
pub(super) fn told(lines: &[String]) -> String {
    lines.join("\n")
}

fn first(spec: &str, compose: &str, has: Code) -> (World, Release, String) {
    let mut world = World::default();
    let release = release(spec, compose, "code-1");
    world.knows(&release, has);
    let lines = deploy(&mut world, &release, 1);
    (world, release, told(&lines))
}

fn second(spec: &str, compose: &str, old: Code, new: Code) -> (World, Release, Release, String) {
    let (mut world, first, _) = first(spec, compose, old);
    let next = release(spec, compose, "code-2");
    world.knows(&next, new);
    let lines = deploy(&mut world, &next, 2);
    (world, first, next, told(&lines))
}

/// What would be done to a world in which somebody has been at work.
pub(super) fn repair(world: &mut World, release: &Release) -> String {
    let seen = world.look(release, false);
    let plan = make(&seen.facts(release, RolloutId(3))).unwrap_or_else(|blocked| panic!("{blocked}"));
    told(&lines(&plan))
}

fn blocked(world: &mut World, release: &Release) -> String {
    let seen = world.look(release, false);
    match make(&seen.facts(release, RolloutId(3))) {
        Ok(plan) => panic!("{}", told(&lines(&plan))),
        Err(blocked) => format!("{:?}: {}", blocked.reason, blocked.message),
    }
}

#[test]
fn first_deploy_without_a_database() {
    insta::assert_snapshot!(first(SPEC, API, Code::default()).2, @r"
    prepare:
      build evenkeel/shop-api:c1a83445fdc55bae — the engine has no image of context code-1
      create-network shop_default — it does not exist
      create-backstage zz_shop_backstage — releases are proven there before anybody reaches them
    deploy:
      create shop-api-1-r1 — no container of it exists
      start shop-api-1-r1 — in private: no user reaches it there
      prove shop-api-1-r1 — nothing that serves is touched before its successor is proven
      join shop-api-1-r1 — it is proven
      rename shop-api-1-r1 to shop-api-1 — it serves under its own name
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
    ");
}

#[test]
fn an_image_that_is_never_pulled_has_to_be_there() {
    let compose = "services: {api: {image: 'registry.example/api:1', pull_policy: never}}";
    let release = release(SPEC, compose, "code-1");
    insta::assert_snapshot!(blocked(&mut World::default(), &release), @"PreflightFailed: the engine has no image registry.example/api:1, and `pull_policy: never` of service api says that it is not to be pulled; bring it there (`docker pull`, `docker load`), or choose another policy");
}

#[test]
fn first_deploy_with_a_database() {
    insta::assert_snapshot!(first(SPEC_DB, STACK, code("a", true, true)).2, @r"
    prepare:
      pull postgres — the engine does not have it
      build evenkeel/shop-api:c1a83445fdc55bae — the engine has no image of context code-1
      create-network shop_default — it does not exist
      create-backstage zz_shop_backstage — releases are proven there before anybody reaches them
      create-volume shop_data — it does not exist
    prepare:
      create shop-db-1 — no container of it exists
      start shop-db-1 — the schema can only be looked at while it runs
      prove shop-db-1 — the schema can only be looked at while it runs
    prepare:
      read-scripts api — the migration heads in its image are not known yet
    prepare:
      rehearse base → a — the migration is tried on a scratch server before anything is touched
    deploy, online:
      migrate base → a — it only adds: the old code runs on
      create shop-api-1-r1 — no container of it exists
      start shop-api-1-r1 — in private: no user reaches it there
      prove shop-api-1-r1 — nothing that serves is touched before its successor is proven
      create shop-worker-1-r1 — no container of it exists
      rename shop-worker-1-r1 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      join shop-api-1-r1 — it is proven
      rename shop-api-1-r1 to shop-api-1 — it serves under its own name
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
    ");
}

#[test]
fn code_without_ports() {
    insta::assert_snapshot!(second(SPEC, API, Code::default(), Code::default()).3, @"
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
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000001-old — it is no longer needed
    ");
}

#[test]
fn code_behind_a_published_port() {
    insta::assert_snapshot!(second(SPEC, API_PORT, Code::default(), Code::default()).3, @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    deploy:
      create shop-api-1-r2 — the build context . changed
      start shop-api-1-r2 — in private: no user reaches it there
      create shop-api-1-r2-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r2-stand-in — in private
      prove shop-api-1-r2, shop-api-1-r2-stand-in — nothing that serves is touched before its successor is proven
      join shop-api-1-r2-stand-in — it carries the names while the port changes hands
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r2-stand-in — it serves meanwhile
      stop shop-api-1-000000000001-old — its successor serves
      join shop-api-1-r2 — the port is free
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      stop shop-api-1-r2-stand-in — the successor serves; it drains
      remove shop-api-1-r2-stand-in — it was temporary
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000001-old — it is no longer needed
    ");
}

#[test]
fn code_behind_a_port_that_is_bound_at_start() {
    insta::assert_snapshot!(second(SPEC_EGRESS, API_PORT, Code::default(), Code::default()).3, @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    deploy:
      create shop-api-1-r2 — the build context . changed
      create shop-api-1-r2-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r2-stand-in — in private
      prove shop-api-1-r2-stand-in — nothing that serves is touched before its successor is proven
      join shop-api-1-r2-stand-in — it carries the names while the port changes hands
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r2-stand-in — it serves meanwhile
      stop shop-api-1-000000000001-old — its successor serves
      start shop-api-1-r2 — the port is free; it is bound as soon as it starts
      prove shop-api-1-r2 — it gets the names once it works as its copy does
      join shop-api-1-r2 — the port is free
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      stop shop-api-1-r2-stand-in — the successor serves; it drains
      remove shop-api-1-r2-stand-in — it was temporary
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000001-old — it is no longer needed
    ");
}

#[test]
fn additive_migration() {
    insta::assert_snapshot!(second(SPEC_DB, STACK, code("a", true, true), code("a b", true, true)).3, @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    prepare:
      read-scripts api — the migration heads in its image are not known yet
    prepare:
      rehearse a → b — the migration is tried on a scratch server before anything is touched
    deploy, online:
      backup at a — no migration without a backup that was decoded in full
      migrate a → b — it only adds: the old code runs on
      create shop-api-1-r2 — the build context . changed
      start shop-api-1-r2 — in private: no user reaches it there
      create shop-api-1-r2-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r2-stand-in — in private
      prove shop-api-1-r2, shop-api-1-r2-stand-in — nothing that serves is touched before its successor is proven
      create shop-worker-1-r2 — the build context . changed
      set-restart shop-worker-1 — it must not come back by itself
      rename shop-worker-1 to shop-worker-1-000000000003-old — its successor gets the name
      stop shop-worker-1-000000000003-old — its successor serves
      rename shop-worker-1-r2 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      join shop-api-1-r2-stand-in — it carries the names while the port changes hands
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r2-stand-in — it serves meanwhile
      stop shop-api-1-000000000002-old — its successor serves
      join shop-api-1-r2 — the port is free
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      stop shop-api-1-r2-stand-in — the successor serves; it drains
      remove shop-api-1-r2-stand-in — it was temporary
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000002-old — it is no longer needed
      remove shop-worker-1-000000000003-old — it is no longer needed
    ");
}

#[test]
fn migration_that_is_not_additive() {
    insta::assert_snapshot!(second(SPEC_DB, STACK, code("a", true, true), code("a b", false, true)).3, @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    prepare:
      read-scripts api — the migration heads in its image are not known yet
    prepare:
      rehearse a → b — the migration is tried on a scratch server before anything is touched
    deploy, fenced:
      create shop-api-1-r2 — the build context . changed
      set-restart shop-api-1 — fence
      stop shop-api-1 — fence: the migration is not additive, so nothing may write while it runs
      set-restart shop-worker-1 — fence
      stop shop-worker-1 — fence: the migration is not additive, so nothing may write while it runs
      backup at a — no migration without a backup that was decoded in full
      migrate a → b — behind the fence
      start shop-api-1-r2 — in private: no user reaches it there
      prove shop-api-1-r2 — nothing that serves is touched before its successor is proven
      create shop-worker-1-r2 — the build context . changed
      rename shop-worker-1 to shop-worker-1-000000000003-old — its successor gets the name
      rename shop-worker-1-r2 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      join shop-api-1-r2 — it is proven
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000002-old — it is no longer needed
      remove shop-worker-1-000000000003-old — it is no longer needed
    ");
}

#[test]
fn additive_migration_taken_back() {
    let (mut world, old, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", true, true));
    insta::assert_snapshot!(told(&deploy(&mut world, &old, 3)), @"
    deploy, online:
      create shop-api-1-r3 — the build context . changed
      start shop-api-1-r3 — in private: no user reaches it there
      create shop-api-1-r3-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r3-stand-in — in private
      prove shop-api-1-r3, shop-api-1-r3-stand-in — nothing that serves is touched before its successor is proven
      create shop-worker-1-r3 — the build context . changed
      set-restart shop-worker-1 — it must not come back by itself
      rename shop-worker-1 to shop-worker-1-000000000006-old — its successor gets the name
      stop shop-worker-1-000000000006-old — its successor serves
      rename shop-worker-1-r3 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      join shop-api-1-r3-stand-in — it carries the names while the port changes hands
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r3-stand-in — it serves meanwhile
      stop shop-api-1-000000000004-old — its successor serves
      join shop-api-1-r3 — the port is free
      hand-over the name shop-api-1 to shop-api-1-r3 — it serves under its own name
      stop shop-api-1-r3-stand-in — the successor serves; it drains
      remove shop-api-1-r3-stand-in — it was temporary
      backup at b — behind the newer code's stop: all that it wrote is in it
      migrate b → a — the older code serves; the newer image is the only one that has the script
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000004-old — it is no longer needed
      remove shop-worker-1-000000000006-old — it is no longer needed
    ");
}

#[test]
fn migration_that_is_not_additive_taken_back() {
    let (mut world, old, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", false, true));
    insta::assert_snapshot!(told(&deploy(&mut world, &old, 3)), @"
    deploy, fenced:
      create shop-api-1-r3 — the build context . changed
      set-restart shop-api-1 — fence
      stop shop-api-1 — fence: the older code cannot run on the newer schema
      set-restart shop-worker-1 — fence
      stop shop-worker-1 — fence: the older code cannot run on the newer schema
      backup at b — what was written since goes into it
      migrate b → a — with the newer image, the only one that has the script
      start shop-api-1-r3 — in private: no user reaches it there
      prove shop-api-1-r3 — nothing that serves is touched before its successor is proven
      create shop-worker-1-r3 — the build context . changed
      rename shop-worker-1 to shop-worker-1-000000000005-old — its successor gets the name
      rename shop-worker-1-r3 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      join shop-api-1-r3 — it is proven
      hand-over the name shop-api-1 to shop-api-1-r3 — it serves under its own name
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000004-old — it is no longer needed
      remove shop-worker-1-000000000005-old — it is no longer needed
    ");
}

/// Proven on the newer schema, the older code fails: the schema goes down first.
#[test]
fn older_code_that_takes_no_newer_schema() {
    let (mut world, old, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", true, true));
    world.code.insert(old.digest.clone(), Code { picky: true, ..code("a", true, true) });
    insta::assert_snapshot!(told(&deploy(&mut world, &old, 3)), @"
    deploy, online:
      create shop-api-1-r3 — the build context . changed
      start shop-api-1-r3 — in private: no user reaches it there
      create shop-api-1-r3-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r3-stand-in — in private
      prove shop-api-1-r3, shop-api-1-r3-stand-in — nothing that serves is touched before its successor is proven
    deploy, fenced:
      set-restart shop-api-1 — fence
      stop shop-api-1 — fence: the older code cannot run on the newer schema
      stop shop-api-1-r3 — fence: the older code cannot run on the newer schema
      set-restart shop-api-1-r3-stand-in — fence
      stop shop-api-1-r3-stand-in — fence: the older code cannot run on the newer schema
      set-restart shop-worker-1 — fence
      stop shop-worker-1 — fence: the older code cannot run on the newer schema
      backup at b — what was written since goes into it
      migrate b → a — with the newer image, the only one that has the script
      start shop-api-1-r3 — in private: no user reaches it there
      prove shop-api-1-r3 — nothing that serves is touched before its successor is proven
      create shop-worker-1-r3 — the build context . changed
      rename shop-worker-1 to shop-worker-1-000000000006-old — its successor gets the name
      rename shop-worker-1-r3 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      join shop-api-1-r3 — it is proven
      hand-over the name shop-api-1 to shop-api-1-r3 — it serves under its own name
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000004-old — it is no longer needed
      remove shop-api-1-r3-stand-in — it is no longer needed
      remove shop-worker-1-000000000006-old — it is no longer needed
    ");
}

#[test]
fn inexact_downgrade_of_additions_is_kept() {
    let (mut world, old, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", true, false));
    world.notes = Notes::default();
    let log = forward(&old, 3).run(&mut world);
    assert!(!log.lines.iter().any(|line| line.contains("migrate")), "{}", log.lines.join("\n"));
    nothing_to_do(&mut world, &old);
}

#[test]
fn inexact_downgrade_of_more_than_additions_is_blocked() {
    let (mut world, old, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", false, false));
    insta::assert_snapshot!(blocked(&mut world, &old), @r"
    RevertFailed: the downgrade from b does not lead back exactly, and the older code cannot run on it; nothing more is done. `evenkeel backup list` shows what can be restored, and from when
    ");
}

/// Nobody wrote through the new code: the backup from behind the fence goes back.
#[test]
fn inexact_and_fenced_but_never_taken_over_is_restored() {
    let (mut world, old, _) = first(SPEC_DB, STACK, code("a", true, true));
    let next = release(SPEC_DB, STACK, "code-2");
    world.knows(&next, Code { broken: true, ..code("a b", false, false) });
    world.notes = Notes::default();
    let there = forward(&next, 2).run(&mut world);
    assert!(matches!(there.end, super::drive::End::Failed(_)), "{}", there.lines.join("\n"));
    insta::assert_snapshot!(told(&back(&old, 2).run(&mut world).lines), @r"
    deploy, fenced:
      set-restart shop-api-1-r2 — fence
      stop shop-api-1-r2 — fence: the backup goes back behind it
      restore at a — the migration failed halfway, and nobody wrote since the backup
      set-restart shop-api-1 — its restart policy is no, the release says always
      start shop-api-1 — it is stopped (exit code 0)
      prove shop-api-1 — it was repaired
      set-restart shop-worker-1 — its restart policy is no, the release says unless-stopped
      start shop-worker-1 — it is stopped (exit code 0)
      prove shop-worker-1 — it was repaired
      remove shop-api-1-r2 — it is no longer needed
    ");
    nothing_to_do(&mut world, &old);
}

#[test]
fn schema_that_nobody_knows() {
    let (mut world, live, _) = first(SPEC_DB, STACK, code("a", true, true));
    world.schema = super::releases::revisions("x");
    insta::assert_snapshot!(blocked(&mut world, &live), @r"
    DatabaseAhead: the database is at x, which this release does not know and evenkeel did not apply; nothing is done to it. Bring it back to a by hand, or merge the commit that has the revision
    ");
}

/// The live release's own schema: only its authors know how the two go together.
#[test]
fn schema_that_leads_elsewhere() {
    let (mut world, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", true, true));
    let fork = release(SPEC_DB, STACK, "code-3");
    world.knows(&fork, code("a c", true, true));
    let read = forward(&fork, 3).stop_after(2).run(&mut world);
    assert!(read.lines.iter().any(|line| line.contains("read-scripts")), "{}", read.lines.join("\n"));
    insta::assert_snapshot!(blocked(&mut world, &fork), @"DatabaseDiverged: the database is at b, where evenkeel brought it with another release, and nothing that is known leads from there to c; nothing is done to it. Put the new migrations on top of b, or first deploy a commit whose head is one that both have in common");
}

#[test]
fn one_that_writes_to_a_volume() {
    let compose = "
services:
  bot: {build: ., image: bot, restart: always, volumes: ['state:/state']}
volumes: {state: {}}
";
    insta::assert_snapshot!(second("\n  compose: {files: [compose.yaml]}\n", compose, Code::default(), Code::default()).3, @r"
    prepare:
      build evenkeel/shop-bot:c4a01313d4197a1b — the engine has no image of context code-2
    deploy:
      create shop-bot-1-r2 — the build context . changed
      set-restart shop-bot-1 — it must not come back by itself
      rename shop-bot-1 to shop-bot-1-000000000001-old — its successor gets the name
      stop shop-bot-1-000000000001-old — its successor serves
      remove shop-bot-1-000000000001-old — never two startable containers on one writable volume
      rename shop-bot-1-r2 to shop-bot-1 — it serves under its own name
      start shop-bot-1 — it takes its place
      prove shop-bot-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-bot:c4a01313d4197a1b as bot — the Compose file names it so
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
    ");
}

#[test]
fn one_that_must_be_alone() {
    let spec = "
  compose: {files: [compose.yaml]}
  services: {api: {singleton: true, probe: {tcp: {port: 1}}}}
";
    insta::assert_snapshot!(second(spec, API, Code::default(), Code::default()).3, @r"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    deploy:
      create shop-api-1-r2 — the build context . changed
      set-restart shop-api-1 — it must not come back by itself
      rename shop-api-1 to shop-api-1-000000000001-old — its successor gets the name
      stop shop-api-1-000000000001-old — its successor serves
      rename shop-api-1-r2 to shop-api-1 — it serves under its own name
      start shop-api-1 — it takes its place
      prove shop-api-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000001-old — it is no longer needed
    ");
}

#[test]
fn one_that_keeps_data_in_an_anonymous_volume() {
    let compose = "
services:
  api: {build: ., restart: always, volumes: [/data]}
";
    let lines = second(SPEC, compose, Code::default(), Code::default()).3;
    assert!(lines.contains("remove shop-api-1-000000000001-old — never two startable"), "{lines}");
}

#[test]
fn one_that_runs_to_its_end() {
    let compose = "
services:
  seed: {build: ., image: seed}
  api:
    build: .
    image: shop-api
    depends_on: {seed: {condition: service_completed_successfully}}
";
    insta::assert_snapshot!(first(SPEC, compose, Code::default()).2, @r"
    prepare:
      build evenkeel/shop-seed:c1a83445fdc55bae — the engine has no image of context code-1
      build evenkeel/shop-api:c1a83445fdc55bae — the engine has no image of context code-1
      create-network shop_default — it does not exist
      create-backstage zz_shop_backstage — releases are proven there before anybody reaches them
    deploy:
      create shop-seed-1-r1 — no container of it exists
      rename shop-seed-1-r1 to shop-seed-1 — it serves under its own name
      start shop-seed-1 — it takes its place
      prove shop-seed-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-seed:c1a83445fdc55bae as seed — the Compose file names it so
      create shop-api-1-r1 — no container of it exists
      start shop-api-1-r1 — in private: no user reaches it there
      prove shop-api-1-r1 — nothing that serves is touched before its successor is proven
      join shop-api-1-r1 — it is proven
      rename shop-api-1-r1 to shop-api-1 — it serves under its own name
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
    ");
}

#[test]
fn service_that_is_gone() {
    let with = format!("{API}  web: {{image: caddy, restart: always}}\n");
    let (mut world, ..) = first(SPEC, &with, Code::default());
    let next = release(SPEC, API, "code-1");
    world.knows(&next, Code::default());
    insta::assert_snapshot!(told(&deploy(&mut world, &next, 2)), @r"
    deploy:
      set-restart shop-web-1 — the Compose file no longer has service web
      stop shop-web-1 — the Compose file no longer has service web
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-web-1 — the Compose file no longer has its service
    ");
}

/// It still writes: a fence that left it out would be none.
#[test]
fn service_that_is_gone_is_fenced_too() {
    let with = STACK
        .replace("volumes: {data: {}}", "  old: {image: shop-api, depends_on: [db]}\nvolumes: {data: {}}");
    let (mut world, ..) = first(SPEC_DB, &with, code("a", true, true));
    let next = release(SPEC_DB, STACK, "code-2");
    world.knows(&next, code("a b", false, true));
    deploy(&mut world, &next, 2);
}

#[test]
fn drift() {
    let (whole, live, _) = first(SPEC, API_PORT, Code::default());
    let mut found = Vec::new();
    let mut drifts = |what: &str, change: fn(&mut World)| {
        let mut world = whole.clone();
        change(&mut world);
        found.push(format!("{what}:\n{}", repair(&mut world, &live)));
        world.notes = Notes::default();
        forward(&live, 3).run(&mut world);
        nothing_to_do(&mut world, &live);
    };
    drifts("stopped", |world| world.observed.containers[0].state = State::Exited);
    drifts("paused", |world| world.observed.containers[0].state = State::Paused);
    drifts("dead", |world| world.observed.containers[0].state = State::Dead);
    drifts("removed", |world| world.observed.containers.clear());
    drifts("renamed", |world| world.observed.containers[0].name = "x".to_owned());
    drifts("restart policy", |world| world.observed.containers[0].restart = RestartPolicy::No);
    drifts("limits", |world| world.observed.containers[0].memory = 1);
    drifts("off its network", |world| drop(world.observed.containers[0].networks.remove("shop_default")));
    drifts("nameless on its network", |world| {
        world.observed.containers[0]
            .networks
            .insert("shop_default".to_owned(), crate::observed::Joined::default());
    });
    drifts("tag", |world| drop(world.observed.images.remove("shop-api")));
    drifts("backstage", |world| drop(world.observed.networks.remove("zz_shop_backstage")));
    insta::assert_snapshot!(found.join("\n"), @"
    stopped:
      start shop-api-1 — it is stopped (exit code 0)
      prove shop-api-1 — it was repaired
    paused:
      unpause shop-api-1 — it is paused
      prove shop-api-1 — it was repaired
    dead:
      create shop-api-1-r3 — the engine calls its container dead
      start shop-api-1-r3 — in private: no user reaches it there
      prove shop-api-1-r3 — nothing that serves is touched before its successor is proven
      join shop-api-1-r3 — it is proven
      hand-over the name shop-api-1 to shop-api-1-r3 — it serves under its own name
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      remove shop-api-1-000000000001-old — it is no longer needed
    removed:
      create shop-api-1-r3 — no container of it exists
      start shop-api-1-r3 — in private: no user reaches it there
      prove shop-api-1-r3 — nothing that serves is touched before its successor is proven
      join shop-api-1-r3 — it is proven
      rename shop-api-1-r3 to shop-api-1 — it serves under its own name
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
    renamed:
      rename x to shop-api-1 — it serves under shop-api-1
    restart policy:
      set-restart shop-api-1 — its restart policy is no, the release says always
    limits:
      create shop-api-1-r3 — it has a limit that the release has not; the engine takes none away
      start shop-api-1-r3 — in private: no user reaches it there
      create shop-api-1-r3-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r3-stand-in — in private
      prove shop-api-1-r3, shop-api-1-r3-stand-in — nothing that serves is touched before its successor is proven
      join shop-api-1-r3-stand-in — it carries the names while the port changes hands
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r3-stand-in — it serves meanwhile
      stop shop-api-1-000000000001-old — its successor serves
      join shop-api-1-r3 — the port is free
      hand-over the name shop-api-1 to shop-api-1-r3 — it serves under its own name
      stop shop-api-1-r3-stand-in — the successor serves; it drains
      remove shop-api-1-r3-stand-in — it was temporary
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      remove shop-api-1-000000000001-old — it is no longer needed
    off its network:
      join shop-api-1 — it is not on network shop_default under its names
      prove shop-api-1 — it was repaired
    nameless on its network:
      join shop-api-1 — it is not on network shop_default under its names
      prove shop-api-1 — it was repaired
    tag:
      tag sha256:evenkeel/shop-api:c1a83445fdc55bae as shop-api — shop-api names another image
    backstage:
      create-backstage zz_shop_backstage — releases are proven there before anybody reaches them
    ");
}

/// Made by Compose before evenkeel came.
#[test]
fn adopted_container() {
    let (mut world, ..) = first(SPEC, API_PORT, Code::default());
    for container in &mut world.observed.containers {
        container.labels.retain(|name, _| !name.starts_with("evenkeel."));
    }
    world.books = super::world::Books::default();
    let next = release(SPEC, API_PORT, "code-2");
    world.knows(&next, Code::default());
    insta::assert_snapshot!(told(&deploy(&mut world, &next, 2)), @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    deploy:
      create shop-api-1-r2 — its container was not made by evenkeel: it bears no digest of docker-compose's
      start shop-api-1-r2 — in private: no user reaches it there
      create shop-api-1-r2-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r2-stand-in — in private
      prove shop-api-1-r2, shop-api-1-r2-stand-in — nothing that serves is touched before its successor is proven
      join shop-api-1-r2-stand-in — it carries the names while the port changes hands
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r2-stand-in — it serves meanwhile
      stop shop-api-1-000000000001-old — its successor serves
      join shop-api-1-r2 — the port is free
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      stop shop-api-1-r2-stand-in — the successor serves; it drains
      remove shop-api-1-r2-stand-in — it was temporary
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000001-old — it is no longer needed
    ");
    assert!(world.observed.containers.iter().all(|container| container.label(label::APP).is_some()));
}

/// The first release of a stack that Compose made fails: what stood before runs again.
#[test]
fn adopted_container_comes_back() {
    let (mut world, ..) = first(SPEC, API_PORT, Code::default());
    world.observed.containers[0].labels.retain(|name, _| !name.starts_with("evenkeel."));
    world.books = super::world::Books::default();
    world.notes = Notes::default();
    let before = world.observed.containers.clone();
    let next = release(SPEC, API_PORT, "code-2");
    world.knows(&next, Code::default());
    forward(&next, 2).failing(|effect| matches!(effect, Effect::Bake { .. })).run(&mut world);
    insta::assert_snapshot!(told(&forward(&next, 2).undo(&mut world).lines), @r"
    stop shop-api-1 — its release failed
    remove shop-api-1 — its release failed
    rename shop-api-1-000000000001-old to shop-api-1 — as it was before
    set-restart shop-api-1 — as it was before
    start shop-api-1 — as it was before
    ");
    let name_and_state = |it: &crate::observed::Container| (it.name.clone(), it.state, it.restart);
    let after: Vec<_> = world.observed.containers.iter().map(name_and_state).collect();
    assert_eq!(after, before.iter().map(name_and_state).collect::<Vec<_>>());
}

const SHARED: &str = "services: {vpn: {image: vpn, environment: {A: '1'}}, client: {image: client, network_mode: 'service:vpn'}, other: {image: other}}";
const PLAIN: &str = "\n  compose: {files: [compose.yaml]}\n";

#[test]
fn what_lives_in_another_services_network_follows_it() {
    let (mut world, release_1, _) = first(PLAIN, SHARED, Code::default());
    let id = |world: &World, service: &str| {
        let of = |it: &&crate::observed::Container| it.label(label::COMPOSE_SERVICE) == Some(service);
        world.observed.containers.iter().find(of).unwrap().id.to_string()
    };
    let shares = |world: &World| {
        let of = |it: &&crate::observed::Container| it.label(label::COMPOSE_SERVICE) == Some("client");
        world.observed.containers.iter().find(of).unwrap().label(label::SHARES).map(str::to_owned)
    };
    assert_eq!(shares(&world), Some(format!("vpn={}", id(&world, "vpn"))));
    nothing_to_do(&mut world, &release_1);
    let next = release(PLAIN, &SHARED.replace("'1'", "'2'"), "code-2");
    world.knows(&next, Code::default());
    insta::assert_snapshot!(told(&deploy(&mut world, &next, 2)), @"
    deploy:
      create shop-vpn-1-r2 — environment: A changed
      rename shop-vpn-1 to shop-vpn-1-000000000002-old — its successor gets the name
      stop shop-vpn-1-000000000002-old — its successor serves
      rename shop-vpn-1-r2 to shop-vpn-1 — it serves under its own name
      start shop-vpn-1 — it takes its place
      prove shop-vpn-1 — it must work before anything that depends on it moves on
      create shop-client-1-r2 — it shares a namespace with vpn, which has another container
      rename shop-client-1 to shop-client-1-000000000003-old — its successor gets the name
      stop shop-client-1-000000000003-old — its successor serves
      rename shop-client-1-r2 to shop-client-1 — it serves under its own name
      start shop-client-1 — it takes its place
      prove shop-client-1 — it must work before anything that depends on it moves on
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-vpn-1-000000000002-old — it is no longer needed
      remove shop-client-1-000000000003-old — it is no longer needed
    ");
    assert_eq!(shares(&world), Some(format!("vpn={}", id(&world, "vpn"))));
    nothing_to_do(&mut world, &next);
    let client = world.observed.containers.iter_mut().find(|it| it.label(label::SHARES).is_some()).unwrap();
    client.labels.insert(label::SHARES.to_owned(), "vpn=gone".to_owned());
    assert!(repair(&mut world, &next).contains("shares a namespace with vpn"));
}

#[test]
fn an_engine_that_is_too_old_is_said_before_anything_is_touched() {
    let mut world = World::default();
    let release = release(PLAIN, "services: {api: {image: x, healthcheck: {start_interval: 1s}}}", "code-1");
    world.knows(&release, Code::default());
    world.observed.engine_api = Some(41);
    insta::assert_snapshot!(blocked(&mut world, &release), @"PreflightFailed: `healthcheck.start_interval` of service api needs a Docker Engine with API 1.44, and this one speaks 1.41; update the engine, or leave the key out");
    world.observed.engine_api = Some(44);
    let seen = world.look(&release, false);
    assert!(make(&seen.facts(&release, RolloutId(3))).is_ok());
}
