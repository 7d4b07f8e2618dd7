//! Another major version on the data of the one before.

use super::drive::{back, deploy, forward};
use super::releases::{SPEC_DB, STACK, release};
use super::world::{Books, Code, Notes, World};
use crate::container::label;
use crate::name::{RolloutId, ServiceName};
use crate::plan::{Blocked, Plan, make};
use crate::release::Release;
use crate::secret::Secret;

fn stack(image: &str) -> String {
    STACK.replace("image: postgres", &format!("image: {image}"))
}

fn spec(options: &str) -> String {
    SPEC_DB.replace("services: {", &format!("services: {{db: {options}, "))
}

/// A stack that runs, with a database from an image.
fn runs(image: &str) -> (World, Release) {
    live(&stack(image))
}

/// What a Compose file asks for runs.
fn live(compose: &str) -> (World, Release) {
    let mut world = World::default();
    let first = release(SPEC_DB, compose, "code-1");
    world.knows(&first, Code { scripts: "a", ..Code::default() });
    deploy(&mut world, &first, 1);
    world.notes = Notes::default();
    (world, first)
}

fn says(world: &mut World, image: &str, variable: &str) {
    world.observed.images.get_mut(image).unwrap().environment = vec![variable.to_owned()];
}

fn of_database(world: &mut World) -> &mut crate::observed::Container {
    let is = |it: &&mut crate::observed::Container| it.service() == Some(ServiceName::new("db"));
    world.observed.containers.iter_mut().find(is).unwrap()
}

fn next(world: &mut World, spec: &str, compose: &str) -> Result<Plan, Blocked> {
    let next = release(spec, compose, "code-2");
    world.knows(&next, Code { scripts: "a", ..Code::default() });
    let seen = world.look(&next, false);
    make(&seen.facts(&next, RolloutId(2)))
}

fn refused(world: &mut World, spec: &str, compose: &str) -> String {
    next(world, spec, compose).unwrap_err().message
}

#[test]
fn another_major_version_on_the_same_data_is_refused() {
    let (mut world, _) = runs("postgres:15");
    let before = world.shape();
    insta::assert_snapshot!(refused(&mut world, SPEC_DB, &stack("postgres:16.1")), @"what service db keeps in shop_data was written by postgres:15, and the release has postgres:16.1 there: a PostgreSQL server does not start on the data of another major version, so nothing was touched. Stay with postgres:15; or bring the data over (with `pg_dump`, or `evenkeel backup create` where `spec.database` names it; then restore the dump into a new volume that the Compose file names); or, where postgres:16.1 can deal with the data as they are, consent by `allowMajorUpgrade: true` at `spec.services.db` of the manifest");
    assert_eq!(world.shape(), before);
    assert!(next(&mut world, SPEC_DB, &stack("postgres:15.4")).is_ok());
    assert!(
        next(
            &mut world,
            SPEC_DB,
            &stack("postgres:16").replace("data:/", "other:/").replace("data: {}", "other: {}")
        )
        .is_ok()
    );
    assert!(next(&mut world, &spec("{allowMajorUpgrade: true}"), &stack("postgres:16")).is_ok());
}

#[test]
fn what_the_image_says_counts_more_than_its_tag() {
    let (mut world, _) = runs("db:3");
    of_database(&mut world).environment = vec![Secret::new("PG_MAJOR=15")];
    let seen = next(&mut world, SPEC_DB, &stack("db:4"));
    assert!(seen.is_ok(), "what is to be pulled says it once it is there: {seen:?}");
    let there = release(SPEC_DB, &stack("db:4"), "code-2");
    let _ = forward(&there, 2).stop_after(1).run(&mut world);
    says(&mut world, "db:4", "PG_MAJOR=15");
    assert!(next(&mut world, SPEC_DB, &stack("db:4")).is_ok());
    says(&mut world, "db:4", "PG_MAJOR=16");
    let why = refused(&mut world, SPEC_DB, &stack("db:4"));
    assert!(
        why.contains("was written by PostgreSQL 15, and the release has PostgreSQL 16 (image db:4) there"),
        "{why}"
    );
}

