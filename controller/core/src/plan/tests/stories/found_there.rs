//! What is found otherwise than the release has it: gone from the file, touched by hand, made by Compose.

use super::super::drive::{deploy, forward, nothing_to_do};
use super::super::releases::{API, API_PORT, SPEC, SPEC_DB, STACK, release};
use super::super::world::{Books, Code, Notes, World};
use super::{code, first, repair, told};
use crate::compose::RestartPolicy;
use crate::container::label;
use crate::observed::State;
use crate::plan::Effect;

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
    drifts("limits", |world| world.observed.containers[0].limits.memory = Some(1));
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
    world.books = Books::default();
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
    world.books = Books::default();
    world.notes = Notes::default();
    let before = world.observed.containers.clone();
    let next = release(SPEC, API_PORT, "code-2");
    world.knows(&next, Code::default());
    forward(&next, 2).failing(|effect| matches!(effect, Effect::Bake { .. })).run(&mut world);
    insta::assert_snapshot!(told(&forward(&next, 2).undo(&mut world).lines), @"
    set-restart shop-api-1 — it must not come back by itself
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
