//! The engine over its HTTP API.
//!
//! `address` finds it, `version` settles the dialect, `errors` names what went wrong; `create` and `inspect` translate without
//! asking anybody; every other file holds the requests about one kind of object.

mod address;
mod build;
mod containers;
mod create;
mod credentials;
mod errors;
mod events;
mod exec;
mod images;
mod inspect;
mod kernel;
mod lifecycle;
mod lines;
mod logs;
mod modern;
mod networks;
mod owner;
mod path;
mod session;
mod survey;
mod trace;
mod version;
mod volumes;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use evenkeel_core::compose::{Port, RestartPolicy};
use evenkeel_core::container::{ContainerSpec, Endpoint};
use evenkeel_core::limits::ResourceLimits;
use evenkeel_core::name::{ContainerId, ImageId, ProjectName};
use evenkeel_core::observed::{Container, Image, NetworkState};
use futures_util::stream::BoxStream;

use super::{
    BuildRequest, Engine, EngineError, EngineEvent, EngineInfo, Exec, ExecOutcome, LogLine, NetworkSpec,
    Owner, Progress, Survey, VolumeSpec,
};
use address::Address;
use credentials::Credentials;
use version::Dialect;

/// Time that the engine has to begin its answer, unless a request says otherwise.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Docker Engine. Cheap to clone; every clone shares the connection and the version settled with it.
#[derive(Clone)]
pub(crate) struct Docker {
    address: Address,
    client: Arc<OnceLock<bollard::Docker>>,
    dialect: Dialect,
    credentials: Credentials,
    outages: Arc<AtomicU64>,
}

impl fmt::Debug for Docker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Docker({})", self.address)
    }
}

/// Names the engine to talk to: `endpoint`, else `DOCKER_HOST`, else the usual socket. Understands `unix://` and `tcp://`.
///
/// Asks nothing yet, so that evenkeel can start before the engine does: the first request finds out whether it is there.
///
/// # Errors
/// [`EngineError::Unreachable`] if the endpoint is not one that can be reached at all.
pub(crate) fn connect(endpoint: Option<&str>) -> Result<Docker, EngineError> {
    let from_environment = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let address = Address::parse(endpoint.or(from_environment.as_deref()))?;
    Ok(Docker {
        address,
        client: Arc::default(),
        dialect: Dialect::default(),
        credentials: Credentials::new(None),
        outages: Arc::default(),
    })
}

impl Docker {
    /// Takes credentials for registries from a file of the form that `docker login` writes, instead of from the usual one.
    pub(crate) fn with_credentials(self, file: Option<&std::path::Path>) -> Self {
        Self { credentials: Credentials::new(file), ..self }
    }
}

impl Docker {
    /// The client, once a version is settled.
    async fn client(&self) -> Result<bollard::Docker, EngineError> {
        let client = self.unversioned()?;
        if self.dialect.settled().is_none() {
            let version = self.ask("tell its version", client.version()).await?;
            self.dialect.settle(&version);
        }
        Ok(client)
    }

    /// The client, with whatever version is settled so far. It is made at the first request that finds the socket in place.
    fn unversioned(&self) -> Result<bollard::Docker, EngineError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = self.address.open(PATIENCE).map_err(|error| self.failed("connect", error))?;
        let dialect = self.dialect.clone();
        let client = client.with_request_modifier(move |request| dialect.speak(request));
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// Sends a request; `action` says in an error what was asked.
    async fn ask<T>(
        &self,
        action: impl fmt::Display + Send,
        request: impl Future<Output = Result<T, bollard::errors::Error>> + Send,
    ) -> Result<T, EngineError> {
        request.await.map_err(|error| self.failed(action, error))
    }

    /// Sends a request that the engine passes on to a registry, whose answers mean something else than the engine's own.
    async fn ask_registry<T>(
        &self,
        action: impl fmt::Display + Send,
        request: impl Future<Output = Result<T, bollard::errors::Error>> + Send,
    ) -> Result<T, EngineError> {
        request.await.map_err(|error| self.noted(errors::classify(&self.address, action, error)))
    }

    /// Names a failure.
    fn failed(&self, action: impl fmt::Display, error: bollard::errors::Error) -> EngineError {
        let error = errors::classify(&self.address, action, error);
        self.noted(errors::understood(&self.address, error))
    }

    /// An engine that went away may come back as another version: the dialect is settled anew then.
    fn noted(&self, error: EngineError) -> EngineError {
        if errors::unsettles(&error) {
            self.dialect.forget();
        }
        if matches!(error, EngineError::Unreachable { .. }) {
            self.outages.fetch_add(1, Ordering::Relaxed);
        }
        error
    }
}

