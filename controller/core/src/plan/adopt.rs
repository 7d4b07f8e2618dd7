//! What is there and the ledger has not heard of: it has to be told before anything is planned.

use std::collections::BTreeMap;

use super::facts::temporary;
use super::service::work;
use super::{Before, Facts, Subject};
use crate::container::label;
use crate::name::{ContainerId, ServiceName};
use crate::observed::Container;

/// Containers of the application that nobody has recorded yet: Compose made them before evenkeel came.
pub fn adopted(facts: &Facts<'_>) -> Vec<Subject> {
    let foreign = |container: &&Container| {
        !facts.known.contains(&container.id) && container.label(label::APP).is_none()
    };
    all(facts).into_iter().filter(|(_, it)| foreign(it)).map(|(name, it)| subject(&name, it)).collect()
}

/// Containers that this rollout made and that are on nobody's record: the process ended in between. A way back may have no such service,
/// and would take them for somebody else's.
pub fn unnoted(facts: &Facts<'_>) -> Vec<Subject> {
    let (app, rollout) = (facts.desired.app.as_str(), facts.rollout.to_string());
    let is_own = |it: &&Container| {
        it.label(label::APP) == Some(app)
            && it.label(label::ROLLOUT) == Some(&rollout)
            && !facts.known.contains(&it.id)
            && !temporary(it)
    };
    let own = facts.observed.containers.iter().filter(is_own);
    own.filter_map(|it| Some(subject(&it.service()?.numbered(it.number()), it))).collect()
}

/// Containers of the application that another ledger's evenkeel made. Once one of a service is recorded, none of it is told any
/// more: which one serves ([`unrecorded`]) has to be on record before.
pub fn inherited(facts: &Facts<'_>) -> Vec<Subject> {
    all(facts).into_iter().filter(|(_, it)| facts.stranger(it)).map(|(name, it)| subject(&name, it)).collect()
}

/// Containers that serve though the ledger does not say so: the process ended in between, or Compose or another ledger's evenkeel
/// made them. Candidates are given the names of what the ledger says serves.
pub fn unrecorded(facts: &Facts<'_>) -> BTreeMap<ServiceName, ContainerId> {
    let services = facts.desired.project.services.iter().map(|(name, service)| work(facts, name, service));
    services
        .filter_map(|work| {
            let current = work.current?;
            let taken_over = !work.replaced();
            let first_met = !facts.serving.contains_key(&work.name)
                && current.running()
                && current.label(label::ROLE).is_none();
            (taken_over || first_met || facts.stranger(current)).then(|| (work.name, current.id.clone()))
        })
        .filter(|(name, id)| facts.serving.get(name) != Some(id))
        .collect()
}

/// What stands before the first step of a rollout, for the way back where no earlier release is known.
pub fn before(facts: &Facts<'_>) -> Vec<Before> {
    let ours = facts.rollout.to_string();
    let earlier = |container: &&Container| container.label(label::ROLLOUT) != Some(&ours);
    let was = |(name, container): (ServiceName, &Container)| Before {
        container: subject(&name, container),
        restart: container.restart,
        running: container.running(),
    };
    all(facts).into_iter().filter(|(_, it)| earlier(it)).map(was).collect()
}

fn all<'a>(facts: &Facts<'a>) -> Vec<(ServiceName, &'a Container)> {
    let services = facts.desired.project.services.keys();
    services.flat_map(|name| facts.containers_of(name).into_iter().map(|it| (name.clone(), it))).collect()
}

fn subject(service: &ServiceName, container: &Container) -> Subject {
    Subject { service: service.clone(), name: container.name.clone(), id: Some(container.id.clone()) }
}
