//! Tells from reality whether an effect is already made.
//!
//! Three effects cannot be told: a hook (at least once), the smoke checks (those that are not `GET` or `HEAD`: at most once,
//! recorded before they are sent) and the proofs, which only read and are simply made again.

use evenkeel_core::container::label;
use evenkeel_core::observed::State;
use evenkeel_core::plan::{Effect, Role, Subject, backstage};
use evenkeel_core::spec::whole;

use super::Failure;
use super::run::Run;

impl Run<'_> {
    pub(super) async fn done(&self, effect: &Effect) -> Result<bool, Failure> {
        let engine = &self.context.engine;
        Ok(match effect {
            Effect::Build { image: reference, .. } | Effect::Pull { reference, .. } => {
                engine.image(reference).await?.is_some() && self.images_are_there(reference).await?
            }
            Effect::CreateNetwork { name, .. } | Effect::CreateBackstage { name } => {
                engine.network(name).await?.is_some()
            }
            Effect::CreateVolume { name, .. } => engine.volume_exists(name).await?,
            Effect::Attach { container, network } => self
                .maybe_find(container)
                .await?
                .is_some_and(|container| container.networks.contains_key(network)),
            Effect::Create { container, role } => self.created(container, *role).await?,
            Effect::Start { container } => self.started(container).await?,
            Effect::Restart { container, since: Some(since) } => self
                .maybe_find(container)
                .await?
                .is_some_and(|container| container.running() && container.started_at != *since),
            Effect::Restart { container, since: None } => {
                !super::dependents::due(self.context)?.contains(&container.service)
            }
            Effect::PostStart { container } => match self.maybe_find(container).await? {
                Some(container) => !super::hooks::due(self.context)?.contains(&container.id),
                None => false,
            },
            Effect::Unpause { container } => {
                self.maybe_find(container).await?.is_some_and(|container| container.state != State::Paused)
            }
            Effect::SetRestart { container, policy } => {
                self.maybe_find(container).await?.is_some_and(|container| container.restart == *policy)
            }
            Effect::SetLimits { container, limits } => self
                .maybe_find(container)
                .await?
                .is_some_and(|container| limits.changed(&container.limits).is_empty()),
            Effect::Rename { container, to } => {
                self.has_its_name(&Subject { name: to.clone(), ..container.clone() }).await?
            }
            Effect::HandOver { from, aside, to } => {
                let (from, to) = (
                    Subject { name: aside.clone(), ..from.clone() },
                    Subject { name: from.name.clone(), ..to.clone() },
                );
                self.has_its_name(&from).await? && self.has_its_name(&to).await?
            }
            Effect::Stop { container } => self.maybe_find(container).await?.is_none_or(|container| {
                matches!(container.state, State::Exited | State::Created | State::Dead)
            }),
            Effect::Remove { container } => self.maybe_find(container).await?.is_none(),
            Effect::Tag { image, tag, .. } => {
                let (image, tag) = (engine.image(image).await?, engine.image(tag).await?);
                image.is_some() && image.map(|image| image.id) == tag.map(|image| image.id)
            }
            Effect::Join { .. }
            | Effect::Materialise
            | Effect::ReadScripts { .. }
            | Effect::Rehearse { .. }
            | Effect::Prove { .. }
            | Effect::Backup { .. }
            | Effect::Migrate { .. }
            | Effect::Restore { .. }
            | Effect::DropInvalidIndexes { .. }
            | Effect::Hook { .. }
            | Effect::Smoke
            | Effect::Bake { .. }
            | Effect::MarkLive => false,
        })
    }

    async fn created(&self, subject: &Subject, role: Role) -> Result<bool, Failure> {
        let Some(container) = self.maybe_find(subject).await? else { return Ok(false) };
        let backstage = self.context.engine.network(&backstage(&self.target.project.name)).await?;
        Ok(!container.given_up()
            && container.label(label::ROLE) == Some(role.as_str())
            && container.label(label::RELEASE) == Some(self.target.digest.short())
            && whole(self.target, &subject.service, role, backstage.is_some(), &container))
    }

    async fn has_its_name(&self, subject: &Subject) -> Result<bool, Failure> {
        Ok(self.maybe_find(subject).await?.is_some_and(|container| container.name == subject.name))
    }

    /// Whether what the reference meant for the release is on record, and still there: its name may lead to another image by now.
    async fn images_are_there(&self, reference: &str) -> Result<bool, Failure> {
        let outputs = self.context.ledger.outputs(&self.context.app, &self.target.digest)?;
        for (service, _) in self.target.images.iter().filter(|(_, source)| source.reference() == reference) {
            let Some(id) = outputs.images.get(service) else { return Ok(false) };
            if self.context.engine.image(id.as_str()).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A running container counts as started only once the ledger knows that it serves, where starting makes it serve.
    async fn started(&self, subject: &Subject) -> Result<bool, Failure> {
        let Some(container) = self.maybe_find(subject).await? else { return Ok(false) };
        let private = [Role::Successor, Role::StandIn]
            .iter()
            .any(|role| container.label(label::ROLE) == Some(role.as_str()));
        let known =
            self.context.ledger.serving(&self.context.app)?.get(&subject.service) == Some(&container.id);
        Ok(container.running() && (private || known))
    }
}
