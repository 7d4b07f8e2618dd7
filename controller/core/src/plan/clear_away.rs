//! What a repair that failed has made, and nobody needs: it goes, so that the next try does not stand beside it.

use super::service::{active, missing_networks};
use super::{Effect, Facts, Plan, Role, Step, Subject};
use crate::container::label;
use crate::observed::Container;

/// Removes the candidates and stand-ins of this rollout that do not serve. What took the place of something that was stopped stays: it
/// may have that one's data.
pub fn clear_away(facts: &Facts<'_>) -> Plan {
    let mut plan = Plan::nothing();
    let mut push = |effect: Effect| {
        plan.steps.push(Step { effect, why: "the repair failed, and it does not serve".to_owned() });
    };
    for container in facts.observed.containers.iter().filter(|container| is_left(facts, container)) {
        let Some(service) = container.instance(&facts.desired.project) else { continue };
        let subject = Subject { service, name: container.name.clone(), id: Some(container.id.clone()) };
        if active(container) {
            push(Effect::Stop { container: subject.clone() });
        }
        push(Effect::Remove { container: subject });
    }
    plan
}

fn is_left(facts: &Facts<'_>, container: &Container) -> bool {
    let made_here = container.label(label::APP) == Some(facts.desired.app.as_str())
        && container.label(label::ROLLOUT) == Some(&facts.rollout.to_string());
    let private = [Role::Successor, Role::StandIn].map(Role::as_str);
    let instance = container.instance(&facts.desired.project);
    let Some(service) = instance.filter(|_| made_here) else { return false };
    // One that has joined its networks is found under the service's names, whatever the ledger says.
    let reached = container.running() && missing_networks(facts, &service, container).is_empty();
    container.label(label::ROLE).is_some_and(|role| private.contains(&role))
        && !container.given_up()
        && facts.serving.get(&service) != Some(&container.id)
        && !reached
}
