//! Releases that are broken in every way: what served keeps serving, schema and rows are as before, the release is put in
//! quarantine with its reason, it is tried once only, and the next good commit is deployed.

use std::time::Duration;

use evenkeel_tests::database::Session;
use evenkeel_tests::load::Report;
use evenkeel_tests::wait::Snapshot;
use evenkeel_tests::world::Options;
use evenkeel_tests::{Controller, Load, World};

/// A world with one good release live and rows in its database.
struct Stage {
    // Fields drop in order: a controller that still ran would mend what its world takes down.
    controller: Controller,
    world: World,
    good: String,
    count: u32,
}

impl Stage {
    fn new(options: Options) -> Self {
        let world = World::with(options);
        let controller = world.start();
        let good = world.repo.head();
        controller.settle(&good, 240);
        controller.wait("the proxy to be live", 60, |now| {
            now.status.app(&world.names.proxy).is_some_and(|app| app.settled())
        });
        world.seed_rows();
        Self { controller, world, good, count: 0 }
    }

    /// Commits a broken variant under load, and everything that has to hold then.
    fn breaks_at(&mut self, variant: &str, reason: &str) {
        self.breaks(variant, reason, |_| None).assert_nothing_failed(variant);
    }

    /// The same, where something has to be prepared just before; it lasts until the release has failed.
    fn breaks(
        &mut self,
        variant: &str,
        reason: &str,
        prepare: impl FnOnce(&World) -> Option<Session>,
    ) -> Report {
        let (world, controller) = (&self.world, &self.controller);
        let before = (world.served_version(), world.schema_revision(), world.schema());
        let load = Load::start(&world.url(""), 20);
        world.overlay(variant);
        let held = prepare(world);
        let commit = world.repo.commit(variant);
        let now = controller.quarantine(&commit, 180);
        drop(held);
        std::thread::sleep(Duration::from_secs(1));
        let seen = load.stop();

        assert_eq!(now.app.live_revision.as_deref(), Some(self.good.as_str()), "{variant}");
        assert_eq!(before, (world.served_version(), world.schema_revision(), world.schema()), "{variant}");
        world.assert_rows(&seen.rows);
        self.is_told(&commit, variant, reason);
        self.stays_alone(&commit, variant);
        self.goes_on(variant);
        seen
    }

    /// Why it failed, and that it is not tried again.
    fn is_told(&self, commit: &str, variant: &str, reason: &str) {
        let told = |now: &Snapshot| now.app.condition("Quarantined").is_some();
        let now = self.controller.wait(&format!("{variant} to be told as quarantined"), 20, told);
        let entry = now.app.quarantined(commit).expect("it was waited for");
        assert!(!entry.reason.is_empty(), "{variant}: a quarantine says why");
        let named = now.app.condition(reason).is_some() || entry.reason.contains(reason);
        assert!(named, "{variant}: {reason} is neither in {entry:#?} nor in {:#?}", now.app.conditions);
    }

    /// Tried once, and never again by itself.
    fn stays_alone(&self, commit: &str, variant: &str) {
        self.controller.several_polls();
        let tries = self.controller.rollouts().iter().filter(|rollout| rollout.revision == *commit).count();
        assert_eq!(tries, 1, "{variant} was tried {tries} times");
        let rollout = self.controller.last_rollout();
        assert_eq!(rollout.outcome.as_deref(), Some("Reverted"), "{variant}: {rollout:#?}");
        assert!(
            rollout.message.is_some_and(|message| !message.is_empty()),
            "{variant}: the history says why"
        );
        self.world.assert_tidy();
    }

    /// The next good commit is deployed.
    fn goes_on(&mut self, variant: &str) {
        self.count += 1;
        let version = format!("1.0.{}", self.count);
        let commit = self.world.commit_back_to(&self.good, &version);
        self.controller.settle(&commit, 150);
        assert_eq!(self.world.served_version(), version, "after {variant}");
        self.world.assert_tidy();
        self.good = commit;
    }
}

#[test]
fn what_never_starts() {
    let mut stage = Stage::new(Options::default());
    stage.breaks_at("build-broken", "BuildFailed");
    stage.breaks_at("exits-at-start", "ProbeFailed");
    stage.breaks_at("app-broken-migration-fine", "ProbeFailed");
}

#[test]
fn what_never_becomes_healthy() {
    let mut stage = Stage::new(Options { start_timeout: 25, ..Options::default() });
    stage.breaks_at("never-healthy", "ProbeFailed");
    stage.breaks_at("health-500", "ProbeFailed");
}

#[test]
fn migrations_that_fail() {
    let mut stage = Stage::new(Options::default());
    stage.breaks_at("migration-raises", "MigrationFailed");
    // A required column is no mere addition: users notice the fence, and nothing else.
    stage.breaks("migration-raises-on-data", "MigrationFailed", |_| None);
}

#[test]
fn migrations_that_block_users() {
    let mut stage = Stage::new(Options::default());
    // It changes a column, so that it is fenced: a pause is what is announced, a hold of ten minutes is not.
    stage.breaks("migration-locked", "MigrationFailed", |world| Some(world.open_transaction()));
    stage.breaks_at("migration-blocks", "MigrationFailed");
}

#[test]
fn what_fails_while_it_is_watched() {
    let mut stage = Stage::new(Options { bake: 25, ..Options::default() });
    let sooner =
        |world: &World| set(world, "backend/app/health.py", "HEALTHY_SECONDS = 30", "HEALTHY_SECONDS = 20");
    stage.breaks("unhealthy-in-bake", "BakeFailed", sooner).assert_nothing_failed("unhealthy-in-bake");
    let sooner =
        |world: &World| set(world, "backend/app/refresher.py", "QUIET_SECONDS = 30", "QUIET_SECONDS = 20");
    stage.breaks("traceback-in-bake", "BakeFailed", sooner).assert_nothing_failed("traceback-in-bake");
}

fn set(world: &World, path: &str, from: &str, to: &str) -> Option<Session> {
    let text = world.repo.read(path);
    assert!(text.contains(from), "{path} has no `{from}`");
    world.repo.write(path, &text.replace(from, to));
    None
}

/// Half-done migrations: what was committed stays or goes as the design says, and old code serves on throughout.
#[test]
fn migrations_that_are_half_done() {
    let mut stage = Stage::new(Options::default());
    // The first fails in rehearsal already. The second makes a unique index, so that it is fenced: a pause is announced.
    half_done(&mut stage, "migration-autocommit").assert_nothing_failed("migration-autocommit");
    half_done(&mut stage, "migration-autocommit-on-data");
}

fn half_done(stage: &mut Stage, variant: &str) -> Report {
    let (world, controller) = (&stage.world, &stage.controller);
    let before = (world.served_version(), world.schema_revision());
    let load = Load::start(&world.url(""), 20);
    let commit = world.commit_overlay(variant);
    let now = controller.quarantine(&commit, 180);
    let seen = load.stop();
    assert!(now.app.condition("MigrationFailed").is_some(), "{variant}: {:#?}", now.app.conditions);
    assert_eq!(before, (world.served_version(), world.schema_revision()), "{variant}");
    let invalid = world.psql("SELECT count(*) FROM pg_index WHERE NOT indisvalid");
    assert_eq!(invalid, "0", "{variant}: an invalid index stays behind");
    world.assert_rows(&seen.rows);
    stage.stays_alone(&commit, variant);
    stage.goes_on(variant);
    seen
}
