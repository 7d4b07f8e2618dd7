//! Tags that move at their registry.

use evenkeel_tests::docker::Docker;
use evenkeel_tests::registry::Registry;
use evenkeel_tests::{Controller, World, tell};
use serde_json::Value;

/// An image of a version; a broken one never listens.
fn image(version: u32, works: bool) -> String {
    let command = if works { "redis-server --save ''" } else { "sleep 1000" };
    format!("FROM redis:7\nENV VERSION={version}\nENTRYPOINT []\nSTOPSIGNAL SIGKILL\nCMD {command}\n")
}

/// The versions that run: while one takes over from another that may be both, or for a moment none.
fn version(app: &str) -> String {
    let all = Docker::of(app).of_service("web");
    let running = all.iter().filter(|one| one["State"]["Running"] == true);
    let of = |one: &Value| {
        let environment = one["Config"]["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
        environment.filter_map(|it| it.strip_prefix("VERSION=")).collect::<String>()
    };
    running.map(of).collect::<Vec<_>>().join(" ")
}

/// Has it look, and so ask the registry.
fn looks(controller: &Controller, app: &str) {
    let looked = controller.cli(&["sync", app]);
    assert_eq!(looked.code, 0, "{}{}", looked.stdout, looked.stderr);
}

fn runs(controller: &Controller, app: &str, wanted: &str) {
    controller.wait_for("the tag to be followed", 180, |controller| {
        looks(controller, app);
        let (now, app) = (controller.status()?, version(app));
        let is_idle = now.applications.iter().all(|app| app.phase == "Idle");
        if app == wanted && is_idle { Ok(()) } else { Err(format!("version {app} runs")) }
    });
}

/// A tag that moves is followed; where it leads to what does not work, what ran before is put back, once; and the next one is
/// followed again. The commit is the same all the time.
#[test]
fn a_tag_that_moves_is_a_release_of_its_own() {
    let registry = Registry::start();
    let world = World::light();
    let (app, tag) = (format!("{}-web", world.names.id), registry.name(&format!("{}/web:1", world.names.id)));
    registry.push(&tag, &image(1, true));
    let manifest = evenkeel_tests::light::manifest(&app, "compose.yaml");
    let probe = "spec:\n  images: {tags: poll, every: 1s}\n  services: {web: {probe: {tcp: {port: 6379}, startTimeout: 6s}}}\n";
    world.repo.write("web/evenkeel.yaml", &manifest.replace("spec:\n", probe));
    world
        .repo
        .write("web/compose.yaml", &format!("services: {{web: {{image: '{tag}', restart: always}}}}\n"));
    let commit = world.repo.commit("web");
    let mut controller = world.start();
    controller.app.clone_from(&app);
    controller.wait("the commit to be live", 180, |now| now.app.live_revision.as_deref() == Some(&*commit));
    runs(&controller, &app, "1");
    let first = Docker::of(app.as_str()).id("web");
    looks(&controller, &app);
    assert_eq!(Docker::of(app.as_str()).id("web"), first, "what did not move is left alone");

    registry.push(&tag, &image(2, true));
    runs(&controller, &app, "2");

    registry.push(&tag, &image(3, false));
    controller.wait_for("the broken one to be quarantined", 180, |controller| {
        looks(controller, &app);
        let status = controller.status()?;
        let now = status.applications.iter().find(|it| it.name == app).ok_or("it is gone")?;
        if now.condition("Quarantined").is_some() && now.phase == "Idle" {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    });
    assert_eq!(version(&app), "2", "what ran before runs");
    let tries = || controller.rollouts().len();
    let before = tries();
    (0..3).for_each(|_| looks(&controller, &app));
    assert_eq!(tries(), before, "it is tried once");

    registry.push(&tag, &image(4, true));
    runs(&controller, &app, "4");
    let history = controller.cli(&["history", &app, "--steps"]).stdout;
    tell(&history);
    assert!(history.contains(&format!("tag {tag} moved")), "{history}");
    assert!(controller.rollouts().iter().all(|rollout| rollout.revision == commit), "one commit");
}
