//! `post_start` hooks of the Compose file: a container is whole once they have run, each time that a step has started it.

use std::collections::BTreeSet;

use super::{Effect, Facts, Step, Subject};
use crate::container::label;
use crate::name::ContainerId;

/// The steps, and after each that starts a container with hooks the one that runs them. What an earlier process started, and whose
/// hooks it did not come to, has them run before it is proven.
pub(super) fn with_hooks(facts: &Facts<'_>, steps: Vec<Step>) -> Vec<Step> {
    let mut due: BTreeSet<ContainerId> = facts.hints.post_start_due.clone();
    let mut whole = Vec::with_capacity(steps.len());
    for step in steps {
        let started = match &step.effect {
            Effect::Start { container } | Effect::Restart { container, .. } => Some(container.clone()),
            Effect::PostStart { container } => {
                settle(&mut due, container);
                None
            }
            Effect::Prove { containers } => {
                let left: Vec<Subject> =
                    containers.iter().filter(|container| settle(&mut due, container)).cloned().collect();
                whole.extend(left.into_iter().filter(|container| has_hooks(facts, container)).map(left_over));
                None
            }
            _ => None,
        };
        whole.push(step);
        if let Some(container) = started {
            settle(&mut due, &container);
            if has_hooks(facts, &container) {
                let effect = Effect::PostStart { container };
                whole.push(Step { effect, why: "its `post_start` belongs to the start".to_owned() });
            }
        }
    }
    whole
}

/// The step for a container that was started before.
pub(super) fn left_over(container: Subject) -> Step {
    let why = "it was started, and its `post_start` has not run to its end since".to_owned();
    Step { effect: Effect::PostStart { container }, why }
}

/// Takes it off what is due; whether it was.
fn settle(due: &mut BTreeSet<ContainerId>, container: &Subject) -> bool {
    container.id.as_ref().is_some_and(|id| due.remove(id))
}

/// Whether a container has hooks. It is asked of the release whose configuration it has: of one that is neither the desired nor the
/// live one nobody knows what it was to have, as of what Compose made.
pub(super) fn has_hooks(facts: &Facts<'_>, subject: &Subject) -> bool {
    let name = &subject.service;
    let made_from = match &subject.id {
        None => Some(facts.desired),
        Some(id) => {
            let there = facts.observed.containers.iter().find(|container| container.id == *id);
            let config = there.and_then(|container| container.label(label::CONFIG));
            let mut releases = [Some(facts.desired), facts.live].into_iter().flatten();
            config.and_then(|config| releases.find(|release| release.config(name) == config))
        }
    };
    let service = made_from.and_then(|release| release.project.services.get(name));
    service.is_some_and(|service| !service.post_start.is_empty())
}
