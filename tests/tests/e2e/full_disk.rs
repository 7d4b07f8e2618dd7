//! The data directory's disk is full, or takes nothing any more, in the middle of a rollout: what serves goes on or comes back, it
//! is said what is missing and where, nothing is lost, and it goes on by itself once there is room.

use std::time::Duration;

use evenkeel_tests::journal::{Journal, Side};
use evenkeel_tests::load::{Report, Row};
use evenkeel_tests::wait::Snapshot;
use evenkeel_tests::world::Options;
use evenkeel_tests::{Controller, Disk, Load, World, tell};

const SOON: Duration = Duration::from_secs(120);

struct Stage {
    // Fields drop in order: a controller that still ran would mend what its world takes down, and use the disk.
    controller: Controller,
    disk: Disk,
    world: World,
    rows: Vec<Row>,
}

impl Stage {
    fn set(disk: impl FnOnce(&World) -> Disk) -> Self {
        let world = World::with(Options { bake: 2, ..Options::default() });
        let disk = disk(&world);
        let controller = world.start();
        controller.settle(&world.repo.head(), 240);
        controller.wait("the proxy to be live", 60, |now| {
            now.status.app(&world.names.proxy).is_some_and(|app| app.settled())
        });
        let rows = world.seed_rows();
        Self { controller, disk, world, rows }
    }

    /// Waits for a step of a commit's rollout.
    fn at(&self, commit: &str, step: &str, side: Side) {
        let mut journal = Journal::of(&self.controller.data_dir(), &self.controller.app);
        let moment = journal.wait(commit, SOON, |now| now.step == step && now.side == side);
        assert!(moment.is_some(), "the rollout had no {step}");
    }

    /// Waits until it is told what is wrong with the disk: one condition, with the directory and what to do.
    fn told(&self, words: &[&str]) -> Snapshot {
        let directory = self.controller.data_dir().display().to_string();
        let told = self.controller.wait(&format!("{words:?} to be told"), 120, |now| {
            let says = |message: &str| {
                words.iter().all(|word| message.contains(word)) && message.contains(&directory)
            };
            now.app.phase == "Idle" && now.app.conditions.iter().any(|it| says(&it.message))
        });
        for condition in &told.app.conditions {
            tell(format!("told: {}: {}", condition.reason, condition.message));
        }
        told
    }

    fn ends(&mut self, commit: &str, version: &str, schema: &str, seen: Report) {
        self.controller.settle(commit, 180);
        assert_eq!(self.world.served_version(), version);
        assert_eq!(self.world.schema_revision(), schema);
        self.rows.extend(seen.rows);
        self.world.assert_rows(&self.rows);
        self.world.assert_tidy();
        let rollouts = self.controller.rollouts();
        let outcome = |wanted: Option<&str>| {
            rollouts.iter().filter(|one| one.revision == commit && one.outcome.as_deref() == wanted).count()
        };
        assert_eq!((outcome(Some("Succeeded")), outcome(None)), (1, 0), "{rollouts:#?}");
        assert!(
            self.controller
                .status()
                .is_ok_and(|now| now.applications.iter().all(|app| app.quarantine.is_empty()))
        );
    }

    /// How often what writes was stopped for a commit's schema.
    fn fences(&self, commit: &str) -> usize {
        let fence = |why: &str| why.starts_with("fence: ");
        let of_commit = self.controller.rollouts().into_iter().filter(|one| one.revision == commit);
        of_commit.filter(|one| one.performed("stop").any(|step| fence(&step.why))).count()
    }
}

#[test]
fn it_fills_up_in_the_middle_of_a_deployment() {
    let mut stage = Stage::set(|world| Disk::small(world, 112));
    while_nothing_goes_on(&mut stage);
    let mut good = stage.world.repo.head();
    // While the context is made or the ledger written, and before the backup.
    let moments = [("build", Side::Begun), ("rehearse", Side::Done)];
    for (count, (step, side)) in moments.into_iter().enumerate() {
        let load = Load::start(&stage.world.url(""), 10);
        let (commit, version, schema) = match step {
            "rehearse" => (stage.world.commit_overlay("add-column"), "1.1.0".to_owned(), "0002"),
            _ => {
                let version = format!("1.0.{}", count + 2);
                (stage.world.commit_version(&version), version, "0001")
            }
        };
        stage.at(&commit, step, side);
        stage.disk.fill();
        tell(format!("full at {step} {side:?}"));
        let now = stage.told(&["no space left in ", "needed"]);
        assert_eq!(now.app.live_revision.as_deref(), Some(good.as_str()));
        stage.disk.relieve();
        stage.controller.settle(&commit, 180);
        let seen = load.stop();
        seen.assert_nothing_failed("a disk that fills up");
        stage.ends(&commit, &version, schema, seen);
        good = commit;
    }
}