#[test]
fn what_nobody_has_met_before_is_refused_as_well() {
    let (mut world, _) = runs("postgres:15");
    (world.books, world.notes) = (Books::default(), Notes::default());
    for container in &mut world.observed.containers {
        container.labels.retain(|name, _| !name.starts_with("evenkeel."));
    }
    of_database(&mut world).environment = vec![Secret::new("PG_MAJOR=15")];
    let why = refused(&mut world, SPEC_DB, &stack("postgres:16"));
    assert!(why.contains("PostgreSQL 15"), "{why}");
}

/// What is put back wrote the data; what stands there by now has not come to write anything.
#[test]
fn the_way_back_is_not_refused() {
    let (mut world, first) = runs("postgres:15");
    let next = release(&spec("{allowMajorUpgrade: true}"), &stack("postgres:16"), "code-2");
    world.knows(&next, Code { scripts: "a", broken: true, ..Code::default() });
    let _ = forward(&next, 2).run(&mut world);
    of_database(&mut world).environment = vec![Secret::new("PG_MAJOR=16")];
    let end = back(&first, 2).run(&mut world).end;
    assert!(matches!(end, super::drive::End::Finished), "{end:?}");
}

#[test]
fn a_repair_is_refused_only_for_the_server_that_runs() {
    let (mut world, first) = runs("postgres:15");
    says(&mut world, "postgres:15", "PG_MAJOR=15");
    let container = of_database(&mut world);
    container.environment = vec![Secret::new("PG_MAJOR=16")];
    container
        .labels
        .retain(|name, _| [label::COMPOSE_SERVICE, label::COMPOSE_NUMBER].contains(&name.as_str()));
    world.books.known.clear();
    world.books.serving.remove(&ServiceName::new("db"));
    let seen = world.look(&first, false);
    make(&seen.facts(&first, RolloutId(2))).unwrap();
    world.server_major = Some(16);
    let seen = world.look(&first, false);
    let why = make(&seen.facts(&first, RolloutId(2))).unwrap_err().message;
    assert!(why.contains("was written by PostgreSQL 16"), "{why}");
}

/// What is made from PostgreSQL's image, such as whatever takes backups, has its `PG_MAJOR`, and none of its data.
#[test]
fn only_the_servers_own_directory_is_its_data() {
    let (mut world, _) = live(&with("dumps:a", "files:/backups"));
    let is = |it: &&mut crate::observed::Container| it.service() == Some(ServiceName::new("files"));
    world.observed.containers.iter_mut().find(is).unwrap().environment = vec![Secret::new("PG_MAJOR=15")];
    let there = release(SPEC_DB, &with("dumps:b", "files:/backups"), "code-2");
    world.knows(&there, Code { scripts: "a", ..Code::default() });
    let _ = forward(&there, 2).stop_after(2).run(&mut world);
    says(&mut world, "dumps:b", "PG_MAJOR=16");
    let seen = world.look(&there, false);
    make(&seen.facts(&there, RolloutId(2))).unwrap();
}

/// A stack with a service of some image that writes somewhere.
fn with(image: &str, volume: &str) -> String {
    let files = format!("  files: {{image: '{image}', volumes: ['{volume}']}}\n");
    stack("postgres:15").replace("volumes: {data: {}}\n", &files) + "volumes: {data: {}, files: {}}\n"
}

/// Whether the next image of such a service is refused.
fn is_refused(spec: &str, volume: &str, old: &str, new: &str) -> bool {
    let (mut world, _) = live(&with(old, volume));
    next(&mut world, spec, &with(new, volume)).is_err()
}

#[test]
fn other_images_are_told_by_their_tags() {
    let files = "files:/files";
    for (old, new) in
        [("cloud:28-fpm", "cloud:29-fpm"), ("registry:5000/cloud:v28.1", "registry:5000/cloud:v29")]
    {
        assert!(is_refused(SPEC_DB, files, old, new), "{old} {new}");
    }
    for (old, new) in [
        ("cloud:28.1", "cloud:28.2"),
        ("cloud:latest", "cloud:29"),
        ("cloud:28", "other:29"),
        ("cloud:20240101", "cloud:20250101"),
    ] {
        assert!(!is_refused(SPEC_DB, files, old, new), "{old} {new}");
    }
}

