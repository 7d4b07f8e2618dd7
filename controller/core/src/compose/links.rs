//! `links` and `volumes_from`: what a service takes from others.

use std::collections::BTreeMap;

use super::fields::{Context, Fields, Report, items};
use super::scalar::{expected, word};
use super::{Condition, Dependency, Mount, MountSource, Service, depends};
use crate::located::Fault;
use crate::name::ServiceName;
use crate::yaml::{Node, suggestion};

/// Reads both; each makes the other service a dependency, as it does for Compose.
pub(super) fn read(fields: &mut Fields<'_>, context: &Context<'_>, service: &mut Service) {
    if let Some(node) = fields.node("links") {
        if service.network_mode.is_some() {
            fields.report.faults.push(node.fault("links need a network of the service's own"));
        }
        for item in items(node, fields.report) {
            let result = link(item, context);
            service.links.extend(fields.report.take(result));
        }
    }
    if let Some(node) = fields.node("volumes_from") {
        for item in items(node, fields.report) {
            let result = source(item, context);
            match fields.report.take(result) {
                Some(Source::Container(container)) => service.volumes_from.push(container),
                Some(Source::Service(other, _)) => depend(service, other),
                None => {}
            }
        }
    }
    for (other, _) in service.links.clone() {
        depend(service, other);
    }
}

/// Compose restarts what has a link, because its links led to the old container. Here they lead to names, and a volume stays
/// what it is.
fn depend(service: &mut Service, other: ServiceName) {
    let implied = Dependency { condition: Condition::ServiceStarted, required: true, restart: false };
    service.depends_on.entry(other).or_insert(implied);
}

fn link(node: &Node, context: &Context<'_>) -> Result<(ServiceName, String), Fault> {
    let written = word(node)?;
    let (name, alias) = written.split_once(':').unwrap_or((&written, &written));
    if alias.is_empty() || alias.contains(':') {
        return Err(expected(node, "`service` or `service:alias`"));
    }
    Ok((active(node, name, context)?, alias.to_owned()))
}

fn active(node: &Node, name: &str, context: &Context<'_>) -> Result<ServiceName, Fault> {
    if context.active.contains(name) {
        return Ok(ServiceName::new(name));
    }
    let fault = node.fault(format!("{} names no active service", node.shown()));
    Err(match suggestion(name, context.active.iter().map(String::as_str)) {
        Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
        None => fault,
    })
}

/// Whose volumes.
enum Source {
    /// Those of a container outside of the project, as the engine takes it.
    Container(String),
    /// Those of a service; read-only or as they are.
    Service(ServiceName, bool),
}

fn source(node: &Node, context: &Context<'_>) -> Result<Source, Fault> {
    let written = word(node)?;
    let wrong = || expected(node, "`service`, `service:ro`, `container:name` or `container:name:ro`");
    let (rest, container) = match written.strip_prefix("container:") {
        Some(rest) => (rest, true),
        None => (written.as_str(), false),
    };
    let (name, mode) = rest.split_once(':').unwrap_or((rest, "rw"));
    if name.is_empty() || !matches!(mode, "ro" | "rw") {
        return Err(wrong());
    }
    if container {
        return Ok(Source::Container(format!("{name}:{mode}")));
    }
    Ok(Source::Service(active(node, name, context)?, mode == "ro"))
}

/// Mounts of one service at most, those that it takes from others included.
const MAX_MOUNTS: usize = 1_000;

/// Gives every service what it takes from the mounts of others. A mount of its own wins over one that it takes.
pub(super) fn share_volumes(
    document: &Node,
    services: &mut BTreeMap<ServiceName, Service>,
    context: &Context<'_>,
    report: &mut Report,
) {
    let nodes = document.get("services");
    // In the order of dependencies, so that what is taken is complete; those that go round are found as such later.
    for name in depends::sort(services).0 {
        let takes = nodes.and_then(|nodes| nodes.get(name.as_str())?.get("volumes_from")?.sequence());
        for item in takes.unwrap_or_default() {
            let Ok(Source::Service(other, read_only)) = source(item, context) else { continue };
            let mounts = services.get(&other).map(|other| other.mounts.clone()).unwrap_or_default();
            if let Some(service) = services.get_mut(&name) {
                take(service, &other, mounts, read_only, item, report);
            }
        }
    }
}

fn take(
    service: &mut Service,
    other: &ServiceName,
    mounts: Vec<Mount>,
    read_only: bool,
    item: &Node,
    report: &mut Report,
) {
    report
        .warn(item, &format!("volumes that only the image of `{other}` declares are not shared; name them"));
    if service.mounts.len() + mounts.len() > MAX_MOUNTS {
        report.faults.push(item.fault(format!("the service would have more than {MAX_MOUNTS} mounts")));
        return;
    }
    for mount in mounts {
        if mount.source == MountSource::Anonymous {
            let fault = item.fault(format!("`{other}` has a volume without a name at `{}`", mount.target));
            report.faults.push(fault.hint("name it, and mount it in both services"));
        }
        let shared = !matches!(mount.source, MountSource::Tmpfs { .. } | MountSource::Given { .. });
        if shared && !service.mounts.iter().any(|own| own.target == mount.target) {
            service.mounts.push(Mount { read_only: read_only || mount.read_only, ..mount });
        }
    }
    service.mounts.sort_by(|a, b| a.target.cmp(&b.target));
}
