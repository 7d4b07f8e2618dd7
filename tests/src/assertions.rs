//! What has to hold after every story, whatever happened in it.

use serde_json::Value;

use crate::controller::Controller;
use crate::docker::{docker, inspect, label, name, names};
use crate::http;
use crate::world::{PASSWORD, World};

/// The application's services.
pub const SERVICES: [&str; 3] = ["convertik-api", "convertik-db", "convertik-redis"];

impl World {
    /// The version that answers through the proxy.
    pub fn served_version(&self) -> String {
        http::json(&self.url("/api/v1/version"))["app_version"].as_str().unwrap_or_default().to_owned()
    }

    /// Exactly one container a service, under its own name, and nothing temporary is left.
    pub fn assert_tidy(&self) {
        let docker = self.docker();
        for service in SERVICES {
            let all = docker.of_service(service);
            assert_eq!(all.len(), 1, "{service} has one container, not {:?}", names(&all));
            let expected = self.names.container(service.trim_start_matches("convertik-"));
            assert_eq!(name(&all[0]), expected);
            assert_eq!(all[0]["State"]["Running"], true, "{expected} does not run");
        }
        assert!(self.temporaries().is_empty(), "left behind: {:?}", names(&self.temporaries()));
    }

    /// Containers that the controller made for the time of a rollout.
    pub fn temporaries(&self) -> Vec<Value> {
        let filter = format!("label=evenkeel.app={}", self.names.app);
        let ids = docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
        let temporary =
            |one: &Value| matches!(label(one, "evenkeel.role").as_str(), "one-off" | "stand-in" | "scratch");
        ids.lines().filter_map(inspect).filter(temporary).collect()
    }
}

impl Controller {
    /// No secret of the world is in the log, the status or the history.
    pub fn assert_discreet(&self) {
        let printed =
            [self.log(), self.cli(&["status"]).stdout, self.cli(&["history", "--output", "json"]).stdout];
        for text in printed {
            let line = text.lines().find(|line| line.contains(PASSWORD));
            assert!(line.is_none(), "a secret was printed: {line:?}");
        }
    }
}
