//! Several containers of a service.

use std::collections::BTreeSet;

use evenkeel_tests::World;
use evenkeel_tests::command::{command, must};
use evenkeel_tests::docker::{Docker, docker, name};

const TWO: &str = "  listener:
    image: redis:7
    restart: unless-stopped
    scale: 2
    environment: {WORD: one}
    healthcheck: {test: [CMD, redis-cli, ping], interval: 2s, retries: 20}

networks:
";

#[test]
fn several_containers_take_turns_and_are_more_or_less() {
    let world = World::new();
    let head = world.edit("docker-compose.production.yml", |text| {
        text.replacen("networks:\n  caddy:", &format!("{TWO}  caddy:"), 1)
    });
    let controller = world.start();
    controller.settle(&head, 240);
    let ids = || -> BTreeSet<String> {
        let all = world.docker().of_service("listener");
        all.iter().map(|one| one["Id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let names = || -> BTreeSet<String> {
        let all = world.docker().of_service("listener");
        all.iter().map(|one| name(one).rsplit('-').next().unwrap_or_default().to_owned()).collect()
    };
    let found = || {
        let told = docker(&["exec", &world.docker().id("convertik-api"), "getent", "ahostsv4", "listener"]);
        told.lines().filter_map(|line| line.split(' ').next()).collect::<BTreeSet<_>>().len()
    };
    let first = ids();
    assert_eq!((first.len(), names()), (2, ["1", "2"].map(str::to_owned).into()));

    let changed = world.edit("docker-compose.production.yml", |text| text.replace("WORD: one", "WORD: two"));
    controller.settle(&changed, 180);
    let second = ids();
    assert!(second.len() == 2 && second.is_disjoint(&first), "both are replaced: {first:?} {second:?}");
    assert_eq!(found(), 2, "its name leads to both");

    let three = world.edit("docker-compose.production.yml", |text| text.replace("scale: 2", "scale: 3"));
    controller.settle(&three, 180);
    assert!(ids().len() == 3 && ids().is_superset(&second), "one is new, the others are as before");

    let lost = |number: &str| {
        let left = ids();
        let of =
            |one: &str| docker(&["inspect", "--format", "{{.Name}}", one]).ends_with(&format!("-{number}"));
        left.into_iter().find(|one| of(one)).expect("there is one of each number")
    };
    let (removed, stays) = (lost("2"), [lost("1"), lost("3")]);
    docker(&["rm", "--force", &removed]);
    controller.wait("it to be made anew", 180, |now| now.app.settled() && ids().len() == 3);
    assert!(stays.iter().all(|one| ids().contains(one)) && !ids().contains(&removed), "that one alone");
    docker(&["stop", &lost("2")]);
    let runs = |id: &str| docker(&["inspect", "--format", "{{.State.Running}}", id]).trim() == "true";
    controller.wait("it to be started", 180, |now| now.app.settled() && runs(&lost("2")));

    let other = world.edit("docker-compose.production.yml", |text| text.replace("WORD: two", "WORD: three"));
    controller.settle(&other, 180);
    let made = ids();
    assert!(made.len() == 3 && found() == 3, "its name leads to all of them");
    let back = world.repo.revert_head();
    controller.settle(&back, 180);
    assert!(ids().len() == 3 && ids().is_disjoint(&made), "{:?}", names());
    let second = ids();

    let one = world.edit("docker-compose.production.yml", |text| text.replace("scale: 3", "scale: 1"));
    controller.settle(&one, 180);
    assert!(
        ids().len() == 1 && ids().is_subset(&second) && names() == ["1".to_owned()].into(),
        "{:?}",
        names()
    );
    controller.several_polls();
    world.assert_tidy();
}

/// A stack of docker-compose 1.29's, in both ways of saying how many.
const SCALED: &str = r#"version: "3.8"
services:
  web:
    image: redis:7
    scale: 2
    restart: unless-stopped
    healthcheck: {test: [CMD, redis-cli, ping], interval: 1s, retries: 20}
  worker:
    image: redis:7
    command: [redis-server, --save, ""]
    deploy: {replicas: 2}
    environment: {STEP: "0"}
    healthcheck: {test: [CMD, redis-cli, ping], interval: 1s, retries: 20}
"#;

/// Ids, names and begin of the project's containers, by name.
fn standing(project: &str) -> Vec<String> {
    let filter = format!("label=com.docker.compose.project={project}");
    let shown = |id: &str| docker(&["inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}}", id]);
    let ids = docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
    let mut all: Vec<String> = ids.lines().map(shown).collect();
    all.sort();
    all
}

#[test]
fn a_scaled_stack_of_docker_compose_is_adopted_changed_and_let_go_of() {
    let world = World::light();
    let app = format!("{}-shop", world.names.id);
    let home = format!("  compose:\n    projectDirectory: {}/shop\n", world.repo.path().display());
    let manifest = evenkeel_tests::light::manifest(&app, "docker-compose.yml");
    world.repo.write("shop/evenkeel.yaml", &manifest.replace("  compose:\n", &home));
    world.repo.write("shop/docker-compose.yml", SCALED);
    let head = world.repo.commit("shop");
    let up = || {
        let mut compose = command("docker-compose", ["-p", app.as_str(), "up", "-d", "--scale", "web=2"]);
        must(compose.current_dir(world.repo.path().join("shop")));
    };
    up();
    let made = standing(&app);
    assert!(made.len() == 4 && made[1].contains("_web_2") && made[3].contains("_worker_2"), "{made:?}");

    let mut controller = world.start();
    controller.app.clone_from(&app);
    controller.settle(&head, 240);
    assert_eq!(standing(&app), made, "it is kept as it is");

    let commit = world.edit("shop/docker-compose.yml", |text| text.replace("STEP: \"0\"", "STEP: \"1\""));
    controller.settle(&commit, 240);
    let changed = standing(&app);
    assert_eq!(changed[..2], made[..2], "what has not changed stays");
    assert!(changed.len() == 4 && changed[2..].iter().all(|one| !made.contains(one)), "{changed:?}");

    let released = controller.cli(&["release", &app]);
    evenkeel_tests::tell(&released.stdout);
    assert_eq!(released.code, 0, "{}{}", released.stdout, released.stderr);
    assert!(
        released.stdout.contains("keeps web, web#2, worker, worker#2 as they are"),
        "{}",
        released.stdout
    );
    up();
    assert_eq!(standing(&app), changed, "docker-compose did something");
}

/// Whoever asks those that are stopped and started is proven in private, and once more when its port is free.
const ASKED: &str = r#"services:
  echo:
    image: redis:7
    command: [redis-server, --protected-mode, "no"]
    scale: 2
    environment: {STEP: "0"}
  asker:
    image: redis:7
    tmpfs: [/data]
    ports: ["127.0.0.1::6379"]
    depends_on: [echo]
    environment: {STEP: "0"}
    healthcheck: {test: [CMD, redis-cli, -h, echo, ping], interval: 1s, timeout: 2s, retries: 3}
"#;

#[test]
fn who_asks_for_several_that_are_stopped_and_started_is_proven() {
    let world = World::light();
    let app = format!("{}-shop", world.names.id);
    let manifest = evenkeel_tests::light::manifest(&app, "compose.yaml");
    let manifest = manifest.replace("retryDelay: 2s", "retryDelay: 2s, candidateEgress: true");
    world.repo.write("shop/evenkeel.yaml", &manifest);
    world.repo.write("shop/compose.yaml", ASKED);
    let head = world.repo.commit("shop");
    let mut controller = world.start();
    controller.app.clone_from(&app);
    controller.settle(&head, 240);
    let before = standing(&app);
    let commit = world.edit("shop/compose.yaml", |text| text.replace("STEP: \"0\"", "STEP: \"1\""));
    controller.settle(&commit, 240);
    let after = standing(&app);
    assert!(after.len() == 3 && after.iter().all(|one| !before.contains(one)), "{before:?} {after:?}");
}

/// It logs so many lines a second.
const LOGS: &str = r#"services:
  clerk:
    image: redis:7
    tmpfs: [/data]
    command: [sh, -c, "while sleep 1; do for line in LINES; do echo ERROR; done; done"]
    scale: 3
    healthcheck: {test: [CMD, "true"], interval: 1s}
"#;

#[test]
fn the_logs_of_fewer_are_measured_by_those_of_all_before() {
    let world = World::light();
    let app = format!("{}-shop", world.names.id);
    let manifest = evenkeel_tests::light::manifest(&app, "compose.yaml");
    let manifest = manifest.replace("bake: 0s", "bake: 6s, failOnLog: [ERROR]");
    world.repo.write("shop/evenkeel.yaml", &manifest.replace("failOnLog: [ERROR]", "failOnLog: [NONE]"));
    world.repo.write("shop/compose.yaml", &LOGS.replace("LINES", "1"));
    let head = world.repo.commit("shop");
    let mut controller = world.start();
    controller.app.clone_from(&app);
    controller.settle(&head, 240);
    let logged = || {
        let all = Docker::of(app.clone()).of_service("clerk");
        all.iter().all(|one| docker(&["logs", one["Id"].as_str().unwrap_or_default()]).lines().count() > 8)
    };
    controller.wait("the log to be as long as the bake", 180, |_| logged());
    world.repo.write("shop/evenkeel.yaml", &manifest);
    let fewer = world
        .edit("shop/compose.yaml", |text| text.replace("in 1;", "in 1 2;").replace("scale: 3", "scale: 1"));
    controller.settle(&fewer, 240);
    let more = world.edit("shop/compose.yaml", |text| text.replace("in 1 2;", "in 1 2 3 4 5 6;"));
    let failed = controller.quarantine(&more, 240);
    let why = failed.app.condition("BakeFailed").unwrap_or_default().to_owned();
    assert!(why.contains("clerk: its log has \"ERROR\""), "{why}");
}
