//! Every key of the Compose specification, and what becomes of it.
//!
//! `*` stands for a name that the user chose, `[]` for an item of a list. Under a key without children in the table, everything
//! is the user's own (labels, build arguments).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::located::Fault;
use crate::yaml::{Mapping, Node, Place, Value, suggestion};

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does what the specification says.
    Honoured,
    /// It says nothing about what runs; a warning says why.
    Inert(&'static str),
    /// It is a fault, with this reason.
    Refused(&'static str),
}

/// Keys that do what the specification says.
const HONOURED: &[&str] = &[
    "name",
    "networks",
    "networks.*.attachable",
    "networks.*.driver",
    "networks.*.driver_opts",
    "networks.*.enable_ipv6",
    "networks.*.external",
    "networks.*.external.name",
    "networks.*.internal",
    "networks.*.ipam",
    "networks.*.ipam.config",
    "networks.*.ipam.config[].gateway",
    "networks.*.ipam.config[].ip_range",
    "networks.*.ipam.config[].subnet",
    "networks.*.ipam.driver",
    "networks.*.labels",
    "networks.*.name",
    "services",
    "services.*.build",
    "services.*.build.args",
    "services.*.build.context",
    "services.*.build.dockerfile",
    "services.*.build.extra_hosts",
    "services.*.build.labels",
    "services.*.build.network",
    "services.*.build.pull",
    "services.*.build.shm_size",
    "services.*.build.target",
    "services.*.cap_add",
    "services.*.cap_drop",
    "services.*.command",
    "services.*.container_name",
    "services.*.cpu_shares",
    "services.*.cpus",
    "services.*.cpuset",
    "services.*.depends_on",
    "services.*.depends_on.*.condition",
    "services.*.depends_on.*.required",
    "services.*.depends_on.*.restart",
    "services.*.deploy",
    "services.*.deploy.mode",
    "services.*.deploy.replicas",
    "services.*.deploy.resources",
    "services.*.deploy.resources.limits",
    "services.*.deploy.resources.limits.cpus",
    "services.*.deploy.resources.limits.memory",
    "services.*.deploy.resources.limits.pids",
    "services.*.deploy.resources.reservations",
    "services.*.deploy.resources.reservations.memory",
    "services.*.devices",
    "services.*.devices[].permissions",
    "services.*.devices[].source",
    "services.*.devices[].target",
    "services.*.dns",
    "services.*.dns_opt",
    "services.*.dns_search",
    "services.*.domainname",
    "services.*.entrypoint",
    "services.*.env_file",
    "services.*.env_file[].format",
    "services.*.env_file[].path",
    "services.*.env_file[].required",
    "services.*.environment",
    "services.*.expose",
    "services.*.extends",
    "services.*.extends.file",
    "services.*.extends.service",
    "services.*.extra_hosts",
    "services.*.group_add",
    "services.*.healthcheck",
    "services.*.healthcheck.disable",
    "services.*.healthcheck.interval",
    "services.*.healthcheck.retries",
    "services.*.healthcheck.start_period",
    "services.*.healthcheck.test",
    "services.*.healthcheck.timeout",
    "services.*.hostname",
    "services.*.image",
    "services.*.init",
    "services.*.ipc",
    "services.*.labels",
    "services.*.logging",
    "services.*.logging.driver",
    "services.*.logging.options",
    "services.*.mem_limit",
    "services.*.mem_reservation",
    "services.*.memswap_limit",
    "services.*.network_mode",
    "services.*.networks",
    "services.*.networks.*.aliases",
    "services.*.networks.*.ipv4_address",
    "services.*.networks.*.ipv6_address",
    "services.*.networks.*.priority",
    "services.*.pid",
    "services.*.pids_limit",
    "services.*.platform",
    "services.*.ports",
    "services.*.ports[].host_ip",
    "services.*.ports[].mode",
    "services.*.ports[].protocol",
    "services.*.ports[].published",
    "services.*.ports[].target",
    "services.*.privileged",
    "services.*.profiles",
    "services.*.pull_policy",
    "services.*.read_only",
    "services.*.restart",
    "services.*.scale",
    "services.*.security_opt",
    "services.*.shm_size",
    "services.*.stdin_open",
    "services.*.stop_grace_period",
    "services.*.stop_signal",
    "services.*.sysctls",
    "services.*.tmpfs",
    "services.*.tty",
    "services.*.ulimits",
    "services.*.ulimits.*.hard",
    "services.*.ulimits.*.soft",
    "services.*.user",
    "services.*.volumes",
    "services.*.volumes[].bind",
    "services.*.volumes[].bind.create_host_path",
    "services.*.volumes[].bind.propagation",
    "services.*.volumes[].bind.selinux",
    "services.*.volumes[].read_only",
    "services.*.volumes[].source",
    "services.*.volumes[].target",
    "services.*.volumes[].tmpfs",
    "services.*.volumes[].tmpfs.mode",
    "services.*.volumes[].tmpfs.size",
    "services.*.volumes[].type",
    "services.*.volumes[].volume",
    "services.*.volumes[].volume.nocopy",
    "services.*.working_dir",
    "version",
    "volumes",
    "volumes.*.driver",
    "volumes.*.driver_opts",
    "volumes.*.external",
    "volumes.*.external.name",
    "volumes.*.labels",
    "volumes.*.name",
];

/// Keys that say nothing about what runs.
const INERT: &[(&str, &str)] = &[
    ("services.*.attach", "nobody watches the output of `up`"),
    ("services.*.build.cache_from", "the engine uses its own layers"),
    ("services.*.deploy.resources.reservations.cpus", "the engine reserves no CPUs"),
    ("services.*.develop", "it is for `docker compose watch`"),
    ("services.*.ports[].app_protocol", "the engine does not use it"),
    ("services.*.ports[].name", "the engine does not use it"),
    ("services.*.volumes[].consistency", "it means something on macOS only"),
];

/// Keys that are refused, and why.
const REFUSED: &[(&str, &str)] = &[
    ("configs", "evenkeel does not support it yet; mount a file, or name it in `env_file`"),
    ("include", "evenkeel does not support it yet; list the files in `spec.compose.files` of the manifest"),
    ("models", "evenkeel does not run models"),
    ("networks.*.enable_ipv4", "it needs a newer engine (API 1.47)"),
    ("networks.*.ipam.config[].aux_addresses", "evenkeel does not support it yet"),
    ("networks.*.ipam.options", "evenkeel does not support it yet"),
    ("secrets", "evenkeel does not support it yet; mount a file, or name it in `env_file`"),
    ("services.*.annotations", "it needs a newer engine (API 1.43)"),
    ("services.*.blkio_config", "evenkeel does not support it yet"),
    (
        "services.*.build.additional_contexts",
        "builds read the commit only; put what they need into the context",
    ),
    ("services.*.build.cache_to", "evenkeel does not push caches"),
    (
        "services.*.build.dockerfile_inline",
        "the file that the commit holds is the one that is built; name it in `dockerfile`",
    ),
    ("services.*.build.entitlements", "evenkeel does not support it yet"),
    ("services.*.build.isolation", "it exists on Windows only"),
    ("services.*.build.no_cache", "set `spec.build.cache: false` in the manifest"),
    ("services.*.build.platforms", "evenkeel builds for the engine it runs beside"),
    ("services.*.build.privileged", "evenkeel does not support it yet"),
    ("services.*.build.provenance", "evenkeel does not support it yet"),
    ("services.*.build.sbom", "evenkeel does not support it yet"),
    ("services.*.build.secrets", "evenkeel does not support it yet; mount a file, or name it in `env_file`"),
    ("services.*.build.ssh", "builds read the commit only; put what they need into the context"),
    ("services.*.build.tags", "evenkeel does not support it yet"),
    ("services.*.build.ulimits", "evenkeel does not support it yet"),
    ("services.*.cgroup", "evenkeel does not support it yet"),
    ("services.*.cgroup_parent", "evenkeel does not support it yet"),
    ("services.*.configs", "evenkeel does not support it yet; mount a file, or name it in `env_file`"),
    ("services.*.cpu_count", "it exists on Windows only"),
    ("services.*.cpu_percent", "it exists on Windows only"),
    ("services.*.cpu_period", "evenkeel does not support it yet"),
    ("services.*.cpu_quota", "evenkeel does not support it yet"),
    ("services.*.cpu_rt_period", "evenkeel does not support it yet"),
    ("services.*.cpu_rt_runtime", "evenkeel does not support it yet"),
    ("services.*.credential_spec", "it exists on Windows only"),
    ("services.*.deploy.endpoint_mode", "Swarm only"),
    ("services.*.deploy.labels", "Swarm only"),
    ("services.*.deploy.placement", "Swarm only"),
    ("services.*.deploy.resources.reservations.devices", "evenkeel does not support it yet"),
    ("services.*.deploy.resources.reservations.generic_resources", "Swarm only"),
    ("services.*.deploy.restart_policy", "Swarm only; write `restart:`"),
    ("services.*.deploy.rollback_config", "Swarm only; the manifest says how a release is rolled out"),
    ("services.*.deploy.update_config", "Swarm only; the manifest says how a release is rolled out"),
    ("services.*.device_cgroup_rules", "evenkeel does not support it yet"),
    (
        "services.*.external_links",
        "legacy links change names behind the proof; give the other service an alias under `networks`",
    ),
    ("services.*.gpus", "evenkeel does not support it yet"),
    (
        "services.*.healthcheck.start_interval",
        "it needs a newer engine (API 1.44); use a shorter `interval`, or a probe in the manifest",
    ),
    ("services.*.isolation", "it exists on Windows only"),
    ("services.*.label_file", "evenkeel does not support it yet"),
    (
        "services.*.links",
        "legacy links change names behind the proof; give the other service an alias under `networks`",
    ),
    ("services.*.mac_address", "a candidate beside the running container would have the same address"),
    ("services.*.mem_swappiness", "evenkeel does not support it yet"),
    ("services.*.models", "evenkeel does not run models"),
    ("services.*.networks.*.driver_opts", "evenkeel does not support it yet"),
    ("services.*.networks.*.gw_priority", "it needs a newer engine"),
    ("services.*.networks.*.interface_name", "it needs a newer engine"),
    ("services.*.networks.*.link_local_ips", "evenkeel does not support it yet"),
    (
        "services.*.networks.*.mac_address",
        "a candidate beside the running container would have the same address",
    ),
    ("services.*.oom_kill_disable", "evenkeel does not support it yet"),
    ("services.*.oom_score_adj", "evenkeel does not support it yet"),
    ("services.*.post_start", "use `rollout.onTakeover` of the manifest for commands after a take-over"),
    ("services.*.pre_stop", "use `rollout.onTakeover` of the manifest for commands after a take-over"),
    ("services.*.provider", "providers are programs of the Compose command"),
    ("services.*.pull_refresh_after", "evenkeel does not support it yet"),
    ("services.*.runtime", "evenkeel does not support it yet"),
    ("services.*.secrets", "evenkeel does not support it yet; mount a file, or name it in `env_file`"),
    ("services.*.storage_opt", "evenkeel does not support it yet"),
    ("services.*.use_api_socket", "evenkeel does not support it yet"),
    ("services.*.userns_mode", "evenkeel does not support it yet"),
    ("services.*.uts", "evenkeel does not support it yet"),
    ("services.*.volumes[].bind.recursive", "evenkeel does not support it yet"),
    ("services.*.volumes[].image", "it needs a newer engine (API 1.48)"),
    ("services.*.volumes[].volume.labels", "evenkeel does not support it yet"),
    ("services.*.volumes[].volume.subpath", "it needs a newer engine (API 1.45)"),
    ("services.*.volumes_from", "mount a named volume in both services instead"),
];

/// The table as a tree.
#[derive(Debug, Default)]
struct Keys {
    status: Option<Status>,
    children: BTreeMap<&'static str, Keys>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut root = Keys::default();
    HONOURED.iter().for_each(|path| root.add(path, Status::Honoured));
    INERT.iter().for_each(|(path, reason)| root.add(path, Status::Inert(reason)));
    REFUSED.iter().for_each(|(path, reason)| root.add(path, Status::Refused(reason)));
    root
});

