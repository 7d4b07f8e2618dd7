//! The parts of a service that `docker compose` 2 keeps as types of their own.

use std::collections::BTreeMap;

use super::super::classic::short_ports;
use super::super::model::{Condition, Dependency};
use super::super::{fields, path, scalar};
use super::{Doubt, Part, json};
use crate::yaml::{Mapping, Node};

/// Where something is not as it usually is.
fn odd(what: &str) -> Doubt {
    format!("it is not known what `docker compose` makes of its `{what}`")
}

fn mapping<'n>(node: &'n Node, what: &str) -> Result<&'n Mapping, Doubt> {
    node.mapping().ok_or_else(|| odd(what))
}

/// Refuses what is not among the known keys.
fn only(map: &Mapping, what: &str, known: &[&str]) -> Result<(), Doubt> {
    let other = map.keys().find(|key| !known.contains(&key.as_str()) && !key.starts_with("x-"));
    other.map_or(Ok(()), |key| Err(odd(&format!("{what}.{key}"))))
}

fn said<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(key).filter(|node| !node.is_null())
}

fn text(node: &Node, key: &str, what: &str) -> Result<Option<String>, Doubt> {
    said(node, key).map(|it| scalar::text(it).map_err(|_| odd(what))).transpose()
}

fn word(node: &Node, key: &str, what: &str) -> Part {
    Ok(json::word(text(node, key, what)?.as_deref()))
}

fn flag(node: &Node, key: &str, what: &str) -> Result<bool, Doubt> {
    let flag = said(node, key).map(scalar::boolean).transpose();
    flag.map(Option::unwrap_or_default).map_err(|_| odd(what))
}

fn number(node: &Node, key: &str, what: &str) -> Result<Option<i64>, Doubt> {
    said(node, key).map(scalar::integer).transpose().map_err(|_| odd(what))
}

fn time(node: &Node, key: &str, what: &str) -> Part {
    let time = said(node, key).map(scalar::duration).transpose().map_err(|_| odd(what))?;
    Ok(time.map(json::time))
}

fn bytes(node: &Node, key: &str, what: &str) -> Part {
    let bytes = said(node, key).map(scalar::bytes_or_unlimited).transpose().map_err(|_| odd(what))?;
    Ok(json::bytes(bytes))
}

fn pairs(node: &Node, key: &str, what: &str) -> Part {
    let pairs = said(node, key).map(fields::pairs).transpose().map_err(|_| odd(what))?;
    Ok(pairs.as_ref().and_then(json::pairs))
}

/// A share of the processors, in single precision.
pub(super) fn cpus(node: &Node) -> Part {
    let text = scalar::text(node).map_err(|_| odd("cpus"))?;
    let number: f32 = text.parse().map_err(|_| odd("cpus"))?;
    Ok((number != 0.0).then(|| number.to_string()))
}

pub(super) fn dependency(it: &Dependency) -> String {
    let condition = match it.condition {
        Condition::ServiceStarted => "service_started",
        Condition::ServiceHealthy => "service_healthy",
        Condition::ServiceCompletedSuccessfully => "service_completed_successfully",
    };
    json::object(&[
        ("condition", json::word(Some(condition))),
        ("restart", json::flag(it.restart)),
        ("required", Some(it.required.to_string())),
    ])
}

pub(super) fn deploy(node: &Node) -> Result<String, Doubt> {
    const KNOWN: [&str; 6] = ["mode", "replicas", "labels", "resources", "restart_policy", "endpoint_mode"];
    only(mapping(node, "deploy")?, "deploy", &KNOWN)?;
    let resources = match said(node, "resources") {
        Some(node) => {
            only(mapping(node, "deploy.resources")?, "deploy.resources", &["limits", "reservations"])?;
            json::object(&[
                ("limits", resource(node, "limits")?),
                ("reservations", resource(node, "reservations")?),
            ])
        }
        None => "{}".to_owned(),
    };
    Ok(json::object(&[
        ("mode", word(node, "mode", "deploy.mode")?),
        ("labels", pairs(node, "labels", "deploy.labels")?),
        ("resources", Some(resources)),
        ("restart_policy", said(node, "restart_policy").map(restart_policy).transpose()?),
        ("placement", Some("{}".to_owned())),
        ("endpoint_mode", word(node, "endpoint_mode", "deploy.endpoint_mode")?),
    ]))
}

fn resource(node: &Node, key: &str) -> Part {
    let Some(node) = said(node, key) else { return Ok(None) };
    let what = format!("deploy.resources.{key}");
    only(mapping(node, &what)?, &what, &["cpus", "memory", "pids"])?;
    Ok(Some(json::object(&[
        ("cpus", said(node, "cpus").map(cpus).transpose()?.flatten()),
        ("memory", bytes(node, "memory", &what)?),
        ("pids", json::number(number(node, "pids", &what)?)),
    ])))
}

