//! Another major version of a database's image on the data of the one before.

use evenkeel_tests::docker::{Docker, docker};
use evenkeel_tests::{Controller, World};

/// What runs, as `docker inspect` tells one run of a container from another.
fn run_of(app: &str) -> String {
    let db = Docker::of(app).running("db");
    format!("{} {}", db["Id"], db["State"]["StartedAt"])
}

fn live(controller: &Controller, what: &str, commit: &str) {
    controller.wait(what, 240, |now| {
        now.app.live_revision.as_deref() == Some(commit)
            && now.app.phase == "Idle"
            && now.app.sync == "Synced"
    });
}

/// It says that it is another one, and is the same: so that what consents can be carried out.
fn newer(world: &World) -> String {
    let (tag, directory) = (format!("{}-postgres:new", world.names.id), world.directory().join("newer"));
    std::fs::create_dir_all(&directory).expect("a world's directory can be written");
    std::fs::write(directory.join("Dockerfile"), "FROM postgres:15\nENV PG_MAJOR=16\n").expect("written");
    docker(&["build", "-q", "-t", &tag, &directory.display().to_string()]);
    tag
}

#[test]
fn another_major_version_on_the_same_data_needs_consent() {
    let world = World::light();
    let app = format!("{}-shop", world.names.id);
    let manifest = evenkeel_tests::light::manifest(&app, "compose.yaml");
    let compose = |image: &str| {
        format!(
            "services:\n  db:\n    image: '{image}'\n    restart: always\n    environment: {{POSTGRES_PASSWORD: pw}}\n    volumes: \
             ['data:/var/lib/postgresql/data']\n    healthcheck: {{test: [CMD, pg_isready], interval: 1s, start_period: 120s}}\nvolumes: {{data: {{}}}}\n"
        )
    };
    world.repo.write("shop/evenkeel.yaml", &manifest);
    world.repo.write("shop/compose.yaml", &compose("postgres:15"));
    let commit = world.repo.commit("shop");
    let mut controller = world.start();
    controller.app.clone_from(&app);
    live(&controller, "the first release", &commit);
    let before = run_of(&app);

    world.repo.write("shop/compose.yaml", &compose(&newer(&world)));
    world.repo.commit("a newer PostgreSQL");
    let shown = controller.wait("it to be refused", 180, |now| {
        now.app.phase == "Idle"
            && now.app.condition("PreflightFailed").is_some_and(|it| it.contains("allowMajorUpgrade"))
    });
    let why = shown.app.condition("PreflightFailed").unwrap_or_default().to_owned();
    assert!(why.contains("was written by PostgreSQL 15") && why.contains("PostgreSQL 16"), "{why}");
    assert!(shown.app.condition("Quarantined").is_none(), "{why}");
    controller.several_polls();
    assert_eq!(run_of(&app), before, "it was touched");

    let consent = manifest.replace("spec:\n", "spec:\n  services: {db: {allowMajorUpgrade: true}}\n");
    world.repo.write("shop/evenkeel.yaml", &consent);
    let commit = world.repo.commit("consent");
    live(&controller, "the release that has consent", &commit);
    assert_ne!(run_of(&app), before, "another container serves");
}
