//! Tests against the engine of this machine. Each makes its own things and takes them away, whether it passes or not.

mod builds;
mod commands;
mod compose;
mod dialect;
mod facts;
mod life;
mod lost_layers;
mod others;
mod owner;
mod registries;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evenkeel_core::compose::{Port, RestartPolicy, Service};
use evenkeel_core::container::{ContainerSpec, Endpoint, label};
use evenkeel_core::name::ContainerId;

use super::{Docker, connect};
use crate::engine::{Engine, Exec, ExecOutcome, NetworkSpec};

/// An image with a shell, `cat`, `sha256sum` and `getent`.
const DEBIAN: &str = "debian:bookworm-slim";
/// An image with an HTTP server.
const PYTHON: &str = "python:3.11-slim";

/// The engine, and a project of the test's own whose things go when this does.
struct Bench {
    docker: Docker,
    project: String,
    images: Mutex<Vec<String>>,
}

impl Bench {
    fn new(test: &str) -> Self {
        let project = format!("engine-{test}-{}", std::process::id());
        Self { docker: connect(None).expect("an endpoint"), project, images: Mutex::default() }
    }

    fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.project)
    }

    fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(label::COMPOSE_PROJECT.to_owned(), self.project.clone())])
    }

    /// An image of this name is removed at the end.
    fn image(&self, what: &str) -> String {
        let image = format!("{}:1", self.name(what));
        self.images.lock().expect("a lock").push(image.clone());
        image
    }

    /// A container that sleeps unless told otherwise.
    fn spec(&self, what: &str, command: &[&str]) -> ContainerSpec {
        let command = if command.is_empty() { &["sleep", "600"] } else { command };
        let service = Service { command: Some(owned(command)), init: Some(true), ..Default::default() };
        ContainerSpec {
            name: self.name(what),
            image: DEBIAN.to_owned(),
            service,
            labels: self.labels(),
            ..ContainerSpec::default()
        }
    }

    async fn run(&self, spec: &ContainerSpec) -> ContainerId {
        let id = self.docker.create(spec).await.expect("created");
        self.docker.start(id.as_str()).await.expect("started");
        id
    }

    async fn network(&self, what: &str, internal: bool) -> String {
        let name = self.name(what);
        let spec = NetworkSpec { name: name.clone(), internal, labels: self.labels(), ..Default::default() };
        self.docker.create_network(&spec).await.expect("a network");
        name
    }

    async fn exec(&self, id: &ContainerId, command: &[&str]) -> ExecOutcome {
        let exec = Exec { command: owned(command), ..Default::default() };
        self.docker.exec(id.as_str(), exec).await.expect("a command")
    }

    /// The first address of a name, as a container sees it.
    async fn resolve(&self, id: &ContainerId, name: &str) -> Option<String> {
        let outcome = self.exec(id, &["getent", "ahostsv4", name]).await;
        String::from_utf8_lossy(&outcome.stdout).split_whitespace().next().map(str::to_owned)
    }

    /// Every address of a name, as a container sees it.
    async fn resolve_all(&self, id: &ContainerId, name: &str) -> Vec<String> {
        let outcome = self.exec(id, &["getent", "ahostsv4", name]).await;
        let lines = String::from_utf8_lossy(&outcome.stdout).into_owned();
        let addresses: BTreeSet<&str> =
            lines.lines().filter_map(|line| line.split_whitespace().next()).collect();
        addresses.into_iter().map(str::to_owned).collect()
    }

    async fn address(&self, id: &ContainerId, network: &str) -> String {
        let container = self.docker.container(id.as_str()).await.expect("an answer").expect("a container");
        container.networks.get(network).expect("a place on the network").ip_address.clone()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let filter = format!("label={}={}", label::COMPOSE_PROJECT, self.project);
        for (list, remove) in
            [("ps -aq", "rm -fv"), ("network ls -q", "network rm"), ("volume ls -q", "volume rm")]
        {
            docker(&format!("{remove} {}", docker(&format!("{list} --filter {filter}")).join(" ")));
        }
        docker(&format!("volume rm -f {}", owner::record(&self.project)));
        for image in self.images.lock().expect("a lock").iter() {
            docker(&format!("rmi -f {image}"));
        }
    }
}

/// Runs the command-line client, for cleaning up without a runtime.
fn docker(arguments: &str) -> Vec<String> {
    let output = Command::new("docker").args(arguments.split_whitespace()).output().expect("a docker client");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn on(network: &str) -> Endpoint {
    Endpoint { network: network.to_owned(), ..Default::default() }
}

/// A port that nobody has now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    listener.local_addr().expect("an address").port()
}

/// Looks again until it holds, for ten seconds.
async fn eventually<F: AsyncFnMut() -> bool>(mut holds: F) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if holds().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// A port of all the host's addresses.
fn on_host(port: u16, protocol: &str) -> Port {
    Port { target: port, published: Some(port), host_ip: None, protocol: protocol.to_owned() }
}
