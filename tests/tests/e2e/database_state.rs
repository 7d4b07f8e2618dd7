//! A database that is not where it should be stops everything, and what serves goes on.

use evenkeel_tests::World;
use evenkeel_tests::docker::docker;

#[test]
fn a_revision_that_nobody_knows_stops_the_rollout() {
    let world = World::new();
    let controller = world.start();
    let good = world.repo.head();
    controller.settle(&good, 240);
    let rows = world.seed_rows();
    world.psql("UPDATE alembic_version SET version_num = '0009'");

    world.commit_version("1.0.1");
    let now = controller.wait("the database to be reported", 90, |now| {
        now.app.phase == "Idle"
            && (now.app.condition("DatabaseAhead").is_some()
                || now.app.condition("DatabaseDiverged").is_some())
    });
    assert_eq!(now.app.live_revision.as_deref(), Some(good.as_str()));
    assert_eq!(world.served_version(), "1.0.0");
    assert_eq!(world.schema_revision(), "0009", "the revision is not ours to change");
    world.assert_rows(&rows);

    world.psql("UPDATE alembic_version SET version_num = '0001'");
    controller.settle(&world.repo.head(), 150);
    assert_eq!(world.served_version(), "1.0.1");
}

#[test]
fn an_emptied_volume_stops_everything() {
    let world = World::new();
    let mut controller = world.start();
    let good = world.repo.head();
    controller.settle(&good, 240);
    world.seed_rows();
    controller.terminate();

    // Behind its back: the database is gone, and an empty one is in its place.
    let database = world.names.container("db");
    docker(&[
        "exec",
        &database,
        "psql",
        "-U",
        "convertik",
        "-d",
        "postgres",
        "-c",
        "DROP DATABASE convertik WITH (FORCE)",
    ]);
    docker(&[
        "exec",
        &database,
        "psql",
        "-U",
        "convertik",
        "-d",
        "postgres",
        "-c",
        "CREATE DATABASE convertik",
    ]);

    controller.restart();
    let commit = world.commit_overlay("add-column");
    let now = controller.wait("the empty database to be reported", 120, |now| {
        now.app.phase == "Idle"
            && now.app.conditions.iter().any(|one| one.message.to_lowercase().contains("empty"))
    });
    assert_ne!(
        now.app.live_revision.as_deref(),
        Some(commit.as_str()),
        "it was deployed on an empty database"
    );
    controller.several_polls();
    let tables = world.psql("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'");
    assert_eq!(tables, "0", "migrations were run on a database that had lost its data");
}
