//! What one service needs: nothing, a repair in place, or a replacement.

use std::collections::BTreeSet;

use super::explain::explain;
use super::hooks::{has_hooks, left_over};
use super::{Class, Effect, Facts, Role, Step, Subject};
use crate::compose::{Project, RestartPolicy, Service};
use crate::container::{Endpoint, label};
use crate::limits::{ResourceLimits, told};
use crate::name::ServiceName;
use crate::observed::{Container, HealthStatus, State};
use crate::spec::{answers, own_endpoints};

/// A service, and what is to be done about it.
pub(super) struct Work<'a> {
    pub(super) name: ServiceName,
    pub(super) service: &'a Service,
    pub(super) class: Class,
    /// The container that serves, or should.
    pub(super) current: Option<&'a Container>,
    /// Other containers of the service: candidates, stand-ins, those set aside.
    pub(super) others: Vec<&'a Container>,
    pub(super) action: Action,
}

/// What is to be done.
pub(super) enum Action {
    /// The current container is right; repairs may be needed.
    Keep(Vec<Step>),
    /// Another container takes its place; why.
    Replace(String),
}

impl<'a> Work<'a> {
    pub(super) fn replaced(&self) -> bool {
        matches!(self.action, Action::Replace(_))
    }

    pub(super) fn why(&self) -> &str {
        match &self.action {
            Action::Replace(why) => why,
            Action::Keep(_) => "",
        }
    }

    /// The current container and all others.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'a Container> + use<'a, '_> {
        self.current.into_iter().chain(self.others.iter().copied())
    }

    /// Whether the current container runs and may be holding the published ports.
    pub(super) fn serves(&self) -> bool {
        self.current.is_some_and(Container::running)
    }
}

/// Whether it runs, or may at any moment.
pub(super) fn active(container: &Container) -> bool {
    !matches!(container.state, State::Created | State::Exited | State::Dead | State::Removing)
}

/// Looks at one service.
pub(super) fn work<'a>(facts: &Facts<'a>, name: &ServiceName, service: &'a Service) -> Work<'a> {
    let containers = facts.containers_of(name);
    let current = current(facts, name, &containers);
    let others =
        containers.into_iter().filter(|container| current.is_none_or(|it| it.id != container.id)).collect();
    let class = facts.class(name, service);
    let action = match current {
        None => Action::Replace(explain(facts, name, None)),
        Some(container) if facts.fits(name, container) => {
            Action::Keep(repairs(facts, name, service, &class, container))
        }
        Some(container) => Action::Replace(explain(facts, name, Some(container))),
    };
    let action = match action {
        // A container that the engine has given up cannot be repaired.
        Action::Keep(_) if current.is_some_and(Container::given_up) => {
            Action::Replace("the engine calls its container dead".to_owned())
        }
        action => action,
    };
    // Its name and its number would part, and the next one of this number would find its name taken.
    let other = current.map(Container::number).filter(|number| *number != name.number());
    let action = match (action, other) {
        (Action::Keep(_), Some(other)) => {
            Action::Replace(format!("its container is number {other} of its service"))
        }
        (action, _) => action,
    };
    let action = match action {
        Action::Keep(_)
            if current.is_some_and(|it| ResourceLimits::asked(service).only_a_new_one(&it.limits)) =>
        {
            Action::Replace("it has a limit that the release has not; the engine takes none away".to_owned())
        }
        action => action,
    };
    let action = match action {
        Action::Keep(_) if class != Class::OneShot => {
            let moved = current.and_then(|container| lender_moved(facts, container));
            moved.map_or(action, |lender| Action::Replace(elsewhere(&lender)))
        }
        action => action,
    };
    Work { name: name.clone(), service, class, current, others, action }
}

/// A database that recovers is unhealthy as well, and a restart would have it begin that again: it is left alone.
fn is_unhealthy(facts: &Facts<'_>, name: &ServiceName, container: &Container) -> bool {
    let database = facts.desired.manifest.spec.database.as_ref().and_then(|it| it.service.as_ref());
    database != Some(name)
        && container.health.as_ref().is_some_and(|health| health.status == HealthStatus::Unhealthy)
}

