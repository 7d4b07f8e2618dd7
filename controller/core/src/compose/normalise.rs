//! The whole project: services, then what they use, then the rules between them.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{Context, Report};
use super::scalar::expected;
use super::{
    Condition, MountSource, Network, Port, Project, Service, Volume, depends, given, hooks, links, network,
    replicas, service,
};
use crate::located::Fault;
use crate::name::{ProjectName, ServiceName};
use crate::yaml::{Entry, Mapping, Node};

pub(super) fn project(
    node: &Node,
    name: &ProjectName,
    files: Vec<String>,
    context: &Context<'_>,
    report: &mut Report,
) -> Project {
    let mut services = services(node, context, report);
    links::share_volumes(node, &mut services, context, report);
    mark_one_shots(&mut services);
    replicas::expand(node, &mut services, report);
    let project = Project {
        name: name.clone(),
        directory: context.places.project_directory.unwrap_or_default().to_owned(),
        files,
        networks: networks(node, name, &services, report),
        volumes: volumes(node, name, &services, context, report),
        services,
        host_files: Vec::new(),
        classic: BTreeMap::new(),
        inactive: context.services.difference(&context.active).map(ServiceName::new).collect(),
        modern: BTreeMap::new(),
    };
    given::check(node, report);
    hooks::check(node, &project, report);
    check_cycle(node, &project, report);
    check_container_names(node, &project, report);
    check_ports(node, &project, report);
    project
}

fn section<'n>(node: &'n Node, key: &str, report: &mut Report) -> Option<&'n Mapping> {
    let section = node.get(key).filter(|section| !section.is_null())?;
    report.take(section.mapping().ok_or_else(|| expected(section, "a map")))
}

fn services(node: &Node, context: &Context<'_>, report: &mut Report) -> BTreeMap<ServiceName, Service> {
    let mut services = BTreeMap::new();
    let Some(map) = section(node, "services", report).filter(|map| !map.is_empty()) else {
        report.faults.push(node.fault("the project has no services"));
        return services;
    };
    for (name, entry) in map.iter().filter(|(name, _)| context.active.contains(*name)) {
        if !is_service_name(name) {
            report.faults.push(entry.key.fault(format!("`{name}` cannot be a service's name")));
        }
        let result = service::read(&entry.node, context, report);
        services.extend(report.take(result).map(|service| (ServiceName::new(name), service)));
    }
    services
}

fn is_service_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

fn mark_one_shots(services: &mut BTreeMap<ServiceName, Service>) {
    let awaited: BTreeSet<ServiceName> = services
        .values()
        .flat_map(|service| &service.depends_on)
        .filter(|(_, dependency)| dependency.condition == Condition::ServiceCompletedSuccessfully)
        .map(|(name, _)| name.clone())
        .collect();
    for name in awaited {
        if let Some(service) = services.get_mut(&name) {
            service.one_shot = true;
        }
    }
}

fn networks(
    node: &Node,
    name: &ProjectName,
    services: &BTreeMap<ServiceName, Service>,
    report: &mut Report,
) -> BTreeMap<String, Network> {
    let declared = section(node, "networks", report);
    let used: BTreeSet<&String> = services.values().flat_map(|service| service.networks.keys()).collect();
    // What nobody uses is not made, but what is wrong with it is said.
    let unused = declared.into_iter().flat_map(Mapping::keys).filter(|key| !used.contains(key));
    let all: Vec<&String> = used.iter().copied().chain(unused).collect();
    let read = |key: &String| {
        let entry = declared.and_then(|map| map.get(key));
        Some((key.clone(), network::read(key, entry.map(|entry| &entry.node), name, report)?))
    };
    let mut networks: BTreeMap<String, Network> = all.into_iter().filter_map(read).collect();
    networks.retain(|key, _| used.contains(key));
    networks
}

fn volumes(
    node: &Node,
    name: &ProjectName,
    services: &BTreeMap<ServiceName, Service>,
    context: &Context<'_>,
    report: &mut Report,
) -> BTreeMap<String, Volume> {
    let Some(declared) = section(node, "volumes", report) else { return BTreeMap::new() };
    let mounts = services.values().flat_map(|service| &service.mounts);
    let used: BTreeSet<String> = mounts
        .filter_map(|mount| match &mount.source {
            MountSource::Volume { volume, .. } => Some(volume.clone()),
            _ => None,
        })
        .collect();
    let read = |(key, entry): (&String, &Entry)| {
        Some((key.clone(), network::volume(key, &entry.node, name, context, report)?))
    };
    let mut volumes: BTreeMap<String, Volume> = declared.iter().filter_map(read).collect();
    volumes.retain(|key, _| used.contains(key));
    volumes
}

fn check_cycle(node: &Node, project: &Project, report: &mut Report) {
    let Some(cycle) = depends::cycle(project) else { return };
    let path: Vec<&str> = cycle.iter().map(ServiceName::as_str).collect();
    let first = path.first().copied().unwrap_or_default();
    let place = node.place_of(&["services", first, "depends_on"]);
    report.faults.push(place.fault(format!("`depends_on` goes round: {}", path.join(" → "))));
}

fn check_container_names(node: &Node, project: &Project, report: &mut Report) {
    let mut owners: BTreeMap<&str, &ServiceName> = BTreeMap::new();
    for (name, service) in &project.services {
        let Some(container) = &service.container_name else { continue };
        if let Some(first) = owners.insert(container, name) {
            report.faults.push(same_name(node, name, first));
        }
    }
}

fn same_name(node: &Node, name: &ServiceName, first: &ServiceName) -> Fault {
    let place = node.place_of(&["services", name.as_str(), "container_name"]);
    place.fault(format!("`{name}` and `{first}` have the same `container_name`"))
}

/// The engine would only find out when the second of them starts.
fn check_ports(node: &Node, project: &Project, report: &mut Report) {
    let mut taken: BTreeMap<(u16, &str), Vec<(&ServiceName, &Port)>> = BTreeMap::new();
    for (name, service) in &project.services {
        for port in &service.ports {
            let Some(published) = port.published else { continue };
            let others = taken.entry((published, &port.protocol)).or_default();
            if let Some((first, _)) = others.iter().find(|(_, other)| overlap(port, other)) {
                report.faults.push(same_port(node, name, first, port, published));
            }
            others.push((name, port));
        }
    }
}

/// Whether two ports of the same number want the same address of the host: an address taken for itself, or all of its kind.
fn overlap(one: &Port, other: &Port) -> bool {
    let (Some(one), Some(other)) = (one.host_ip.as_deref(), other.host_ip.as_deref()) else { return true };
    let all = |ip: &str| matches!(ip, "0.0.0.0" | "::");
    one == other || ((all(one) || all(other)) && one.contains(':') == other.contains(':'))
}

fn same_port(node: &Node, name: &ServiceName, first: &ServiceName, port: &Port, published: u16) -> Fault {
    let place = node.place_of(&["services", name.as_str(), "ports"]);
    let who = if name == first { format!("`{name}` twice") } else { format!("both `{name}` and `{first}`") };
    place.fault(format!("port {published}/{} of the host is published by {who}", port.protocol))
}
