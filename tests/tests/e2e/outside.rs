//! A database that is no part of the project: another container's, behind a port of the host.

use evenkeel_tests::docker::docker;
use evenkeel_tests::world::PASSWORD;
use evenkeel_tests::{Controller, World};

#[test]
fn a_database_outside_the_project_is_migrated_backed_up_and_restored() {
    let world = outside();
    let controller = world.start();
    let first = world.repo.head();
    let now = controller.settle(&first, 240);
    assert_eq!((now.app.schema_current(), world.schema_revision()), ("0001".to_owned(), "0001".to_owned()));
    let seeded = world.seed_rows();

    let commit = world.commit_overlay("add-column");
    controller.settle(&commit, 200);
    assert_eq!(world.schema_revision(), "0002");
    assert!(detail(&controller, "rehearse").contains("only adds"), "{}", detail(&controller, "rehearse"));
    assert!(detail(&controller, "backup").contains("decoded in full"), "{}", detail(&controller, "backup"));
    world.assert_rows(&seeded);
    no_helper(&world, &controller);

    backups(&world, &controller);

    // By an address, for which nothing can stand in: tried on the real one only, behind a fence and a backup.
    world.repo.restore(&first);
    world.set_version("1.0.1");
    let back = world.repo.commit("back");
    controller.settle(&back, 200);
    assert_eq!(world.schema_revision(), "0001");
    by_address(&world);
    let commit = world.commit_overlay("add-column");
    controller.settle(&commit, 200);
    assert_eq!(world.schema_revision(), "0002");
    assert!(detail(&controller, "rehearse").contains("not rehearsed"), "{}", detail(&controller, "rehearse"));
    let paused = controller.last_rollout().message.unwrap_or_default();
    assert!(paused.contains("was stopped for"), "it was not fenced: {paused}");
    world.assert_rows(&seeded);
    no_helper(&world, &controller);
    controller.assert_discreet();
}

/// The operator's verbs, and a helper that a crash left behind.
fn backups(world: &World, controller: &Controller) {
    let left = format!("{}-client", world.names.app);
    let label = format!("evenkeel.app={}", world.names.app);
    docker(&["run", "-d", "--name", &left, "--label", &label, "debian:bookworm-slim", "sleep", "600"]);
    done(controller, &["backup", "create", &world.names.app]);
    let backups: Vec<serde_json::Value> =
        controller.json(&["backup", "list", &world.names.app]).expect("backups are listed");
    let id = backups[0]["id"].as_str().expect("it has an id").to_owned();
    done(controller, &["backup", "verify", &world.names.app, &id, "--restored"]);
    let rows = world.count_rows();
    world.psql("DELETE FROM conversions");
    done(controller, &["backup", "restore", &world.names.app, &id, "--yes"]);
    assert_eq!(world.count_rows(), rows);
    no_helper(world, controller);
}

fn done(controller: &Controller, verb: &[&str]) {
    let finished = controller.cli(verb);
    assert!(finished.success(), "{verb:?}: {}{}", finished.stdout, finished.stderr);
}

/// What the last step of that name found out.
fn detail(controller: &Controller, step: &str) -> String {
    let rollout = controller.last_rollout();
    rollout.performed(step).last().and_then(|step| step.detail.clone()).unwrap_or_default()
}

/// It goes a moment after whoever needed it.
fn no_helper(world: &World, controller: &Controller) {
    controller.wait_for("the helper to go", 20, |_| match world.temporaries().len() {
        0 => Ok(()),
        some => Err(format!("{some} are there")),
    });
}

/// The example, whose database has moved out of the Compose file.
fn outside() -> World {
    let world = World::new();
    let port = world.ports.database.number();
    let (name, publish) = (world.names.container("db"), format!("{port}:5432"));
    let password = format!("POSTGRES_PASSWORD={PASSWORD}");
    let run = ["run", "-d", "--name", &name, "-p", &publish, "--tmpfs", "/var/lib/postgresql/data"];
    let environment =
        ["-e", "POSTGRES_USER=convertik", "-e", "POSTGRES_DB=convertik", "-e", &password, "postgres:15"];
    docker(&[&run[..], &environment].concat());
    world.edit("evenkeel.yaml", |text| {
        let url = "urlFrom: {env: DATABASE_URL, service: convertik-api}\n    clientImage: postgres:15";
        text.replace("service: convertik-db", url)
    });
    world.edit("docker-compose.production.yml", without_database);
    reach(&world, &format!("outside-db:{port}"));
    world
}

fn without_database(text: String) -> String {
    let (before, rest) = text.split_once("\n  convertik-db:\n").expect("the example has a database");
    let (_, after) = rest.split_once("\n  convertik-redis:\n").expect("and a cache after it");
    let (after, _) = after.split_once("\nvolumes:\n").expect("and its volume at the end");
    let before = before.replace("      convertik-db: {condition: service_healthy}\n", "");
    let before = before.replace("    ports:", "    extra_hosts: [\"outside-db:host-gateway\"]\n    ports:");
    format!("{before}\n  convertik-redis:\n{after}\n")
}

fn reach(world: &World, server: &str) {
    let text = world.repo.read(".env.production.example").replace("change-me", PASSWORD);
    world.write_host_file(".env.production", &text.replace("convertik-db:5432", server));
}

fn by_address(world: &World) {
    let gateway = docker(&["network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}"]);
    let gateway = gateway.replace(".0.0/16", ".0.1");
    reach(world, &format!("{gateway}:{}", world.ports.database.number()));
}
