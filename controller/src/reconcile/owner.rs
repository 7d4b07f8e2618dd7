//! Whose an application's project is, as its worker asks: before it does anything, and as long as a rollout goes on.

use std::sync::PoisonError;
use std::time::Duration;

use evenkeel_core::name::{InstanceId, ProjectName};
use evenkeel_core::release::Release;
use evenkeel_core::status::Reason;

use super::app::Handle;
use crate::owner::{Of, OwnerError};
use crate::rollout::{Failure, Order};

/// How often it is looked at while a rollout goes on.
const LOOK: Duration = Duration::from_secs(10);

impl Handle {
    fn of<'a>(&'a self, project: &'a ProjectName) -> Of<'a> {
        Of { engine: self.context.engine.as_ref(), app: &self.name, project }
    }

    /// Makes sure that the release's project may be touched from here.
    ///
    /// # Errors
    /// [`Failure::Blocked`] with [`Reason::OwnedElsewhere`] if it may not.
    pub(super) async fn owns(&self, release: &Release) -> Result<(), Failure> {
        Ok(self.context.ownership.check(self.of(&release.project.name)).await?)
    }

    /// Has a rollout come to a halt where an operator gives its project to another evenkeel, or lets it go. Never ends.
    ///
    /// Cancel-safe: what it may do is to put this evenkeel on record again, which is one request.
    pub(super) async fn keep_owning(&self, order: &Order<'_>) {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.context.ownership.check(self.of(&order.release.project.name)).await {
                Ok(()) => {}
                Err(OwnerError::Elsewhere(why)) => {
                    tracing::warn!(app = %self.name, why, "the rollout halts");
                    order.parked.cancel();
                    order.cancel.cancel();
                }
                Err(error) => {
                    tracing::debug!(app = %self.name, %error, "whose the project is cannot be told")
                }
            }
        }
    }

    /// The project is another's: that is all that is known of it here. Said once in the log, not at every look.
    pub(super) fn stand_aside(&self, message: &str) -> Result<(), Failure> {
        let told = |it: &evenkeel_core::status::Condition| it.reason == Reason::OwnedElsewhere;
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = !view.conditions.iter().any(told);
        (view.services, view.schema) = (Vec::new(), None);
        drop(view);
        if is_news {
            tracing::warn!(app = %self.name, message, "nothing is done to the project from here");
            self.context.ledger.record_event(Some(&self.name), "owned-elsewhere", message)?;
        }
        self.condition(Reason::OwnedElsewhere, message);
        Ok(())
    }

    /// An operator makes this evenkeel the owner; what was done, in words.
    pub(super) async fn claim(
        &self,
        project: &ProjectName,
        from: Option<&InstanceId>,
    ) -> Result<String, Failure> {
        let done = self.context.ownership.take_over(self.of(project), from).await?;
        self.context.ledger.record_event(Some(&self.name), "claimed", &done)?;
        Ok(done)
    }

    /// An operator lets the project go.
    pub(super) async fn disown(&self, project: &ProjectName) -> Result<(), Failure> {
        self.context.ownership.give_up(self.of(project)).await?;
        let done = format!("project {project} was let go of");
        Ok(self.context.ledger.record_event(Some(&self.name), "disowned", &done)?)
    }
}
