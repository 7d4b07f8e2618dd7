//! What disturbs everybody on the engine: run alone, and last.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use evenkeel_tests::command::{command, must};
use evenkeel_tests::journal::{Journal, Moment, Side};
use evenkeel_tests::load::Row;
use evenkeel_tests::world::{Options, project};
use evenkeel_tests::{Controller, Load, World, tell};

/// The longest that one step, and an engine that comes back, may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Kinds of step, in whose middle the engine is sent a signal.
type Hits = [(&'static str, &'static str)];

/// A migration that adds. After most of these nothing runs any more, so that what follows is not what would have followed.
const ONLINE: &Hits = &[
    ("build", "KILL"),
    ("rehearse", "KILL"),
    ("backup", "KILL"),
    ("migrate", "KILL"),
    ("create", "KILL"),
    ("prove", "KILL"),
    ("join", "KILL"),
];
/// A release without a migration.
const PLAIN: &Hits = &[("hand-over", "KILL"), ("bake", "TERM")];
/// A fenced migration, where users wait meanwhile.
const FENCED: &Hits = &[("stop", "KILL"), ("start", "KILL")];

struct Stage {
    // Fields drop in order: a controller that still ran would mend what its world takes down.
    controller: Controller,
    world: World,
    rows: Vec<Row>,
}

impl Stage {
    /// Ends the engine in the middle of each of these steps of a commit's rollout, while users write.
    fn survives(&mut self, commit: &str, hits: &Hits) {
        let load = Load::start(&self.world.url(""), 10);
        let (began, mut journal) =
            (Instant::now(), Journal::of(&self.controller.data_dir(), &self.controller.app));
        let mut hit: BTreeSet<&str> = BTreeSet::new();
        let signal = |hit: &BTreeSet<&str>, now: &Moment| {
            let due = |(step, _): &&(&'static str, _)| *step == now.step && !hit.contains(step);
            hits.iter().find(due).filter(|_| now.side == Side::Begun)
        };
        while let Some(begun) = journal.wait(commit, LIMIT, |now| signal(&hit, now).is_some()) {
            journal.amid(commit, &begun);
            let (step, signal) = signal(&hit, &begun).expect("it was waited for");
            restart_engine(signal);
            hit.insert(step);
        }
        self.controller.settle(commit, 240);
        let seen = load.stop();
        tell(format!(
            "the engine ended in the middle of {hit:?}, all of it in {:.0} s; {} of {} requests failed, {} rows were acknowledged",
            began.elapsed().as_secs_f64(),
            seen.failures.len(),
            seen.requests,
            seen.rows.len()
        ));
        self.rows.extend(seen.rows);
        let missed: Vec<_> = hits.iter().filter(|(step, _)| !hit.contains(step)).collect();
        assert!(missed.is_empty(), "the rollout had no {missed:?}");
    }

    fn ends(&self, commit: &str, version: &str, schema: &str) {
        assert_eq!(self.world.served_version(), version);
        assert_eq!(self.world.schema_revision(), schema);
        self.world.assert_rows(&self.rows);
        self.world.assert_tidy();
        let rollouts = self.controller.rollouts();
        let count = |outcome: Option<&str>| {
            rollouts.iter().filter(|one| one.revision == commit && one.outcome.as_deref() == outcome).count()
        };
        assert_eq!((count(Some("Succeeded")), count(None)), (1, 0), "{rollouts:#?}");
        let status = self.controller.status().unwrap_or_else(|problem| panic!("{problem}"));
        assert!(
            status.applications.iter().all(|app| app.quarantine.is_empty()),
            "the release was blamed: {status:#?}"
        );
    }
}

#[test]
#[ignore = "kills the engine that everybody shares; tests/run runs it by itself"]
fn the_engine_is_killed_in_the_middle_of_every_kind_of_step() {
    let world = World::with(Options { bake: 4, ..Options::default() });
    let controller = world.start();
    controller.settle(&world.repo.head(), 240);
    controller.wait("the proxy to be live", 60, |now| {
        now.status.app(&world.names.proxy).is_some_and(|app| app.settled())
    });
    let rows = world.seed_rows();
    let mut stage = Stage { controller, world, rows };

    let commit = stage.world.commit_overlay("add-column");
    stage.survives(&commit, ONLINE);
    stage.ends(&commit, "1.1.0", "0002");

    let commit = stage.world.commit_version("1.1.1");
    stage.survives(&commit, PLAIN);
    stage.ends(&commit, "1.1.1", "0002");

    let commit = stage.world.commit_overlay("drop-column");
    stage.survives(&commit, FENCED);
    stage.ends(&commit, "1.2.0", "0003");
}

fn restart_engine(signal: &str) {
    let pid = std::fs::read_to_string("/var/run/docker.pid").expect("the engine's process id");
    must(&mut command("kill", [&format!("-{signal}"), pid.trim()]));
    let deadline = Instant::now() + Duration::from_secs(90);
    while std::path::Path::new("/proc").join(pid.trim()).exists() {
        assert!(Instant::now() < deadline, "the engine does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
    let script = format!(". {}/deploy/lib/engine.sh && ensure_engine", project().display());
    must(&mut command("bash", ["-c", &script]));
}
