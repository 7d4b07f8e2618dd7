//! A world without images to build and without a database: one small application that is always there, so that what others
//! do to the same repository can be seen not to disturb it.

use crate::docker::{Docker, docker};
use crate::world::{Options, World};

/// The application that must never be disturbed: its folder in the repository.
pub const STEADY: &str = "steady";

impl World {
    /// With nothing but the steady application.
    pub fn light() -> Self {
        let world = Self::empty(Options::default());
        let name = world.steady();
        world.repo.write(&format!("{STEADY}/evenkeel.yaml"), &manifest(&name, "compose.yaml"));
        world.step_steady(0);
        world.repo.commit("steady");
        world
    }

    /// Its application's name.
    pub fn steady(&self) -> String {
        format!("{}-{STEADY}", self.names.id)
    }

    /// A change of the steady application, not committed yet.
    pub fn step_steady(&self, step: usize) {
        let text = format!(
            "services:\n  cache:\n    image: redis:7\n    environment:\n      STEP: \"{step}\"\n    healthcheck:\n      \
             test: [CMD, redis-cli, ping]\n      interval: 10m\n"
        );
        self.repo.write(&format!("{STEADY}/compose.yaml"), &text);
    }

    /// Whether the steady application runs at that step.
    pub fn steady_runs(&self, step: usize) -> bool {
        let variable = format!("STEP={step}");
        let has = |id: &str| docker(&["inspect", "--format", "{{json .Config.Env}}", id]).contains(&variable);
        let running = Docker::of(self.steady()).of_service("cache");
        running.iter().any(|one| one["State"]["Running"] == true && one["Id"].as_str().is_some_and(has))
    }
}

/// The smallest manifest there is.
pub fn manifest(name: &str, compose: &str) -> String {
    format!(
        "apiVersion: evenkeel/v1\nkind: Application\nmetadata:\n  name: {name}\nspec:\n  compose:\n    \
         files: [{compose}]\n  rollout: {{minHealthy: 0s, bake: 0s, retryDelay: 2s}}\n"
    )
}