fn restart_policy(node: &Node) -> Result<String, Doubt> {
    const WHAT: &str = "deploy.restart_policy";
    only(mapping(node, WHAT)?, WHAT, &["condition", "delay", "max_attempts", "window"])?;
    Ok(json::object(&[
        ("condition", word(node, "condition", WHAT)?),
        ("delay", time(node, "delay", WHAT)?),
        ("max_attempts", number(node, "max_attempts", WHAT)?.map(|tries| tries.to_string())),
        ("window", time(node, "window", WHAT)?),
    ]))
}

/// `host:container:permissions` each.
pub(super) fn devices(devices: &[String]) -> Option<String> {
    let device = |device: &String| {
        let mut parts = device.splitn(3, ':');
        let source = parts.next().unwrap_or_default();
        let target = parts.next().unwrap_or(source);
        json::object(&[
            ("source", json::word(Some(source))),
            ("target", json::word(Some(target))),
            ("permissions", json::word(Some(parts.next().unwrap_or("rwm")))),
        ])
    };
    (!devices.is_empty()).then(|| json::list(devices.iter().map(device)))
}

/// `host:address` each.
pub(super) fn extra_hosts(hosts: &[String]) -> Option<String> {
    let mut hosts: Vec<String> = hosts.iter().map(|host| host.replacen(':', "=", 1)).collect();
    hosts.sort();
    json::texts(&hosts)
}

pub(super) fn logging(node: &Node) -> Result<String, Doubt> {
    only(mapping(node, "logging")?, "logging", &["driver", "options"])?;
    Ok(json::object(&[
        ("driver", word(node, "driver", "logging")?),
        ("options", pairs(node, "options", "logging")?),
    ]))
}

pub(super) fn networks(node: &Node) -> Result<BTreeMap<String, String>, Doubt> {
    if node.sequence().is_some() {
        let names = scalar::strings(node).map_err(|_| odd("networks"))?;
        return Ok(names.into_iter().map(|name| (name, "null".to_owned())).collect());
    }
    let all = mapping(node, "networks")?.iter();
    all.map(|(name, entry)| Ok((name.clone(), network(&entry.node)?))).collect()
}

fn network(node: &Node) -> Result<String, Doubt> {
    const WHAT: &str = "networks";
    const KNOWN: [&str; 6] =
        ["aliases", "ipv4_address", "ipv6_address", "link_local_ips", "mac_address", "priority"];
    if node.is_null() {
        return Ok("null".to_owned());
    }
    only(mapping(node, WHAT)?, WHAT, &KNOWN)?;
    let listed = |key: &str| {
        let items = said(node, key).map(scalar::strings).transpose().map_err(|_| odd(WHAT))?;
        Ok::<_, Doubt>(items.and_then(|items| json::texts(&items)))
    };
    Ok(json::object(&[
        ("priority", json::number(number(node, "priority", WHAT)?)),
        ("aliases", listed("aliases")?),
        ("ipv4_address", word(node, "ipv4_address", WHAT)?),
        ("ipv6_address", word(node, "ipv6_address", WHAT)?),
        ("link_local_ips", listed("link_local_ips")?),
        ("mac_address", word(node, "mac_address", WHAT)?),
    ]))
}

pub(super) fn ports(node: &Node) -> Part {
    let mut ports = Vec::new();
    for item in node.sequence().ok_or_else(|| odd("ports"))? {
        if item.mapping().is_some() {
            ports.push(long_port(item)?);
        } else {
            ports.extend(short_port(&scalar::text(item).map_err(|_| odd("ports"))?)?);
        }
    }
    Ok((!ports.is_empty()).then(|| json::list(ports)))
}

fn long_port(node: &Node) -> Result<String, Doubt> {
    const WHAT: &str = "ports";
    const KNOWN: [&str; 7] = ["name", "mode", "host_ip", "target", "published", "protocol", "app_protocol"];
    only(mapping(node, WHAT)?, WHAT, &KNOWN)?;
    let or = |key: &str, usual: &str| {
        Ok::<_, Doubt>(json::word(Some(text(node, key, WHAT)?.as_deref().unwrap_or(usual))))
    };
    Ok(json::object(&[
        ("name", word(node, "name", WHAT)?),
        ("mode", or("mode", "ingress")?),
        ("host_ip", word(node, "host_ip", WHAT)?),
        ("target", json::number(number(node, "target", WHAT)?)),
        ("published", word(node, "published", WHAT)?),
        ("protocol", or("protocol", "tcp")?),
        ("app_protocol", word(node, "app_protocol", WHAT)?),
    ]))
}

/// A range is many, in the order of their names.
fn short_port(said: &str) -> Result<Vec<String>, Doubt> {
    let mut ports = short_ports(said).map_err(|_| odd("ports"))?;
    ports.sort_by_key(|port| port.target.to_string());
    let port = |port: super::super::classic::ShortPort| {
        let protocol = port.protocol.as_deref().unwrap_or("tcp").to_lowercase();
        json::object(&[
            ("mode", json::word(Some("ingress"))),
            ("host_ip", json::word(port.address.as_deref())),
            ("target", Some(port.target.to_string())),
            ("published", port.published.map(|published| json::text(published.to_string()))),
            ("protocol", json::word(Some(&protocol))),
        ])
    };
    Ok(ports.into_iter().map(port).collect())
}

