//! Tags that move at their registries: asked for now and then, so that a moved one makes a new release of the same commit.

use std::time::Duration;

use evenkeel_core::release::Release;
use evenkeel_core::tags::{polled, user_of};

use super::app::Handle;
use crate::rollout::Failure;

impl Handle {
    /// Asks registries for the tags that are due; whether one leads elsewhere now. Nothing is asked for before a release is live, nor
    /// while a rollout goes on. A registry that does not answer is asked again when its turn comes.
    ///
    /// # Errors
    /// When the ledger fails.
    pub(super) async fn have_tags_moved(
        &self,
        desired: &Release,
        live: Option<&Release>,
    ) -> Result<bool, Failure> {
        let ledger = &self.context.ledger;
        let Some(live) = live else { return Ok(false) };
        if ledger.open_rollout(&self.name)?.is_some() {
            return Ok(false);
        }
        let before = ledger.pins(&self.name)?;
        let known = ledger.tags(&self.name)?;
        // Of what has not run yet, the rollout takes what there is then.
        for (reference, every) in
            polled(desired).into_iter().filter(|(reference, _)| user_of(live, reference).is_some())
        {
            let asked = known.iter().find(|tag| tag.reference == reference).map(|tag| tag.asked_at);
            let age = asked.map(|asked| ledger.now().duration_since(asked));
            if age.is_none_or(|age| Duration::try_from(age).is_ok_and(|age| age >= every)) {
                self.ask_for_tag(&reference, live).await?;
            }
        }
        let after = ledger.pins(&self.name)?;
        for (reference, pin) in after.iter().filter(|(reference, pin)| before.get(*reference) != Some(*pin)) {
            let said = format!("the tag {reference} has moved: {pin}");
            ledger.record_event(Some(&self.name), "tag-moved", &said)?;
            self.trigger(&format!("tag {reference} moved"));
        }
        Ok(before != after)
    }

    async fn ask_for_tag(&self, reference: &str, live: &Release) -> Result<(), Failure> {
        let ledger = &self.context.ledger;
        match self.context.engine.digest(reference).await {
            Ok(digest) => {
                let runs = self.digest_that_runs(reference, live)?.unwrap_or_else(|| digest.clone());
                Ok(ledger.tag_asked(&self.name, reference, Some(&runs), Some(&digest))?)
            }
            Err(error) => {
                tracing::warn!(app = %self.name, reference, %error, "the registry does not say where the tag leads; it is asked again");
                Ok(ledger.tag_asked(&self.name, reference, None, None)?)
            }
        }
    }

    /// The digest under which the registry gave the image that runs, where it came from there.
    fn digest_that_runs(&self, reference: &str, live: &Release) -> Result<Option<String>, Failure> {
        let Some(service) = user_of(live, reference) else { return Ok(None) };
        let outputs = self.context.ledger.outputs(&self.name, &live.digest)?;
        let digest = outputs.digests.get(service).and_then(|digest| digest.split_once('@'));
        Ok(digest.map(|(_, digest)| digest.to_owned()))
    }
}
