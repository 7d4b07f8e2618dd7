//! The everyday story: deploy, migrate under load, revert, a page, a setting.

use std::time::Duration;

use evenkeel_tests::controller::Controller;
use evenkeel_tests::load::Report;
use evenkeel_tests::report::Rollout;
use evenkeel_tests::{Load, World};

const FIRST: u64 = 240;
const NEXT: u64 = 150;

#[test]
fn a_to_e_deploy_migrate_revert_page_and_setting() {
    let world = World::new();
    let controller = world.start();
    first_deploy(&world, &controller);
    migration_under_load(&world, &controller);
    revert(&world, &controller);
    page(&world, &controller);
    setting(&world, &controller);
    controller.assert_discreet();
}

/// a: from nothing to a healthy stack, at the schema that the code expects, and then nothing to do.
fn first_deploy(world: &World, controller: &Controller) {
    let head = world.repo.head();
    let now = controller.settle(&head, FIRST);
    controller.wait("the proxy to be live", FIRST, |now| {
        now.status.app(&world.names.proxy).is_some_and(|app| app.settled_at(&head))
    });
    assert_eq!(now.app.schema_current(), "0001");
    assert_eq!(now.app.desired_revision.as_deref(), Some(head.as_str()));
    assert_eq!(world.served_version(), "1.0.0");
    assert_eq!(world.schema_revision(), "0001");
    world.assert_tidy();
    assert_nothing_to_do(controller);
}

fn assert_nothing_to_do(controller: &Controller) {
    let rollouts = controller.rollouts().len();
    controller.several_polls();
    assert_eq!(controller.rollouts().len(), rollouts, "a rollout was started for nothing");
    let plan = controller.cli(&["plan"]);
    assert_eq!(plan.code, 0, "nothing to do, and yet: {}{}", plan.stdout, plan.stderr);
}

/// b: a migration that adds, while users read and write.
fn migration_under_load(world: &World, controller: &Controller) {
    let load = Load::start(&world.url(""), 50);
    std::thread::sleep(Duration::from_secs(2));
    let commit = world.commit_overlay("add-column");
    let now = controller.settle(&commit, NEXT);
    let seen = finish(load);
    assert_eq!(now.app.schema_current(), "0002");
    assert_eq!(world.schema_revision(), "0002");
    assert_eq!(world.served_version(), "1.1.0");
    seen.assert_nothing_failed("a migration that adds");
    world.assert_rows(&seen.rows);
    assert_verified_backup(controller);
    world.assert_tidy();
}

fn finish(load: Load) -> Report {
    std::thread::sleep(Duration::from_secs(1));
    load.stop()
}

fn assert_verified_backup(controller: &Controller) {
    let backups: serde_json::Value =
        controller.json(&["backup", "list", &controller.app]).unwrap_or_else(|problem| panic!("{problem}"));
    let text = backups.to_string();
    assert!(text.contains("Decoded") || text.contains("Restored"), "no backup was verified: {text}");
    assert!(text.contains("0001"), "no backup is of the schema before the migration: {text}");
}

/// c: the revert of that, code and schema, with nothing built and nobody disturbed.
fn revert(world: &World, controller: &Controller) {
    let load = Load::start(&world.url(""), 50);
    std::thread::sleep(Duration::from_secs(1));
    let commit = world.repo.revert_head();
    let now = controller.settle(&commit, NEXT);
    let seen = finish(load);
    assert_eq!(now.app.schema_current(), "0001");
    assert_eq!(world.schema_revision(), "0001");
    assert_eq!(world.served_version(), "1.0.0");
    assert_nothing_built(&controller.last_rollout());
    seen.assert_nothing_failed("the revert of a migration that adds");
    world.assert_rows(&seen.rows);
    world.assert_tidy();
}

fn assert_nothing_built(rollout: &Rollout) {
    let built: Vec<&str> = rollout.performed("build").map(|step| step.subject.as_str()).collect();
    assert!(built.is_empty(), "a revert built {built:?}");
    assert_eq!(rollout.outcome.as_deref(), Some("Succeeded"));
}

/// d: a page changes nothing that runs; the live revision moves on.
fn page(world: &World, controller: &Controller) {
    let (rollouts, id) = (controller.rollouts().len(), world.docker().id("convertik-api"));
    let commit = world.commit_overlay("readme-only");
    controller.settle(&commit, 30);
    assert_eq!(controller.rollouts().len(), rollouts, "a page was rolled out");
    assert_eq!(world.docker().id("convertik-api"), id);
}

/// e: a setting beside the stack changes the application, and not the database.
fn setting(world: &World, controller: &Controller) {
    let (api, database) = (world.docker().id("convertik-api"), world.docker().id("convertik-db"));
    let file = std::fs::read_to_string(world.host_file(".env.production")).expect("it is there");
    world.write_host_file(".env.production", &file.replace("LOG_LEVEL=INFO", "LOG_LEVEL=DEBUG"));
    controller.wait("the setting to be live", NEXT, |now| {
        now.app.settled()
            && world.docker().of_service("convertik-api").iter().all(|one| one["Id"] != api.as_str())
    });
    let environment = world.docker().running("convertik-api")["Config"]["Env"].to_string();
    assert!(environment.contains("LOG_LEVEL=DEBUG"), "the setting did not arrive");
    assert_eq!(world.docker().id("convertik-db"), database, "the database was replaced");
    world.assert_tidy();
}
