//! `probes`, `rollout` and `windows`: what stands before the services, and what surrounds a rollout.

use super::Sight;
use super::database;
use super::draft::{Lines, list, scalar};
use super::image_name;
use super::services;
use crate::compose::Project;
use crate::name::ServiceName;

const PROXIES: [&str; 4] = ["caddy", "nginx", "traefik", "haproxy"];

/// The three sections.
pub(super) fn guess(sight: &Sight<'_>) -> Lines {
    let mut lines = Lines::default();
    if let Some(proxy) = proxy(sight.project) {
        lines.note(format!("{proxy} stands before the services: probe what users reach through it as well."));
        lines.block("probes:", probes(sight.project));
    }
    lines.block("rollout:", rollout(sight.project));
    lines.note("Hours in which nothing new is rolled out. They block neither a revert nor a repair.");
    lines.block("windows:", windows());
    lines
}

/// What stands before the services: one of them, or whoever is on an external network of that name.
fn proxy(project: &Project) -> Option<String> {
    let known = |name: &str| PROXIES.iter().any(|proxy| name.contains(proxy));
    let service = project.services.iter().find(|(_, service)| image_name(service).is_some_and(known));
    if let Some((name, _)) = service {
        return Some(format!("`{name}`"));
    }
    let network = project.networks.values().find(|network| network.external && known(&network.name))?;
    Some(format!("Somebody on the external network `{}`", network.name))
}

fn probes(project: &Project) -> Lines {
    let mut requests = project.services.iter().filter_map(|(name, service)| services::request(name, service));
    let path = requests.next().map_or_else(|| "/".to_owned(), |request| request.path);
    let mut lines = Lines::default();
    lines.off(format!("- url: {}", scalar(&format!("https://example.com{path}"))));
    lines
}

fn rollout(project: &Project) -> Lines {
    let mut lines = Lines::default();
    lines.note("How long a new release must hold in private, and how long it is watched once it serves.");
    lines.yaml("minHealthy: 5s");
    lines.yaml("bake: 5m");
    lines.note("In the log they make a release fail, unless the one before logged them as often.");
    lines.yaml("failOnLog: [\"ERROR\", \"CRITICAL\", \"Traceback\"]");
    dependency_networks(project, &mut lines);
    on_takeover(project, &mut lines);
    lines
}

/// A host without a dot in a database's URL is a container's name, on a network from outside.
fn dependency_networks(project: &Project, lines: &mut Lines) {
    let external = |key: &&String| {
        project.networks.get(*key).is_some_and(|network| {
            network.external && !PROXIES.iter().any(|proxy| network.name.contains(proxy))
        })
    };
    let elsewhere = |host: &str| {
        let inside = |name: &ServiceName| database::answers(project, name, host);
        host != "localhost" && !host.contains('.') && !project.services.keys().any(inside)
    };
    let mut networks: Vec<String> = Vec::new();
    for service in project
        .services
        .values()
        .filter(|service| database::url(service).is_some_and(|(_, host)| elsewhere(&host)))
    {
        networks.extend(service.networks.keys().filter(external).cloned());
    }
    networks.sort();
    networks.dedup();
    if !networks.is_empty() {
        lines.note("A new release reaches its database there before it takes over.");
        lines.yaml(format!("dependencyNetworks: {}", list(&networks)));
    }
}

/// Old addresses would otherwise be kept for ever.
fn on_takeover(project: &Project, lines: &mut Lines) {
    let nginx = project.services.iter().find(|(_, service)| image_name(service) == Some("nginx"));
    if let Some((name, _)) = nginx {
        lines.note(format!("`{name}` looks names up only once, unless its configuration has a `resolver`."));
        let service = scalar(name.as_str());
        lines.yaml(format!("onTakeover: [{{service: {service}, exec: [nginx, -s, reload]}}]"));
    }
}

fn windows() -> Lines {
    let mut lines = Lines::default();
    lines.off("- {deny: \"0 18 * * *\", for: 4h, timeZone: Europe/Berlin}");
    lines
}
