//! More than one container of a service: to the planner each is a service of its own, `api`, `api#2`, `api#3`.

use std::collections::BTreeMap;

use super::fields::Report;
use super::{Service, resources};
use crate::located::Fault;
use crate::name::ServiceName;
use crate::yaml::Node;

/// Puts the further containers of each service beside the first. What depends on a service depends on all of them.
pub(super) fn expand(document: &Node, services: &mut BTreeMap<ServiceName, Service>, report: &mut Report) {
    let mut further: Vec<(ServiceName, Vec<ServiceName>)> = Vec::new();
    for (name, service) in services.iter() {
        let node = document.get("services").and_then(|services| services.get(name.as_str()));
        let count = node.map_or(1, resources::replicas);
        if count < 2 {
            continue;
        }
        let borrowed = services.values().any(|other| other.lenders().any(|lender| lender == *name));
        if let Some((key, why)) = obstacle(service, borrowed) {
            report.faults.push(refusal(document, name, count, key, why));
            continue;
        }
        further.push((name.clone(), (2..=count).map(|number| name.numbered(number)).collect()));
    }
    for (name, more) in further {
        let Some(service) = services.get(&name).cloned() else { continue };
        services.extend(more.iter().map(|instance| (instance.clone(), service.clone())));
        for dependent in services.values_mut() {
            if let Some(dependency) = dependent.depends_on.get(&name).cloned() {
                let also = more.iter().map(|instance| (instance.clone(), dependency.clone()));
                dependent.depends_on.extend(also);
            }
        }
    }
}

/// What only one container can have: the key, and why.
fn obstacle(service: &Service, borrowed: bool) -> Option<(&'static str, &'static str)> {
    if service.one_shot {
        return Some(("deploy", "others wait for it to have run to its end"));
    }
    if service.container_name.is_some() {
        return Some(("container_name", "one container can have a name"));
    }
    if service.ports.iter().any(|port| port.published.is_some()) {
        return Some(("ports", "one container can have a port of the host; put a proxy before them"));
    }
    if service.writable_volumes().next().is_some() {
        return Some(("volumes", "two containers are never let write to one volume"));
    }
    if service.network_mode.is_some() || borrowed {
        return Some(("network_mode", "a namespace is one container's"));
    }
    let fixed = service.networks.values().any(|network| {
        network.ipv4_address.is_some()
            || network.ipv6_address.is_some()
            || network.mac_address.is_some()
            || !network.link_local_ips.is_empty()
    });
    fixed.then_some(("networks", "one container can have an address"))
}

fn refusal(document: &Node, name: &ServiceName, count: u32, key: &str, why: &str) -> Fault {
    let place = document.place_of(&["services", name.as_str(), key]);
    place.fault(format!("{count} containers of `{name}` are refused: {why}"))
}
