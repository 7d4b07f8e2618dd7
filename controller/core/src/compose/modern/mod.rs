//! What `docker compose` 2 writes into its `config-hash` label: a digest of its own idea of a service, by which evenkeel knows what
//! was made of a service that has not changed since.
//!
//! The program compares that digest and the image. Its idea is a Go type, written as JSON; from one version to the next it leaves other
//! parts of it out. So there is more than one text, and a container that bears the digest of any of them was made from just that. Where
//! it is not known what the program makes of something, there is none, and a reason. Meanings: its own source, from 2.24 to 2.40; the
//! tests have digests that 2.26.1 wrote.

mod json;
mod parts;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fields::Context;
use super::{Project, Service, scalar};
use crate::located::Fault;
use crate::name::ServiceName;
use crate::secret::Secret;
use crate::yaml::{Mapping, Node};

/// Why there is no certainty.
type Doubt = String;
/// A part of a service as JSON; nothing where the program leaves it out.
type Part = Result<Option<String>, Doubt>;

/// A service as `docker compose` 2 has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Modern {
    /// The digests of it as one version or another writes it, in hexadecimal.
    Known(Vec<String>),
    /// Why it cannot be told.
    Unknown(String),
}

impl Modern {
    /// The digests that versions of the program write for it; none where it cannot be told.
    pub fn hashes(&self) -> &[String] {
        if let Self::Known(hashes) = self { hashes } else { &[] }
    }

    /// Whether a version of the program writes this digest for it.
    pub fn has(&self, hash: &str) -> bool {
        self.hashes().iter().any(|own| own == hash)
    }

    /// Why it cannot be told.
    pub fn doubt(&self) -> Option<&str> {
        if let Self::Unknown(why) = self { Some(why) } else { None }
    }
}

/// Every service of a project as `docker compose` 2 has it.
pub(super) fn views(
    document: &Node,
    project: &Project,
    context: &Context<'_>,
) -> BTreeMap<ServiceName, Modern> {
    let view = |(name, service): (&ServiceName, &Service)| {
        let said = document.get("services").and_then(|all| all.get(name.base())).and_then(Node::mapping);
        let texts = said.ok_or_else(|| "it is not in the file".to_owned());
        let texts = texts.and_then(|said| Reader { said, service, context }.texts());
        let hash = |text: &Secret| hex::encode(Sha256::digest(text.expose()));
        let known = |texts: Vec<Secret>| Modern::Known(texts.iter().map(hash).collect());
        (name.clone(), texts.map_or_else(Modern::Unknown, known))
    };
    project.services.iter().map(view).collect()
}

/// Keys whose meaning for the digest is not known, or which tie a container to another one, or to a file that evenkeel keeps elsewhere.
const DOUBTED: [&str; 18] = [
    "blkio_config",
    "configs",
    "cpu_count",
    "cpu_percent",
    "credential_spec",
    "develop",
    "external_links",
    "gpus",
    "isolation",
    "label_file",
    "links",
    "models",
    "post_start",
    "pre_stop",
    "provider",
    "secrets",
    "use_api_socket",
    "volumes_from",
];

/// What versions of the program differ in.
#[derive(Clone, Copy)]
struct Version {
    /// What the service depends on, and its profiles, are in the digest: up to 2.31.
    order: bool,
    /// A path of the host that may be made is said to be one.
    made: bool,
}

const VERSIONS: [Version; 3] = [
    Version { order: true, made: true },
    Version { order: false, made: true },
    Version { order: false, made: false },
];

/// One service being read.
struct Reader<'r> {
    said: &'r Mapping,
    service: &'r Service,
    context: &'r Context<'r>,
}

