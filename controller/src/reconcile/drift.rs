//! What is not as it was left: shown, counted, and not put right too often.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use evenkeel_core::name::{RolloutId, ServiceName};
use evenkeel_core::plan::drift::{Drift, Healing, Kind, entry, found};
use evenkeel_core::plan::{Facts, Plan, Stage, make, waiting_for};
use evenkeel_core::release::Release;
use evenkeel_core::status::Reason;
use jiff::Timestamp;

use super::app::Handle;
use super::restless::{Held, Restless};
use crate::rollout::Gathered;

/// What is known of drift from earlier looks. In memory only: after a restart of evenkeel it is found, and counted, once more.
#[derive(Default)]
pub(super) struct Known {
    /// Kind and subject of what the last look has found.
    found: BTreeSet<(Kind, String)>,
    restless: Restless,
    /// How often the engine had been away by then.
    outages: u64,
}

/// What a look at the live release goes by.
pub(super) struct Look<'a> {
    /// The rollout that goes on.
    pub(super) begun: Option<RolloutId>,
    /// What would put everything right.
    pub(super) whole: Option<&'a Plan>,
    /// Why the look is taken.
    pub(super) reason: &'a str,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Looked {
    /// Until when some services are left alone, because they have been tried too often; an operator's word ends that.
    pub(super) until: Option<Timestamp>,
    /// What puts right the others meanwhile, where they need it.
    pub(super) others: Option<Plan>,
}

/// Notices how what is there differs from the live release, and which services are left alone for now: they are in the hints of what
/// was gathered from then on.
pub(super) fn notice(handle: &Handle, live: &Release, gathered: &mut Gathered, look: &Look<'_>) -> Looked {
    let now = handle.context.ledger.now();
    let id = look.begun.unwrap_or(RolloutId(0));
    let mut drifts = found(&gathered.facts(live, id));
    let mut known = handle.drift.lock().unwrap_or_else(PoisonError::into_inner);
    // An engine that goes away takes containers along: they are not at fault, and wait for nothing.
    let outages = handle.context.engine.outages();
    if std::mem::replace(&mut known.outages, outages) != outages {
        known.restless = Restless::default();
    }
    // What goes on is left as it is, but while it only makes ready: then there is nothing yet that would be left half done.
    let is_begun = |plan: &Plan| look.begun.is_some() && plan.stage == Stage::Deploy;
    let whole = look.whole.filter(|plan| !plan.is_empty() && !is_begun(plan));
    let may_wait = whole.filter(|_| !asked_for(look.reason));
    let held = may_wait.map(|plan| known.restless.hold_off(plan, now)).unwrap_or_default();
    gathered.hints.held = held.iter().flat_map(|held| left_alone(held, &gathered.facts(live, id))).collect();
    let until = held.iter().map(|held| held.until).min();
    let others = until.and_then(|_| make(&gathered.facts(live, id)).ok()).filter(|plan| !plan.is_empty());
    let begins = if held.is_empty() { whole } else { others.as_ref() };
    if let Some(plan) = begins {
        known.restless.repaired(plan, now);
    }
    drifts.extend(known.restless.looping(&gathered.observed.containers, now));
    drifts.extend(held.iter().map(|held| held.drift.clone()));
    for drift in &drifts {
        let is_news = !known.found.contains(&(drift.kind, drift.subject.clone()));
        let waits = held.iter().any(|held| held.drift.subject == drift.subject);
        let counts = match entry(drift.kind).healing {
            // What has to wait is counted when its time has come.
            Healing::By(..) => begins.is_some() && !waits || is_news && held.is_empty(),
            Healing::Reported(_) => is_news,
        };
        if counts {
            count(handle, drift);
        }
    }
    known.found = drifts.iter().map(|drift| (drift.kind, drift.subject.clone())).collect();
    drop(known);
    show(handle, &drifts, &gathered.hints.held);
    Looked { until, others }
}

/// An image that is not to be asked for yet is asked for by none of the services that need it.
fn left_alone(held: &Held, facts: &Facts<'_>) -> BTreeSet<ServiceName> {
    let waiting = held.image.as_ref().map(|image| waiting_for(facts, image)).unwrap_or_default();
    if waiting.is_empty() { BTreeSet::from([held.service.clone()]) } else { waiting }
}

/// The services that are left alone for now of what a plan would put right.
pub(super) fn held(
    handle: &Handle,
    live: &Release,
    gathered: &Gathered,
    plan: &Plan,
) -> BTreeSet<ServiceName> {
    let facts = gathered.facts(live, RolloutId(0));
    let known = handle.drift.lock().unwrap_or_else(PoisonError::into_inner);
    let held = known.restless.hold_off(plan, handle.context.ledger.now());
    held.iter().flat_map(|held| left_alone(held, &facts)).collect()
}

/// Whether an operator's word is among the reasons for a pass.
fn asked_for(reason: &str) -> bool {
    reason.split(", ").any(|one| one.starts_with("operator"))
}

fn count(handle: &Handle, drift: &Drift) {
    let message = drift.to_string();
    handle.context.metrics.drift(&handle.name, drift.kind.word());
    tracing::warn!(app = %handle.name, kind = %drift.kind, message, "drift");
    // Counting does not wait for a ledger that cannot be written: the repair does, and says so.
    let _ = handle.context.ledger.record_event(Some(&handle.name), "drift", &message);
}

fn show(handle: &Handle, drifts: &[Drift], held: &BTreeSet<ServiceName>) {
    if drifts.is_empty() {
        return;
    }
    let messages: Vec<String> = drifts.iter().map(ToString::to_string).collect();
    handle.condition(Reason::Drifted, &messages.join("; "));
    let mut view = handle.view.lock().unwrap_or_else(PoisonError::into_inner);
    for service in &mut view.services {
        let loops = |drift: &Drift| {
            drift.kind == Kind::CrashLoop && service.container.as_ref() == Some(&drift.subject)
        };
        if held.contains(service.name.as_str()) || drifts.iter().any(loops) {
            "Degraded".clone_into(&mut service.health);
        }
    }
}

impl Handle {
    /// A repair has come to its end: what comes undone again is drift again.
    pub(super) fn healed(&self) {
        let mut known = self.drift.lock().unwrap_or_else(PoisonError::into_inner);
        known.found.retain(|(kind, _)| matches!(entry(*kind).healing, Healing::Reported(_)));
    }
}
