//! `depends_on`, and the order that follows from it.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{Context, Report, named};
use super::scalar::{boolean, expected, text};
use super::{Condition, Dependency, Project, Service};
use crate::located::Fault;
use crate::name::ServiceName;
use crate::yaml::{Entry, Node, suggestion};

type Dependencies = BTreeMap<ServiceName, Dependency>;

pub(super) fn read(node: &Node, context: &Context<'_>, report: &mut Report) -> Result<Dependencies, Fault> {
    let mut dependencies = Dependencies::new();
    for (name, entry) in named(node)? {
        let dependency = dependency(&entry.node)?;
        if !dependency.required && !context.active.contains(&name) {
            report.warn(node, &format!("`{name}` is not part of the project, and not required"));
        } else if context.none_wanted.contains(&name) {
            report.warn(node, &format!("`{name}` is scaled to 0: nothing waits for it"));
        } else {
            check(&name, &entry, context)?;
            dependencies.insert(ServiceName::new(name), dependency);
        }
    }
    Ok(dependencies)
}

fn check(name: &str, entry: &Entry, context: &Context<'_>) -> Result<(), Fault> {
    if context.active.contains(name) {
        return Ok(());
    }
    if context.services.contains(name) {
        let fault = entry.key.fault(format!("`{name}` is in no active profile"));
        return Err(fault
            .hint("add its profile to `spec.compose.profiles` of the manifest, or write `required: false`"));
    }
    let fault = entry.key.fault(format!("there is no service `{name}`"));
    Err(match suggestion(name, context.services.iter().map(String::as_str)) {
        Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
        None => fault,
    })
}

fn dependency(node: &Node) -> Result<Dependency, Fault> {
    if !node.is_null() && node.mapping().is_none() {
        return Err(expected(node, "a map with `condition`"));
    }
    let field = |key: &str| node.get(key).filter(|value| !value.is_null());
    Ok(Dependency {
        condition: field("condition").map(condition).transpose()?.unwrap_or(Condition::ServiceStarted),
        required: field("required").map(boolean).transpose()?.unwrap_or(true),
        restart: field("restart").map(boolean).transpose()?.unwrap_or_default(),
    })
}

fn condition(node: &Node) -> Result<Condition, Fault> {
    match text(node)?.as_str() {
        "service_started" => Ok(Condition::ServiceStarted),
        "service_healthy" => Ok(Condition::ServiceHealthy),
        "service_completed_successfully" => Ok(Condition::ServiceCompletedSuccessfully),
        _ => Err(expected(node, "service_started, service_healthy or service_completed_successfully")),
    }
}

/// Services that ask to be restarted whenever this one has been.
pub fn restarted_with<'p>(
    project: &'p Project,
    name: &'p ServiceName,
) -> impl Iterator<Item = &'p ServiceName> + use<'p> {
    let asks = |service: &&'p Service| service.depends_on.get(name).is_some_and(|it| it.restart);
    let lasting = project.services.iter().filter(|(_, service)| !service.one_shot);
    lasting.filter(move |(_, service)| asks(service)).map(|(name, _)| name)
}

/// Services in the order of starting: what others depend on first, by name among equals. Services of a cycle, which reading
/// refuses, come last.
pub fn start_order(project: &Project) -> Vec<ServiceName> {
    let (mut order, left) = sort(&project.services);
    order.extend(left);
    order
}

/// Kahn's algorithm: linear but for the sorted set of what is ready.
pub(super) fn sort(services: &BTreeMap<ServiceName, Service>) -> (Vec<ServiceName>, BTreeSet<ServiceName>) {
    let mut waits: BTreeMap<&ServiceName, usize> = BTreeMap::new();
    let mut dependents: BTreeMap<&ServiceName, Vec<&ServiceName>> = BTreeMap::new();
    for (name, service) in services {
        let known = service.depends_on.keys().filter(|other| services.contains_key(*other));
        let count = known.map(|other| dependents.entry(other).or_default().push(name)).count();
        waits.insert(name, count);
    }
    let mut ready: BTreeSet<&ServiceName> =
        waits.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    let mut order = Vec::new();
    while let Some(name) = ready.pop_first() {
        order.push(name.clone());
        waits.remove(name);
        for dependent in dependents.remove(name).unwrap_or_default() {
            if let Some(count) = waits.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(dependent);
                }
            }
        }
    }
    (order, waits.into_keys().cloned().collect())
}

/// A cycle, as the path that leads back to its beginning.
pub(super) fn cycle(project: &Project) -> Option<Vec<ServiceName>> {
    let (_, left) = sort(&project.services);
    let mut path: Vec<ServiceName> = Vec::new();
    let mut seen = BTreeMap::new();
    // Whatever is left waits for something that is left: following that must come round.
    let mut next = left.first().cloned();
    while let Some(name) = next {
        if let Some(start) = seen.insert(name.clone(), path.len()) {
            path.push(name);
            return path.get(start..).map(<[_]>::to_vec);
        }
        next = project.services.get(&name)?.depends_on.keys().find(|other| left.contains(*other)).cloned();
        path.push(name);
    }
    None
}
