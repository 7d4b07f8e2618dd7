//! One service, from its keys to the model.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fields::{Context, Fields, Report, items};
use super::scalar::{boolean, bytes, command, count, duration, expected, integer, text, word};
use super::{
    Attachment, Condition, Dependency, Healthcheck, Logging, Mount, Port, PullPolicy, RestartPolicy, Service,
    build, depends, devices, environment, given, hooks, kernel, links, mount, network, port, resources,
    security,
};
use crate::located::Fault;
use crate::name::ServiceName;
use crate::yaml::Node;

/// Reads a service.
pub(super) fn read(node: &Node, context: &Context<'_>, report: &mut Report) -> Result<Service, Fault> {
    let mut fields = Fields::new(node, report)?;
    let mut service = identity(&mut fields, context);
    process(&mut fields, &mut service);
    let variables = environment::read(&mut fields, context);
    (service.environment, service.unset) = (variables.set, variables.unset);
    service.ports = ports(&mut fields);
    service.expose = fields.list("expose");
    service.mounts = mounts(&mut fields, context);
    networks(&mut fields, context, &mut service);
    mac_address(&mut fields, &mut service);
    service.depends_on =
        fields.with("depends_on", |node, report| depends::read(node, context, report)).unwrap_or_default();
    links::read(&mut fields, context, &mut service);
    service.post_start = hooks::read(&mut fields, "post_start", context);
    service.pre_stop = hooks::read(&mut fields, "pre_stop", context);
    namespaces(&mut fields, context, &mut service);
    service.resources = resources::read(&mut fields);
    host(&mut fields, &mut service);
    service.security_opt = security::options(&mut fields, context);
    service.kernel = kernel::read(&mut fields);
    check_image(node, &service, report);
    Ok(service)
}

fn check_image(node: &Node, service: &Service, report: &mut Report) {
    if service.image.is_none() && service.build.is_none() && node.get("build").is_none() {
        report.faults.push(node.fault("a service needs an `image` or a `build`"));
    }
}

fn identity(fields: &mut Fields<'_>, context: &Context<'_>) -> Service {
    Service {
        image: fields.get("image", word),
        build: fields.with("build", |node, report| build::read(node, context, report)),
        container_name: fields.get("container_name", container_name),
        labels: labels(fields, context),
        platform: fields.text("platform"),
        pull_policy: fields.get("pull_policy", pull_policy).unwrap_or_default(),
        ..Service::default()
    }
}

/// Those of files first; `labels` wins.
fn labels(fields: &mut Fields<'_>, context: &Context<'_>) -> BTreeMap<String, String> {
    let mut labels = environment::label_files(fields, context);
    labels.extend(fields.pairs("labels"));
    labels
}

fn container_name(node: &Node) -> Result<String, Fault> {
    let name = word(node)?;
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(valid) && name.len() > 1 {
        return Ok(name);
    }
    Err(expected(node, "a container's name (letters, digits, `_`, `.` and `-`)"))
}

fn pull_policy(node: &Node) -> Result<PullPolicy, Fault> {
    match text(node)?.as_str() {
        "missing" | "if_not_present" => Ok(PullPolicy::Missing),
        "always" => Ok(PullPolicy::Always),
        "never" => Ok(PullPolicy::Never),
        "build" => Ok(PullPolicy::Build),
        "daily" => Ok(PullPolicy::Every(DAY)),
        "weekly" => Ok(PullPolicy::Every(7 * DAY)),
        "refresh" => Err(node
            .fault("`refresh` does not say how often the image is asked for")
            .hint("write `daily`, `weekly` or `every_<duration>`; Docker Compose takes it for `missing`")),
        other => {
            let every = other.strip_prefix("every_").and_then(every).filter(|every| !every.is_zero());
            if every.is_some_and(|every| every < MINUTE) {
                let fault =
                    node.fault(format!("{} asks a registry more often than once a minute", node.shown()));
                return Err(fault.hint("write `every_1m`, or a longer time"));
            }
            every.map(PullPolicy::Every).ok_or_else(|| {
                expected(
                    node,
                    "missing, always, never, build, daily, weekly or every_<duration> (such as every_12h)",
                )
            })
        }
    }
}

/// Registries are not asked more often.
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What follows `every_`: whole numbers of weeks, days, hours, minutes, seconds.
fn every(text: &str) -> Option<Duration> {
    let (weeks, rest) = match text.split_once('w') {
        Some((weeks, rest)) => (weeks.parse().ok()?, rest),
        None => (0, text),
    };
    let rest =
        if rest.is_empty() && weeks > 0 { Duration::ZERO } else { crate::manifest::duration::parse(rest)? };
    DAY.checked_mul(7)?.checked_mul(weeks)?.checked_add(rest)
}

