//! What cannot be proven beside the one that serves.

use super::super::drive::{deploy, nothing_to_do};
use super::super::releases::{API, SPEC, release};
use super::super::world::{Code, World};
use super::{PLAIN, first, repair, second, told};
use crate::container::label;

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

const SHARED: &str = "services: {vpn: {image: vpn, environment: {A: '1'}}, client: {image: client, network_mode: 'service:vpn'}, other: {image: other}}";

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
