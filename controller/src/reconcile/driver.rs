//! One application's worker, pass by pass: what the simulation drives in the place of the loop.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::name::{InstanceId, ProjectName, Revision};
use evenkeel_core::release::DigestKey;
use evenkeel_core::status::{AppStatus, Condition};
use tokio_util::sync::CancellationToken;

use super::app::{Handle, Next, Start, Tip};
use super::pass::reconcile;
use crate::rollout::Context;
use crate::source::Watches;

/// A worker that nobody triggers.
pub(crate) struct Driver(Arc<Handle>);

impl Driver {
    /// One that follows a commit whose manifest stands at the root.
    pub(crate) fn new(context: Context, key: DigestKey, watches: Arc<Watches>, revision: Revision) -> Self {
        let tip = Tip { revision, manifest: Some("evenkeel.yaml".to_owned()) };
        let (name, source) = (context.app.clone(), Arc::clone(&context.source));
        Self(Handle::new(Start {
            name,
            source,
            context,
            key,
            tip,
            watches,
            parked: CancellationToken::new(),
            pulse: Arc::default(),
        }))
    }

    /// The branch points to another commit.
    pub(crate) fn follow(&self, revision: &Revision) {
        self.0.tip.send_modify(|tip| tip.revision = revision.clone());
    }

    /// An operator has what failed tried again.
    pub(crate) fn retry(&self) {
        let tried = self.0.context.ledger.lift_quarantine(&self.0.name, None);
        drop((tried, self.0.release_holds()));
    }

    /// One pass; how long the worker would wait before it looks again without a reason, where it would not just idle.
    pub(crate) async fn pass(&self, reason: &str) -> Option<Duration> {
        // Boxed: a test makes many passes in one function, and its stack is small.
        match Box::pin(reconcile(&self.0, reason)).await {
            Next::Settled | Next::SettledUntil(_) | Next::LookAt(_) => None,
            Next::Retry(first) | Next::Refused { first, .. } => Some(first),
            Next::Held(until) => Some(super::app::until(until, self.0.context.ledger.now())),
            Next::Again => Some(Duration::ZERO),
        }
    }

    /// What holds, as status shows it.
    pub(crate) fn conditions(&self) -> Vec<Condition> {
        self.0.status().map(|status| status.conditions).unwrap_or_default()
    }

    /// The whole status.
    pub(crate) fn status(&self) -> AppStatus {
        self.0.status().unwrap_or_else(|error| panic!("{error}"))
    }

    /// An operator makes it the owner of a project.
    pub(crate) async fn claim(
        &self,
        project: &ProjectName,
        from: Option<&InstanceId>,
    ) -> Result<String, String> {
        self.0.claim(project, from).await.map_err(|error| error.to_string())
    }

    /// An operator has it let a project go.
    pub(crate) async fn disown(&self, project: &ProjectName) -> Result<(), String> {
        self.0.disown(project).await.map_err(|error| error.to_string())
    }
}
