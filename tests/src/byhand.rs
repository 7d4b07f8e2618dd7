//! The example deployed as its authors do it without evenkeel: what the harness is checked against, and what the benchmark
//! compares with.

use std::path::Path;

use crate::command::{Finished, command, must, run};
use crate::world::World;

/// docker-compose 1.29.
const CLASSIC: &str = "docker-compose";

/// `docker compose` 2, where this machine has one; `tests/newer-engine` knows how to get it.
pub fn compose_2() -> Option<String> {
    let program = std::env::var("EVENKEEL_COMPOSE_2").ok().filter(|program| !program.is_empty());
    if program.is_none() {
        crate::tell(
            "skipped: EVENKEEL_COMPOSE_2 says where `docker compose` 2 is (tests/newer-engine --compose)",
        );
    }
    program
}

/// What Compose says when another world of the same engine removed a layer that the build had found in the cache. The worlds build
/// the same files, so they share layers, and each removes its images when it ends.
const LAYER_LOST: [&str; 4] =
    ["No such image: sha256:", "layer does not exist", "unknown parent image ID", "unknown layer"];
/// How often Compose is run that others take layers away from.
const ATTEMPTS: usize = 5;

impl World {
    /// Copies the env files beside the Compose file, where Compose looks for them.
    pub fn place_env_files(&self) {
        for name in [".env.production", ".env.database"] {
            std::fs::copy(self.host_file(name), self.repo.path().join(name)).expect("both are in this world");
        }
    }

    /// Everything from nothing: the proxy, the stack, and its schema.
    pub fn up_by_hand(&self) {
        self.place_env_files();
        self.compose_proxy(&["up", "-d"]);
        self.compose(&["up", "-d", "--build"]);
        self.alembic(&["upgrade", "head"]);
    }

    /// The same where the stack stands by the manifest: paths are part of what docker-compose remembers of a container.
    pub fn up_in_place(&self) {
        self.up_in_place_by(CLASSIC);
    }

    /// The same by another program.
    pub fn up_in_place_by(&self, program: &str) {
        let home = self.host_file("x").parent().expect("a file has a directory").to_owned();
        let copy = format!("git checkout-index --all --force --prefix={}/", home.display());
        must(command("sh", ["-c", &copy]).current_dir(self.repo.path()));
        self.compose_proxy(&["up", "-d"]);
        let up = ["up", "-d", "--build"];
        self.compose_in(program, &home, &self.names.app, "docker-compose.production.yml", &up);
        self.alembic(&["upgrade", "head"]);
    }

    /// The runbook: everything down, built without a cache, up, ten seconds of patience, and the migrations.
    pub fn runbook(&self) {
        self.compose(&["down"]);
        self.compose(&["build", "--no-cache"]);
        self.compose(&["up", "-d"]);
        std::thread::sleep(std::time::Duration::from_secs(10));
        self.alembic(&["upgrade", "head"]);
    }

    /// What most people do: Compose replaces what changed, and then the migrations run.
    pub fn compose_up(&self) {
        self.compose(&["up", "-d", "--build"]);
        self.alembic(&["upgrade", "head"]);
    }

    /// Alembic in the container that runs, tried until its database answers.
    pub fn alembic(&self, args: &[&str]) {
        let line =
            format!("for _ in $(seq 30); do alembic {} && exit 0; sleep 0.5; done; exit 1", args.join(" "));
        must(&mut command("docker", ["exec", &self.names.container("api"), "sh", "-c", &line]));
    }

    fn compose(&self, args: &[&str]) {
        self.docker_compose(&self.names.app, "docker-compose.production.yml", args);
    }

    fn compose_proxy(&self, args: &[&str]) {
        self.docker_compose(&self.names.proxy, "caddy/docker-compose.yml", args);
    }

    fn docker_compose(&self, project: &str, file: &str, args: &[&str]) {
        self.compose_in(CLASSIC, self.repo.path(), project, file, args);
    }

    fn compose_in(&self, program: &str, directory: &Path, project: &str, file: &str, args: &[&str]) {
        let mut compose = command(program, ["-p", project, "-f", file]);
        compose.args(args).current_dir(directory);
        compose.env("CADDY_HTTP_PORT", self.ports.proxy.number().to_string());
        let mut finished = run(&mut compose);
        for _ in 1..ATTEMPTS {
            if !lost_a_layer(&finished) {
                break;
            }
            finished = run(&mut compose);
        }
        finished.must(&format!("{compose:?}"));
    }
}

fn lost_a_layer(finished: &Finished) -> bool {
    let said = [finished.stdout.as_str(), &finished.stderr].concat();
    !finished.success() && LAYER_LOST.iter().any(|words| said.contains(words))
}
