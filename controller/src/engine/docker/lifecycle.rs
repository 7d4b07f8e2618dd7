//! A container's life: start, stop, wait, remove.

use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::{RemoveContainerOptions, StopContainerOptions};
use futures_util::StreamExt;

use super::{Docker, PATIENCE, create, errors, path::segment};
use crate::engine::EngineError;

/// The grace period of a container that has none of its own.
const GRACE: i64 = 10;

impl Docker {
    pub(super) async fn start_container(&self, id: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        self.ask(format!("start container {id}"), client.start_container(&segment(id), None)).await
    }

    /// Stops a container. The engine answers only after the grace period, so the request is given that much longer.
    pub(super) async fn stop_container(&self, id: &str, grace: Option<Duration>) -> Result<(), EngineError> {
        let Some(period) = self.grace_period(id, grace).await? else { return Ok(()) };
        let client = self.client().await?.with_timeout(PATIENCE + Duration::from_secs(period.unsigned_abs()));
        let t = grace.map(|grace| i32::try_from(create::whole_seconds(grace)).unwrap_or(i32::MAX));
        let options = StopContainerOptions { t, signal: None };
        errors::gone_is_fine(
            self.ask(format!("stop container {id}"), client.stop_container(&segment(id), Some(options)))
                .await,
        )
    }

    /// How long stopping may take, in seconds; `None` if there is nothing to stop.
    async fn grace_period(&self, id: &str, grace: Option<Duration>) -> Result<Option<i64>, EngineError> {
        if let Some(grace) = grace {
            return Ok(Some(create::whole_seconds(grace)));
        }
        let inspected = errors::found(self.inspect(id).await)?;
        Ok(inspected
            .map(|container| container.config.and_then(|config| config.stop_timeout).unwrap_or(GRACE)))
    }

    /// Unpauses a container; one that is not paused stays as it is.
    pub(super) async fn unpause_container(&self, id: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        match self.ask(format!("unpause container {id}"), client.unpause_container(&segment(id))).await {
            Err(EngineError::Refused { reason, .. }) if reason.contains("is not paused") => Ok(()),
            answer => answer,
        }
    }

    /// Removes without force, which the engine refuses where it runs.
    pub(super) async fn withdraw_container(&self, id: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let options = RemoveContainerOptions { v: false, force: false, link: false };
        let id = segment(id);
        let removed = client.remove_container(&id, Some(options));
        errors::gone_is_fine(self.ask(format!("withdraw container {id}"), removed).await)
    }

    /// Kills and removes. "Already in progress" is as good as gone: the engine does not give a removal up.
    pub(super) async fn remove_container(
        &self,
        id: &str,
        anonymous_volumes: bool,
    ) -> Result<(), EngineError> {
        let client = self.client().await?;
        let options = RemoveContainerOptions { v: anonymous_volumes, force: true, link: false };
        match self
            .ask(format!("remove container {id}"), client.remove_container(&segment(id), Some(options)))
            .await
        {
            Err(EngineError::Refused { status: 409, reason, .. })
                if reason.contains("already in progress") =>
            {
                Ok(())
            }
            Err(EngineError::Refused { reason, .. }) if self.has_given_up(id).await? => {
                tracing::warn!(
                    container = id,
                    reason,
                    "the engine has given it up and cannot remove its files: it never runs again, and is removed once they can be"
                );
                self.free_its_name(id).await
            }
            answer => errors::gone_is_fine(answer),
        }
    }

    /// Whoever comes after what cannot be removed may need its name; this much can be done to it.
    async fn free_its_name(&self, id: &str) -> Result<(), EngineError> {
        let Some(container) = self.find_container(id).await? else { return Ok(()) };
        let short = container.id.short();
        if container.name.contains(short) {
            return Ok(());
        }
        self.rename_container(id, &format!("{}-{short}-dead", container.name)).await
    }

    async fn has_given_up(&self, id: &str) -> Result<bool, EngineError> {
        Ok(self.find_container(id).await?.is_some_and(|container| container.given_up()))
    }

    /// Waits for the exit; for one that does not run, its last exit code comes at once.
    pub(super) async fn wait_container(&self, id: &str) -> Result<i64, EngineError> {
        let client = self.client().await?;
        let action = format!("wait for container {id}");
        match client.wait_container(&segment(id), None).next().await {
            Some(Ok(exit)) => Ok(exit.status_code),
            // The client library takes every other exit code than 0 for an error.
            Some(Err(Error::DockerContainerWaitError { error, code })) if error.is_empty() => Ok(code),
            Some(Err(error)) => Err(self.failed(action, error)),
            None => Err(errors::unreachable_at(&self.address, format!("it ended the answer to {action}"))),
        }
    }
}