#[async_trait]
impl Engine for Docker {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.engine_info().await
    }

    async fn containers(&self, project: &ProjectName) -> Result<Vec<Container>, EngineError> {
        self.project_containers(project).await
    }

    async fn container(&self, id_or_name: &str) -> Result<Option<Container>, EngineError> {
        self.find_container(id_or_name).await
    }

    async fn port_holder(&self, port: &Port) -> Result<Option<(String, Option<String>)>, EngineError> {
        self.holder_of(port).await
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        self.create_container(spec).await
    }

    async fn start(&self, id: &str) -> Result<(), EngineError> {
        self.start_container(id).await
    }

    async fn stop(&self, id: &str, grace: Option<Duration>) -> Result<(), EngineError> {
        self.stop_container(id, grace).await
    }

    async fn unpause(&self, id: &str) -> Result<(), EngineError> {
        self.unpause_container(id).await
    }

    async fn rename(&self, id: &str, name: &str) -> Result<(), EngineError> {
        self.rename_container(id, name).await
    }

    async fn set_restart(&self, id: &str, policy: RestartPolicy) -> Result<(), EngineError> {
        self.update_restart(id, policy).await
    }

    async fn set_limits(&self, id: &str, limits: &ResourceLimits) -> Result<(), EngineError> {
        self.update_limits(id, limits).await
    }

    async fn remove(&self, id: &str, anonymous_volumes: bool) -> Result<(), EngineError> {
        self.remove_container(id, anonymous_volumes).await
    }

    async fn withdraw(&self, id: &str) -> Result<(), EngineError> {
        self.withdraw_container(id).await
    }

    async fn wait(&self, id: &str) -> Result<i64, EngineError> {
        self.wait_container(id).await
    }

    async fn logs(&self, id: &str, since: i64, tail: Option<usize>) -> Result<Vec<LogLine>, EngineError> {
        self.read_logs(id, since, tail).await
    }

    async fn exec(&self, id: &str, exec: Exec) -> Result<ExecOutcome, EngineError> {
        self.run_exec(id, exec).await
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        self.find_image(reference).await
    }

    async fn pull(&self, reference: &str, progress: Progress<'_>) -> Result<Image, EngineError> {
        self.pull_image(reference, progress).await
    }

    async fn digest(&self, reference: &str) -> Result<String, EngineError> {
        self.tag_digest(reference).await
    }

    async fn build(&self, request: BuildRequest, progress: Progress<'_>) -> Result<Image, EngineError> {
        self.build_image(request, progress).await
    }

    async fn tag(&self, image: &ImageId, reference: &str) -> Result<(), EngineError> {
        self.tag_image(image, reference).await
    }

    async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        self.untag_image(reference).await
    }

    async fn network(&self, name: &str) -> Result<Option<NetworkState>, EngineError> {
        self.find_network(name).await
    }

    async fn networks(&self) -> Result<Vec<NetworkState>, EngineError> {
        self.every_network().await
    }

    async fn create_network(&self, spec: &NetworkSpec) -> Result<String, EngineError> {
        self.make_network(spec).await
    }

    async fn connect(&self, container: &str, endpoint: &Endpoint) -> Result<(), EngineError> {
        self.join_network(container, endpoint).await
    }

    async fn disconnect(&self, container: &str, network: &str) -> Result<(), EngineError> {
        self.leave_network(container, network).await
    }

    async fn volume_exists(&self, name: &str) -> Result<bool, EngineError> {
        self.has_volume(name).await
    }

    async fn create_volume(&self, spec: &VolumeSpec) -> Result<(), EngineError> {
        self.make_volume(spec).await
    }

    async fn survey(&self) -> Result<Option<Survey>, EngineError> {
        self.survey_all().await.map(Some)
    }

    fn outages(&self) -> u64 {
        self.outages.load(Ordering::Relaxed)
    }

    async fn owner(&self, project: &ProjectName) -> Result<Option<Owner>, EngineError> {
        self.owner_on_record(project).await
    }

    async fn claim(&self, project: &ProjectName, owner: &Owner) -> Result<Owner, EngineError> {
        self.put_on_record(project, owner).await
    }

    async fn disown(&self, project: &ProjectName, owner: &Owner) -> Result<(), EngineError> {
        self.take_off_record(project, owner).await
    }

    fn events(&self) -> BoxStream<'static, Result<EngineEvent, EngineError>> {
        self.clone().watch()
    }
}
