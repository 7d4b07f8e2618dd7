//! Secrets that a build reads: they reach its step and nothing else, and their files are read when they are needed.

use std::path::Path;

use evenkeel_tests::World;
use evenkeel_tests::docker::{Docker, docker};

/// What the step makes of a secret shows that it has read it; the secret itself must be nowhere.
const STACK: &str = "services:
  api: {build: {context: ., secrets: [token, {source: file, target: ca}]}}
secrets:
  token: {environment: TOKEN}
  file: {file: ./ca.pem}
";

/// Another one in each world: what the cache has prints nothing.
fn dockerfile(world: &World, step: u8) -> String {
    let read = |id: &str| format!("tr a-z A-Z < /run/secrets/{id} > /{id}");
    let mounts = "--mount=type=secret,id=token,required --mount=type=secret,id=ca,required";
    format!(
        "FROM redis:7\nENV STEP={}-{step}\nRUN {mounts} {} && {} && cat /run/secrets/token\n",
        world.names.id,
        read("token"),
        read("ca")
    )
}

/// Whether any file below a directory holds a text.
fn holds(directory: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.into_iter().any(|path| match path.is_dir() {
        true => holds(&path, text),
        false => std::fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text)),
    })
}

#[test]
fn secrets_reach_the_step_of_a_build_and_nothing_else() {
    let world = World::light();
    let app = format!("{}-shop", world.names.id);
    let home = world.host_file("ca.pem").parent().expect("a file has a directory").to_owned();
    std::fs::create_dir_all(&home).expect("a world's directory can be written");
    world.write_host_file(".env", "TOKEN=belay-that-one\n");
    world.write_host_file("ca.pem", "certificate-one");
    let manifest = evenkeel_tests::light::manifest(&app, "compose.yaml");
    let place = format!("  compose:\n    projectDirectory: {}\n", home.display());
    world.repo.write("shop/evenkeel.yaml", &manifest.replace("  compose:\n", &place));
    world.repo.write("shop/compose.yaml", STACK);
    world.repo.write("shop/Dockerfile", &dockerfile(&world, 1));
    let commit = world.repo.commit("shop");
    let mut controller = world.start();
    controller.app.clone_from(&app);
    let live = |what: &str, commit: &str| {
        controller.wait(what, 300, |now| {
            now.app.live_revision.as_deref() == Some(commit)
                && now.app.phase == "Idle"
                && now.app.sync == "Synced"
        })
    };
    let first = live("the first release", &commit).app.live_release;
    let stack = Docker::of(&app);
    let api = stack.id("api");
    assert_eq!(docker(&["exec", &api, "cat", "/token", "/ca"]).trim(), "BELAY-THAT-ONECERTIFICATE-ONE");
    assert!(!controller.log().contains("belay-that-one"), "it is logged");
    assert!(holds(&controller.data_dir().join("builds"), "[redacted]"), "no log shows the step");
    assert!(!holds(&controller.data_dir(), "belay-that-one"), "it is in a log, or on record");

    // Another value makes no other image.
    world.write_host_file("ca.pem", "certificate-two");
    controller.wait("the other value to be on record", 180, |now| {
        now.app.live_release.is_some() && now.app.live_release != first && now.app.phase == "Idle"
    });
    assert_eq!(stack.id("api"), api, "the container was replaced");

    // What is not there is a matter of the host, not of the release.
    std::fs::remove_file(world.host_file("ca.pem")).expect("it was there");
    world.repo.write("shop/Dockerfile", &dockerfile(&world, 2));
    let commit = world.repo.commit("step 2");
    controller.wait("the missing file to be named", 180, |now| {
        now.app.condition("PreflightFailed").is_some_and(|message| message.contains("ca.pem"))
    });
    world.write_host_file("ca.pem", "certificate-three");
    live("the second release", &commit);
    assert!(docker(&["exec", &stack.id("api"), "cat", "/ca"]).contains("CERTIFICATE-THREE"));
}
