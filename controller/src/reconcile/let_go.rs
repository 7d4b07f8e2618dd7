//! Letting go of an application, so that docker-compose looks after its stack again.

use std::collections::BTreeMap;

use evenkeel_core::let_go;
use evenkeel_core::name::ImageId;
use evenkeel_core::plan::backstage;
use evenkeel_core::release::Release;
use evenkeel_core::status::Reason;
use evenkeel_core::tags::Pins;

use super::app::Handle;
use super::desired;
use super::pass::live;
use crate::rollout::Failure;

impl Handle {
    /// Prepares the stack of the live release for docker-compose 1.29 and lets go of it; what that program would do now, in
    /// words. Nothing that runs is touched.
    ///
    /// # Errors
    /// [`Failure::Blocked`] if it is another's, or a service has more containers than the file asks for.
    pub(super) async fn let_go(&self, release: &Release) -> Result<String, Failure> {
        self.owns(release).await?;
        let engine = &self.context.engine;
        let project = &release.project;
        let containers = engine.containers(&project.name).await?;
        if let Some(message) = let_go::hindrance(release, &containers) {
            return Err(Failure::Blocked { reason: Reason::PreflightFailed, message });
        }
        let serving = self.context.ledger.serving(&self.name)?;
        for (service, tag) in let_go::tags_of_builds(release) {
            let id = serving.get(&service);
            if let Some(container) = containers.iter().find(|it| Some(&it.id) == id) {
                engine.tag(&container.image_id, &tag).await?;
            }
        }
        let images = self.images_by_name(release).await?;
        let afterwards = let_go::afterwards(release, &containers, &images);
        self.disown(&project.name).await?;
        let mut done = format!(
            "let go of. {} (1.29) {}. `docker compose` (2.x) makes anew what evenkeel made",
            let_go::command(release),
            let_go::told(&afterwards)
        );
        let private = backstage(&project.name);
        if engine.network(&private).await?.is_some() {
            done.push_str(&format!(
                ". The network {private} stays, because connections may lead over it: `docker network rm {private}` once nobody is on it"
            ));
        }
        done.push_str(&format!(". Nothing is done to it from here until `evenkeel claim {}`", self.name));
        Ok(done)
    }

    /// The release that is live, read anew from its commit: docker-compose would read the same text.
    ///
    /// # Errors
    /// When the ledger fails.
    pub(super) async fn live_as_read_now(&self) -> Result<Option<Release>, Failure> {
        let Some(recorded) = live(self)? else { return Ok(None) };
        let pins = self.context.ledger.pins(&self.name)?;
        Ok(Some(self.live_read_with(&recorded, &pins).await?.unwrap_or(recorded)))
    }

    /// The release of the live commit, with its tags leading there; `None` where that commit cannot be read any more.
    ///
    /// # Errors
    /// When the ledger fails.
    pub(super) async fn live_read_with(
        &self,
        live: &Release,
        pins: &Pins,
    ) -> Result<Option<Release>, Failure> {
        let revision = self.context.ledger.app(&self.name)?.live_revision;
        let revision = revision.unwrap_or_else(|| live.revision.clone());
        match desired::release(&self.source, &revision, &live.manifest_path, &self.key, pins).await {
            Ok(read) => Ok(Some(read.release)),
            Err(faults) => {
                tracing::warn!(app = %self.name, %faults, "the live commit cannot be read any more");
                Ok(None)
            }
        }
    }

    async fn images_by_name(&self, release: &Release) -> Result<BTreeMap<String, ImageId>, Failure> {
        let mut images = BTreeMap::new();
        for (name, service) in &release.project.services {
            let reference = evenkeel_core::compose::image_name(&release.project, name, service);
            if let Some(image) = self.context.engine.image(&reference).await? {
                images.insert(reference, image.id);
            }
        }
        Ok(images)
    }
}
