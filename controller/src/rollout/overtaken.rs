//! What a release left behind that something newer overtook.

use evenkeel_core::name::RolloutId;
use evenkeel_core::plan::{Hints, make, schema_move};
use evenkeel_core::release::Release;

use super::{Context, Failure, Gathered};

/// Whether what is live can be put back from where an overtaken release has left the schema. Once the schema is back, there is nothing
/// left to put back: what else is not as it was is drift.
///
/// # Errors
/// When the engine, the database or the ledger cannot be asked.
pub(crate) async fn leads_back(context: &Context, live: &Release) -> Result<bool, Failure> {
    let hints = Hints { reverting: true, ..Hints::default() };
    let gathered = Gathered::look(context, live, hints, None).await?;
    let moved_to = context.ledger.applied(&context.app)?.pop().map(|last| last.to);
    let current = gathered.database.as_ref().and_then(|database| database.current.clone());
    let ours = current.is_some() && current == moved_to;
    let facts = gathered.facts(live, RolloutId(0));
    Ok(ours && schema_move(&facts).moves() && make(&facts).is_ok_and(|plan| !plan.is_empty()))
}
