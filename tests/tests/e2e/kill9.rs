//! `kill -9` in every phase of a rollout: after the restart the application ends whole, in the new release or in the old one.

use evenkeel_tests::load::Row;
use evenkeel_tests::{Controller, World};

struct Stage {
    // Fields drop in order: a controller that still ran would mend what its world takes down.
    controller: Controller,
    world: World,
    rows: Vec<Row>,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        let controller = world.start();
        controller.settle(&world.repo.head(), 240);
        let rows = world.seed_rows();
        Self { controller, world, rows }
    }

    /// Kills the controller once it is in the phase with this commit, starts it again, and looks at what comes of it.
    fn survives(&mut self, phase: &str, commit: &str, version: &str, schema: &str) {
        self.controller.wait_for(&format!("{} in phase {phase}", &commit[..8]), 120, |controller| {
            let status = controller.status()?;
            let app = status.app(&controller.app).ok_or("it is not in the status")?;
            let there = app.phase == phase && app.attempted_revision.as_deref() == Some(commit);
            if there { Ok(()) } else { Err(format!("phase {}", app.phase)) }
        });
        self.controller.kill9();
        self.controller.restart();
        self.controller.settle(commit, 180);
        assert_eq!(self.world.served_version(), version, "killed while {phase}");
        assert_eq!(self.world.schema_revision(), schema, "killed while {phase}");
        self.world.assert_tidy();
        self.world.assert_rows(&self.rows);
        self.recorded(commit, phase);
    }

    /// The history does not tell of a success that was none, nor does it leave a rollout open.
    fn recorded(&self, commit: &str, phase: &str) {
        let rollouts = self.controller.rollouts();
        let open: Vec<i64> =
            rollouts.iter().filter(|rollout| rollout.outcome.is_none()).map(|rollout| rollout.id).collect();
        assert!(open.is_empty(), "killed while {phase}: rollouts {open:?} never end");
        let succeeded = rollouts
            .iter()
            .filter(|one| one.revision == *commit && one.outcome.as_deref() == Some("Succeeded"));
        assert_eq!(succeeded.count(), 1, "killed while {phase}: {rollouts:#?}");
    }
}

#[test]
fn without_a_migration() {
    let mut stage = Stage::new();
    for (count, phase) in ["Building", "Proving", "Switching", "Baking"].into_iter().enumerate() {
        let version = format!("1.0.{}", count + 1);
        let commit = stage.world.commit_version(&version);
        stage.survives(phase, &commit, &version, "0001");
    }
}

#[test]
fn with_a_migration() {
    let mut stage = Stage::new();
    for phase in ["BackingUp", "Migrating", "Proving", "Switching", "Baking"] {
        let commit = stage.world.commit_overlay("add-column");
        stage.survives(phase, &commit, "1.1.0", "0002");
        let commit = stage.world.repo.revert_head();
        stage.controller.settle(&commit, 150);
    }
}

#[test]
fn while_it_goes_down() {
    let mut stage = Stage::new();
    for phase in ["Proving", "Switching", "Migrating"] {
        let commit = stage.world.commit_overlay("add-column");
        stage.controller.settle(&commit, 150);
        let commit = stage.world.repo.revert_head();
        stage.survives(phase, &commit, "1.0.0", "0001");
    }
}

/// Killed while a failed release is being put back: it is put back all the same.
#[test]
fn while_it_puts_things_back() {
    let mut stage = Stage::new();
    let good = stage.world.repo.head();
    let commit = stage.world.commit_overlay("app-broken-migration-fine");
    stage.controller.wait_for("the controller to put things back", 120, |controller| {
        let status = controller.status()?;
        let app = status.app(&controller.app).ok_or("it is not in the status")?;
        if app.phase == "Reverting" { Ok(()) } else { Err(format!("phase {}", app.phase)) }
    });
    stage.controller.kill9();
    stage.controller.restart();
    let now = stage.controller.wait("things to be put back", 180, |now| {
        now.app.phase == "Idle"
            && now.app.live_revision.as_deref() == Some(good.as_str())
            && now.app.quarantined(&commit).is_some()
            && now.app.schema_current() == "0001"
    });
    assert_eq!(now.app.sync, "OutOfSync", "what is asked for is not what runs");
    assert_eq!(stage.world.schema_revision(), "0001");
    assert_eq!(stage.world.served_version(), "1.0.0");
    stage.world.assert_tidy();
    stage.world.assert_rows(&stage.rows);
}