fn process(fields: &mut Fields<'_>, service: &mut Service) {
    service.command = fields.get("command", command);
    service.entrypoint = fields.get("entrypoint", command);
    service.user = fields.text("user");
    service.working_dir = fields.text("working_dir");
    service.restart = resources::restart(fields, restart);
    service.stop_signal = fields.text("stop_signal");
    service.stop_grace_period = fields.get("stop_grace_period", duration);
    service.init = fields.get("init", boolean);
    service.tty = fields.flag("tty");
    service.stdin_open = fields.flag("stdin_open");
    service.healthcheck = fields.with("healthcheck", healthcheck);
    service.logging = fields.with("logging", logging);
}

fn restart(node: &Node) -> Result<RestartPolicy, Fault> {
    let wrong = || expected(node, "no, always, on-failure, on-failure:3 or unless-stopped");
    match text(node)?.as_str() {
        // YAML 1.1 wrote `no` for false, and so do people.
        "no" | "false" => Ok(RestartPolicy::No),
        "always" => Ok(RestartPolicy::Always),
        "unless-stopped" => Ok(RestartPolicy::UnlessStopped),
        "on-failure" => Ok(RestartPolicy::OnFailure(0)),
        other => {
            let retries = other.strip_prefix("on-failure:").and_then(|retries| retries.parse().ok());
            retries.filter(|retries| *retries >= 0).map(RestartPolicy::OnFailure).ok_or_else(wrong)
        }
    }
}

fn healthcheck(node: &Node, report: &mut Report) -> Result<Healthcheck, Fault> {
    let mut fields = Fields::new(node, report)?;
    let disabled = fields.flag("disable");
    // A later file, or a service that extends another, takes away a test that it has inherited.
    let test = fields.get("test", test).unwrap_or_default();
    Ok(Healthcheck {
        test: if disabled { vec!["NONE".to_owned()] } else { test },
        interval: fields.get("interval", duration),
        timeout: fields.get("timeout", duration),
        retries: fields.get("retries", count),
        start_period: fields.get("start_period", duration),
        start_interval: fields.get("start_interval", duration),
    })
}

fn test(node: &Node) -> Result<Vec<String>, Fault> {
    if node.sequence().is_none() {
        return Ok(vec!["CMD-SHELL".to_owned(), text(node)?]);
    }
    let words = super::scalar::strings(node)?;
    match (words.first().map(String::as_str), words.len()) {
        (Some("NONE"), 1) | (Some("CMD"), 2..) | (Some("CMD-SHELL"), 2) => Ok(words),
        _ => Err(node.fault("`test` is a string, or a list that begins with CMD, CMD-SHELL or NONE")),
    }
}

fn logging(node: &Node, report: &mut Report) -> Result<Logging, Fault> {
    let mut fields = Fields::new(node, report)?;
    let driver = fields.text("driver");
    Ok(Logging { driver, options: fields.pairs("options") })
}

/// Published ports cost the engine a process each; ranges make many of few words.
const MAX_PORTS: usize = 2_000;

fn ports(fields: &mut Fields<'_>) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    let Some(node) = fields.node("ports") else { return ports };
    for item in items(node, fields.report) {
        ports.extend(fields.report.take(port::read(item)).unwrap_or_default());
        if ports.len() > MAX_PORTS {
            let fault = item.fault(format!("the service has more than {MAX_PORTS} ports"));
            fields.report.faults.push(fault);
            return Vec::new();
        }
    }
    ports.sort();
    ports.dedup();
    ports
}

fn mounts(fields: &mut Fields<'_>, context: &Context<'_>) -> Vec<Mount> {
    let mut mounts: BTreeMap<String, Mount> = BTreeMap::new();
    let mut add = |mount: Mount, node: &Node, report: &mut Report| {
        let target = mount.target.trim_end_matches('/').to_owned();
        if mounts.insert(target, mount).is_some() {
            report.faults.push(node.fault(format!("{} has the same target as another mount", node.shown())));
        }
    };
    for item in fields.node("volumes").map(|node| items(node, fields.report)).unwrap_or_default() {
        let result = mount::read(item, context, fields.report);
        if let Some(mount) = fields.report.take(result) {
            add(mount, item, fields.report);
        }
    }
    if let Some(node) = fields.node("tmpfs") {
        fields.list("tmpfs").iter().for_each(|text| add(mount::tmpfs(text), node, fields.report));
    }
    for kind in given::KINDS {
        let files = given::mounts(fields, kind, context);
        files.into_iter().for_each(|(mount, node)| add(mount, node, fields.report));
    }
    mounts.into_values().collect()
}

