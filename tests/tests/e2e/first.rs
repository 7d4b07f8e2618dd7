//! The very first release: of a stack that already runs, and broken ones.

use std::collections::BTreeSet;

use evenkeel_tests::docker::{label, name};
use evenkeel_tests::light::STEADY;
use evenkeel_tests::{Load, World};
use serde_json::Value;

/// What was started by hand is taken over with its data. The database and the cache are as the release asks for them: they are not
/// touched. The API was built elsewhere than the manifest says, so another takes over from it.
#[test]
fn a_stack_that_already_runs_is_taken_over_with_its_data() {
    let world = World::new();
    world.up_by_hand();
    let rows = world.seed_rows();
    let (volumes, names) = (volumes(&world), names(&world));
    let kept = || [world.stands("db"), world.stands("redis")];
    let (before, api) = (kept(), world.stands("api"));
    let load = Load::start(&world.url(""), 20);
    let controller = world.start();
    let now = controller.settle(&world.repo.head(), 240);
    let seen = load.stop();
    assert_eq!(now.app.schema_current(), "0001");
    assert_eq!(self::volumes(&world), volumes, "the data stays in its volume");
    assert_eq!(self::names(&world), names, "the containers keep their names");
    assert_eq!(kept(), before, "what matched is not touched");
    assert_ne!(world.stands("api"), api);
    world.assert_rows(&rows);
    world.assert_rows(&seen.rows);
    world.assert_tidy();

    let commit = world.commit_overlay("add-column");
    controller.settle(&commit, 150);
    assert_eq!(world.schema_revision(), "0002");
    world.assert_rows(&rows);
    controller.assert_discreet();
}

/// Where the first release that evenkeel sees is broken, what ran before runs on.
#[test]
fn a_broken_first_release_leaves_what_already_runs() {
    let world = World::new();
    world.up_by_hand();
    let rows = world.seed_rows();
    let names = names(&world);
    world.overlay("exits-at-start");
    let commit = world.repo.commit("broken");
    let controller = world.start();
    let now = controller.quarantine(&commit, 240);
    assert!(now.app.live_revision.is_none(), "{:?}", now.app.live_revision);
    assert_eq!(world.served_version(), "1.0.0");
    assert_eq!(self::names(&world), names);
    world.assert_rows(&rows);

    let good = world.repo.revert_head();
    controller.settle(&good, 240);
    world.assert_rows(&rows);
    world.assert_tidy();
}

/// From nothing, a broken first release leaves nothing that runs, and the next good commit is deployed.
#[test]
fn a_broken_first_release_from_nothing_is_followed_by_a_good_one() {
    let world = World::new();
    let good = world.repo.head();
    world.overlay("app-broken-migration-fine");
    let commit = world.repo.commit("broken");
    let controller = world.start();
    controller.quarantine(&commit, 240);
    assert!(world.docker().of_service("convertik-api").is_empty(), "what never worked does not stay");
    controller.several_polls();
    let tries = controller.rollouts().iter().filter(|rollout| rollout.revision == commit).count();
    assert_eq!(tries, 1, "it is tried once");

    let next = world.commit_back_to(&good, "1.0.1");
    controller.settle(&next, 240);
    assert_eq!((world.served_version(), world.schema_revision()), ("1.0.1".to_owned(), "0001".to_owned()));
    world.assert_tidy();
}

fn containers(world: &World) -> Vec<Value> {
    let services = ["convertik-api", "convertik-db", "convertik-redis"];
    services.iter().flat_map(|service| world.docker().of_service(service)).collect()
}

/// Service and container name, of all that run.
fn names(world: &World) -> BTreeSet<(String, String)> {
    let running = containers(world).into_iter().filter(|one| one["State"]["Running"] == true);
    running.map(|one| (label(&one, "com.docker.compose.service"), name(&one))).collect()
}

fn volumes(world: &World) -> BTreeSet<String> {
    let all = containers(world);
    let mounts = all.iter().filter_map(|one| one["Mounts"].as_array()).flatten();
    let named = mounts.filter(|mount| mount["Destination"] == "/var/lib/postgresql/data");
    named.filter_map(|mount| mount["Name"].as_str().map(str::to_owned)).collect()
}

/// The engine runs a healthcheck for the first time when its interval has passed. Neither the proof nor the bake waits for that,
/// nor takes its silence for a failure.
#[test]
fn a_healthcheck_that_comes_seldom_delays_nobody() {
    let world = World::light();
    let path = format!("{STEADY}/evenkeel.yaml");
    let probe = "  services: {cache: {probe: {tcp: {port: 6379}, startTimeout: 3s}}}\n";
    let text = world.repo.read(&path).replace("bake: 0s", "bake: 6s") + probe;
    world.repo.write(&path, &text);
    let commit = world.repo.commit("a bake that is longer than the start may take");
    let controller = world.start();
    controller.wait_for("the application to be live", 90, |controller| {
        let status = controller.status()?;
        let app = status.applications.iter().find(|app| app.name == world.steady());
        match app.filter(|app| app.live_revision.as_deref() == Some(commit.as_str())) {
            Some(_) => Ok(()),
            None => Err(format!("{app:?}")),
        }
    });
}
