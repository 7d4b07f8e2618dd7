//! What docker-compose made and is as the release asks for is kept, and is like what evenkeel made from then on.

use super::drive::{deploy, forward, nothing_to_do};
use super::prefixes::{Pair, code, resumes, reverts, undoes};
use super::releases::{STACK, release};
use super::stories::{repair, told};
use super::world::{Books, Notes, World};
use crate::compose::RestartPolicy;
use crate::container::label;
use crate::name::{ContainerId, ImageId, RolloutId, ServiceName};
use crate::observed::{Container, Image, State};
use crate::plan::{Effect, Plan, make};
use crate::release::Release;

/// A manifest that says where the stack stands.
pub(super) const SPEC: &str = "
  compose: {files: [compose.yaml], projectDirectory: /opt/shop}
  database: {service: db, migrations: {tool: alembic, service: api}}
  services: {api: {probe: {http: {path: /, port: 8000}}}}
";

/// What docker-compose made of a file, and nobody has recorded.
pub(super) fn made_by_compose(compose: &str) -> (World, Release) {
    let old = release(SPEC, compose, "code-1");
    let mut world = World::default();
    world.knows(&old, code("a", true, true));
    deploy(&mut world, &old, 1);
    for container in &mut world.observed.containers {
        container.labels.retain(|name, _| !name.starts_with("evenkeel."));
        container.networks.retain(|name, _| !name.contains("backstage"));
        if container.image.contains("shop-api") {
            "shop-api".clone_into(&mut container.image);
        }
    }
    // Nobody has built it under evenkeel's name; the engine has it all the same.
    let images = std::mem::take(&mut world.observed.images).into_iter();
    let by_id = |(name, image): (String, Image)| {
        let is_own = name.starts_with("evenkeel/");
        (if is_own { image.id.to_string() } else { name }, image)
    };
    world.observed.images = images.map(by_id).collect();
    world.observed.networks.retain(|name, _| !name.contains("backstage"));
    (world.books, world.notes) = (Books::default(), Notes::default());
    (world, old)
}

fn of_service<'w>(world: &'w mut World, service: &'static str) -> impl Iterator<Item = &'w mut Container> {
    world.observed.containers.iter_mut().filter(move |it| it.service() == Some(ServiceName::new(service)))
}

pub(super) fn ids(world: &World) -> Vec<(String, ContainerId)> {
    world.observed.containers.iter().map(|it| (it.name.clone(), it.id.clone())).collect()
}

fn first_plan(world: &mut World, release: &Release) -> Plan {
    make(&world.look(release, false).facts(release, RolloutId(0)))
        .unwrap_or_else(|blocked| panic!("{blocked}"))
}

