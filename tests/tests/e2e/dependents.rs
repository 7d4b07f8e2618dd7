//! A service that asks to be restarted with what it depends on.

use evenkeel_tests::docker::docker;
use evenkeel_tests::{Controller, World};
use serde_json::Value;

/// It lives in a container of its own image, so that a new version of the application does not replace it.
const LISTENER: &str = "  listener:
    image: redis:7
    restart: unless-stopped
    depends_on: {convertik-api: {condition: service_healthy, restart: true}}

networks:
";

#[test]
fn a_dependent_is_restarted_after_what_it_depends_on() {
    let world = World::new();
    let head = world.edit("docker-compose.production.yml", |text| {
        text.replacen("networks:\n  caddy:", &format!("{LISTENER}  caddy:"), 1)
    });
    let controller = world.start();
    controller.settle(&head, 240);
    assert_eq!(restarts(&controller), 0, "nobody has anything to be restarted for yet");
    let first = world.docker().running("listener");

    let commit = world.commit_version("1.0.1");
    controller.settle(&commit, 180);
    let second = world.docker().running("listener");
    assert_eq!(first["Id"], second["Id"], "it was restarted, not replaced");
    assert!(
        started(&second) > started(&world.docker().running("convertik-api")),
        "only once the new one served"
    );
    assert_eq!(restarts(&controller), 1, "once");

    docker(&["stop", "-t", "5", &world.names.container("api")]);
    controller.wait("the listener to be restarted after a repair", 180, |now| {
        world.docker().of_service("listener").iter().any(|one| started(one) > started(&second))
            && now.app.settled()
    });
    assert_eq!(restarts(&controller), 1, "once for the repair");
    controller.several_polls();
    assert_eq!(world.docker().running("listener")["Id"], first["Id"]);
    world.assert_tidy();
}

/// How often the last rollout restarted something.
fn restarts(controller: &Controller) -> usize {
    controller.last_rollout().performed("restart").count()
}

/// When a container was started: RFC 3339 with nanoseconds, which sort like texts.
fn started(container: &Value) -> String {
    container["State"]["StartedAt"].as_str().unwrap_or_default().to_owned()
}
