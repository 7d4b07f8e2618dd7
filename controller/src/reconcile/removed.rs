//! A manifest that is gone from the repository: the stack runs on, and is let go of where the manifest asked for that.

use evenkeel_core::manifest::OnRemoval;
use evenkeel_core::release::Release;
use evenkeel_core::status::Reason;

use super::app::Handle;
use super::desired;
use super::pass::live;
use crate::rollout::Failure;

impl Handle {
    /// Lets go of the stack of an application whose manifest is gone, where its last word was that; whether that was done.
    ///
    /// # Errors
    /// When the project is another's, or the engine or the ledger fails.
    pub(super) async fn is_let_go_of(&self) -> Result<bool, Failure> {
        if self.tip.borrow().manifest.is_some() || self.context.ledger.open_rollout(&self.name)?.is_some() {
            return Ok(false);
        }
        let Some(live) = live(self)?.filter(|live| live.manifest.spec.on_removal == OnRemoval::Release)
        else {
            return Ok(false);
        };
        if let Some(doubt) = self.doubt_of_removal(&live).await {
            self.condition(Reason::ManifestInvalid, &doubt);
            return Ok(false);
        }
        let release = self.live_as_read_now().await?.unwrap_or(live);
        match self.let_go(&release).await {
            Ok(done) => {
                tracing::info!(app = %self.name, done, "the manifest is gone, and said what is to be done then");
                self.context.ledger.record_event(Some(&self.name), "released", &done)?;
                Ok(true)
            }
            // What stands in the way may go with a repair.
            Err(Failure::Blocked { reason: Reason::PreflightFailed, message }) => {
                self.condition(Reason::PreflightFailed, &message);
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }

    /// What looks like a manifest that is gone may be one that is being worked on: one that cannot be read, or that has another name
    /// now. Then everything stays as it is.
    async fn doubt_of_removal(&self, live: &Release) -> Option<String> {
        let revision = self.tip.borrow().revision.clone();
        let kept = "what runs is kept and not let go of";
        let found = match desired::manifests(&self.source, &revision).await {
            Ok(found) => found,
            Err(error) => return Some(format!("commit {}: {error}; {kept}", revision.short())),
        };
        let doubtful = found.iter().find_map(|it| match &it.application {
            Err(_) => Some("cannot be read".to_owned()),
            Ok(other) if it.path == live.manifest_path || other.metadata.name == self.name => {
                Some(format!("is of {}, at {}", other.metadata.name, it.path))
            }
            Ok(_) => None,
        });
        doubtful.map(|doubt| format!("commit {} has a manifest that {doubt}; {kept}", revision.short()))
    }
}