impl Keys {
    fn add(&mut self, path: &'static str, status: Status) {
        let mut keys = self;
        for part in path.split('.') {
            let (name, list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
            keys = keys.children.entry(name).or_default();
            if list {
                keys = keys.children.entry("[]").or_default();
            }
        }
        keys.status = Some(status);
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.get(name).or_else(|| self.children.get("*"))
    }

    fn free(&self) -> bool {
        !self.children.keys().any(|name| *name != "[]")
    }
}

/// What becomes of a key such as `services.*.build.args`; `None` where the specification has no such key.
pub fn status(path: &str) -> Option<Status> {
    let mut keys = &*KEYS;
    for part in path.split('.') {
        let (name, list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
        keys = keys.child(name)?;
        if matches!(keys.status, Some(Status::Refused(_) | Status::Inert(_))) {
            return keys.status;
        }
        if list {
            keys = keys.children.get("[]")?;
        }
    }
    keys.status
}

/// What is wrong with the keys of a tree.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<String>,
}

/// Checks the keys of a node that stands at `path` (`[]` for the whole file, `["services", "*"]` for a service).
pub(super) fn check(node: &Node, path: &[&str]) -> Findings {
    let mut findings = Findings::default();
    if let Some(keys) = path.iter().try_fold(&*KEYS, |keys, name| keys.child(name)) {
        walk(node, keys, &mut findings);
    }
    findings
}

fn walk(node: &Node, keys: &Keys, findings: &mut Findings) {
    match &node.value {
        Value::Mapping(map) if !keys.free() => known_keys(map, keys, findings),
        Value::Sequence(items) => {
            let Some(keys) = keys.children.get("[]") else { return };
            items.iter().for_each(|item| walk(item, keys, findings));
        }
        Value::Mapping(_) | Value::Scalar(_) => {}
    }
}

fn known_keys(map: &Mapping, keys: &Keys, findings: &mut Findings) {
    let named = keys.children.contains_key("*");
    for (name, entry) in map.iter().filter(|(name, _)| named || !name.starts_with("x-")) {
        let Some(child) = keys.child(name) else {
            findings.faults.push(unknown(name, &entry.key, keys));
            continue;
        };
        match child.status {
            Some(Status::Refused(reason)) => findings.faults.push(refused(name, &entry.key, reason)),
            Some(Status::Inert(reason)) => findings.warnings.push(inert(name, &entry.key, reason)),
            Some(Status::Honoured) | None => walk(&entry.node, child, findings),
        }
    }
}

fn unknown(name: &str, place: &Place, keys: &Keys) -> Fault {
    let fault = place.fault(format!("unknown key `{name}`"));
    match suggestion(name, keys.children.keys().copied()) {
        Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
        None => fault.hint("keys of your own begin with `x-`"),
    }
}

fn refused(name: &str, place: &Place, reason: &str) -> Fault {
    place.fault(format!("`{name}` is refused")).hint(reason)
}

fn inert(name: &str, place: &Place, reason: &str) -> String {
    format!("{}: `{name}` has no effect: {reason}", place.location())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn no_key_of_the_specification_is_missing() {
        let missing: Vec<&str> = include_str!("../../tests/compose-keys.txt")
            .lines()
            .filter(|key| status(key).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn no_key_is_made_up() {
        let known: Vec<&str> = include_str!("../../tests/compose-keys.txt").lines().collect();
        let tables = HONOURED.iter().chain(INERT.iter().chain(REFUSED).map(|(key, _)| key));
        tables.for_each(|key| assert!(known.contains(key), "{key}"));
    }

    #[test]
    fn unknown_and_refused_keys_are_located() {
        let text = "services:\n  a:\n    imag: x\n    gpus: all\n    x-mine: 1\n    attach: false\n    labels: {any: 1}\nfoo: 1\n";
        let findings = check(&yaml::parse("c.yaml", text).unwrap(), &[]);
        let faults: Vec<String> = findings.faults.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(faults.join("\n"), @r#"
c.yaml:3:5: unknown key `imag` (did you mean `image`?)
c.yaml:4:5: `gpus` is refused (evenkeel does not support it yet)
c.yaml:8:1: unknown key `foo` (keys of your own begin with `x-`)
"#);
        insta::assert_snapshot!(findings.warnings.join("\n"), @"c.yaml:6:5: `attach` has no effect: nobody watches the output of `up`");
    }
}
