//! Volumes without a name: what is in them is the service's, and goes from container to container.

use evenkeel_tests::World;
use evenkeel_tests::docker::{Docker, docker};

const STACK: &str = "services:
  cache:
    image: redis:7
    volumes: ['/data']
";

/// Two containers never share a volume that both could write to, so the old one is removed before the new one starts. Where that is
/// refused, what the old one had goes to the one that is made in its place.
#[test]
fn what_a_successor_that_never_started_was_given_comes_back() {
    let world = World::light();
    let app = format!("{}-shop", world.names.id);
    world.repo.write("shop/evenkeel.yaml", &evenkeel_tests::light::manifest(&app, "compose.yaml"));
    world.repo.write("shop/compose.yaml", STACK);
    let first = world.repo.commit("shop");
    let mut controller = world.start();
    controller.app.clone_from(&app);
    controller.settle(&first, 180);
    let stack = Docker::of(&app);
    let kept = || docker(&["exec", &stack.id("cache"), "cat", "/data/kept"]);
    docker(&["exec", &stack.id("cache"), "sh", "-c", "echo a queue > /data/kept"]);

    world.repo.write("shop/compose.yaml", &format!("{STACK}    entrypoint: [/there-is-no-such-program]\n"));
    let broken = world.repo.commit("a program that is not there");
    controller.quarantine(&broken, 180);
    assert_eq!(kept(), "a queue");

    world.repo.write("shop/compose.yaml", &format!("{STACK}    environment: {{COLOUR: blue}}\n"));
    let next = world.repo.commit("another variable");
    controller.settle(&next, 180);
    assert_eq!(kept(), "a queue");
}
