//! Somebody changes by hand what runs: it is noticed, named, counted and healed.

use evenkeel_tests::docker::docker;
use evenkeel_tests::{Controller, World};

#[test]
fn drift_is_healed_and_counted() {
    let world = World::new();
    let controller = world.start();
    let head = world.repo.head();
    controller.settle(&head, 240);
    let api = world.names.container("api");
    let redis = world.names.container("redis");

    heals(&world, &controller, "stopped", &["stop", "-t", "5", &api], || running(&world, "convertik-api"));
    heals(&world, &controller, "removed", &["rm", "-f", &redis], || running(&world, "convertik-redis"));
    heals(&world, &controller, "network", &["network", "disconnect", &world.names.network, &api], || {
        world.docker().of_service("convertik-api").iter().any(|one| {
            one["State"]["Running"] == true
                && !one["NetworkSettings"]["Networks"][&world.names.network].is_null()
        })
    });
    let tag = format!("{api}:latest");
    let right = id_of(&tag);
    heals(&world, &controller, "retagged", &["tag", "redis:7", &tag], || id_of(&tag) == right);
    assert_eq!(world.served_version(), "1.0.0");
    world.assert_tidy();
}

/// Does something by hand, and waits until it is undone and has been counted.
fn heals(world: &World, controller: &Controller, what: &str, by_hand: &[&str], healed: impl Fn() -> bool) {
    let app = [("app", world.names.app.as_str())];
    let before = controller.metrics().sum("evenkeel_drift_total", &app);
    docker(by_hand);
    controller.wait(&format!("what was {what} to be healed"), 90, |now| healed() && now.app.settled());
    let after = controller.metrics().sum("evenkeel_drift_total", &app);
    assert!(after > before, "{what}: evenkeel_drift_total went from {before} to {after}");
}

fn running(world: &World, service: &str) -> bool {
    world.docker().of_service(service).iter().any(|one| one["State"]["Running"] == true)
}

fn id_of(image: &str) -> String {
    docker(&["image", "inspect", "--format", "{{.Id}}", image])
}