impl Reader<'_> {
    fn texts(&self) -> Result<Vec<Secret>, Doubt> {
        if let Some(key) = self.said.keys().find(|key| DOUBTED.contains(&key.as_str())) {
            return Err(format!("it has `{key}`"));
        }
        if let Some(lender) = self.service.lenders().next() {
            return Err(format!("it lives in a namespace of {lender}'s container"));
        }
        // The digest has no word of it, as if it were not there.
        if self.service.kernel.mem_swappiness == Some(0) {
            return Err("its `mem_swappiness` is 0".to_owned());
        }
        let mut texts = Vec::new();
        for version in VERSIONS {
            let text = Secret::new(self.text(version)?);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        Ok(texts)
    }

    fn node(&self, key: &str) -> Option<&Node> {
        self.said.get(key).map(|entry| &entry.node).filter(|node| !node.is_null())
    }

    /// A key as the reader has it. Reasons name the key and never the value: it may be a password.
    fn read<T>(&self, key: &str, read: impl FnOnce(&Node) -> Result<T, Fault>) -> Result<Option<T>, Doubt> {
        let read = self.node(key).map(read).transpose();
        read.map_err(|_| format!("it is not known what `docker compose` makes of its `{key}`"))
    }

    fn bytes(&self, key: &str) -> Part {
        Ok(json::bytes(self.read(key, scalar::bytes_or_unlimited)?))
    }

    fn listed(&self, key: &str) -> Part {
        Ok(self.read(key, scalar::one_or_many)?.and_then(|items| json::texts(&items)))
    }

    fn word(&self, key: &str) -> Part {
        Ok(json::word(self.read(key, scalar::text)?.as_deref()))
    }

    /// In the order of the fields of the type.
    fn text(&self, version: Version) -> Result<String, Doubt> {
        let Service { resources, kernel, .. } = self.service;
        let null = || Some("null".to_owned());
        let command = |words: &Option<Vec<String>>| {
            words.as_ref().map_or_else(null, |words| Some(json::list(words.iter().map(json::text))))
        };
        let switch = |set: Option<bool>| set.map(|set| set.to_string());
        let before = [
            ("profiles", if version.order { self.listed("profiles")? } else { None }),
            ("annotations", json::pairs(&kernel.annotations)),
            ("attach", switch(self.read("attach", scalar::boolean)?)),
            ("cap_add", json::texts(&self.service.cap_add)),
            ("cap_drop", json::texts(&self.service.cap_drop)),
            ("cgroup_parent", json::word(kernel.cgroup_parent.as_deref())),
            ("cgroup", json::word(kernel.cgroup.as_deref())),
            ("cpu_period", json::number(kernel.cpu_period)),
            ("cpu_quota", json::number(kernel.cpu_quota)),
            ("cpu_rt_period", json::number(kernel.cpu_rt_period)),
            ("cpu_rt_runtime", json::number(kernel.cpu_rt_runtime)),
            ("cpus", self.node("cpus").map(parts::cpus).transpose()?.flatten()),
            ("cpuset", json::word(resources.cpuset.as_deref())),
            ("cpu_shares", json::number(resources.cpu_shares)),
            ("command", command(&self.service.command)),
            ("container_name", json::word(self.service.container_name.as_deref())),
            ("depends_on", if version.order { self.depends_on() } else { None }),
            ("deploy", self.node("deploy").map(parts::deploy).transpose()?),
            ("device_cgroup_rules", json::texts(&kernel.device_cgroup_rules)),
            ("devices", parts::devices(&self.service.devices)),
            ("dns", self.listed("dns")?),
            ("dns_opt", self.listed("dns_opt")?),
            ("dns_search", self.listed("dns_search")?),
            ("domainname", json::word(self.service.domainname.as_deref())),
            ("entrypoint", command(&self.service.entrypoint)),
            ("environment", self.environment()?),
            ("expose", json::texts(&self.service.expose)),
            ("extra_hosts", parts::extra_hosts(&self.service.extra_hosts)),
            ("group_add", json::texts(&self.service.group_add)),
            ("hostname", json::word(self.service.hostname.as_deref())),
            ("healthcheck", self.healthcheck()?),
            ("image", json::word(self.service.image.as_deref())),
            ("init", switch(self.service.init)),
            ("ipc", json::word(self.service.ipc.as_deref())),
            ("labels", json::pairs(&self.service.labels)),
        ];
        let after = [
            ("logging", self.node("logging").map(parts::logging).transpose()?),
            ("mem_limit", self.bytes("mem_limit")?),
            ("mem_reservation", self.bytes("mem_reservation")?),
            ("memswap_limit", self.bytes("memswap_limit")?),
            ("mem_swappiness", json::bytes(kernel.mem_swappiness)),
            ("mac_address", self.word("mac_address")?),
            ("network_mode", json::word(self.service.network_mode.as_deref())),
            ("networks", self.networks()?),
            ("oom_kill_disable", json::flag(kernel.oom_kill_disable)),
            ("oom_score_adj", json::number(kernel.oom_score_adj)),
            ("pid", json::word(self.service.pid.as_deref())),
            ("pids_limit", json::number(self.read("pids_limit", scalar::integer)?)),
            ("platform", json::word(self.service.platform.as_deref())),
            ("ports", self.node("ports").map(parts::ports).transpose()?.flatten()),
            ("privileged", json::flag(self.service.privileged)),
            ("read_only", json::flag(self.service.read_only)),
            ("restart", self.word("restart")?),
            ("runtime", json::word(kernel.runtime.as_deref())),
            ("security_opt", self.listed("security_opt")?),
            ("shm_size", self.bytes("shm_size")?),
            ("stdin_open", json::flag(self.service.stdin_open)),
            ("stop_grace_period", self.service.stop_grace_period.map(json::time)),
            ("stop_signal", json::word(self.service.stop_signal.as_deref())),
            ("storage_opt", json::pairs(&kernel.storage_opt)),
            ("sysctls", json::pairs(&self.service.sysctls)),
            ("tmpfs", self.listed("tmpfs")?),
            ("tty", json::flag(self.service.tty)),
            ("ulimits", self.node("ulimits").map(parts::ulimits).transpose()?.flatten()),
            ("user", json::word(self.service.user.as_deref())),
            ("userns_mode", json::word(kernel.userns_mode.as_deref())),
            ("uts", json::word(kernel.uts.as_deref())),
            ("volumes", self.volumes(version)?),
            ("working_dir", json::word(self.service.working_dir.as_deref())),
        ];
        Ok(json::object(&[&before[..], &after[..]].concat()))
    }

    fn depends_on(&self) -> Option<String> {
        let all = self.service.depends_on.iter();
        let all: BTreeMap<String, String> =
            all.map(|(name, it)| (name.base().to_owned(), parts::dependency(it))).collect();
        (!all.is_empty()).then(|| json::map(all))
    }

    /// Variables that are named without a value, and have none, are there as such.
    fn environment(&self) -> Part {
        let named = self.read("environment", super::fields::entries)?.unwrap_or_default();
        let mut all: BTreeMap<String, String> =
            named.into_iter().map(|(name, _)| (name, "null".to_owned())).collect();
        let known = self.service.environment.iter();
        all.extend(known.map(|(name, value)| (name.clone(), json::text(value.expose()))));
        Ok((!all.is_empty()).then(|| json::map(all)))
    }

    fn healthcheck(&self) -> Part {
        let (Some(node), Some(check)) = (self.node("healthcheck"), &self.service.healthcheck) else {
            return Ok(None);
        };
        let disabled = node.get("disable").map(scalar::boolean).transpose();
        let disabled = disabled.map_err(|_| "its healthcheck is odd")?.unwrap_or_default();
        let said = node.get("test").is_some();
        Ok(Some(json::object(&[
            ("test", if said { json::texts(&check.test) } else { None }),
            ("timeout", check.timeout.map(json::time)),
            ("interval", check.interval.map(json::time)),
            ("retries", check.retries.map(|tries| tries.to_string())),
            ("start_period", check.start_period.map(json::time)),
            ("start_interval", check.start_interval.map(json::time)),
            ("disable", json::flag(disabled)),
        ])))
    }

    fn networks(&self) -> Part {
        if self.service.network_mode.is_some() {
            return Ok(None);
        }
        let own = || BTreeMap::from([("default".to_owned(), "null".to_owned())]);
        let all = self.node("networks").map(parts::networks).transpose()?;
        Ok(Some(json::map(all.filter(|all| !all.is_empty()).unwrap_or_else(own))))
    }

    fn volumes(&self, version: Version) -> Part {
        let Some(node) = self.node("volumes") else { return Ok(None) };
        let items = node.sequence().ok_or("its volumes are no list")?;
        let path = |path: &str| self.path(node, path);
        let read = |item: &Node| parts::volume(item, &path, version.made);
        let items = items.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok((!items.is_empty()).then(|| json::list(items)))
    }

    /// A path as the program has it: from the directory that it is run in.
    fn path(&self, node: &Node, path: &str) -> Result<String, Doubt> {
        if path.starts_with('~') {
            return Err("a path of it is in somebody's home".to_owned());
        }
        let here = || self.context.on_host(node, path);
        let path = if path.starts_with('/') { Some(super::path::on_host("", path)) } else { here() };
        path.ok_or_else(|| "it has relative paths, and the manifest does not say where the stack stands (`spec.compose.projectDirectory`)".to_owned())
    }
}