#[test]
fn what_matches_is_kept() {
    let (mut world, release) = made_by_compose(STACK);
    let before = ids(&world);
    insta::assert_snapshot!(first_plan(&mut world, &release).notes.join("\n"), @"
    db keeps its container, untouched: its configuration, its image and its mounts are the release's
    api keeps its container if the image that is made ready turns out to be the one that it runs; all else is as the release asks for
    worker keeps its container if the image that is made ready turns out to be the one that it runs; all else is as the release asks for
    ");
    insta::assert_snapshot!(told(&deploy(&mut world, &release, 1)), @"
    prepare:
      build evenkeel/shop-api:c1a83445fdc55bae — the engine has no image of context code-1
      create-backstage zz_shop_backstage — releases are proven there before anybody reaches them
    prepare:
      attach shop-db-1 to zz_shop_backstage — candidates reach it there
      attach shop-api-1 to zz_shop_backstage — candidates reach it there
      attach shop-worker-1 to zz_shop_backstage — candidates reach it there
    prepare:
      read-scripts api — the migration heads in its image are not known yet
    deploy:
      prove shop-db-1, shop-api-1, shop-worker-1 — docker-compose made it as the release asks for, so it stays; it must work
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
    ");
    assert_eq!(ids(&world), before);
}

/// Whatever version of `docker compose` 2 it was: each writes one of the digests that are known.
#[test]
fn what_docker_compose_2_made_is_kept() {
    let (world, release) = made_by_compose(STACK);
    let most = release.project.modern.values().map(|it| it.hashes().len()).max();
    for version in 0..most.unwrap() {
        let mut world = world.clone();
        for container in &mut world.observed.containers {
            let hashes = release.project.modern[&container.service().unwrap()].hashes();
            let hash = hashes[version.min(hashes.len() - 1)].clone();
            container.labels.insert(label::COMPOSE_VERSION.to_owned(), "2.26.1".to_owned());
            container.labels.insert(label::COMPOSE_CONFIG_HASH.to_owned(), hash);
        }
        let before = ids(&world);
        deploy(&mut world, &release, 1);
        assert_eq!(ids(&world), before, "version {version}");
    }
}

#[test]
fn only_what_differs_is_replaced() {
    let (mut world, _) = made_by_compose(STACK);
    let database = ids(&world).remove(0);
    let next = release(SPEC, STACK, "code-2");
    world.knows(&next, code("a b", true, true));
    insta::assert_snapshot!(told(&deploy(&mut world, &next, 1)), @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
      create-backstage zz_shop_backstage — releases are proven there before anybody reaches them
    prepare:
      attach shop-db-1 to zz_shop_backstage — candidates reach it there
      attach shop-api-1 to zz_shop_backstage — candidates reach it there
      attach shop-worker-1 to zz_shop_backstage — candidates reach it there
    prepare:
      read-scripts api — the migration heads in its image are not known yet
    prepare:
      rehearse a → b — the migration is tried on a scratch server before anything is touched
    deploy, online:
      prove shop-db-1 — docker-compose made it as the release asks for, so it stays; it must work
      backup at a — no migration without a backup that was decoded in full
      migrate a → b — it only adds: the old code runs on
      create shop-api-1-r1 — its container was not made by evenkeel: it runs another image than the release
      start shop-api-1-r1 — in private: no user reaches it there
      create shop-api-1-r1-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r1-stand-in — in private
      prove shop-api-1-r1, shop-api-1-r1-stand-in — nothing that serves is touched before its successor is proven
      create shop-worker-1-r1 — its container was not made by evenkeel: it runs another image than the release
      set-restart shop-worker-1 — it must not come back by itself
      rename shop-worker-1 to shop-worker-1-000000000003-old — its successor gets the name
      stop shop-worker-1-000000000003-old — its successor serves
      rename shop-worker-1-r1 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      join shop-api-1-r1-stand-in — it carries the names while the port changes hands
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r1-stand-in — it serves meanwhile
      stop shop-api-1-000000000002-old — its successor serves
      join shop-api-1-r1 — the port is free
      hand-over the name shop-api-1 to shop-api-1-r1 — it serves under its own name
      stop shop-api-1-r1-stand-in — the successor serves; it drains
      remove shop-api-1-r1-stand-in — it was temporary
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000002-old — it is no longer needed
      remove shop-worker-1-000000000003-old — it is no longer needed
    ");
    assert!(ids(&world).contains(&database));
}

/// The Compose file says the same in other words: docker-compose's digest is another, and what runs is not.
#[test]
fn what_was_found_once_holds() {
    let (mut world, release_1) = made_by_compose(STACK);
    deploy(&mut world, &release_1, 1);
    let before = ids(&world);
    let same = release(
        SPEC,
        &STACK.replace("depends_on: [db]", "depends_on: {db: {condition: service_healthy}}"),
        "code-1",
    );
    assert_ne!(same.project.classic, release_1.project.classic);
    world.knows(&same, code("a", true, true));
    nothing_to_do(&mut world, &same);
    assert_eq!(ids(&world), before);
}

#[test]
fn drift_of_what_was_kept_is_mended_in_place() {
    let (mut world, release) = made_by_compose(STACK);
    deploy(&mut world, &release, 1);
    let mut seen = String::new();
    for change in [
        |it: &mut Container| it.state = State::Exited,
        |it: &mut Container| it.restart = RestartPolicy::No,
        |it: &mut Container| "x".clone_into(&mut it.name),
        |it: &mut Container| it.networks.clear(),
    ] {
        let mut world = world.clone();
        of_service(&mut world, "worker").for_each(change);
        seen += &repair(&mut world, &release);
        seen.push('\n');
    }
    insta::assert_snapshot!(seen, @"
    start shop-worker-1 — it is stopped (exit code 0)
    prove shop-worker-1 — it was repaired
    set-restart shop-worker-1 — its restart policy is no, the release says unless-stopped
    rename x to shop-worker-1 — it serves under shop-worker-1
    attach shop-worker-1 to zz_shop_backstage — candidates reach it there
    ");
    world.observed.containers.retain(|it| it.service() != Some(ServiceName::new("worker")));
    assert!(repair(&mut world, &release).contains("create shop-worker-1"));
}

type Change = fn(&mut Container);

#[test]
fn why_it_is_not_kept_is_said() {
    let image = |it: &mut Container| it.image_id = ImageId::new("sha256:another");
    let changes: [(&str, Change); 6] = [
        ("no digest", |it| drop(it.labels.remove(label::COMPOSE_CONFIG_HASH))),
        ("another digest", |it| {
            drop(it.labels.insert(label::COMPOSE_CONFIG_HASH.to_owned(), "0".repeat(64)))
        }),
        ("2.x", |it| drop(it.labels.insert(label::COMPOSE_VERSION.to_owned(), "2.29.1".to_owned()))),
        ("another image", image),
        ("no volume", |it| it.mounts.clear()),
        ("read-only", |it| it.mounts.iter_mut().for_each(|mount| mount.2 = false)),
    ];
    let mut seen = String::new();
    for (what, change) in changes {
        let (mut world, release) = made_by_compose(STACK);
        of_service(&mut world, "db").for_each(change);
        let plan = first_plan(&mut world, &release);
        let of_database = plan.notes.iter().find(|note| note.starts_with("db ")).unwrap();
        seen += &format!("{what}: {of_database}\n");
    }
    insta::assert_snapshot!(seen, @"
    no digest: db gets another container: its container was not made by evenkeel: it bears no digest of docker-compose's
    another digest: db gets another container: its container was not made by evenkeel: by docker-compose's digest, it was made from another configuration than the Compose file has now
    2.x: db gets another container: its container was not made by evenkeel: by `docker compose`'s digest, it was made from another configuration than the Compose file has now, or by a version that makes other digests (before 2.24)
    another image: db gets another container: its container was not made by evenkeel: by docker-compose's digest, it was made from another configuration than the Compose file has now
    no volume: db gets another container: its container was not made by evenkeel: shop_data is not mounted at /var/lib/postgresql/data as the Compose file says
    read-only: db gets another container: its container was not made by evenkeel: shop_data is not mounted at /var/lib/postgresql/data as the Compose file says
    ");
}

/// What docker-compose's digest leaves out, or what evenkeel makes in another way.
#[test]
fn what_the_digest_does_not_prove_is_not_kept() {
    let mut seen = String::new();
    for (what, service) in [
        ("a file of the repository", "{image: x, volumes: ['./conf:/conf:ro']}"),
        ("another's network", "{image: x, network_mode: 'service:db'}"),
        ("links", "{image: x, links: ['db:store']}"),
        ("pid", "{image: x, pid: host}"),
        ("processes", "{image: x, deploy: {resources: {limits: {pids: 5}}}}"),
    ] {
        let compose =
            STACK.replace("volumes: {data: {}}", &format!("  more: {service}\nvolumes: {{data: {{}}}}"));
        let (mut world, release) = made_by_compose(&compose);
        let plan = first_plan(&mut world, &release);
        let note = plan.notes.iter().find(|note| note.starts_with("more ")).unwrap();
        seen += &format!("{what}: {note}\n");
    }
    insta::assert_snapshot!(seen, @"
    a file of the repository: more gets another container: its container was not made by evenkeel: what is at /conf is a file of the release, which evenkeel mounts from its own directory
    another's network: more gets another container: its container was not made by evenkeel: it lives in a namespace of db's container, which may be replaced
    links: more gets another container: its container was not made by evenkeel: it has `links`, which docker-compose ties to one container
    pid: more gets another container: its container was not made by evenkeel: docker-compose's digest leaves `pid` out
    processes: more gets another container: its container was not made by evenkeel: docker-compose's digest may leave its limit of processes out
    ");
}

/// A stack that does not work is left as it is.
#[test]
fn what_is_kept_has_to_work_before_anything_is_touched() {
    let (mut world, _) = made_by_compose(STACK);
    let next = release(SPEC, STACK, "code-2");
    world.knows(&next, code("a", true, true));
    let log = forward(&next, 1).failing(|effect| matches!(effect, Effect::Prove { .. })).run(&mut world);
    assert!(
        !log.lines.iter().any(|line| line.contains("  create ") || line.contains("  stop ")),
        "{:?}",
        log.lines
    );
}

#[test]
fn whatever_interrupts_it() {
    let (world, old) = made_by_compose(STACK);
    resumes(&world, forward(&old, 1));
    let new = release(SPEC, STACK, "code-2");
    let mut pair = Pair { world, old, new };
    pair.world.releases.clear();
    pair.world.knows(&pair.new, code("a b", true, true));
    resumes(&pair.world, forward(&pair.new, 2));
    undoes(&pair);
}

/// The release after it replaces what was kept, fails, and is put back.
#[test]
fn the_next_release_is_put_back() {
    let (mut world, old) = made_by_compose(STACK);
    deploy(&mut world, &old, 1);
    let new = release(
        SPEC,
        &STACK.replace("image: postgres", "image: postgres\n    environment: {A: '1'}"),
        "code-2",
    );
    world.knows(&new, code("a", true, true));
    world.notes = Notes::default();
    let pair = Pair { world, old, new };
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
}