fn networks(fields: &mut Fields<'_>, context: &Context<'_>, service: &mut Service) {
    service.network_mode = fields.get("network_mode", word);
    service.networks = fields.get("networks", |node| network::attachments(node, context)).unwrap_or_default();
    match (&service.network_mode, fields.node("networks"), fields.node("network_mode")) {
        (None, Some(node), _) if service.networks.is_empty() && is_empty(node) => {
            let fault = node.fault("`networks` is empty, which is no network to older versions of Compose, and the default one to newer");
            fields.report.faults.push(fault.hint("leave it out, or write `network_mode: none`"));
        }
        (Some(_), Some(_), Some(mode)) => {
            let fault = mode.fault("`network_mode` and `networks` exclude each other");
            fields.report.faults.push(fault.hint("keep one of the two"));
        }
        (None, None, _) => drop(service.networks.insert("default".to_owned(), Attachment::default())),
        _ => {}
    }
}

fn is_empty(node: &Node) -> bool {
    node.mapping().is_some_and(|map| map.is_empty()) || node.sequence().is_some_and(<[Node]>::is_empty)
}

fn mac_address(fields: &mut Fields<'_>, service: &mut Service) {
    fields.get("mac_address", |node| network::first_mac_address(&mut service.networks, node));
}

/// What a container without a network of its own cannot say: it belongs to the one whose network it is.
const OF_A_NETWORK: [&str; 8] =
    ["dns", "dns_search", "expose", "extra_hosts", "hostname", "links", "mac_address", "ports"];

fn check_borrowed_network(fields: &mut Fields<'_>, service: &Service) {
    let borrowed = |mode: &String| mode.starts_with("service:") || mode.starts_with("container:");
    if !service.network_mode.as_ref().is_some_and(borrowed) {
        return;
    }
    for key in OF_A_NETWORK {
        let Some(node) = fields.node(key) else { continue };
        let fault = node.fault(format!("`{key}` needs a network of the service's own"));
        fields.report.faults.push(fault.hint("say it where the network is"));
    }
}

/// Namespaces that are shared with another service make it a dependency, as they do for Compose.
fn namespaces(fields: &mut Fields<'_>, context: &Context<'_>, service: &mut Service) {
    service.pid = fields.text("pid");
    service.ipc = fields.text("ipc");
    check_borrowed_network(fields, service);
    for (key, mode) in [("network_mode", &service.network_mode), ("pid", &service.pid), ("ipc", &service.ipc)]
    {
        let Some(other) = mode.as_ref().and_then(|mode| mode.strip_prefix("service:")) else { continue };
        if !context.active.contains(other)
            && let Some(node) = fields.node(key)
        {
            fields
                .report
                .faults
                .push(node.fault(format!("{} names no service of the project", node.shown())));
            continue;
        }
        let implied = Dependency { condition: Condition::ServiceStarted, required: true, restart: true };
        service.depends_on.entry(ServiceName::new(other)).or_insert(implied);
    }
}

fn host(fields: &mut Fields<'_>, service: &mut Service) {
    service.hostname = fields.text("hostname");
    service.domainname = fields.text("domainname");
    service.ulimits = fields.with("ulimits", ulimits).unwrap_or_default();
    service.extra_hosts = fields.get("extra_hosts", build::extra_hosts).unwrap_or_default();
    service.dns = fields.list("dns");
    service.dns_search = fields.list("dns_search");
    service.dns_opt = fields.list("dns_opt");
    service.cap_add = fields.list("cap_add");
    service.cap_drop = fields.list("cap_drop");
    service.group_add = fields.list("group_add");
    service.devices = devices::mapped(fields);
    service.privileged = fields.flag("privileged");
    service.read_only = fields.flag("read_only");
    service.sysctls = fields.pairs("sysctls");
    service.shm_size = fields.get("shm_size", bytes);
}

pub(super) fn ulimits(node: &Node, report: &mut Report) -> Result<BTreeMap<String, (i64, i64)>, Fault> {
    let map = node.mapping().ok_or_else(|| expected(node, "a map"))?;
    let limits =
        map.iter().filter_map(|(name, entry)| Some((name.clone(), report.take(ulimit(&entry.node))?)));
    Ok(limits.collect())
}

fn ulimit(node: &Node) -> Result<(i64, i64), Fault> {
    if node.mapping().is_none() {
        return integer(node).map(|limit| (limit, limit));
    }
    let side = |key: &str| {
        node.get(key).ok_or_else(|| node.fault(format!("the limit has no `{key}`"))).and_then(integer)
    };
    Ok((side("soft")?, side("hard")?))
}

/// Compose's default for `stop_grace_period`.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);