/// One number for both limits, or each of them.
pub(super) fn ulimits(node: &Node) -> Part {
    let limit = |node: &Node| {
        let Some(map) = node.mapping() else {
            return scalar::integer(node).map(|it| it.to_string()).map_err(|_| odd("ulimits"));
        };
        only(map, "ulimits", &["soft", "hard"])?;
        let of = |key: &str| Ok::<_, Doubt>(json::number(number(node, key, "ulimits")?));
        Ok(json::object(&[("soft", of("soft")?), ("hard", of("hard")?)]))
    };
    let all = mapping(node, "ulimits")?.iter();
    let all = all.map(|(name, entry)| Ok((name.clone(), limit(&entry.node)?)));
    let all = all.collect::<Result<BTreeMap<_, _>, Doubt>>()?;
    Ok((!all.is_empty()).then(|| json::map(all)))
}

type Paths<'p> = dyn Fn(&str) -> Result<String, Doubt> + 'p;

/// `made`: whether it is said that a path of the host may be made.
pub(super) fn volume(node: &Node, path: &Paths<'_>, made: bool) -> Result<String, Doubt> {
    if node.mapping().is_some() {
        return mount(node, path, made);
    }
    let text = scalar::text(node).map_err(|_| odd("volumes"))?;
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => ("", *target, ""),
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        _ => return Err(odd("volumes")),
    };
    let options: Vec<&str> = options.split(',').collect();
    let last = |known: &[&str]| options.iter().rev().find(|it| known.contains(it)).copied();
    let binds = source.starts_with(['.', '/', '~']);
    let propagation = last(&["rprivate", "private", "rshared", "shared", "rslave", "slave"]);
    let label = last(&["z", "Z"]);
    let bind = json::object(&[
        ("selinux", json::word(label)),
        ("propagation", json::word(propagation)),
        ("create_host_path", json::flag(binds && made)),
    ]);
    let volume = json::object(&[("nocopy", json::flag(options.contains(&"nocopy")))]);
    if binds == options.contains(&"nocopy") && binds || !binds && (propagation.is_some() || label.is_some()) {
        return Err(odd("volumes"));
    }
    let source = if binds { path(source)? } else { source.to_owned() };
    Ok(json::object(&[
        ("type", json::word(Some(if binds { "bind" } else { "volume" }))),
        ("source", json::word(Some(&source))),
        ("target", json::word(Some(&clean(target)))),
        ("read_only", json::flag(last(&["ro", "rw"]) == Some("ro"))),
        ("bind", binds.then_some(bind)),
        ("volume", (!binds).then_some(volume)),
    ]))
}

fn mount(node: &Node, host: &Paths<'_>, made: bool) -> Result<String, Doubt> {
    const WHAT: &str = "volumes";
    const KNOWN: [&str; 8] =
        ["type", "source", "target", "read_only", "consistency", "bind", "volume", "tmpfs"];
    only(mapping(node, WHAT)?, WHAT, &KNOWN)?;
    let source = match (text(node, "type", WHAT)?.as_deref(), text(node, "source", WHAT)?) {
        (Some("bind"), Some(source)) => Some(host(&source)?),
        (_, source) => source,
    };
    let bind = |node: &Node| {
        only(mapping(node, WHAT)?, WHAT, &["selinux", "propagation", "create_host_path", "recursive"])?;
        Ok::<_, Doubt>(json::object(&[
            ("selinux", word(node, "selinux", WHAT)?),
            ("propagation", word(node, "propagation", WHAT)?),
            ("create_host_path", json::flag(made && flag(node, "create_host_path", WHAT)?)),
            ("recursive", word(node, "recursive", WHAT)?),
        ]))
    };
    let volume = |node: &Node| {
        only(mapping(node, WHAT)?, WHAT, &["nocopy", "subpath"])?;
        Ok::<_, Doubt>(json::object(&[
            ("nocopy", json::flag(flag(node, "nocopy", WHAT)?)),
            ("subpath", word(node, "subpath", WHAT)?),
        ]))
    };
    let tmpfs = |node: &Node| {
        only(mapping(node, WHAT)?, WHAT, &["size"])?;
        Ok::<_, Doubt>(json::object(&[("size", bytes(node, "size", WHAT)?)]))
    };
    Ok(json::object(&[
        ("type", word(node, "type", WHAT)?),
        ("source", json::word(source.as_deref())),
        ("target", json::word(text(node, "target", WHAT)?.as_deref().map(clean).as_deref())),
        ("read_only", json::flag(flag(node, "read_only", WHAT)?)),
        ("consistency", word(node, "consistency", WHAT)?),
        ("bind", said(node, "bind").map(bind).transpose()?),
        ("volume", said(node, "volume").map(volume).transpose()?),
        ("tmpfs", said(node, "tmpfs").map(tmpfs).transpose()?),
    ]))
}

/// A path in the container, without what says nothing.
fn clean(target: &str) -> String {
    let absolute = path::on_host("/", target);
    if target.starts_with('/') { absolute } else { absolute.trim_start_matches('/').to_owned() }
}
