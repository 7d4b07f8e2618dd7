//! Containers that a restart has not healed: what their healthcheck sees is in the container itself, and only another one is rid
//! of it. On record, so that a crash does not begin with a restart again.

use std::collections::BTreeSet;

use evenkeel_core::name::ContainerId;
use evenkeel_core::plan::{Effect, Plan};

use super::run::{Run, fact};
use super::{Context, Failure};

/// What the newest repair that restarted something in vain had restarted.
pub(super) fn damaged(context: &Context) -> Result<BTreeSet<ContainerId>, Failure> {
    let newest = context.ledger.newest_fact(&context.app, fact::DAMAGED)?;
    Ok(newest.and_then(|(_, value)| serde_json::from_value(value).ok()).unwrap_or_default())
}

impl Run<'_> {
    /// Steps failed that restarted containers for their own sake: unless they become healthy by themselves, they are replaced.
    pub(super) fn note_damage(&self, plan: &Plan) -> Result<(), Failure> {
        let restarted = plan.steps.iter().filter_map(|step| match &step.effect {
            Effect::Restart { container, since: Some(_) } => container.id.clone(),
            _ => None,
        });
        let restarted: BTreeSet<ContainerId> = restarted.collect();
        if restarted.is_empty() { Ok(()) } else { self.set_fact(fact::DAMAGED, &restarted) }
    }
}
