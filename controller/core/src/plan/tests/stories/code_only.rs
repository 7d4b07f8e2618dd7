//! Releases that move no schema, by what stands before them.

use super::super::releases::{API, API_PORT, SPEC, SPEC_DB, SPEC_EGRESS, STACK, release};
use super::super::world::{Code, World};
use super::{PLAIN, blocked, code, first, second};
use crate::name::RolloutId;
use crate::plan::make;

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
