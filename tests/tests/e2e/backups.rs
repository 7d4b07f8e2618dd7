//! Backups, by the verbs that an operator has.

use std::path::PathBuf;

use evenkeel_tests::{Controller, World};
use serde_json::Value;

#[test]
fn a_backup_is_made_proven_and_put_back_and_a_damaged_one_is_refused() {
    let world = World::new();
    let controller = world.start();
    controller.settle(&world.repo.head(), 240);
    let seeded = world.seed_rows();

    done(&controller, &["backup", "create"]);
    let backup = newest(&controller);
    let id = text(&backup, "id");
    assert_eq!((text(&backup, "level"), text(&backup, "reason")), ("Decoded".into(), "Manual".into()));
    assert_eq!(backup["revisions"], serde_json::json!(["0001"]));
    assert_eq!(backup["rows"]["\"public\".\"conversions\""], seeded.len());

    done(&controller, &["backup", "verify", &id, "--restored"]);
    assert_eq!(text(&newest(&controller), "level"), "Restored");
    assert_eq!(databases(&world), ["convertik"], "what it was restored into is gone");

    world.psql("DELETE FROM conversions WHERE client IS NULL; UPDATE conversions SET amount = 0");
    let refused = verb(&controller, &["backup", "restore", &id]);
    assert_ne!(refused.code, 0, "a restore needs a yes");
    let told = done(&controller, &["backup", "restore", &id, "--yes"]);
    world.assert_rows(&seeded);
    assert_eq!(world.count_rows(), seeded.len());
    let kept = databases(&world).into_iter().find(|name| name.starts_with("convertik_before_"));
    let kept = kept.expect("the replaced database is kept");
    assert!(told.contains(&kept), "{told}");
    let zeros = format!("\\c {kept}\nSELECT count(*) FROM conversions WHERE amount = 0");
    assert_eq!(world.psql(&zeros), (seeded.len() - 1).to_string(), "as it was, with its damage");
    controller.settle(&world.repo.head(), 60);

    damage(&dump(&world, &controller, &id));
    let broken = verb(&controller, &["backup", "verify", &id]);
    assert_ne!(broken.code, 0, "{}", broken.stdout);
    assert!(broken.stderr.contains("not good"), "{}", broken.stderr);
    assert!(newest(&controller)["broken"].as_str().is_some_and(|why| why.contains("SHA-256")));
    assert!(controller.cli(&["backup", "list", &world.names.app]).stdout.contains("broken"));
    let refused = verb(&controller, &["backup", "restore", &id, "--yes"]);
    assert!(refused.code != 0 && refused.stderr.contains("not good"), "{}", refused.stderr);
    world.assert_rows(&seeded);
    assert_eq!(databases(&world).len(), 2, "nothing half restored stays");
    controller.assert_discreet();
}

/// A verb on the application: there are two, so that it has to be named.
fn verb(controller: &Controller, words: &[&str]) -> evenkeel_tests::command::Finished {
    let (verb, rest) = words.split_at(2);
    controller.cli(&[verb, &[controller.app.as_str()], rest].concat())
}

fn done(controller: &Controller, words: &[&str]) -> String {
    let finished = verb(controller, words);
    assert!(finished.success(), "{words:?}: {}{}", finished.stdout, finished.stderr);
    finished.stdout
}

fn newest(controller: &Controller) -> Value {
    let backups: Vec<Value> =
        controller.json(&["backup", "list", &controller.app]).expect("backups are listed");
    backups.into_iter().next().expect("there is one")
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// The databases on the server but those that it came with.
fn databases(world: &World) -> Vec<String> {
    let all = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1";
    world.psql(all).lines().map(str::to_owned).collect()
}

fn dump(world: &World, controller: &Controller, id: &str) -> PathBuf {
    controller.data_dir().join("backups").join(&world.names.app).join(format!("{id}.dump"))
}

/// One bit, in the middle.
fn damage(path: &std::path::Path) {
    let mut bytes = std::fs::read(path).expect("the dump is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("it can be damaged");
}
