//! Fits the example's files to a world: its own names and ports, and times that a test can wait for.

use serde_yaml::Value;

use super::Options;
use super::names::{Names, Ports};

/// What the files are fitted to.
pub(super) struct Tailor<'w> {
    pub(super) names: &'w Names,
    pub(super) ports: &'w Ports,
    pub(super) options: &'w Options,
    pub(super) home: &'w std::path::Path,
}

impl Tailor<'_> {
    /// The text of a file of the example, by its path in the repository, as this world has it.
    pub(super) fn fit(&self, path: &str, text: &str) -> String {
        match path {
            "evenkeel.yaml" => edit(text, |manifest| self.manifest(manifest)),
            "caddy/evenkeel.yaml" => edit(text, |manifest| self.proxy_manifest(manifest)),
            "docker-compose.production.yml" => edit(text, |compose| self.compose(compose)),
            "caddy/docker-compose.yml" => edit(text, |compose| self.proxy_compose(compose)),
            _ => text.to_owned(),
        }
    }

    fn manifest(&self, manifest: &mut Value) {
        self.common(manifest, &self.names.app, &self.home.join("convertik"));
        let spec = &mut manifest["spec"];
        spec["probes"][0]["url"] = format!("http://127.0.0.1:{}/health", self.ports.proxy.number()).into();
        spec["services"]["convertik-api"]["probe"]["startTimeout"] = seconds(self.options.start_timeout);
        spec["rollout"]["bake"] = seconds(self.options.bake);
        spec["database"]["migrations"]["maxBlocking"] = seconds(3);
        if let Some(spec) = spec.as_mapping_mut() {
            spec.remove("windows");
        }
    }

    fn proxy_manifest(&self, manifest: &mut Value) {
        self.common(manifest, &self.names.proxy, &self.home.join("caddy"));
        manifest["spec"]["rollout"]["bake"] = seconds(1);
    }

    fn common(&self, manifest: &mut Value, name: &str, home: &std::path::Path) {
        manifest["metadata"]["name"] = name.into();
        let compose = &mut manifest["spec"]["compose"];
        compose["projectName"] = name.into();
        compose["projectDirectory"] = home.display().to_string().into();
        manifest["spec"]["rollout"]["minHealthy"] = seconds(2);
        manifest["spec"]["rollout"]["retryDelay"] = seconds(2);
    }

    fn compose(&self, compose: &mut Value) {
        let services = &mut compose["services"];
        services["convertik-api"]["image"] = format!("{}:latest", self.names.container("api")).into();
        let ports = [
            ("api", 8000, &self.ports.api),
            ("db", 5432, &self.ports.database),
            ("redis", 6379, &self.ports.redis),
        ];
        for (short, inside, outside) in ports {
            let service = &mut services[format!("convertik-{short}")];
            service["container_name"] = self.names.container(short).into();
            service["ports"] = vec![Value::from(format!("{}:{inside}", outside.number()))].into();
            service["healthcheck"]["interval"] = seconds(1);
        }
        self.edge(compose);
    }

    fn proxy_compose(&self, compose: &mut Value) {
        compose["services"]["caddy"]["container_name"] = self.names.container("caddy").into();
        compose["services"]["caddy"]["healthcheck"]["interval"] = seconds(1);
        self.edge(compose);
    }

    fn edge(&self, compose: &mut Value) {
        compose["networks"]["caddy"]["name"] = self.names.network.clone().into();
    }
}

/// Changes a YAML text as a tree. Comments are lost; nobody reads them here.
pub(super) fn edit(text: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut tree: Value = serde_yaml::from_str(text).expect("the example's files are YAML");
    change(&mut tree);
    serde_yaml::to_string(&tree).expect("a tree of plain values can be written")
}

fn seconds(count: u64) -> Value {
    format!("{count}s").into()
}
