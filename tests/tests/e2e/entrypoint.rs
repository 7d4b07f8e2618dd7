//! An image whose entrypoint migrates by itself, with its revision in a schema of its own.

use evenkeel_tests::World;

#[test]
fn an_entrypoint_that_migrates_is_not_in_the_way() {
    let world = World::new();
    world.commit_overlay("entrypoint-script");
    let controller = world.start();
    controller.settle(&world.repo.head(), 240);
    assert_eq!(revision(&world), "0001");
    let rows = world.seed_rows();

    let commit = world.commit_overlay("entrypoint-script-add-column");
    controller.settle(&commit, 150);
    assert_eq!((revision(&world), world.served_version()), ("0002".into(), "1.1.0-entrypoint-script".into()));

    let commit = world.repo.revert_head();
    controller.settle(&commit, 150);
    assert_eq!((revision(&world), world.served_version()), ("0001".into(), "1.0.1-entrypoint-script".into()));
    world.assert_rows(&rows);
    world.assert_tidy();
}

fn revision(world: &World) -> String {
    world.psql("SELECT version_num FROM bookkeeping.schema_revision")
}
