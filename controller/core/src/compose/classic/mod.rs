//! What docker-compose 1.29 would write into its `config-hash` label, so that it finds nothing to do once evenkeel has let go.
//!
//! That program compares nothing but this hash: of its own idea of a service, as JSON, with the image's id in it. Its idea is made
//! here in the same way, from the same text. Where that cannot be done with certainty there is no hash, and a reason; the program
//! then makes such a container anew, once. Meanings: its own source, version 1.29.2.

mod json;
mod parts;
mod scalar;

#[cfg(test)]
mod tests;

pub(in crate::compose) use self::parts::{ShortPort, short_ports};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::fields::Context;
use super::{Project, Service};
use crate::name::{ImageId, ServiceName};
use crate::secret::Secret;
use crate::yaml::{Mapping, Node};

/// Why there is no certainty.
type Doubt = String;

/// A service as docker-compose 1.29 has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Classic {
    /// All but the image's id. Holds the environment.
    Known(Secret),
    /// Why it cannot be told.
    Unknown(String),
}

impl Classic {
    /// The hash that a container made from the image has to bear; `None` where it cannot be told.
    pub fn hash(&self, image: &ImageId) -> Option<String> {
        let Self::Known(text) = self else { return None };
        let Ok(Value::Object(mut view)) = serde_json::from_str(text.expose()) else { return None };
        view.insert("image_id".to_owned(), json!(image.as_str()));
        Some(hex::encode(Sha256::digest(json::text(&Value::Object(view)))))
    }

    /// Why it cannot be told.
    pub fn doubt(&self) -> Option<&str> {
        if let Self::Unknown(why) = self { Some(why) } else { None }
    }
}

/// The image that docker-compose 1.29 looks for where a service names none: what its own builds are called.
pub fn image_name(project: &Project, name: &ServiceName, service: &Service) -> String {
    let own = || format!("{}_{}", project.name.as_str().trim_start_matches(['-', '_']), name.base());
    service.image.clone().unwrap_or_else(own)
}

/// Every service of a project as docker-compose 1.29 has it. `single`: it is one file that extends and includes nothing. `named`: it
/// uses the project's name in a way that only newer programs know.
pub(super) fn views(
    document: &Node,
    project: &Project,
    single: bool,
    named: bool,
    context: &Context<'_>,
) -> BTreeMap<ServiceName, Classic> {
    let doubt = doubt_of_file(document, single, named);
    let view = |(name, service): (&ServiceName, &Service)| {
        let view = match &doubt {
            Some(why) => Err(why.clone()),
            None => Reader { name, service, project, document, context }.view(),
        };
        let view = view.map(|view| Secret::new(view.to_string()));
        (name.clone(), view.map_or_else(Classic::Unknown, Classic::Known))
    };
    project.services.iter().map(view).collect()
}

/// What it reads at the top of a file.
const SECTIONS: [&str; 6] = ["version", "services", "networks", "volumes", "secrets", "configs"];

fn doubt_of_file(document: &Node, single: bool, named: bool) -> Option<Doubt> {
    if !single {
        return Some("the project is more than one file, or one that extends others".to_owned());
    }
    if named {
        return Some(
            "the file uses `COMPOSE_PROJECT_NAME`, which docker-compose 1.29 has only where the shell or `.env` sets it"
                .to_owned(),
        );
    }
    let unknown = document.mapping()?.keys().find(|key| !SECTIONS.contains(&key.as_str()))?;
    Some(format!("docker-compose 1.29 does not read a file with `{unknown}`"))
}

/// One service being read.
struct Reader<'r> {
    name: &'r ServiceName,
    service: &'r Service,
    project: &'r Project,
    document: &'r Node,
    context: &'r Context<'r>,
}

/// Keys of a service that change nothing but their spelling, if that.
const KEPT: [&str; 52] = [
    "blkio_config",
    "cap_add",
    "cap_drop",
    "cgroup_parent",
    "command",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "device_cgroup_rules",
    "devices",
    "dns_opt",
    "domainname",
    "entrypoint",
    "expose",
    "extra_hosts",
    "group_add",
    "hostname",
    "image",
    "init",
    "isolation",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "oom_kill_disable",
    "oom_score_adj",
    "pids_limit",
    "platform",
    "privileged",
    "profiles",
    "pull_policy",
    "read_only",
    "runtime",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "tty",
    "ulimits",
    "user",
    "userns_mode",
    "working_dir",
];

