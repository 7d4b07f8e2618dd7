//! What disturbs everybody on the engine: run alone, and last.

use std::time::{Duration, Instant};

use evenkeel_tests::World;
use evenkeel_tests::command::{command, must};
use evenkeel_tests::world::{Options, project};

#[test]
#[ignore = "restarts the engine that everybody shares; tests/run runs it by itself"]
fn the_engine_restarts_while_a_release_is_watched() {
    let world = World::with(Options { bake: 20, ..Options::default() });
    let controller = world.start();
    controller.settle(&world.repo.head(), 240);
    let rows = world.seed_rows();
    let commit = world.commit_overlay("add-column");
    controller.wait("the release to be watched", 150, |now| now.app.phase == "Baking");
    restart_engine();
    controller.settle(&commit, 240);
    assert_eq!(world.served_version(), "1.1.0");
    assert_eq!(world.schema_revision(), "0002");
    world.assert_rows(&rows);
    world.assert_tidy();
}

fn restart_engine() {
    let pid = std::fs::read_to_string("/var/run/docker.pid").expect("the engine's process id");
    must(&mut command("kill", ["-TERM", pid.trim()]));
    let deadline = Instant::now() + Duration::from_secs(90);
    while std::path::Path::new("/proc").join(pid.trim()).exists() {
        assert!(Instant::now() < deadline, "the engine does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
    let script = format!(". {}/deploy/lib/engine.sh && ensure_engine", project().display());
    must(&mut command("bash", ["-c", &script]));
}
