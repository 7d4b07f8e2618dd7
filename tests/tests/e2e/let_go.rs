//! Letting go: what evenkeel looked after, docker-compose looks after again, and finds nothing to do.

use evenkeel_tests::command::{command, must};
use evenkeel_tests::docker::docker;
use evenkeel_tests::{Controller, World};

/// A stack with about everything that docker-compose 1.29 looks at.
const STACK: &str = r#"version: "3.8"
services:
  api:
    build: ./api
    env_file: .env.api
    environment: {STEP: "0", PORT: 6379}
    depends_on: {cache: {condition: service_healthy}}
    ports: ["127.0.0.1:PUBLISHED:6379"]
    networks: [default, back]
    volumes: ["./conf:/conf:ro"]
    command: redis-server --save ""
    healthcheck: {test: [CMD, redis-cli, ping], interval: 1s, timeout: 3s, retries: 20}
    restart: unless-stopped
    labels: {owner: shop, tier: 1}
  named:
    build: {context: ./api, args: {FLAVOUR: 2}}
    image: ID-named:latest
    container_name: ID-named
    command: ["redis-server", "--save", ""]
    logging: {driver: json-file, options: {max-size: 1m}}
    stop_grace_period: 5s
    ulimits: {nofile: {soft: 1024, hard: 2048}}
  cache:
    image: redis:7
    volumes: ["data:/data"]
    networks: {back: {aliases: [kv]}}
    healthcheck: {test: "redis-cli ping", interval: 1s, timeout: 3s, retries: 20}
    mem_limit: 64m
networks: {back: }
volumes: {data: }
"#;

/// A light world that has the stack beside the steady application; its manifest says where it stands.
fn stack() -> (World, String) {
    let world = World::light();
    let (id, port) = (&world.names.id, world.ports.redis.number().to_string());
    let name = format!("{id}-shop");
    let manifest = evenkeel_tests::light::manifest(&name, "docker-compose.yml");
    let home = format!("  compose:\n    projectDirectory: {}/shop\n", world.repo.path().display());
    world.repo.write("shop/evenkeel.yaml", &manifest.replace("  compose:\n", &home));
    world.repo.write("shop/docker-compose.yml", &STACK.replace("PUBLISHED", &port).replace("ID", id));
    world.repo.write("shop/.env.api", "# settings\nSECRET=hunter2-never-printed\n");
    world.repo.write("shop/conf/settings", "a = 1\n");
    world.repo.write("shop/api/Dockerfile", "FROM redis:7\nARG FLAVOUR=1\nENV FLAVOUR=$FLAVOUR\n");
    world.repo.commit("shop");
    (world, name)
}

/// All containers of the project: ids, names, and when they were started.
fn containers(project: &str) -> String {
    let filter = format!("label=com.docker.compose.project={project}");
    let shown = |id: &str| docker(&["inspect", "--format", "{{.Id}} {{.Name}} {{.State.StartedAt}}", id]);
    let mut all: Vec<String> =
        docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]).lines().map(shown).collect();
    all.sort();
    all.join("\n")
}

fn docker_compose_up(world: &World, project: &str) {
    let mut compose = command("docker-compose", ["-p", project, "up", "-d"]);
    must(compose.current_dir(world.repo.path().join("shop")));
}

fn is_live(controller: &Controller, commit: &str) {
    controller.wait("the commit to be live", 300, |now| {
        now.app.live_revision.as_deref() == Some(commit)
            && now.app.phase == "Idle"
            && now.app.sync == "Synced"
    });
}

fn release(controller: &Controller, app: &str) -> String {
    let released = controller.cli(&["release", app]);
    assert_eq!(released.code, 0, "{}{}", released.stdout, released.stderr);
    released.stdout
}

/// Does what `release` has said, to the letter.
fn do_as_said(said: &str) {
    let commands = said.split('`').skip(1).step_by(2);
    let up = commands.into_iter().find(|text| text.starts_with("cd ")).unwrap_or_else(|| panic!("{said}"));
    must(&mut command("sh", ["-c", up]));
}