impl Reader<'_> {
    fn view(&self) -> Result<Value, Doubt> {
        let node = self.document.get("services").and_then(|services| services.get(self.name.base()));
        let map = node.and_then(Node::mapping).ok_or("it is not in the file")?;
        let mut options = Map::from_iter([
            ("platform".to_owned(), Value::Null),
            ("device_requests".to_owned(), Value::Null),
            ("volumes".to_owned(), json!([])),
        ]);
        for (key, entry) in map {
            if let Some((key, value)) = self.option(key, &entry.node)? {
                options.insert(key, value);
            }
        }
        if map.contains_key("environment") || map.contains_key("env_file") {
            options.insert("environment".to_owned(), self.environment(map)?);
        }
        parts::deploy(map, &mut options)?;
        let (networks, net) = self.networks(map)?;
        Ok(json!({
            "options": options,
            "links": parts::links(map)?,
            "net": net,
            "ipc_mode": own_namespace(map, "ipc")?,
            "networks": networks,
            "secrets": self.secrets(map)?,
            "volumes_from": [],
        }))
    }

    /// A key as the program keeps it; nothing for what it keeps elsewhere.
    fn option(&self, key: &str, node: &Node) -> Result<Option<(String, Value)>, Doubt> {
        let value = match key {
            // Read apart; `pid` is left out of the hash.
            "environment" | "env_file" | "networks" | "network_mode" | "links" | "secrets" | "configs"
            | "ipc" | "deploy" | "scale" => return Ok(None),
            "pid" => return own_namespace_of(node, "pid").map(|_| None),
            "build" => self.build(node)?,
            "ports" => parts::ports(node)?,
            "volumes" => self.volumes(node)?,
            "healthcheck" => parts::healthcheck(node)?,
            "restart" => parts::restart(node)?,
            "depends_on" => parts::depends_on(node)?,
            "labels" => parts::labels(node, &["labels"])?,
            "sysctls" => parts::sysctls(node)?,
            "security_opt" => parts::security_opt(node)?,
            "dns" | "dns_search" | "tmpfs" => parts::listed(scalar::value(node, &[key])?),
            key if KEPT.contains(&key) || key.starts_with("x-") => scalar::value(node, &[key])?,
            key => {
                return Err(format!(
                    "docker-compose 1.29 does not know `{key}`, or it is not known what it makes of it"
                ));
            }
        };
        if key == "blkio_config" || (key.starts_with("cpu_") && value.is_string()) {
            return Err(format!("it is not known what docker-compose 1.29 makes of `{key}`"));
        }
        Ok(Some((key.to_owned(), value)))
    }

    fn environment(&self, map: &Mapping) -> Result<Value, Doubt> {
        let resolved = self.service.environment.iter();
        let mut all: Map<String, Value> = match map.contains_key("env_file") {
            true => {
                let unset = self.service.unset.iter().map(|name| (name.clone(), Value::Null));
                resolved.map(|(name, value)| (name.clone(), json!(value.expose()))).chain(unset).collect()
            }
            false => Map::new(),
        };
        for (name, value) in
            map.get("environment").map_or_else(|| Ok(Map::new()), |it| parts::pairs(&it.node))?
        {
            if value.is_boolean() {
                return Err(format!(
                    "docker-compose 1.29 does not read a file where the variable `{name}` is a boolean"
                ));
            }
            // Without a value it is a variable of the program's own, where it has it.
            let found = || self.service.environment.get(&name).map_or(Value::Null, |it| json!(it.expose()));
            let value = if value.is_null() { found() } else { value };
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }

    /// The networks with what the service says of them, and the first of them or what there is instead.
    fn networks(&self, map: &Mapping) -> Result<(Value, Value), Doubt> {
        if let Some(mode) = map.get("network_mode") {
            let mode = scalar::value(&mode.node, &["network_mode"])?;
            let text = mode.as_str().ok_or("its network mode is no word")?;
            if text.starts_with("container:") {
                return Err("it lives in the network of a container that has an id of its own".to_owned());
            }
            return Ok((json!({}), json!(text.strip_prefix("service:").unwrap_or(text))));
        }
        let said = match map.get("networks") {
            Some(entry) => parts::networks(&entry.node)?,
            None => Map::from_iter([("default".to_owned(), json!({}))]),
        };
        let mut networks = Map::new();
        for (key, value) in said {
            let network = self.project.networks.get(&key).ok_or("it has a network that nobody declares")?;
            networks.insert(network.name.clone(), if value.is_null() { json!({}) } else { value });
        }
        let priority = |value: &Value| value.get("priority").and_then(Value::as_i64).unwrap_or_default();
        let mut names: Vec<(&String, i64)> = networks.iter().map(|(name, it)| (name, priority(it))).collect();
        names.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        if names.len() > 1 && names.iter().any(|(_, priority)| *priority != 0) {
            return Err("its networks have priorities".to_owned());
        }
        let first = names.first().map_or_else(|| "none".to_owned(), |(name, _)| (*name).clone());
        Ok((Value::Object(networks), json!(first)))
    }

    /// A path as the program has it: from the directory that it is run in.
    fn path(&self, node: &Node, path: &str) -> Result<String, Doubt> {
        if path.starts_with('~') {
            return Err(format!("`{path}` is somebody's home"));
        }
        let here = || self.context.on_host(node, path);
        let path = if path.starts_with('/') { Some(super::path::on_host("", path)) } else { here() };
        path.ok_or_else(|| "it has relative paths, and the manifest does not say where the stack stands (`spec.compose.projectDirectory`)".to_owned())
    }

    fn build(&self, node: &Node) -> Result<Value, Doubt> {
        let value = scalar::value(node, &["build"])?;
        let Value::Object(mut build) = value else {
            let context = value.as_str().ok_or("its build is no path")?;
            return Ok(json!({ "context": self.context_of(node, context)? }));
        };
        if let Some(context) = build.get("context").and_then(Value::as_str) {
            let context = self.context_of(node, context)?;
            build.insert("context".to_owned(), json!(context));
        }
        if let Some(labels) = node.get("labels") {
            build.insert("labels".to_owned(), parts::labels(labels, &["build", "labels"])?);
        }
        if let (Some(args), Some(ours)) = (node.get("args"), &self.service.build) {
            let said = parts::pairs(args)?;
            let text = |(name, value): (String, Value)| {
                let ours = ours.args.get(&name).map_or(String::new(), String::clone);
                (name, json!(if value.is_null() { ours } else { parts::python_text(&value) }))
            };
            build.insert("args".to_owned(), said.into_iter().map(text).collect());
        }
        Ok(Value::Object(build))
    }

    fn context_of(&self, node: &Node, context: &str) -> Result<String, Doubt> {
        const ELSEWHERE: [&str; 5] = ["http://", "https://", "git://", "github.com/", "git@"];
        let elsewhere = ELSEWHERE.iter().any(|prefix| context.starts_with(prefix));
        if elsewhere { Ok(context.to_owned()) } else { self.path(node, context) }
    }

    fn volumes(&self, node: &Node) -> Result<Value, Doubt> {
        let items = node.sequence().ok_or("its volumes are no list")?;
        let named = |key: &str| self.project.volumes.get(key).map(|volume| volume.name.clone());
        let path = |path: &str| self.path(node, path);
        let read = |item: &Node| match scalar::value(item, &["volumes"])? {
            Value::String(text) => parts::volume(&text, &path, &named),
            Value::Object(mount) => parts::mount(mount, &path, &named),
            _ => Err("one of its volumes is neither a text nor a map".to_owned()),
        };
        items.iter().map(read).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    fn secrets(&self, map: &Mapping) -> Result<Value, Doubt> {
        let items = map.get("secrets").and_then(|entry| entry.node.sequence()).unwrap_or_default();
        items.iter().map(|item| self.secret(item)).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    fn secret(&self, node: &Node) -> Result<Value, Doubt> {
        let said = scalar::value(node, &["secrets"])?;
        let field = |key: &str| said.get(key).cloned().unwrap_or_default();
        let source = if said.is_string() { said.clone() } else { field("source") };
        let declared =
            self.document.get("secrets").and_then(|all| all.get(source.as_str().unwrap_or_default()));
        let file = declared.and_then(|it| it.get("file")).ok_or("it has a secret that is no file")?;
        let path = scalar::value(file, &[])?;
        let path = self.path(file, path.as_str().ok_or("a secret's file is no path")?)?;
        let of = [source, field("target"), field("uid"), field("gid"), field("mode"), Value::Null];
        Ok(json!({ "secret": of, "file": path }))
    }
}

/// A namespace that is not another container's: that one's id would be part of the hash.
fn own_namespace(map: &Mapping, key: &str) -> Result<Value, Doubt> {
    map.get(key).map_or(Ok(Value::Null), |entry| own_namespace_of(&entry.node, key))
}

fn own_namespace_of(node: &Node, key: &str) -> Result<Value, Doubt> {
    let value = scalar::value(node, &[key])?;
    let shared =
        value.as_str().is_some_and(|mode| mode.starts_with("service:") || mode.starts_with("container:"));
    if shared { Err(format!("its `{key}` is another container's")) } else { Ok(value) }
}
