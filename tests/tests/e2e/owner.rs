//! Two controllers with data directories of their own follow the same applications on one engine: one alone touches them.

use evenkeel_tests::docker::docker;
use evenkeel_tests::{Controller, World};

/// What a controller says of an application that another one looks after.
fn elsewhere(controller: &Controller, app: &str) -> String {
    controller.wait_for(&format!("{app} to be another's"), 60, |controller| {
        let status = controller.status()?;
        let app = status.app(app).ok_or("it is not in the status")?;
        app.condition("OwnedElsewhere").map(str::to_owned).ok_or_else(|| format!("{:?}", app.conditions))
    })
}

/// The owner that the message names, as the command that it gives has it.
fn owner_in(message: &str) -> String {
    let rest = message.split("--from ").nth(1).unwrap_or_else(|| panic!("no owner is named: {message}"));
    rest.split('`').next().unwrap_or_default().to_owned()
}

fn claims(controller: &Controller, app: &str, from: &str) {
    let claimed = controller.cli(&["claim", app, "--from", from]);
    assert_eq!(claimed.code, 0, "{}{}", claimed.stdout, claimed.stderr);
}

/// Waits until the commit is live. Not until it is healthy: the steady application's healthcheck takes its time.
fn is_live(controller: &Controller, commit: &str) {
    controller.wait("the commit to be live", 120, |now| {
        now.app.live_revision.as_deref() == Some(commit)
            && now.app.phase == "Idle"
            && now.app.sync == "Synced"
    });
}

/// All containers of a project as they are now.
fn containers(app: &str) -> String {
    let filter = format!("label=com.docker.compose.project={app}");
    let mut all: Vec<String> = docker(&["ps", "-aq", "--no-trunc", "--filter", &filter])
        .lines()
        .map(|id| docker(&["inspect", "--format", "{{.Id}} {{.Name}} {{.State.StartedAt}}", id]))
        .collect();
    all.sort();
    all.concat()
}

fn assert_stands_aside(controller: &Controller, app: &str, owner: &Controller) {
    elsewhere(controller, app);
    let (before, rollouts) = (containers(app), controller.history().expect("a history").len());
    controller.several_polls();
    let message = elsewhere(controller, app);
    assert!(message.contains(&owner.data_dir().display().to_string()), "{message}");
    assert_eq!(containers(app), before, "somebody did something");
    assert_eq!(controller.history().expect("a history").len(), rollouts);
}

#[test]
fn the_second_waits_until_an_operator_gives_it_the_project() {
    let world = World::light();
    let app = world.steady();
    let mut first = world.start();
    first.app.clone_from(&app);
    is_live(&first, &world.repo.head());
    let mut second = Controller::beside(&world);
    second.app.clone_from(&app);
    let message = elsewhere(&second, &app);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(message.contains(&format!("host {}", host.trim())), "{message}");
    let labels = [("app", app.as_str()), ("reason", "OwnedElsewhere")];
    assert!((second.metrics().sum("evenkeel_app_condition", &labels) - 1.0).abs() < f64::EPSILON);
    let owner = owner_in(&message);
    let volume = format!("evenkeel-owner-{app}");
    let label = docker(&["volume", "inspect", "--format", "{{index .Labels \"evenkeel.owner\"}}", &volume]);
    assert_eq!(label.trim(), owner);

    let refused = second.cli(&["claim", &app, "--from", &owner]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains(&format!("pid {}", first.pid())), "{}", refused.stderr);
    world.step_steady(1);
    is_live(&first, &world.repo.commit("step 1"));
    assert_stands_aside(&second, &app, &first);

    world.step_steady(2);
    let commit = world.repo.commit("step 2");
    first.wait("a rollout to begin", 60, |now| now.app.attempted_revision.as_deref() == Some(&*commit));
    first.kill9();
    // The engine finishes what it had been asked for.
    second.several_polls();
    assert_stands_aside(&second, &app, &first);
    let unconfirmed = second.cli(&["claim", &app]);
    assert_eq!(unconfirmed.code, 2);
    assert!(unconfirmed.stderr.contains(&owner), "{}", unconfirmed.stderr);
    claims(&second, &app, &owner);
    is_live(&second, &commit);
    assert!(world.steady_runs(2));

    first.restart();
    assert_stands_aside(&first, &app, &second);
    let refused = second.cli(&["disown", &app]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("not suspended"), "{}", refused.stderr);
    for verb in ["suspend", "disown"] {
        assert_eq!(second.cli(&[verb, &app]).code, 0, "{verb}");
    }
    elsewhere(&second, &app);
    assert_eq!(first.cli(&["claim", &app]).code, 0);
    is_live(&first, &commit);
    assert_stands_aside(&second, &app, &first);
}

/// The owner is killed while it migrates; whoever takes over finishes that, with nothing but what is on the engine.
#[test]
fn a_migration_that_the_owner_had_begun_is_finished_by_the_one_who_takes_over() {
    let world = World::new();
    let mut first = world.start();
    first.settle(&world.repo.head(), 240);
    let rows = world.seed_rows();
    let second = Controller::beside(&world);
    let apps = [world.names.app.clone(), world.names.proxy.clone()];
    let owners: Vec<String> = apps.iter().map(|app| owner_in(&elsewhere(&second, app))).collect();
    let commit = world.commit_overlay("add-column");
    first.wait("the migration", 150, |now| now.app.phase == "Migrating");
    first.kill9();
    // The engine finishes what it had been asked for.
    second.several_polls();
    assert_stands_aside(&second, &world.names.app, &first);
    for (app, owner) in apps.iter().zip(&owners) {
        claims(&second, app, owner);
    }
    second.settle(&commit, 240);
    assert_eq!(world.served_version(), "1.1.0");
    assert_eq!(world.schema_revision(), "0002");
    world.assert_tidy();
    world.assert_rows(&rows);
}
