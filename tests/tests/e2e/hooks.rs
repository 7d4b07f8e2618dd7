//! Hooks of the Compose file: what is run in a container that has been started, and in one that is about to be stopped.

use evenkeel_tests::World;
use evenkeel_tests::docker::{docker, try_docker};

/// It writes down what it is told, in the container itself: what is restarted has told more, what is replaced has told nothing yet.
const LISTENER: &str = "  listener:
    image: redis:7
    restart: unless-stopped
    environment: {GREETING: hello}
    depends_on: {convertik-api: {condition: service_healthy, restart: true}}
    post_start:
      - command: [sh, -c, 'echo $$GREETING $$WORD in $$PWD as $$(id -u) >> /var/told']
        user: root
        working_dir: /var
        environment: {WORD: 'world'}
    pre_stop:
      - command: sh -c 'echo goodbye >> /var/told'
        user: '0'
      - command: [sh, -c, 'echo not yet, $$TOKEN; exit 4']
        environment: {TOKEN: secret-of-the-hook}

networks:
";

const WARM: &str = "{command: [sh, -c, 'echo warm > /tmp/warm']}";
const FAILS: &str =
    "{command: [sh, -c, 'echo no room for $$API_KEY; exit 3'], environment: {API_KEY: hidden-word}}";
const HELLO: &str = "hello world in /var as 0";

#[test]
fn hooks_run_with_each_start_and_before_each_stop() {
    let world = World::new();
    let head = world.edit("docker-compose.production.yml", |text| {
        let warm = format!("    post_start:\n      - {WARM}\n    stop_grace_period: 20s\n");
        let text = text.replacen("    stop_grace_period: 20s\n", &warm, 1);
        text.replacen("networks:\n  caddy:", &format!("{LISTENER}  caddy:"), 1)
    });
    let controller = world.start();
    controller.settle(&head, 240);
    let told = || docker(&["exec", &world.docker().id("listener"), "cat", "/var/told"]);
    assert_eq!(told().lines().collect::<Vec<_>>(), [HELLO]);
    assert_eq!(docker(&["exec", &world.docker().id("convertik-api"), "cat", "/tmp/warm"]), "warm");

    // Restarted with what it depends on. That it was told goodbye in vain does not keep it from stopping, and is on record.
    let first = world.docker().id("listener");
    let commit = world.commit_version("1.0.1");
    controller.settle(&commit, 180);
    assert_eq!(world.docker().id("listener"), first, "it was restarted, not replaced");
    assert_eq!(told().lines().collect::<Vec<_>>(), [HELLO, "goodbye", HELLO]);
    assert_eq!(docker(&["exec", &world.docker().id("convertik-api"), "cat", "/tmp/warm"]), "warm");
    let rollout = controller.last_rollout();
    let restarted = rollout.performed("restart").next().expect("it was restarted");
    let detail = restarted.detail.clone().unwrap_or_default();
    assert!(detail.contains("exited with 4: not yet, "), "{detail}");
    assert!(!detail.contains("secret-of-the-hook"), "{detail}");

    // Somebody stops it by hand: nobody tells it, and evenkeel's own start has its hook run.
    docker(&["stop", "-t", "5", &first]);
    controller.wait("the listener to run again", 120, |now| {
        let runs = try_docker(&["exec", &first, "cat", "/var/told"]);
        runs.success() && runs.stdout.lines().count() == 4 && now.app.settled()
    });
    assert_eq!(told().lines().collect::<Vec<_>>(), [HELLO, "goodbye", HELLO, HELLO]);

    // One whose hook fails is not put into service, and says why.
    let bad = world.edit("docker-compose.production.yml", |text| text.replace(WARM, FAILS));
    let now = controller.quarantine(&bad, 240);
    assert_eq!(now.app.live_revision.as_deref(), Some(commit.as_str()));
    let entry = now.app.quarantined(&bad).expect("it was waited for").clone();
    let why = format!("{} {:?}", entry.reason, now.app.conditions);
    assert!(why.contains("exited with 3") && why.contains("no room for"), "{why}");
    assert!(!why.contains("hidden-word"), "{why}");
    assert_eq!(world.served_version(), "1.0.1");
    world.assert_tidy();
}
