//! What a repair leaves that could not put right what is live.

use evenkeel_core::plan::clear_away;

use super::run::{End, Order, Run};
use super::{Failure, Gathered};

/// A repair that failed leaves nothing beside what it could not put right. Until that is done it stays open, also across a crash.
pub(super) async fn degraded(order: &Order<'_>, run: &Run<'_>, message: String) -> End {
    match run.clear_away().await {
        Ok(()) => End::Degraded(message),
        Err(Failure::Cancelled(why)) if order.parked.is_cancelled() => End::Parked(why),
        Err(Failure::Cancelled(why)) => End::Cancelled(why),
        Err(Failure::Transient { reason, message: why }) => {
            End::Transient { reason, message: format!("{message}\nremoving what it left waits: {why}") }
        }
        Err(Failure::Release { message: why, .. } | Failure::Blocked { message: why, .. }) => {
            End::Degraded(format!("{message}\nwhat it left could not be removed: {why}"))
        }
    }
}

impl Run<'_> {
    /// Removes what a repair has made, and does not serve.
    async fn clear_away(&self) -> Result<(), Failure> {
        let gathered = Gathered::look(self.context, self.target, self.hints()?, Some(self.id)).await?;
        let plan = clear_away(&gathered.facts(self.target, self.id));
        if plan.is_empty() { Ok(()) } else { self.execute("clear away", &plan).await }
    }
}
