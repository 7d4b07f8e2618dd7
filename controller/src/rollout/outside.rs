//! A database outside the project: where it is, and PostgreSQL's client programs for it.
//!
//! The programs run in a helper, a container of the manifest's `clientImage` on the host's own network. It is there for as long
//! as somebody holds it: a step of the rollout, or an operator's command.

use std::net::IpAddr;
use std::sync::{Arc, Weak};

use evenkeel_core::container::{ContainerSpec, label};
use evenkeel_core::manifest::Database;
use evenkeel_core::name::{ContainerId, ServiceName};
use evenkeel_core::observed::Image;
use evenkeel_core::release::Release;
use evenkeel_core::spec::{client, client_scratch, mapped};
use evenkeel_core::status::{Phase, Reason};
use tokio::sync::Mutex;

use super::database::{gateway, variable_of};
use super::{Context, Failure};
use crate::database::{Programs, Target};
use crate::engine::{Engine, EngineError};

/// What Compose calls the address of the host as containers see it.
const HOST_GATEWAY: &str = "host-gateway";

/// An application's helper: one for all who need it at the moment.
#[derive(Clone, Default)]
pub(crate) struct Helpers(Arc<Mutex<Weak<Helper>>>);

/// The helper; it goes when nobody holds it any more.
pub(crate) struct Helper {
    id: ContainerId,
    engine: Arc<dyn Engine>,
    helpers: Helpers,
}

impl Drop for Helper {
    fn drop(&mut self) {
        let (id, engine, helpers) = (self.id.clone(), Arc::clone(&self.engine), self.helpers.clone());
        // Should the process end before it is gone, the next one finds it by its name.
        tokio::spawn(async move {
            // Whoever makes the next one has to wait.
            let _turn = helpers.0.lock().await;
            if let Err(error) = engine.remove(id.as_str(), true).await {
                tracing::warn!(container = %id, %error, "the helper with the client programs stays; the next one replaces it");
            }
        });
    }
}

/// The database behind the URL in a service's variable, as evenkeel sees it.
pub(super) async fn target(
    engine: &dyn Engine,
    release: &Release,
    spec: &Database,
) -> Result<Option<Target>, Failure> {
    let Some(variable) = &spec.url_from else { return Ok(None) };
    let mut target = Target::from_url(&variable_of(release, variable)?)?;
    if let Some(address) = address_for(release, &variable.service, &target.host) {
        target.host = match address {
            HOST_GATEWAY => host_gateway(engine).await?,
            address => address.to_owned(),
        };
    }
    Ok(Some(target))
}

/// What the service's `extra_hosts` say of a name, which on the host means nothing.
fn address_for<'a>(release: &'a Release, service: &ServiceName, host: &str) -> Option<&'a str> {
    let service = release.project.services.get(service)?;
    service.extra_hosts.iter().find_map(|entry| mapped(entry, host))
}

async fn host_gateway(engine: &dyn Engine) -> Result<String, Failure> {
    let network = engine.network("bridge").await?;
    let gateway = network.iter().flat_map(|network| &network.subnets).find_map(|subnet| gateway(subnet));
    gateway.map(|gateway| gateway.to_string()).ok_or_else(|| Failure::Blocked {
        reason: Reason::PreflightFailed,
        message: "the engine has no network `bridge`, so that nobody can tell what host-gateway means"
            .to_owned(),
    })
}

impl Context {
    /// A target with the client programs at hand, for as long as the helper is held.
    pub(super) async fn equipped(
        &self,
        release: &Release,
        target: Target,
    ) -> Result<(Target, Option<Arc<Helper>>), Failure> {
        if target.programs.is_some() {
            return Ok((target, None));
        }
        let helper = self.helper(release).await?;
        let programs =
            Programs::Beside { container: helper.id.clone(), host: target.host.clone(), port: target.port };
        Ok((Target { programs: Some(programs), ..target }, Some(helper)))
    }

