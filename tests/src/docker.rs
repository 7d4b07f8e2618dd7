//! The engine, through its own command line: what a test asserts must not come through the code under test.

use serde_json::Value;

use crate::command::{Finished, command, must, run};

/// Where the engine of the tests is, as `DOCKER_HOST` has it: this machine's own unless that is set.
pub fn endpoint() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// Runs `docker`, which has to succeed.
pub fn docker(args: &[&str]) -> String {
    must(&mut command("docker", args))
}

/// Runs `docker`, come what may.
pub fn try_docker(args: &[&str]) -> Finished {
    run(&mut command("docker", args))
}

/// The containers of one Compose project.
#[derive(Clone, Debug)]
pub struct Docker {
    project: String,
}

impl Docker {
    /// Of the project.
    pub fn of(project: impl Into<String>) -> Self {
        Self { project: project.into() }
    }

    /// All of them, as `docker inspect` gives them, temporary ones included.
    pub fn containers(&self) -> Vec<Value> {
        let label = format!("label=com.docker.compose.project={}", self.project);
        let ids = docker(&["ps", "-aq", "--no-trunc", "--filter", &label]);
        ids.lines().filter_map(inspect).collect()
    }

    /// Those of a service.
    pub fn of_service(&self, service: &str) -> Vec<Value> {
        self.containers()
            .into_iter()
            .filter(|one| label(one, "com.docker.compose.service") == service)
            .collect()
    }

    /// The only running container of a service.
    pub fn running(&self, service: &str) -> Value {
        let mut running = self.of_service(service);
        running.retain(|one| one["State"]["Running"] == true);
        assert_eq!(running.len(), 1, "one container of {service} runs, not {:?}", names(&running));
        running.remove(0)
    }

    /// The id of the only running container of a service.
    pub fn id(&self, service: &str) -> String {
        text(&self.running(service)["Id"])
    }

    /// The name of the only running container of a service.
    pub fn name(&self, service: &str) -> String {
        name(&self.running(service))
    }
}

/// `docker inspect`; nothing for what has gone meanwhile.
pub fn inspect(id: &str) -> Option<Value> {
    let finished = try_docker(&["inspect", id]);
    let mut all: Vec<Value> = serde_json::from_str(&finished.stdout).ok()?;
    (!all.is_empty()).then(|| all.remove(0))
}

/// A container's label, or nothing.
pub fn label(container: &Value, key: &str) -> String {
    text(&container["Config"]["Labels"][key])
}

/// A container's name.
pub fn name(container: &Value) -> String {
    text(&container["Name"]).trim_start_matches('/').to_owned()
}

/// The names of several.
pub fn names(containers: &[Value]) -> Vec<String> {
    containers.iter().map(|one| format!("{} ({})", name(one), text(&one["State"]["Status"]))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
