//! evenkeel as a container beside the engine, the way `deploy/compose.yaml` starts it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use evenkeel_tests::World;
use evenkeel_tests::command::{command, must};
use evenkeel_tests::controller::{binary, offline};
use evenkeel_tests::docker::docker;
use evenkeel_tests::report::{App, Status};
use evenkeel_tests::world::project;

#[test]
fn a_container_deploys_and_migrates_like_a_process() {
    let world = World::new();
    let socket = start(&world);
    settles(&world, &socket, &world.repo.head());
    assert_eq!((world.served_version(), world.schema_revision()), ("1.0.0".into(), "0001".into()));
    let commit = world.commit_overlay("add-column");
    settles(&world, &socket, &commit);
    assert_eq!((world.served_version(), world.schema_revision()), ("1.1.0".into(), "0002".into()));
    let commit = world.edit("docker-compose.production.yml", with_a_config_of_somebody_elses);
    settles(&world, &socket, &commit);
    let api = world.names.container("api");
    assert_eq!(docker(&["exec", &api, "stat", "-c", "%u:%g %a", "/etc/motd.txt"]).trim(), "1000:1001 440");
    world.assert_tidy();
}

/// All that it may do beside reading is to give a file away.
fn with_a_config_of_somebody_elses(compose: String) -> String {
    let config =
        "    configs: [{source: motd, target: /etc/motd.txt, uid: '1000', gid: '1001', mode: 0440}]\n";
    let image = "    build: ./backend\n";
    format!(
        "{}\nconfigs: {{motd: {{content: hello}}}}\n",
        compose.replacen(image, &format!("{image}{config}"), 1)
    )
}

/// Builds the image, writes the configuration, and starts it; gives the socket.
fn start(world: &World) -> PathBuf {
    let (config, data) = (world.directory().join("etc"), world.directory().join("data"));
    std::fs::create_dir_all(&config).expect("a world can be written");
    std::fs::create_dir_all(&data).expect("a world can be written");
    let repo = world.repo.path().display();
    let text = format!(
        "sources:\n  - {{name: repo, url: {repo}, branch: main, poll: 2s}}\ndataDir: {}\nlisten: 127.0.0.1:{}\n",
        data.display(),
        world.ports.controller.number()
    );
    std::fs::write(config.join("config.yaml"), text).expect("a world can be written");
    let own = format!(
        "services: {{evenkeel: {{volumes: [\"{}:/etc/evenkeel:ro\", \"{repo}:{repo}:ro\"]}}}}\n",
        config.display()
    );
    let own = format!("version: \"3.9\"\n{own}");
    std::fs::write(world.directory().join("own.yaml"), own).expect("a world can be written");
    compose(world, &build(world));
    data.join("evenkeel.sock")
}

fn build(world: &World) -> String {
    let (image, context) =
        (format!("{}:local", world.names.container("evenkeel")), world.directory().join("image"));
    std::fs::create_dir_all(&context).expect("a world can be written");
    std::fs::copy(binary(), context.join("evenkeel")).expect("the binary is there");
    let file = project().join("deploy/Dockerfile").display().to_string();
    docker(&["build", "-q", "-t", &image, "-f", &file, &context.display().to_string()]);
    image
}

fn compose(world: &World, image: &str) {
    let file = project().join("deploy/compose.yaml");
    let own = world.directory().join("own.yaml");
    let mut compose = command("docker-compose", ["-p", &world.names.container("evenkeel")]);
    compose.arg("-f").arg(file).arg("-f").arg(own).args(["up", "-d"]);
    compose.env("EVENKEEL_IMAGE", image).env("EVENKEEL_NAME", world.names.container("evenkeel"));
    compose.env("EVENKEEL_DATA_DIR", world.directory().join("data"));
    must(compose.env("EVENKEEL_PROJECTS", world.directory().join("home")));
}

fn settles(world: &World, socket: &std::path::Path, commit: &str) {
    let deadline = Instant::now() + Duration::from_secs(240);
    loop {
        let app = status(world, socket);
        if app.as_ref().is_some_and(|app| app.settled_at(commit)) {
            return;
        }
        let log = || docker(&["logs", "--tail", "60", &world.names.container("evenkeel")]);
        assert!(Instant::now() < deadline, "it is not live: {app:#?}\n{}", log());
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn status(world: &World, socket: &std::path::Path) -> Option<App> {
    let socket = socket.display().to_string();
    let finished = offline(&["status", "--output", "json", "--socket", &socket]);
    let status: Status = serde_json::from_str(&finished.stdout).ok()?;
    status.app(&world.names.app).cloned()
}
