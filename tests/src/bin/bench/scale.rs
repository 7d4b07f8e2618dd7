//! What many services and many applications cost.

use std::time::{Duration, Instant};

use evenkeel_tests::command::{command, must};
use evenkeel_tests::world::{Options, World};
use evenkeel_tests::{Controller, light};
use serde::Serialize;

use crate::heal::median;
use crate::idle::{self, Calls, Idle};
use crate::measure::rounded;

/// Services of the large project.
const SERVICES: usize = 100;
const TRIES: usize = 5;
/// Longer than from one glance at the engine to the next.
const GLANCE: Duration = Duration::from_secs(75);
/// How many applications, one after the other.
const APPLICATIONS: [usize; 3] = [1, 10, 100];

/// Planning a large project; seconds, medians.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Large {
    pub(crate) services: usize,
    /// `evenkeel plan`: the commit is read, the engine is asked, the plan is made and printed.
    pub(crate) plan_seconds: f64,
    /// `docker-compose config -q`, which only reads the same file.
    pub(crate) compose_config_seconds: f64,
    /// The first, in units of the second.
    pub(crate) ratio: f64,
}

/// What so many applications cost while nothing happens.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Many {
    pub(crate) applications: usize,
    #[serde(flatten)]
    pub(crate) idle: Idle,
    /// Requests to the engine that one look at one application takes, every ten minutes.
    pub(crate) engine_calls_per_look: u64,
}

pub(crate) fn large() -> Large {
    let world = World::empty(Options::default());
    let app = format!("{}-large", world.names.id);
    // Planned, and never rolled out.
    let manifest = light::manifest(&app, "compose.yaml");
    world.repo.write("evenkeel.yaml", &format!("{manifest}  windows: [{{deny: '* * * * *', for: 1h}}]\n"));
    let service = |number: usize| {
        let after =
            number.checked_sub(1).map(|other| format!(", depends_on: [s{other}]")).unwrap_or_default();
        format!(
            "  s{number}: {{image: 'redis:7', environment: {{NUMBER: '{number}'}}, healthcheck: {{test: [CMD, redis-cli, ping]}}{after}}}\n"
        )
    };
    let services: String = (0..SERVICES).map(service).collect();
    world.repo.write("compose.yaml", &format!("services:\n{services}"));
    world.repo.commit("large");
    let mut controller = Controller::start(&world);
    controller.app.clone_from(&app);
    controller.wait("the window to be seen", 120, |now| now.app.condition("WindowClosed").is_some());
    let plans = (0..TRIES).map(|_| {
        let began = Instant::now();
        let planned = controller.cli(&["plan", &app]);
        assert_eq!(planned.code, 1, "{}{}", planned.stdout, planned.stderr);
        began.elapsed().as_secs_f64()
    });
    let plan = median(plans.collect());
    let reads = (0..TRIES).map(|_| {
        let began = Instant::now();
        must(command("docker-compose", ["config", "-q"]).current_dir(world.repo.path()));
        began.elapsed().as_secs_f64()
    });
    let config = median(reads.collect());
    let two = |seconds: f64| (seconds * 1000.0).round() / 1000.0;
    Large {
        services: SERVICES,
        plan_seconds: two(plan),
        compose_config_seconds: two(config),
        ratio: (plan / config * 100.0).round() / 100.0,
    }
}

pub(crate) fn many() -> Vec<Many> {
    let world = World::empty(Options::default());
    let socket = world.directory().join("engine.sock");
    let calls = Calls::listen(&socket);
    world.repo.commit("nothing yet");
    let mut controller =
        Controller::start_with(&world, &[("DOCKER_HOST", &format!("unix://{}", socket.display()))]);
    let name = |number: usize| format!("{}-a{number:03}", world.names.id);
    controller.app = name(0);
    let mut measured = Vec::new();
    for applications in APPLICATIONS {
        for number in 0..applications {
            let directory = format!("apps/{number:03}");
            world.repo.write(
                &format!("{directory}/evenkeel.yaml"),
                &light::manifest(&name(number), "compose.yaml"),
            );
            let service = "  one: {image: 'redis:7', command: [sleep, infinity], init: true, network_mode: none, restart: always}\n";
            world.repo.write(&format!("{directory}/compose.yaml"), &format!("services:\n{service}"));
        }
        world.repo.commit(&format!("{applications} applications"));
        controller.wait("all to be live", 900, |now| {
            let all = &now.status.applications;
            all.len() == applications && all.iter().all(|app| app.settled())
        });
        let began = Instant::now();
        // The glance of a minute sees what the rollouts have changed, and has everybody look once.
        std::thread::sleep(GLANCE);
        let idle = idle::measure(&controller, Some(&calls));
        let before = calls.count();
        assert_eq!(controller.cli(&["sync", &name(0), "--wait"]).code, 0);
        let engine_calls_per_look = calls.count() - before;
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("  {applications}: {} s\n", rounded(began.elapsed())).as_bytes(),
        );
        measured.push(Many { applications, idle, engine_calls_per_look });
    }
    measured
}