/// Nothing new begins, also after a restart; the commit is rolled out once there is room.
fn while_nothing_goes_on(stage: &mut Stage) {
    let load = Load::start(&stage.world.url(""), 10);
    stage.disk.fill();
    let commit = stage.world.commit_version("1.0.1");
    stage.told(&["no space left in "]);
    stage.controller.kill9();
    stage.controller.restart();
    stage.told(&["no space left in "]);
    stage.disk.relieve();
    stage.controller.settle(&commit, 180);
    let seen = load.stop();
    seen.assert_nothing_failed("a disk that is full");
    stage.ends(&commit, "1.0.1", "0001", seen);
}

/// Users do not wait for room: the old release serves again, and is not stopped another time before there is.
#[test]
fn it_fills_up_behind_a_fence() {
    let mut stage = Stage::set(|world| Disk::small(world, 112));
    let load = Load::start(&stage.world.url(""), 10);
    let commit = stage.world.commit_overlay("drop-column");
    stage.at(&commit, "stop", Side::Begun);
    stage.disk.fill();
    stage.told(&["no space left in ", "needed"]);
    assert_eq!(stage.world.served_version(), "1.0.0", "it serves again");
    assert_eq!(stage.world.schema_revision(), "0001");
    let answered = load.answered();
    stage.controller.several_polls();
    assert!(load.answered() > answered + 30, "users are served while there is no room");
    assert_eq!(stage.fences(&commit), 1, "users waited for a backup that had no room");
    stage.disk.relieve();
    stage.controller.settle(&commit, 180);
    let seen = load.stop();
    tell(format!("the longest gap was {:.1} s", seen.longest_gap.as_secs_f64()));
    stage.ends(&commit, "1.2.0", "0003", seen);
}

/// The backup is there, so that nothing stands in the way of the migration and the take-over but the ledger's own entries.
#[test]
fn it_fills_up_while_the_schema_moves() {
    let mut stage = Stage::set(|world| Disk::small(world, 112));
    let load = Load::start(&stage.world.url(""), 10);
    let commit = stage.world.commit_overlay("drop-column");
    stage.at(&commit, "migrate", Side::Begun);
    stage.disk.fill();
    stage.controller.settle(&commit, 180);
    let seen = load.stop();
    tell(format!("the longest gap was {:.1} s", seen.longest_gap.as_secs_f64()));
    stage.ends(&commit, "1.2.0", "0003", seen);
    let commit = stage.world.commit_version("1.2.1");
    stage.told(&["no space left in "]);
    stage.disk.relieve();
    stage.controller.settle(&commit, 180);
}

#[test]
fn it_becomes_read_only() {
    let mut stage = Stage::set(|world| Disk::that_may_fail(world, 128));
    let load = Load::start(&stage.world.url(""), 10);
    let commit = stage.world.commit_version("1.0.1");
    stage.at(&commit, "prove", Side::Begun);
    breaks_and_is_repaired(&mut stage, &commit, "1.0.0");
    let seen = load.stop();
    seen.assert_nothing_failed("a disk that fails");
    stage.ends(&commit, "1.0.1", "0001", seen);
}

/// Nothing can be put on record any more; users are served all the same, and what they write is in the backup that counts.
#[test]
fn it_becomes_read_only_behind_a_fence() {
    let mut stage = Stage::set(|world| Disk::that_may_fail(world, 128));
    let load = Load::start(&stage.world.url(""), 10);
    let commit = stage.world.commit_overlay("drop-column");
    stage.at(&commit, "backup", Side::Begun);
    breaks_and_is_repaired(&mut stage, &commit, "1.0.0");
    stage.ends(&commit, "1.2.0", "0003", load.stop());
}

fn breaks_and_is_repaired(stage: &mut Stage, commit: &str, serves: &str) {
    stage.disk.fail();
    stage.told(&["has become read-only"]);
    assert_eq!(stage.world.served_version(), serves);
    stage.controller.terminate();
    stage.disk.repair();
    stage.controller.restart();
    stage.controller.settle(commit, 180);
}
