//! Files of the host that services are given: a change of one is rolled out, to those that use it alone.

use evenkeel_tests::World;
use evenkeel_tests::docker::{Docker, docker};

const STACK: &str = "services:
  api: {image: 'redis:7', secrets: [token]}
  other: {image: 'redis:7'}
secrets: {token: {file: ./token}}
";

#[test]
fn a_secrets_file_of_the_host_redeploys_the_services_that_use_it_and_no_others() {
    let world = World::light();
    let app = format!("{}-shop", world.names.id);
    let home = world.host_file("token").parent().expect("a file has a directory").to_owned();
    std::fs::create_dir_all(&home).expect("a world's directory can be written");
    world.write_host_file("token", "one");
    let manifest = evenkeel_tests::light::manifest(&app, "compose.yaml");
    let place = format!("  compose:\n    projectDirectory: {}\n", home.display());
    world.repo.write("shop/evenkeel.yaml", &manifest.replace("  compose:\n", &place));
    world.repo.write("shop/compose.yaml", STACK);
    let commit = world.repo.commit("shop");
    let mut controller = world.start();
    controller.app.clone_from(&app);
    let live = |what: &str| {
        controller.wait(what, 180, |now| {
            now.app.live_revision.as_deref() == Some(&*commit)
                && now.app.phase == "Idle"
                && now.app.sync == "Synced"
        });
    };
    live("the first release");
    let stack = Docker::of(&app);
    let (api, other) = (stack.id("api"), stack.id("other"));
    let token = |id: &str| docker(&["exec", id, "cat", "/run/secrets/token"]);
    assert_eq!(token(&api), "one");

    world.write_host_file("token", "two");
    controller.wait_for("another container of the service", 180, |_| {
        let gone = evenkeel_tests::docker::inspect(&api).is_none_or(|one| one["State"]["Running"] == false);
        if gone { Ok(()) } else { Err("it still serves".to_owned()) }
    });
    live("the second release");
    assert_eq!(token(&stack.id("api")), "two");
    assert_eq!(stack.id("other"), other, "what does not use the file is left alone");
}
