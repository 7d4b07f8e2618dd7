//! Adoption of what docker-compose made as the release asks for: it is kept as it is.

use evenkeel_tests::byhand::compose_2;
use evenkeel_tests::{World, tell};

fn all(world: &World) -> [String; 3] {
    ["api", "db", "redis"].map(|short| world.stands(short))
}

/// Shown beforehand, kept, and from then on like what evenkeel made itself: the next release replaces what differs and nothing else,
/// goes back, and docker-compose would keep all of it.
#[test]
fn a_stack_that_matches_is_adopted_without_being_touched() {
    let world = World::new();
    world.up_in_place();
    let (rows, before) = (world.seed_rows(), all(&world));
    world.edit("evenkeel.yaml", |text| text + "  windows: [{deny: \"0 0 * * *\", for: 24h}]\n");
    let controller = world.start();
    controller.wait("the window to be closed", 180, |now| now.app.condition("WindowClosed").is_some());
    let plan = controller.cli(&["plan", &world.names.app]);
    tell(&plan.stdout);
    assert!(plan.stdout.contains("convertik-db keeps its container, untouched"), "{}", plan.stdout);
    assert!(plan.stdout.contains("convertik-api keeps its container if"), "{}", plan.stdout);

    let open =
        world.edit("evenkeel.yaml", |text| text.split("  windows:").next().unwrap_or_default().to_owned());
    controller.settle(&open, 240);
    tell(controller.cli(&["history", &world.names.app, "--steps"]).stdout);
    assert_eq!(all(&world), before, "nothing was restarted");

    let commit = world.commit_overlay("add-column");
    controller.settle(&commit, 240);
    let [api, others @ ..] = all(&world);
    assert_ne!(api, before[0]);
    assert_eq!(others, before[1..], "only what differs is replaced");
    let back = world.repo.revert_head();
    controller.settle(&back, 240);
    assert_eq!((world.stands("db"), world.schema_revision()), (before[1].clone(), "0001".to_owned()));
    world.assert_rows(&rows);
    world.assert_tidy();

    let said = controller.cli(&["release", &world.names.app]);
    tell(&said.stdout);
    assert!(
        said.stdout.contains("keeps convertik-api, convertik-db, convertik-redis as they are"),
        "{}",
        said.stdout
    );
    controller.assert_discreet();
}

/// `docker compose` 2 builds with BuildKit, so what it built has other layers and is replaced; all else stays, the database before all.
#[test]
fn a_stack_of_docker_compose_2_keeps_what_was_not_built() {
    let Some(program) = compose_2() else { return };
    let world = World::new();
    world.up_in_place_by(&program);
    let (rows, before) = (world.seed_rows(), all(&world));
    world.edit("evenkeel.yaml", |text| text + "  windows: [{deny: \"0 0 * * *\", for: 24h}]\n");
    let controller = world.start();
    controller.wait("the window to be closed", 180, |now| now.app.condition("WindowClosed").is_some());
    let plan = controller.cli(&["plan", &world.names.app]);
    tell(&plan.stdout);
    for service in ["db", "redis"] {
        let kept = format!("convertik-{service} keeps its container, untouched");
        assert!(plan.stdout.contains(&kept), "{}", plan.stdout);
    }

    let open =
        world.edit("evenkeel.yaml", |text| text.split("  windows:").next().unwrap_or_default().to_owned());
    controller.settle(&open, 240);
    tell(controller.cli(&["history", &world.names.app, "--steps"]).stdout);
    let [api, others @ ..] = all(&world);
    assert_ne!(api, before[0], "it was built by another builder");
    assert_eq!(others, before[1..], "nothing else was restarted");

    let commit = world.commit_overlay("add-column");
    controller.settle(&commit, 240);
    assert_eq!(all(&world)[1..], before[1..]);
    let back = world.repo.revert_head();
    controller.settle(&back, 240);
    assert_eq!((world.stands("db"), world.schema_revision()), (before[1].clone(), "0001".to_owned()));
    world.assert_rows(&rows);
    world.assert_tidy();
    controller.assert_discreet();
}