    async fn helper(&self, release: &Release) -> Result<Arc<Helper>, Failure> {
        let mut there = self.helpers.0.lock().await;
        if let Some(helper) = there.upgrade()
            && self.engine.container(helper.id.as_str()).await?.is_some_and(|container| container.running())
        {
            return Ok(helper);
        }
        let image = self.client_image(release).await?;
        let id = self.start_helper(&client(release, &image.id)).await?;
        let helper = Arc::new(Helper { id, engine: Arc::clone(&self.engine), helpers: self.helpers.clone() });
        *there = Arc::downgrade(&helper);
        Ok(helper)
    }

    /// Whether somebody of this process holds a container as the helper; waits for one that is just being made.
    pub(super) async fn holds_helper(&self, id: &ContainerId) -> bool {
        self.helpers.0.lock().await.upgrade().is_some_and(|helper| helper.id == *id)
    }

    /// What a crash left may still be at work, so that it is not used again.
    async fn start_helper(&self, spec: &ContainerSpec) -> Result<ContainerId, Failure> {
        if let Some(left) = self.engine.container(&spec.name).await? {
            if left.label(label::APP) != Some(self.app.as_str()) {
                return Err(Failure::Blocked {
                    reason: Reason::PreflightFailed,
                    message: format!(
                        "the container name {} is taken by {}; remove or rename that container",
                        spec.name,
                        left.id.short()
                    ),
                });
            }
            self.engine.remove(left.id.as_str(), true).await?;
        }
        let id = self.engine.create(spec).await?;
        self.engine.start(id.as_str()).await?;
        Ok(id)
    }

    /// The manifest's `clientImage`, pulled where it is missing.
    async fn client_image(&self, release: &Release) -> Result<Image, Failure> {
        let spec = release.manifest.spec.database.as_ref();
        let reference = spec.and_then(|database| database.client_image.as_ref()).ok_or_else(|| Failure::Blocked {
            reason: Reason::ManifestInvalid,
            message: "backups and restores of a database outside the project need PostgreSQL's client programs: name an image \
                      that has them, such as postgres:16, as spec.database.clientImage"
                .to_owned(),
        })?;
        if let Some(image) = self.engine.image(reference).await? {
            return Ok(image);
        }
        let said = |line: &str| self.say(Phase::Building, format!("{reference}: {line}"));
        self.engine.pull(reference, &said).await.map_err(not_pulled)
    }

    /// A scratch server that stands for the real one in a rehearsal, and the name under which it is to be found; why not, where
    /// none can be made.
    pub(super) async fn stand_in(
        &self,
        release: &Release,
        target: &Target,
    ) -> Result<Result<(ContainerSpec, String), String>, Failure> {
        let variable =
            release.manifest.spec.database.as_ref().and_then(|database| database.url_from.as_ref());
        let Some(variable) = variable else { return Ok(Err("the application has no database".to_owned())) };
        let Target { host, tls, .. } = Target::from_url(&variable_of(release, variable)?)?;
        if host == "localhost" || host.parse::<IpAddr>().is_ok() {
            return Ok(Err(format!(
                "the URL in {} names an address, for which nothing else can stand in",
                variable.env
            )));
        }
        if let Some(why) = tls.inimitable() {
            return Ok(Err(format!(
                "the URL in {} {why}, and nothing else can pass for that server",
                variable.env
            )));
        }
        let image = self.client_image(release).await?;
        Ok(Ok((client_scratch(release, &image.id, target.port), host)))
    }
}

/// The name of this image is no part of a release's digest: a release that is otherwise good must not be quarantined for it.
fn not_pulled(error: EngineError) -> Failure {
    let message = format!("{error} (spec.database.clientImage)");
    match error {
        EngineError::PullFailed { transient: false, .. } => {
            Failure::Blocked { reason: Reason::PreflightFailed, message }
        }
        EngineError::PullFailed { .. } => Failure::transient(Reason::PreflightFailed, message),
        error => error.into(),
    }
}
