//! What a service that is in the Compose file no more still holds of what another one takes now: a volume, a port, an address, a name.
//! The plan of each service knows nothing of the others; whoever holds something goes before whoever takes it comes.

use std::collections::BTreeSet;

use super::service::active;
use super::{Class, Effect, Facts, Plan, Role, Step, Subject};
use crate::compose::{MountSource, RestartPolicy, Service};
use crate::name::{ContainerId, ServiceName};
use crate::observed::Container;
use crate::spec::own_endpoints;

/// The plan with room made in it.
pub(super) fn make_room(facts: &Facts<'_>, mut plan: Plan) -> Plan {
    let holders = held_over(facts);
    if holders.is_empty() {
        return plan;
    }
    let (mut gone, mut renamed) = (BTreeSet::new(), BTreeSet::new());
    let mut steps = Vec::with_capacity(plan.steps.len());
    for step in plan.steps {
        for holder in &holders {
            let Some(taker) = subject_of(&step.effect) else { continue };
            let Some(what) = takes(facts, &step.effect, taker, holder) else { continue };
            let why = format!("service {} takes {what}", taker.service);
            if gone.insert(holder.id.clone()) {
                plan.gaps.push(format!("{} stops first, because {why}", holder.name));
                steps.extend(stop(holder, &why));
            }
            if is_name(&step.effect, &holder.name) && renamed.insert(holder.id.clone()) {
                let to = format!("{}-{}-old", holder.name, holder.id.short());
                steps.push(Step { effect: Effect::Rename { container: subject(holder), to }, why });
            }
        }
        if !repeats(&step.effect, &gone) {
            steps.push(step);
        }
    }
    plan.steps = steps;
    plan
}

/// What a database writes to is moved from one service to another by nobody: the old one would serve nobody from the first step of the
/// rollout on.
pub(super) fn database_moves(facts: &Facts<'_>) -> Option<String> {
    let name = facts.desired.database_service()?;
    let service = facts.desired.project.services.get(name)?;
    let (holder, volume) =
        held_over(facts).into_iter().find_map(|it| Some((it, volume(facts, service, it)?)))?;
    let old = holder.service().unwrap_or_else(|| ServiceName::new("another service"));
    Some(format!(
        "the database's volume {volume} is that of service {old}, whose container {} runs, and service {name} takes it in this commit. A \
         database that runs is not renamed: keep the name {old} (`aliases` of its network give it further ones), or stop {} and remove \
         it by hand first",
        holder.name, holder.name
    ))
}

/// Containers of services that are in the Compose file no more.
fn held_over<'f>(facts: &Facts<'f>) -> Vec<&'f Container> {
    let project = &facts.desired.project;
    let is_removed =
        |it: &&Container| it.instance(project).is_none_or(|name| !project.services.contains_key(&name));
    let own = facts.observed.containers.iter().filter(|it| facts.known.contains(&it.id));
    own.filter(|it| active(it)).filter(is_removed).collect()
}

fn subject(container: &Container) -> Subject {
    let service = container.service().unwrap_or_else(|| ServiceName::new(""));
    Subject { service, name: container.name.clone(), id: Some(container.id.clone()) }
}

fn stop(holder: &Container, why: &str) -> Vec<Step> {
    let mut effects = Vec::new();
    if holder.restart != RestartPolicy::No {
        effects.push(Effect::SetRestart { container: subject(holder), policy: RestartPolicy::No });
    }
    effects.push(Effect::Stop { container: subject(holder) });
    effects.into_iter().map(|effect| Step { effect, why: why.to_owned() }).collect()
}

/// Whether a step does again what was done to make room.
fn repeats(effect: &Effect, gone: &BTreeSet<ContainerId>) -> bool {
    let (Effect::Stop { container } | Effect::SetRestart { container, policy: RestartPolicy::No }) = effect
    else {
        return false;
    };
    container.id.as_ref().is_some_and(|id| gone.contains(id))
}

fn subject_of(effect: &Effect) -> Option<&Subject> {
    match effect {
        Effect::Start { container }
        | Effect::Join { container, role: Role::Successor }
        | Effect::Create { container, .. }
        | Effect::Rename { container, .. } => Some(container),
        _ => None,
    }
}

/// The name that a step gives.
fn is_name(effect: &Effect, name: &str) -> bool {
    match effect {
        Effect::Create { container, .. } => container.name == name,
        Effect::Rename { to, .. } => to == name,
        _ => false,
    }
}

/// What a step takes that a container holds.
fn takes(facts: &Facts<'_>, effect: &Effect, container: &Subject, holder: &Container) -> Option<String> {
    if is_name(effect, &holder.name) {
        return Some(format!("the name {}", holder.name));
    }
    let service = facts.desired.project.services.get(&container.service)?;
    let is_proven_first = facts.class(&container.service, service) == Class::Candidate;
    match effect {
        // What is proven first starts without the ports and networks that it serves on.
        Effect::Start { .. } if is_proven_first && !serves_at_once(facts, container, service) => None,
        Effect::Start { .. } | Effect::Join { .. } => volume(facts, service, holder)
            .map(|volume| format!("the volume {volume}"))
            .or_else(|| port(service, holder))
            .or_else(|| address(facts, container, service, holder)),
        _ => None,
    }
}

/// Whether a container is on the networks already that it serves on.
fn serves_at_once(facts: &Facts<'_>, container: &Subject, service: &Service) -> bool {
    let there = facts.observed.containers.iter().find(|it| Some(&it.id) == container.id.as_ref());
    let own = own_endpoints(facts.desired, &container.service, service);
    there.is_some_and(|there| own.iter().any(|endpoint| there.networks.contains_key(&endpoint.network)))
}

/// A volume, or a directory of the host, that both write to.
fn volume(facts: &Facts<'_>, service: &Service, holder: &Container) -> Option<String> {
    let volumes = &facts.desired.project.volumes;
    let sources = service.writable_volumes().filter_map(|mount| match &mount.source {
        MountSource::Volume { volume, .. } => volumes.get(volume).map(|volume| volume.name.clone()),
        MountSource::Host { path, .. } => Some(path.clone()),
        _ => None,
    });
    let is_held =
        |source: &String| holder.mounts.iter().any(|(held, _, writable)| held == source && *writable);
    sources.into_iter().find(is_held)
}

fn port(service: &Service, holder: &Container) -> Option<String> {
    let is_held = |port: &&crate::compose::Port| {
        holder.port_bindings.iter().any(|(own, address, published)| {
            port.published.is_some_and(|port| port.to_string() == *published)
                && own.ends_with(&format!("/{}", port.protocol))
                && port.on(address)
        })
    };
    let port = service.ports.iter().find(is_held)?;
    Some(format!("the port {}/{}", port.published?, port.protocol))
}

fn address(facts: &Facts<'_>, container: &Subject, service: &Service, holder: &Container) -> Option<String> {
    let endpoints = own_endpoints(facts.desired, &container.service, service);
    let fixed = endpoints.into_iter().filter_map(|endpoint| Some((endpoint.network, endpoint.ipv4_address?)));
    let is_held = |(network, address): &(String, String)| {
        holder.networks.get(network).is_some_and(|joined| joined.ip_address == *address)
    };
    fixed.into_iter().find(is_held).map(|(_, address)| format!("the address {address}"))
}
