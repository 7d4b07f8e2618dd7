//! A migration that takes away: announced, fenced, and led back.

use evenkeel_tests::{Load, World};

#[test]
fn drop_column_is_fenced_and_its_revert_leads_back() {
    let world = World::new();
    let controller = world.start();
    controller.settle(&world.repo.head(), 240);
    let seeded = world.seed_rows();
    let before = world.schema();

    let load = Load::start(&world.url(""), 10);
    let commit = world.commit_overlay("drop-column");
    let now = controller.settle(&commit, 150);
    assert_eq!(now.app.schema_current(), "0003");
    assert_eq!(world.served_version(), "1.2.0");
    world.assert_rows(&seeded);
    world.assert_tidy();

    let commit = world.repo.revert_head();
    let now = controller.settle(&commit, 150);
    let seen = load.stop();
    assert_eq!(now.app.schema_current(), "0001");
    assert_eq!(world.served_version(), "1.0.0");
    assert_eq!(world.schema_sorted(), sorted(&before), "the downgrade leads back");
    world.assert_rows(&seen.rows);
    world.assert_rows(&seeded);
    world.assert_tidy();
}

/// The downgrade adds the column again as the last one, so that the order of columns is not compared.
trait Sorted {
    fn schema_sorted(&self) -> String;
}

impl Sorted for World {
    fn schema_sorted(&self) -> String {
        sorted(&self.schema())
    }
}

fn sorted(schema: &str) -> String {
    let mut lines: Vec<&str> = schema.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}
