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

/// The kinds of step in whose middle the engine is killed, one after the other in one rollout.
const ONLINE: [&str; 11] = [
    "build",
    "rehearse",
    "create",
    "start",
    "prove",
    "backup",
    "migrate",
    "join",
    "hand-over",
    "stop",
    "bake",
];
/// The same for a fenced one, where users wait meanwhile.
const FENCED: [&str; 5] = ["stop", "backup", "migrate", "start", "join"];

struct Stage {
    // Fields drop in order: a controller that still ran would mend what its world takes down.
    controller: Controller,
    world: World,
    rows: Vec<Row>,
}

impl Stage {
    /// Kills the engine with the signal in the middle of each of these steps of a commit's rollout, while users write.
    fn survives(&mut self, commit: &str, signal: &str, steps: &[&str]) {
        let load = Load::start(&self.world.url(""), 10);
        let (began, mut journal) =
            (Instant::now(), Journal::of(&self.controller.data_dir(), &self.controller.app));
        let mut hit: BTreeSet<String> = BTreeSet::new();
        let left = |hit: &BTreeSet<String>, now: &Moment| {
            now.side == Side::Begun && steps.contains(&now.step.as_str()) && !hit.contains(&now.step)
        };
        while let Some(begun) = journal.wait(commit, LIMIT, |now| left(&hit, now)) {
            journal.amid(commit, &begun);
            restart_engine(signal);
            hit.insert(begun.step);
        }
        self.controller.settle(commit, 240);
        let seen = load.stop();
        tell(format!(
            "the engine was killed ({signal}) in {} kinds of step in {:.0} s: {hit:?}; {} of {} requests failed, {} rows were acknowledged",
            hit.len(),
            began.elapsed().as_secs_f64(),
            seen.failures.len(),
            seen.requests,
            seen.rows.len()
        ));
        self.rows.extend(seen.rows);
        let missed: Vec<&&str> = steps.iter().filter(|step| !hit.contains(**step)).collect();
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
    stage.survives(&commit, "KILL", &ONLINE);
    stage.ends(&commit, "1.1.0", "0002");

    let commit = stage.world.commit_overlay("drop-column");
    stage.survives(&commit, "KILL", &FENCED);
    stage.ends(&commit, "1.2.0", "0003");

    let commit = stage.world.commit_version("1.2.1");
    stage.survives(&commit, "TERM", &["bake"]);
    stage.ends(&commit, "1.2.1", "0003");
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
