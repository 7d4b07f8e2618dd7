//! Four kinds of users: behind a proxy that asks for names again, behind one that does not, at the published port, and in the
//! project itself, trying only the first address that a name has.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_tests::command::feed;
use evenkeel_tests::docker::{docker, try_docker};
use evenkeel_tests::load::Load;
use evenkeel_tests::world::{Port, World};
use serde::{Deserialize, Serialize};

/// What one kind of users noticed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Noticed {
    pub(crate) client: &'static str,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) longest_gap_seconds: f64,
    /// How often they failed in which way.
    pub(crate) failures: BTreeMap<String, u64>,
}

/// All four at work.
pub(crate) struct Clients {
    loads: Vec<(&'static str, Load)>,
    inside: Inside,
}

impl Clients {
    pub(crate) fn start(world: &World, network: &str, nginx: &Nginx) -> Self {
        let at = |port: u16| format!("http://127.0.0.1:{port}");
        let loads = vec![
            ("through Caddy", Load::start(&world.url(""), 40)),
            ("through nginx", Load::start_unkept(&at(nginx.port.number()), 20)),
            ("published port", Load::start_unkept(&at(world.ports.api.number()), 20)),
        ];
        Self { loads, inside: Inside::start(world, network) }
    }

    pub(crate) fn stop(self) -> Vec<Noticed> {
        let mut all: Vec<Noticed> =
            self.loads.into_iter().map(|(client, load)| noticed(client, load)).collect();
        all.push(self.inside.stop());
        all
    }
}

fn noticed(client: &'static str, load: Load) -> Noticed {
    let seen = load.stop();
    Noticed {
        client,
        requests: seen.requests,
        failed: seen.failures.len() as u64,
        longest_gap_seconds: seconds(seen.longest_gap),
        failures: counted(seen.failures.iter().map(|failure| failure.what.clone())),
    }
}

fn counted(failures: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    failures.for_each(|what| *counts.entry(what).or_default() += 1);
    counts
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// A proxy that resolves the names of its upstreams once.
pub(crate) struct Nginx {
    name: String,
    pub(crate) port: Port,
}

impl Nginx {
    pub(crate) fn new(world: &World) -> Self {
        Self { name: world.names.container("nginx"), port: Port::claim() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn start(&self, world: &World, network: &str) {
        let config = format!(
            "upstream api {{ server {}:8000; }}\nserver {{ listen 80; location / {{ proxy_pass http://api; \
             proxy_next_upstream off; proxy_connect_timeout 3s; }} }}\n",
            world.names.container("api")
        );
        let file = world.directory().join("nginx.conf");
        std::fs::write(&file, config).expect("a world's directory can be written");
        docker(&[
            "run",
            "-d",
            "--name",
            &self.name,
            "--network",
            network,
            "-p",
            &format!("{}:80", self.port.number()),
            "-v",
            &format!("{}:/etc/nginx/conf.d/default.conf:ro", file.display()),
            "nginx:1",
        ]);
    }
}

/// Asks from inside, on a network of the application, and tells what it saw when it is told to stop.
struct Inside {
    name: String,
}

const ASK: &str = r#"
import json, os, signal, socket, sys, time, http.client
seen = {"requests": 0, "failures": [], "gap": 0.0}
last = time.monotonic()
def end(*_):
    seen["gap"] = max(seen["gap"], time.monotonic() - last)
    print(json.dumps(seen), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
while True:
    begun = time.monotonic()
    seen["requests"] += 1
    try:
        address = socket.getaddrinfo(os.environ["SERVICE"], 8000, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
        connection = http.client.HTTPConnection(address, 8000, timeout=3)
        connection.request("GET", "/api/v1/version")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status != 200:
            raise OSError(answer.status)
        now = time.monotonic()
        seen["gap"] = max(seen["gap"], now - last)
        last = now
    except Exception as problem:
        seen["failures"].append(repr(problem))
    time.sleep(max(0.0, 0.05 - (time.monotonic() - begun)))
"#;

#[derive(Deserialize)]
struct Seen {
    requests: u64,
    failures: Vec<String>,
    gap: f64,
}

impl Inside {
    fn start(world: &World, network: &str) -> Self {
        let name = world.names.container("client");
        try_docker(&["rm", "-f", &name]);
        docker(&[
            "create",
            "-i",
            "--init",
            "--name",
            &name,
            "--network",
            network,
            "-e",
            &format!("SERVICE={}", world.names.container("api")),
            "python:3.11-slim",
            "python",
            "-c",
            ASK,
        ]);
        docker(&["start", &name]);
        Self { name }
    }

    fn stop(self) -> Noticed {
        docker(&["stop", "-t", "5", &self.name]);
        let text = feed(&mut evenkeel_tests::command::command("docker", ["logs", &self.name]), "");
        docker(&["rm", "-f", &self.name]);
        let seen: Seen = serde_json::from_str(&text).unwrap_or_else(|problem| panic!("{problem}: {text}"));
        let gap = Duration::from_secs_f64(seen.gap);
        Noticed {
            client: "in the project",
            requests: seen.requests,
            failed: seen.failures.len() as u64,
            longest_gap_seconds: seconds(gap),
            failures: counted(seen.failures.into_iter()),
        }
    }
}