#[test]
fn what_holds_no_data_of_the_services_own_is_no_matter() {
    let shared = SPEC_DB.replace("services: {", "services: {files: {sharedVolumes: [files]}, ");
    assert!(!is_refused(&shared, "files:/files", "cloud:28", "cloud:29"));
    let socket = "/var/run/docker.sock:/var/run/docker.sock";
    assert!(!is_refused(SPEC_DB, socket, "proxy:2", "proxy:3"));
    assert!(!is_refused(SPEC_DB, "/var/run:/var/run", "advisor:2", "advisor:3"));
    assert!(
        !is_refused(SPEC_DB, "/app/node_modules", "node:18", "node:20"),
        "it has what it came with in it"
    );
    assert!(is_refused(SPEC_DB, "/srv/files:/files", "cloud:28", "cloud:29"));
}

/// What a service is called makes no difference to its data.
#[test]
fn a_service_with_another_name_is_told_by_its_volume() {
    let renamed = |tag: &str| with(tag, "files:/files").replace("  files: {image", "  store: {image");
    let is_refused = |spec: &str, next_file: &str, by_hand: fn(&mut World)| {
        let (mut world, _) = live(&with("cloud:28", "files:/files"));
        by_hand(&mut world);
        next(&mut world, spec, next_file).err().map(|blocked| blocked.message)
    };
    let why = is_refused(SPEC_DB, &renamed("cloud:29"), |_| {}).unwrap();
    assert!(why.starts_with("what service store keeps in shop_files was written by cloud:28"), "{why}");
    let gone = |world: &mut World| world.observed.containers.retain(|it| !it.name.contains("files"));
    assert!(is_refused(SPEC_DB, &renamed("cloud:29"), gone).is_some(), "its container is gone");
    assert_eq!(is_refused(SPEC_DB, &renamed("cloud:28.1"), |_| {}), None);
    assert_eq!(is_refused(SPEC_DB, &renamed("other:29"), |_| {}), None);
    let elsewhere =
        renamed("cloud:29").replace("files:/files", "data2:/files").replace("files: {}", "data2: {}");
    assert_eq!(is_refused(SPEC_DB, &elsewhere, |_| {}), None, "other data");
    let consents = SPEC_DB.replace("services: {", "services: {store: {allowMajorUpgrade: true}, ");
    assert_eq!(is_refused(&consents, &renamed("cloud:29"), |_| {}), None);
    let beside = renamed("cloud:29")
        .replace("  store: {", "  files: {image: 'cloud:28', volumes: ['files:/files']}\n  store: {");
    assert_eq!(
        is_refused(SPEC_DB, &beside, |_| {}),
        None,
        "whoever goes on with it is not called otherwise now"
    );
}

/// What is left of the one before says nothing once the service has gone on with the data.
#[test]
fn the_remains_of_a_former_writer_say_nothing() {
    let (mut world, _) = live(&with("cloud:28", "files:/files"));
    let serves = world.of(&ServiceName::new("files")).next().unwrap().clone();
    let mut former = crate::observed::Container {
        id: crate::name::ContainerId::new("f".repeat(64)),
        name: "shop-cloud-1".to_owned(),
        image: "cloud:27".to_owned(),
        state: crate::observed::State::Exited,
        ..serves
    };
    former.labels = [(label::COMPOSE_PROJECT, "shop"), (label::COMPOSE_SERVICE, "cloud")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    world.observed.containers.push(former);
    assert!(next(&mut world, SPEC_DB, &with("cloud:28.1", "files:/files")).is_ok());
    let why = refused(&mut world, SPEC_DB, &with("cloud:29", "files:/files"));
    assert!(why.contains("was written by cloud:28"), "{why}");
}

#[test]
fn a_database_with_another_name_is_told_by_its_volume() {
    let (mut world, _) = runs("postgres:15");
    of_database(&mut world).environment = vec![Secret::new("PG_MAJOR=15")];
    let renamed = stack("postgres:16").replace("  db:\n", "  base:\n").replace("[db]", "[base]");
    let spec = SPEC_DB.replace("service: db,", "service: base,");
    let why = refused(&mut world, &spec, &renamed);
    assert!(why.starts_with("what service base keeps in shop_data was written by PostgreSQL 15"), "{why}");
    let same = renamed.replace("postgres:16", "postgres:15");
    let why = refused(&mut world, &spec, &same);
    assert!(why.contains("is not renamed"), "{why}");
    world.observed.containers.clear();
    assert!(next(&mut world, &spec, &same).is_ok());
}
