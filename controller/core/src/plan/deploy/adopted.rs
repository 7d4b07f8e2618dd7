//! What evenkeel meets and keeps: it has to show that it works, like what evenkeel makes itself.

use super::super::alike::alike;
use super::super::service::{Action, Work};
use super::super::{Class, Effect, Facts, Subject};
use super::Deployment;
use crate::container::label;

impl Deployment<'_, '_> {
    /// Before the first release touches anything, so that a stack that does not work is left as it is.
    pub(super) fn prove_adopted(&mut self) {
        if self.facts.live.is_some() || self.facts.hints.reverting {
            return;
        }
        let kept = self.works.iter().filter(|work| work.serves() && work.class != Class::OneShot);
        let containers: Vec<Subject> = kept
            .filter(|work| matches!(&work.action, Action::Keep(repairs) if repairs.is_empty()))
            .filter_map(|work| {
                Some(Self::existing(work, work.current.filter(|it| it.label(label::APP).is_none())?))
            })
            .collect();
        if !containers.is_empty() {
            self.push(
                Effect::Prove { containers },
                "docker-compose made it as the release asks for, so it stays; it must work",
            );
        }
    }
}

/// What becomes of every container that evenkeel meets, and why, for whoever looks before the first release.
pub(in crate::plan) fn intentions(facts: &Facts<'_>, works: &[Work<'_>]) -> Vec<String> {
    if facts.live.is_some() {
        return Vec::new();
    }
    let met = |work: &&Work<'_>| work.current.is_some_and(|it| it.label(label::APP).is_none());
    let told = |work: &Work<'_>| match &work.action {
        Action::Keep(repairs) if repairs.is_empty() => format!(
            "{} keeps its container, untouched: its configuration, its image and its mounts are the release's",
            work.name
        ),
        Action::Keep(_) => format!("{} keeps its container, which is put right in place", work.name),
        Action::Replace(_) if waits_for_image(facts, work) => format!(
            "{} keeps its container if the image that is made ready turns out to be the one that it runs; all else is as the release \
             asks for",
            work.name
        ),
        Action::Replace(why) => format!("{} gets another container: {why}", work.name),
    };
    works.iter().filter(met).map(told).collect()
}

fn waits_for_image(facts: &Facts<'_>, work: &Work<'_>) -> bool {
    !facts.outputs.images.contains_key(&work.name)
        && work.current.is_some_and(|it| alike(facts.desired, &work.name, it).is_ok())
}
