//! One deployment, measured.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use evenkeel_tests::http;
use serde::Serialize;

use crate::clients::{Clients, Noticed};
use crate::ways::Way;

/// What is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Code,
    Migration,
    Revert,
}

impl Event {
    pub(crate) const ALL: [Self; 3] = [Self::Code, Self::Migration, Self::Revert];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Code => "code only",
            Self::Migration => "with a migration",
            Self::Revert => "revert of both",
        }
    }
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measurement {
    pub(crate) way: &'static str,
    pub(crate) event: &'static str,
    /// From the push to the first answer of the new code, through Caddy.
    pub(crate) first_answer_seconds: Option<f64>,
    /// From the push to the end: proven and watched, or whenever the commands are through.
    pub(crate) done_seconds: f64,
    pub(crate) clients: Vec<Noticed>,
}

/// Deploys under load.
pub(crate) fn measure(way: &Way, event: Event) -> Measurement {
    let clients = Clients::start(&way.world, &way.network(), &way.nginx);
    std::thread::sleep(Duration::from_secs(3));
    let (start, first) = (Instant::now(), watch(way.world.url("/api/v1/version"), way.next_version(event)));
    way.deploy(event);
    let done = start.elapsed();
    std::thread::sleep(Duration::from_secs(3));
    let first = first.recv_timeout(Duration::from_secs(30)).ok().map(|at| at - start);
    Measurement {
        way: way.kind.name(),
        event: event.name(),
        first_answer_seconds: first.map(rounded),
        done_seconds: rounded(done),
        clients: clients.stop(),
    }
}

/// Seconds, to a hundredth.
pub(crate) fn rounded(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100.0).round() / 100.0
}

/// Asks for the version until it is the expected one, and tells when that was.
fn watch(url: String, version: String) -> Receiver<Instant> {
    let (told, first) = channel();
    let deadline = Instant::now() + Duration::from_secs(400);
    std::thread::spawn(move || {
        let agent = http::client(Duration::from_secs(12), 0);
        while Instant::now() < deadline {
            let answer = http::read(agent.get(&url).call());
            if answer
                .is_ok_and(|answer| answer.status == 200 && answer.body.contains(&format!("\"{version}\"")))
            {
                // Nobody may be waiting any more.
                let _ = told.send(Instant::now());
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    first
}
