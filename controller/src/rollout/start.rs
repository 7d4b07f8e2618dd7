//! Starts containers, stops them, and starts them again.

use evenkeel_core::container::label;
use evenkeel_core::name::ServiceName;
use evenkeel_core::observed::{Container, State};
use evenkeel_core::plan::{Role, Subject};
use evenkeel_core::status::Reason;

use super::Failure;
use super::run::Run;

impl Run<'_> {
    pub(super) async fn start(&self, subject: &Subject) -> Result<Option<String>, Failure> {
        let container = self.find(subject).await?;
        self.heal_networks(&container).await?;
        let serves = container.label(label::ROLE) != Some(Role::Successor.as_str())
            && container.label(label::ROLE) != Some(Role::StandIn.as_str())
            || self.is_serving(&subject.service, &container.id)?;
        if serves {
            if !self.is_serving(&subject.service, &container.id)? {
                self.all_have_to_be_told()?;
                if !self.reverting() {
                    self.note_replaced(&subject.service)?;
                }
            }
            self.serves_anew(&subject.service)?;
        }
        self.begins(&container)?;
        let started = self.set_running(&container).await;
        if matches!(started, Err(Failure::Transient { reason: Reason::EngineUnreachable, .. })) {
            self.take_back(subject, &container).await;
        }
        started?;
        if serves {
            self.context.ledger.set_serving(&self.context.app, &subject.service, &container.id)?;
        }
        Ok(None)
    }

    /// A start that got no answer may be carried out at any time, beside whoever serves by then and writes to the same volume. What has
    /// never run cannot begin any more once it is gone; it is made again. Where nobody else is left of its service it stays: it may have
    /// volumes by now that nothing else names.
    async fn take_back(&self, subject: &Subject, container: &Container) {
        let (engine, ledger, id) = (&self.context.engine, &self.context.ledger, &container.id);
        let withdrawn = async {
            let Some(before) = ledger.serving(&self.context.app)?.remove(&subject.service) else {
                return Ok(());
            };
            let is_left = engine.container(before.as_str()).await?.is_some_and(|it| !it.given_up());
            if before == *id || !is_left {
                return Ok(());
            }
            if engine.container(id.as_str()).await?.is_some_and(|now| now.state == State::Created) {
                engine.withdraw(id.as_str()).await?;
                ledger.forget_container(id)?;
                self.is_gone(container)?;
            }
            Ok::<(), Failure>(())
        };
        if let Err(failure) = withdrawn.await {
            tracing::warn!(app = %self.context.app, container = container.name, %failure, "it may start yet");
        }
    }

    /// A join that its host does not let the engine finish leaves an interface behind, at which every further one fails until the container
    /// has been stopped, taken off that network, and started. Not what somebody reaches already.
    pub(super) async fn begin_anew(&self, service: &ServiceName, container: &Container, network: &str) {
        let (engine, id) = (&self.context.engine, container.id.as_str());
        let begun = async {
            if self.reverting() || self.is_serving(service, &container.id)? {
                return Ok(());
            }
            self.begins(container)?;
            engine.stop(id, None).await?;
            engine.disconnect(id, network).await?;
            self.set_running(container).await
        };
        if let Err(failure) = begun.await {
            tracing::warn!(app = %self.context.app, container = container.name, %failure, "it may not be able to join yet");
        }
    }

    /// What is refused because something is gone or in the way may go well the next time; but not where the container itself is there, and
    /// lives in the namespace of one that nobody here makes (`network_mode: container:…`).
    async fn set_running(&self, container: &Container) -> Result<(), Failure> {
        let engine = &self.context.engine;
        match engine.start(container.id.as_str()).await {
            Err(error)
                if (error.is_gone() && !error.lacks_network() || error.is_conflict())
                    && container.label(label::SHARES).is_none()
                    && engine.container(container.id.as_str()).await?.is_some_and(|it| !it.given_up()) =>
            {
                Err(Failure::release(Reason::ProbeFailed, error.to_string()))
            }
            answer => Ok(answer?),
        }
    }

    /// Off the record only once it is done: a crash in between restarts it again.
    pub(super) async fn restart(
        &self,
        subject: &Subject,
        for_its_own_sake: bool,
    ) -> Result<Option<String>, Failure> {
        let container = self.find(subject).await?;
        // Nothing would ask for its dependents again once it has begun.
        if for_its_own_sake {
            self.serves_anew(&subject.service)?;
        } else {
            self.all_have_to_be_told()?;
        }
        let said = self.pre_stop(&container).await?;
        self.context.engine.stop(container.id.as_str(), None).await?;
        self.heal_networks(&container).await?;
        self.begins(&container)?;
        self.set_running(&container).await?;
        self.serves_anew(&subject.service)?;
        Ok(said)
    }

    pub(super) async fn stop(&self, subject: &Subject) -> Result<Option<String>, Failure> {
        let Some(container) = self.maybe_find(subject).await? else {
            return Ok(Some("it is gone".to_owned()));
        };
        let said = self.pre_stop(&container).await?;
        self.context.engine.stop(container.id.as_str(), None).await?;
        Ok(said)
    }

    /// A stopped container does not start while it is on a network that was removed and made again.
    async fn heal_networks(&self, container: &Container) -> Result<(), Failure> {
        for (name, joined) in &container.networks {
            let now = self.context.engine.network(name).await?;
            if now.is_none_or(|network| !joined.network_id.is_empty() && network.id != joined.network_id) {
                self.context.engine.disconnect(container.id.as_str(), name).await?;
            }
        }
        Ok(())
    }
}