/// A service whose namespace a container shares, and which another container serves by now.
fn lender_moved(facts: &Facts<'_>, container: &Container) -> Option<ServiceName> {
    let shares = container.label(label::SHARES)?;
    let lenders = shares.split(',').filter_map(|share| share.split_once('='));
    let mut names = lenders.map(|(name, id)| (ServiceName::new(name), id));
    names
        .find(|(name, id)| facts.serving.get(name).is_some_and(|now| now.as_str() != *id))
        .map(|(name, _)| name)
}

fn elsewhere(lender: &ServiceName) -> String {
    format!("it shares a namespace with {lender}, which has another container")
}

/// What shares a namespace with a service that is replaced is replaced as well. The works are in the order of dependencies.
pub(super) fn follow_lenders(works: &mut [Work<'_>]) {
    let mut replaced: BTreeSet<ServiceName> = BTreeSet::new();
    for work in works {
        let lender = work.service.lenders().find(|lender| replaced.contains(lender));
        if let (Some(lender), false, true) = (lender, work.replaced(), work.class != Class::OneShot) {
            work.action = Action::Replace(elsewhere(&lender));
        }
        if work.replaced() {
            replaced.insert(work.name.clone());
        }
    }
}

/// The container that serves: the ledger's word first. Where that one is gone or down, any that is exactly right. Of several that nobody
/// has recorded, the one with the lowest number.
fn current<'a>(facts: &Facts<'a>, name: &ServiceName, containers: &[&'a Container]) -> Option<&'a Container> {
    let mut containers = containers.to_vec();
    containers.sort_by_key(|container| container.number());
    let recorded = facts
        .serving
        .get(name)
        .and_then(|id| containers.iter().find(|container| container.id == *id))
        .copied();
    if recorded.is_some_and(|container| container.running() || container.state == State::Paused) {
        return recorded;
    }
    let fitting = containers.iter().filter(|container| facts.fits(name, container));
    let joined = fitting
        .clone()
        .find(|container| container.running() && missing_networks(facts, name, container).is_empty());
    let set_aside = fitting.clone().find(|container| container.state == State::Exited && recorded.is_some());
    let is_adopted =
        |container: &&&Container| container.label(label::ROLE).is_none() || facts.stranger(container);
    let mut adopted: Vec<_> = containers.iter().filter(is_adopted).collect();
    adopted.sort_by_key(|container| (standing(facts, name, container), !container.running()));
    joined.or(set_aside).copied().or(recorded).or_else(|| adopted.first().map(|container| **container))
}

/// How far a container that another evenkeel made is from being the one that serves, as the course of a take-over has it: what
/// runs on its networks, before a stand-in, before whatever has the name.
fn standing(facts: &Facts<'_>, name: &ServiceName, container: &Container) -> (bool, bool, bool) {
    if !facts.stranger(container) {
        return (false, false, false);
    }
    let serves = container.running() && missing_networks(facts, name, container).is_empty();
    let stands_in = container.label(label::ROLE) == Some(Role::StandIn.as_str());
    let project = &facts.desired.project;
    let right = project.services.get(name).map(|service| final_name(project, name, service, Some(container)));
    (!serves, stands_in, right.as_ref() != Some(&container.name))
}

pub(super) fn missing_networks(facts: &Facts<'_>, name: &ServiceName, container: &Container) -> Vec<String> {
    let Some(service) = facts.desired.project.services.get(name) else { return Vec::new() };
    let endpoints = own_endpoints(facts.desired, name, service);
    // Names are lost when somebody disconnects it and connects it again by hand.
    let right = |endpoint: &Endpoint| {
        container.networks.get(&endpoint.network).is_some_and(|joined| answers(endpoint, joined))
    };
    endpoints.into_iter().filter(|it| !right(it)).map(|it| it.network).collect()
}

/// The name that a service's container has while it serves.
pub fn final_name(
    project: &Project,
    name: &ServiceName,
    service: &Service,
    current: Option<&Container>,
) -> String {
    if let Some(name) = &service.container_name {
        return name.clone();
    }
    let (name, number) = (name.base(), name.number());
    let first_version = format!("{}_{name}_{number}", project.name);
    if current.is_some_and(|container| container.name == first_version) {
        return first_version;
    }
    format!("{}-{name}-{number}", project.name)
}

/// The smallest actions that make a right container right again.
fn repairs(
    facts: &Facts<'_>,
    name: &ServiceName,
    service: &Service,
    class: &Class,
    container: &Container,
) -> Vec<Step> {
    let subject =
        Subject { service: name.clone(), name: container.name.clone(), id: Some(container.id.clone()) };
    let mut steps = Vec::new();
    let mut push = |effect: Effect, why: String| steps.push(Step { effect, why });

    if container.restart != service.restart {
        push(
            Effect::SetRestart { container: subject.clone(), policy: service.restart },
            format!(
                "its restart policy is {}, the release says {}",
                policy(container.restart),
                policy(service.restart)
            ),
        );
    }
    limits(service, container, &subject, &mut push);
    for network in missing_networks(facts, name, container) {
        push(
            Effect::Join { container: subject.clone(), role: Role::Successor },
            format!("it is not on network {network} under its names"),
        );
    }
    match container.state {
        State::Paused => push(Effect::Unpause { container: subject.clone() }, "it is paused".to_owned()),
        State::Exited | State::Created if *class != Class::OneShot || container.exit_code != 0 => {
            push(Effect::Start { container: subject.clone() }, stopped(container));
        }
        State::Running
            if facts.is_repair() && *class != Class::OneShot && is_unhealthy(facts, name, container) =>
        {
            push(
                Effect::Restart { container: subject.clone(), since: Some(container.started_at.clone()) },
                "its healthcheck fails".to_owned(),
            )
        }
        _ if facts.hints.post_start_due.contains(&container.id) && has_hooks(facts, &subject) => {
            let Step { effect, why } = left_over(subject.clone());
            push(effect, why);
        }
        _ => {}
    }
    let right = final_name(&facts.desired.project, name, service, Some(container));
    if container.name != right {
        push(
            Effect::Rename { container: subject.clone(), to: right.clone() },
            format!("it serves under {right}"),
        );
    }
    if steps.iter().any(|step| {
        matches!(
            step.effect,
            Effect::Start { .. }
                | Effect::Restart { .. }
                | Effect::PostStart { .. }
                | Effect::Unpause { .. }
                | Effect::Join { .. }
        )
    }) {
        let container = Subject { name: right, ..subject };
        steps.push(Step {
            effect: Effect::Prove { containers: vec![container] },
            why: "it was repaired".to_owned(),
        });
    }
    steps
}

fn limits(
    service: &Service,
    container: &Container,
    subject: &Subject,
    push: &mut impl FnMut(Effect, String),
) {
    let limits = ResourceLimits::asked(service);
    let changed = limits.changed(&container.limits);
    if !changed.is_empty() {
        push(Effect::SetLimits { container: subject.clone(), limits }, told(&changed));
    }
}

fn stopped(container: &Container) -> String {
    let mut why = format!("it is {} (exit code {})", word(container.state), container.exit_code);
    if container.oom_killed {
        why.push_str(", killed for want of memory");
    }
    if !container.error.is_empty() {
        why.push_str(": ");
        why.push_str(&container.error);
    }
    why
}

fn word(state: State) -> &'static str {
    match state {
        State::Created => "created but not started",
        State::Running => "running",
        State::Paused => "paused",
        State::Restarting => "restarting",
        State::Exited => "stopped",
        State::Removing => "being removed",
        State::Dead => "dead",
    }
}

fn policy(policy: RestartPolicy) -> String {
    match policy {
        RestartPolicy::No => "no".to_owned(),
        RestartPolicy::Always => "always".to_owned(),
        RestartPolicy::OnFailure(0) => "on-failure".to_owned(),
        RestartPolicy::OnFailure(retries) => format!("on-failure:{retries}"),
        RestartPolicy::UnlessStopped => "unless-stopped".to_owned(),
    }
}
