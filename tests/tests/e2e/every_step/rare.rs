//! Steps that ordinary rollouts do not have.

use evenkeel_tests::Registry;
use evenkeel_tests::docker::docker;

use super::*;

/// Containers that somebody else made are attached to the network of candidates; one more has its image from a registry, mounts a
/// file of the repository, has a hook of its own, and wants to be restarted with the application.
#[test]
fn of_a_stack_that_is_taken_over_and_grows() {
    let world = World::with(Options { bake: 2, ..Options::default() });
    world.up_by_hand();
    let rows = world.seed_rows();
    let registry = Registry::start();
    let listener = format!(
        "  listener:\n    image: {}\n    restart: unless-stopped\n    volumes: [\"./settings.ini:/etc/settings.ini:ro\"]\n    \
         post_start: [{{command: [sh, -c, 'echo started >> /tmp/started']}}]\n    depends_on: {{convertik-api: {{condition: service_healthy, restart: true}}}}\n\nnetworks:\n",
        registry.take("redis:7", "listener:1")
    );
    world.repo.write("settings.ini", "greeting = hello\n");
    let commit = world.edit("docker-compose.production.yml", |text| {
        text.replacen("networks:\n  caddy:", &format!("{listener}  caddy:"), 1)
    });
    let mut stage = Stage { rows, ..Stage::of(world, None) };
    let gauntlet = Gauntlet::new(&stage.controller);
    stage.kill(gauntlet, &commit, |now| {
        ["materialise", "pull", "attach", "post-start"].contains(&now.step.as_str())
    });
    stage.ends(&commit, "1.0.0", "0001");

    let commit = stage.world.commit_version("1.0.1");
    let gauntlet = Gauntlet::new(&stage.controller);
    stage.kill(gauntlet, &commit, |now| ["restart", "post-start"].contains(&now.step.as_str()));
    stage.ends(&commit, "1.0.1", "0001");
    let listener = format!("{}-listener-1", stage.world.names.app);
    assert!(docker(&["exec", &listener, "cat", "/tmp/started"]).lines().count() > 1, "once for each start");
}

/// Somebody changed what runs while the controller was away.
#[test]
fn of_a_repair() {
    let mut stage = Stage::set();
    let commit = stage.world.edit("docker-compose.production.yml", |text| {
        text.replace("    image: redis:7\n", "    image: redis:7\n    mem_limit: 128m\n    cpus: 1\n")
    });
    stage.controller.settle(&commit, 150);
    let past = stage.controller.last_rollout().id;
    stage.controller.kill9();
    let (api, redis) = (stage.world.names.container("api"), stage.world.names.container("redis"));
    docker(&[
        "update",
        "--memory",
        "96m",
        "--memory-swap",
        "192m",
        "--cpus",
        "0.5",
        "--restart",
        "no",
        &redis,
    ]);
    docker(&["pause", &api]);
    docker(&["network", "disconnect", &stage.world.names.network, &api]);
    let gauntlet = Gauntlet::new(&stage.controller).after(past);
    stage.controller.restart();
    stage.kill(gauntlet, &commit, |_| true);
    stage.controller.settle(&commit, 180);
    let format = "{{.State.Paused}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}";
    let of = |name: &str| docker(&["inspect", "--format", format, name]);
    assert_eq!(of(&api), "false 0 0 unless-stopped");
    assert_eq!(of(&redis), "false 134217728 1000000000 unless-stopped");
    assert_eq!(stage.world.served_version(), "1.0.0");
    let rollouts = stage.controller.rollouts();
    assert!(rollouts.iter().all(|one| one.outcome.is_some()), "a rollout never ends: {rollouts:#?}");
    stage.whole();
}

/// The migration makes an index that the rows refuse: what is left of it goes, online.
#[test]
fn of_what_sweeps_an_invalid_index() {
    let mut stage = Stage::set();
    let (good, before) = (stage.world.repo.head(), stage.world.schema());
    stage
        .world
        .psql("INSERT INTO conversions (source, target, amount, result) VALUES ('USD', 'EUR', 13.37, 12.1)");
    let commit = stage.world.commit_overlay("migration-index-on-data");
    let gauntlet = Gauntlet::new(&stage.controller);
    stage.kill(gauntlet, &commit, |now| now.stage == "revert" || now.step == "migrate");
    stage.is_put_back(&commit, &good);
    assert_eq!(stage.world.schema(), before, "it is as it was");
}
