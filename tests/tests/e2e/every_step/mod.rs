//! `kill -9` at every step of a rollout, before and after its effect, while users write: whatever was killed, the application
//! ends whole, and every row that somebody was told is stored is there.

mod power_loss;
mod rare;

use evenkeel_tests::gauntlet::Victim;
use evenkeel_tests::journal::Moment;
use evenkeel_tests::load::Row;
use evenkeel_tests::report::Rollout;
use evenkeel_tests::world::Options;
use evenkeel_tests::{Controller, Disk, Gauntlet, Load, World, tell};

/// A world whose releases are watched shortly: nothing is being proven by that here.
struct Stage {
    // Fields drop in order: a controller that still ran would mend what its world takes down, and use the disk.
    controller: Controller,
    /// The data directory's, where it loses power with the controller.
    disk: Option<Disk>,
    world: World,
    rows: Vec<Row>,
}

impl Stage {
    fn new() -> Self {
        Self::of(World::with(Options { bake: 2, ..Options::default() }), None)
    }

    fn of(world: World, disk: Option<Disk>) -> Self {
        let controller = world.start();
        Self { controller, disk, world, rows: Vec::new() }
    }

    /// With a first release live, its proxy, and rows.
    fn set() -> Self {
        Self::new().begun()
    }

    fn begun(self) -> Self {
        let mut stage = self;
        stage.controller.settle(&stage.world.repo.head(), 240);
        stage.proxied();
        stage.rows = stage.world.seed_rows();
        stage
    }

    /// Users come through the proxy.
    fn proxied(&self) {
        self.controller.wait("the proxy to be live", 60, |now| {
            now.status.app(&self.world.names.proxy).is_some_and(|app| app.settled())
        });
    }

    /// Runs a rollout through all of its kills while users write.
    fn kill(&mut self, mut gauntlet: Gauntlet, commit: &str, wanted: impl Fn(&Moment) -> bool) {
        let load = Load::start(&self.world.url(""), 10);
        gauntlet.run(self.victim(), commit, wanted);
        let seen = load.stop();
        tell(&gauntlet);
        tell(format!(
            "users: {} of {} requests failed, the longest gap was {:.1} s; {} rows were acknowledged",
            seen.failures.len(),
            seen.requests,
            seen.longest_gap.as_secs_f64(),
            seen.rows.len()
        ));
        self.rows.extend(seen.rows);
    }

    fn victim(&mut self) -> Victim<'_> {
        Victim { world: &self.world, controller: &mut self.controller, disk: self.disk.as_mut() }
    }

    /// The commit is live, whole, and on record as one success.
    fn ends(&self, commit: &str, version: &str, schema: &str) {
        self.controller.settle(commit, 180);
        assert_eq!(self.world.served_version(), version);
        assert_eq!(self.world.schema_revision(), schema);
        self.recorded(commit, "Succeeded");
        self.whole();
    }

    /// The commit is in quarantine, what was live before it serves, whole, and it is on record as one failure.
    fn is_put_back(&self, commit: &str, good: &str) {
        let now = self.controller.quarantine(commit, 180);
        assert_eq!(now.app.live_revision.as_deref(), Some(good));
        assert_eq!(self.world.served_version(), "1.0.0");
        assert_eq!(self.world.schema_revision(), "0001");
        self.recorded(commit, "Reverted");
        self.whole();
    }

    /// Changes the manifest, without committing it.
    fn edit_manifest(&self, from: &str, to: &str) {
        let manifest = self.world.repo.read("evenkeel.yaml");
        assert!(manifest.contains(from), "the example has no `{from}` any more");
        self.world.repo.write("evenkeel.yaml", &manifest.replace(from, to));
    }

    fn whole(&self) {
        self.world.assert_rows(&self.rows);
        self.world.assert_tidy();
    }

    /// One rollout of the commit has an outcome, this one, and none is left open.
    fn recorded(&self, commit: &str, outcome: &str) {
        let rollouts = self.controller.rollouts();
        let open: Vec<i64> = rollouts.iter().filter(|one| one.outcome.is_none()).map(|one| one.id).collect();
        assert!(open.is_empty(), "rollouts {open:?} never end");
        // Where the machine was so busy that what serves did not answer either, nobody was blamed, and it was tried again.
        let excused =
            |one: &Rollout| one.message.as_ref().is_some_and(|it| it.contains("does not work either"));
        let counted = rollouts.iter().filter(|one| one.revision == *commit && !excused(one));
        let outcomes = counted.map(|one| one.outcome.as_deref());
        assert_eq!(outcomes.collect::<Vec<_>>(), [Some(outcome)], "{rollouts:#?}");
    }
}

#[test]
fn of_a_first_release() {
    let mut stage = Stage::new();
    let commit = stage.world.repo.head();
    let mut gauntlet = Gauntlet::on_record_only(&stage.controller);
    gauntlet.run(stage.victim(), &commit, |_| true);
    tell(&gauntlet);
    stage.ends(&commit, "1.0.0", "0001");
}

/// With a hook, so that there is a step that cannot be told from reality.
#[test]
fn of_a_migration_that_adds() {
    let mut stage = Stage::set();
    stage.world.overlay("add-column");
    stage.edit_manifest(
        "rollout: {",
        "rollout: {onTakeover: [{service: convertik-redis, exec: [redis-cli, ping]}], ",
    );
    let commit = stage.world.repo.commit("a column, and a hook");
    let gauntlet = Gauntlet::on_record_only(&stage.controller);
    stage.kill(gauntlet, &commit, |_| true);
    stage.ends(&commit, "1.1.0", "0002");
}

#[test]
fn of_the_revert_of_one() {
    let mut stage = Stage::set();
    let before = stage.world.schema();
    let commit = stage.world.commit_overlay("add-column");
    stage.controller.settle(&commit, 150);
    let commit = stage.world.repo.revert_head();
    let gauntlet = Gauntlet::new(&stage.controller);
    stage.kill(gauntlet, &commit, |_| true);
    stage.ends(&commit, "1.0.0", "0001");
    assert_eq!(stage.world.schema(), before, "the downgrade leads back");
}

#[test]
fn of_a_fenced_migration() {
    let mut stage = Stage::set();
    let commit = stage.world.commit_overlay("drop-column");
    let gauntlet = Gauntlet::new(&stage.controller);
    stage.kill(gauntlet, &commit, |_| true);
    stage.ends(&commit, "1.2.0", "0003");
}

/// The new release has taken over, its schema with it, and fails the last check: everything goes back.
#[test]
fn of_what_puts_a_release_back() {
    let mut stage = Stage::set();
    let (good, before) = (stage.world.repo.head(), stage.world.schema());
    stage.world.overlay("add-column");
    stage.edit_manifest("path: /docs}", "path: /not-there}");
    let commit = stage.world.repo.commit("a column, and a check that fails");
    let gauntlet = Gauntlet::on_record_only(&stage.controller);
    stage.kill(gauntlet, &commit, |now| now.stage == "revert");
    stage.is_put_back(&commit, &good);
    assert_eq!(stage.world.schema(), before, "the downgrade leads back");
}

/// The migration fails half way, behind its fence: the backup goes back in place of what it left.
#[test]
fn of_what_restores_a_backup() {
    let mut stage = Stage::set();
    let (good, before) = (stage.world.repo.head(), stage.world.schema());
    let commit = stage.world.commit_overlay("migration-autocommit-on-data");
    let gauntlet = Gauntlet::new(&stage.controller);
    stage.kill(gauntlet, &commit, |_| true);
    stage.is_put_back(&commit, &good);
    assert_eq!(stage.world.schema(), before, "it is as it was");
}
