//! The harness itself, on the example as its authors run it: without it a green test means little.

use std::time::Duration;

use evenkeel_tests::database::Writer;
use evenkeel_tests::docker::{docker, try_docker};
use evenkeel_tests::{Load, World};

#[test]
fn a_load_sees_what_users_see_and_a_world_goes_without_trace() {
    let world = World::new();
    let id = world.names.id.clone();
    world.up_by_hand();
    let writer = Writer::start(&world);
    let load = Load::start(&world.url(""), 50);
    std::thread::sleep(Duration::from_secs(2));
    docker(&["stop", "-t", "1", &world.names.container("api")]);
    std::thread::sleep(Duration::from_secs(1));
    docker(&["start", &world.names.container("api")]);
    std::thread::sleep(Duration::from_secs(4));
    let (seen, written) = (load.stop(), writer.stop());
    assert!(seen.longest_gap > Duration::from_millis(900), "the pause was not seen: {:?}", seen.longest_gap);
    assert!(!seen.rows.is_empty() && !written.is_empty());
    world.assert_rows(&seen.rows);
    world.assert_rows(&written);
    drop(world);
    assert_eq!(try_docker(&["ps", "-aq", "--filter", &format!("name={id}")]).stdout, "");
    assert_eq!(try_docker(&["network", "ls", "-q", "--filter", &format!("name={id}")]).stdout, "");
}