/// What evenkeel made, replaced and kept: docker-compose finds all of it as it would have made it itself.
#[test]
fn docker_compose_keeps_every_container_of_a_stack_that_was_let_go_of() {
    let (world, app) = stack();
    let mut controller = world.start();
    controller.app.clone_from(&app);
    is_live(&controller, &world.repo.head());
    let commit = world.edit("shop/docker-compose.yml", |text| text.replace("STEP: \"0\"", "STEP: \"1\""));
    is_live(&controller, &commit);
    let before = containers(&app);
    assert_eq!(before.lines().count(), 3, "{before}");
    let said = release(&controller, &app);
    assert!(said.contains("keeps api, cache, named as they are"), "{said}");
    evenkeel_tests::tell(&said);
    // Nobody named this one: it would be merged if the command did not say which files it means.
    let stray = world.repo.path().join("shop/docker-compose.override.yml");
    std::fs::write(&stray, "version: '3.8'\nservices: {cache: {mem_limit: 65m}}\n")
        .expect("a file can be written");
    do_as_said(&said);
    std::fs::remove_file(&stray).expect("the file is there");
    assert_eq!(containers(&app), before, "docker-compose did something");

    let commit = world.edit("shop/docker-compose.yml", |text| text.replace("STEP: \"1\"", "STEP: \"2\""));
    controller.several_polls();
    assert_eq!(containers(&app), before, "what was let go of is touched");
    assert_eq!(controller.cli(&["claim", &app]).code, 0);
    is_live(&controller, &commit);
    assert_ne!(containers(&app), before);
}

/// The names of the project's containers, and where its data are.
fn kept(project: &str) -> String {
    let filter = format!("label=com.docker.compose.project={project}");
    // A file of the repository has no volume's name. The engine lists mounts in any order.
    let shown = |id: &str| {
        let shown = docker(&[
            "inspect",
            "--format",
            "{{.Name}}{{range .Mounts}}{{if .Name}} {{.Name}}:{{.Destination}}{{end}}{{end}}",
            id,
        ]);
        let mut words: Vec<&str> = shown.split_whitespace().collect();
        words.sort_unstable();
        words.join(" ")
    };
    let ids = docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
    let mut all: Vec<String> = ids.lines().map(shown).collect();
    all.sort();
    all.join("\n")
}

/// The whole way: docker-compose's, shown what would happen, evenkeel's, docker-compose's again.
#[test]
fn a_stack_is_taken_over_and_let_go_of_under_its_own_names() {
    let (world, app) = stack();
    docker_compose_up(&world, &app);
    let (untouched, names) = (containers(&app), kept(&app));
    let closed = "  windows: [{deny: \"0 0 * * *\", for: 24h}]\n";
    world.edit("shop/evenkeel.yaml", |text| text + closed);
    let mut controller = world.start();
    controller.app.clone_from(&app);
    controller.wait("the window to be closed", 180, |now| now.app.condition("WindowClosed").is_some());
    let plan = controller.cli(&["plan", &app]);
    assert_eq!(plan.code, 1, "{}{}", plan.stdout, plan.stderr);
    evenkeel_tests::tell(&plan.stdout);
    assert_eq!(containers(&app), untouched, "looking touches nothing");

    let commit = world.edit("shop/evenkeel.yaml", |text| text.replace(closed, ""));
    is_live(&controller, &commit);
    evenkeel_tests::tell(controller.cli(&["history", &app, "--steps"]).stdout);
    assert_eq!(kept(&app), names, "names and volumes are as they were");
    let before = containers(&app);
    let said = release(&controller, &app);
    evenkeel_tests::tell(&said);
    assert!(said.contains("keeps api, cache, named as they are"), "{said}");
    do_as_said(&said);
    assert_eq!(containers(&app), before, "docker-compose did something");
}

/// What took over from a private copy, with a stand-in for its port, and the database that it needs.
#[test]
fn docker_compose_keeps_what_took_over_beside_its_predecessor() {
    let world = World::new();
    let controller = world.start();
    controller.settle(&world.repo.head(), 240);
    let commit = world.commit_overlay("add-column");
    controller.settle(&commit, 240);
    let home = world.host_file("x").parent().expect("a file has a directory").display().to_string();
    let mut copy = command("sh", ["-c", &format!("git archive HEAD | tar -x -C {home}")]);
    must(copy.current_dir(world.repo.path()));
    let (app, before) = (&world.names.app, containers(&world.names.app));
    let said = release(&controller, app);
    assert!(said.contains("keeps convertik-api, convertik-db, convertik-redis as they are"), "{said}");
    do_as_said(&said);
    assert_eq!(containers(app), before, "docker-compose did something");
}

/// The manifest goes, and has said what that means: nothing is touched, and docker-compose finds nothing to do.
#[test]
fn removing_the_manifest_lets_go_where_it_says_so() {
    let (world, app) = stack();
    world.edit("shop/evenkeel.yaml", |text| text.replace("spec:\n", "spec:\n  onRemoval: release\n"));
    let mut controller = world.start();
    controller.app.clone_from(&app);
    is_live(&controller, &world.repo.head());
    let before = containers(&app);
    world.repo.git(&["rm", "-q", "shop/evenkeel.yaml"]);
    world.repo.commit("on one's own again");
    controller.wait("the stack to be let go of", 180, |now| now.app.condition("OwnedElsewhere").is_some());
    assert_eq!(containers(&app), before, "something was touched");
    docker_compose_up(&world, &app);
    assert_eq!(containers(&app), before, "docker-compose did something");
}
