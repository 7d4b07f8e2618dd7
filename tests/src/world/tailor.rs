//! Fits the example's files to a world: its own names and ports, and times that a test can wait for. By text, so that what is
//! tested is a file as people write it.

use std::path::Path;

use super::Options;
use super::names::{Names, Port, Ports};

/// What the files are fitted to.
pub(super) struct Tailor<'w> {
    pub(super) names: &'w Names,
    pub(super) ports: &'w Ports,
    pub(super) options: &'w Options,
    pub(super) home: &'w Path,
}

impl Tailor<'_> {
    /// The text of a file of the example, by its path in the repository, as this world has it.
    pub(super) fn fit(&self, path: &str, text: &str) -> String {
        match path {
            "evenkeel.yaml" => self.manifest(text),
            "caddy/evenkeel.yaml" => self.proxy_manifest(text),
            "docker-compose.production.yml" => self.compose(text),
            "caddy/docker-compose.yml" => self.proxy_compose(text),
            // Two seconds are plenty on a host of its own; several worlds share two cores here, and what is measured is what
            // a rollout does to users, not what the neighbours do.
            "backend/app/db.py" => swap(text, "\"connect_timeout\": 2", "\"connect_timeout\": 10"),
            _ => text.to_owned(),
        }
    }

    fn manifest(&self, text: &str) -> String {
        let Options { bake, start_timeout } = self.options;
        let url = format!("http://127.0.0.1:{}/health", self.ports.proxy.number());
        let text = self.common(text, "convertik", &self.names.app);
        let text = swap(&text, "http://localhost:8080/health", &url);
        let text = swap(
            &text,
            "expect: {status: 200}}}",
            &format!("expect: {{status: 200}}}}, startTimeout: {start_timeout}s}}"),
        );
        let text = swap(&text, "mode: auto", "mode: auto\n      maxBlocking: 3s\n      timeout: 40s");
        let text = swap(&text, "bake: 5m", &format!("bake: {bake}s, retryDelay: 2s"));
        without_windows(&text)
    }

    fn proxy_manifest(&self, text: &str) -> String {
        swap(&self.common(text, "caddy", &self.names.proxy), "bake: 1m", "bake: 1s, retryDelay: 2s")
    }

    fn common(&self, text: &str, old: &str, new: &str) -> String {
        let text = swap(text, &format!("metadata:\n  name: {old}"), &format!("metadata:\n  name: {new}"));
        let text = swap(&text, &format!("projectName: {old}"), &format!("projectName: {new}"));
        let text = swap(&text, &format!("/opt/{old}"), &self.home.join(old).display().to_string());
        swap(&text, "minHealthy: 5s", "minHealthy: 2s")
    }

    fn compose(&self, text: &str) -> String {
        let image = format!("image: {}:latest", self.names.container("api"));
        let text = self.edge(&swap(text, "image: convertik-api:latest", &image));
        let text = self.service(&text, "api", "8001", &self.ports.api);
        let text = self.service(&text, "db", "5433", &self.ports.database);
        let text = self.service(&text, "redis", "6380", &self.ports.redis);
        // No shorter: each check starts a process in a container, and several worlds share two cores.
        swap(&swap(&text, "interval: 5s", "interval: 3s"), "interval: 2s", "interval: 4s")
    }

    fn service(&self, text: &str, short: &str, published: &str, port: &Port) -> String {
        let text = self.container(text, &format!("convertik-{short}"), short);
        swap(&text, &format!("[\"{published}:"), &format!("[\"{}:", port.number()))
    }

    fn proxy_compose(&self, text: &str) -> String {
        self.container(&self.edge(text), "caddy", "caddy")
    }

    fn container(&self, text: &str, old: &str, short: &str) -> String {
        let new = format!("container_name: {}\n", self.names.container(short));
        swap(text, &format!("container_name: {old}\n"), &new)
    }

    fn edge(&self, text: &str) -> String {
        swap(text, "external: true", &format!("external: true\n    name: {}", self.names.network))
    }
}

/// Replaces a text that has to be there: the example may change, and this must not fail silently then.
fn swap(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "the example has no `{old}` any more:\n{text}");
    text.replace(old, new)
}

fn without_windows(text: &str) -> String {
    text.split("  windows:\n").next().unwrap_or(text).to_owned()
}
