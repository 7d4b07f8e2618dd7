//! How long a service is away whose container somebody kills: evenkeel beside the engine's own `restart: always`.

use std::time::{Duration, Instant};

use evenkeel_tests::command::{command, must};
use evenkeel_tests::docker::docker;
use evenkeel_tests::world::{Options, Port, World};
use evenkeel_tests::{Controller, http, light};
use serde::Serialize;

use crate::measure::rounded;

/// Each is killed once: what begins again and again is started later and later.
const CONTAINERS: usize = 5;
/// After that, nobody starts it any more.
const NEVER: Duration = Duration::from_secs(15);

/// Seconds until it answers again, the median of several.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Heal {
    /// `docker kill`, with evenkeel.
    pub(crate) evenkeel_after_docker_kill: f64,
    /// The longest of these.
    pub(crate) evenkeel_longest: f64,
    /// `docker kill`, with `restart: always` alone; `None`: never.
    pub(crate) engine_after_docker_kill: Option<f64>,
    /// The process was killed on the host, with `restart: always` alone.
    pub(crate) engine_after_process_killed: f64,
    /// evenkeel's first, in units of the last.
    pub(crate) ratio: f64,
}

/// A container that answers, by its name and the port that it answers at.
struct Site {
    name: String,
    port: Port,
}

impl Site {
    fn answers(&self) -> bool {
        let agent = http::client(Duration::from_secs(1), 0);
        http::read(agent.get(&format!("http://127.0.0.1:{}/", self.port.number())).call())
            .is_ok_and(|answer| answer.status == 200)
    }

    /// Seconds until it answers again; `None` if it does not.
    fn away(&self, kill: impl FnOnce(&str)) -> Option<f64> {
        let began = Instant::now();
        kill(&self.name);
        while began.elapsed() < NEVER {
            if self.answers() {
                return Some(rounded(began.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

pub(crate) fn measure() -> Heal {
    let world = World::empty(Options::default());
    let (_controller, healed) = with_evenkeel(&world);
    let others = with_the_engine(&world);
    let docker_kill = |name: &str| drop(docker(&["kill", name]));
    let evenkeel: Vec<f64> =
        healed.iter().map(|site| site.away(docker_kill).expect("evenkeel starts it again")).collect();
    let killed: Vec<f64> =
        others.iter().map(|site| site.away(kill_process).expect("the engine starts it again")).collect();
    let engine_after_docker_kill = others[0].away(docker_kill);
    others.iter().for_each(|site| drop(docker(&["rm", "-f", &site.name])));
    let (own, engine) = (median(evenkeel.clone()), median(killed));
    Heal {
        evenkeel_after_docker_kill: own,
        evenkeel_longest: evenkeel.into_iter().fold(0.0, f64::max),
        engine_after_docker_kill,
        engine_after_process_killed: engine,
        ratio: (own / engine * 10.0).round() / 10.0,
    }
}

fn with_evenkeel(world: &World) -> (Controller, Vec<Site>) {
    let app = format!("{}-heal", world.names.id);
    let sites: Vec<Site> = (0..CONTAINERS)
        .map(|number| Site { name: format!("{app}-site{number}-1"), port: Port::claim() })
        .collect();
    let services = sites.iter().enumerate().map(|(number, site)| {
        let port = site.port.number();
        format!(
            "  site{number}: {{image: 'python:3.11-slim', command: [python, -m, http.server, '8000'], restart: always, \
             init: true, ports: ['{port}:8000']}}\n"
        )
    });
    world.repo.write("compose.yaml", &format!("services:\n{}", services.collect::<String>()));
    world.repo.write("evenkeel.yaml", &light::manifest(&app, "compose.yaml"));
    let commit = world.repo.commit("sites");
    let mut controller = Controller::start(world);
    controller.app = app;
    controller.settle(&commit, 300);
    sites.iter().for_each(wait);
    (controller, sites)
}

fn with_the_engine(world: &World) -> Vec<Site> {
    let sites: Vec<Site> = (0..CONTAINERS)
        .map(|number| Site { name: format!("{}-alone{number}", world.names.id), port: Port::claim() })
        .collect();
    for site in &sites {
        let port = format!("{}:8000", site.port.number());
        let run = ["run", "-d", "--init", "--restart", "always", "--name", &site.name, "-p", &port];
        docker(&[&run[..], &["python:3.11-slim", "python", "-m", "http.server", "8000"]].concat());
    }
    sites.iter().for_each(wait);
    sites
}

fn wait(site: &Site) {
    let began = Instant::now();
    while !site.answers() {
        assert!(began.elapsed() < Duration::from_secs(120), "{} does not answer", site.name);
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn kill_process(name: &str) {
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", name]);
    must(&mut command("kill", ["-9", pid.trim()]));
}

/// The middle of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
