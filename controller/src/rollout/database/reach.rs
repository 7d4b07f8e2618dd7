//! Which database it is, and the way there.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::manifest::Database;
use evenkeel_core::name::{ContainerId, ServiceName};
use evenkeel_core::observed::Container;
use evenkeel_core::plan::backstage;
use evenkeel_core::release::Release;
use evenkeel_core::secret::Secret;
use evenkeel_core::status::Reason;

use super::super::outside::{self, Helper};
use super::super::{Context, Failure};
use crate::database::{Programs, Target};
use crate::engine::Engine;
use crate::verify::address;

/// The database of a release; `None` while its container does not run.
pub(super) async fn target(
    engine: &dyn Engine,
    release: &Release,
    spec: &Database,
    containers: &[Container],
    serving: &BTreeMap<ServiceName, ContainerId>,
) -> Result<Option<Target>, Failure> {
    let mut target = match &spec.service {
        Some(service) => {
            let of_service = |container: &&Container| {
                container.service().as_ref() == Some(service)
                    && container.running()
                    && !evenkeel_core::plan::temporary(container)
            };
            let recorded =
                containers.iter().filter(of_service).find(|it| serving.get(service) == Some(&it.id));
            let Some(container) = recorded.or_else(|| containers.iter().find(of_service)) else {
                return Ok(None);
            };
            let Some(host) = address(container, &backstage(&release.project.name)) else { return Ok(None) };
            in_project(release, service, container, host)
        }
        None => {
            let Some(target) = outside::target(engine, release, spec).await? else { return Ok(None) };
            target
        }
    };
    target.name = spec.name.clone().unwrap_or(target.name);
    target.user = spec.user.clone().unwrap_or(target.user);
    if let Some(variable) = &spec.password_from {
        target.password = Some(variable_of(release, variable)?);
    }
    target.version_table.clone_from(&spec.migrations.version_table);
    target.version_table_schema.clone_from(&spec.migrations.version_table_schema);
    Ok(Some(target))
}

/// As the official image is told: `POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB`.
fn in_project(release: &Release, service: &ServiceName, container: &Container, host: String) -> Target {
    let environment =
        release.project.services.get(service).map(|service| service.environment.clone()).unwrap_or_default();
    let value = |name: &str| environment.get(name).map(|value| value.expose().to_owned());
    let user = value("POSTGRES_USER").unwrap_or_else(|| "postgres".to_owned());
    Target {
        host,
        port: 5432,
        name: value("POSTGRES_DB").unwrap_or_else(|| user.clone()),
        user,
        password: environment.get("POSTGRES_PASSWORD").cloned(),
        programs: Some(Programs::Server(container.id.clone())),
        tls: Default::default(),
        version_table: String::new(),
        version_table_schema: String::new(),
    }
}

pub(in crate::rollout) fn variable_of(
    release: &Release,
    variable: &evenkeel_core::manifest::Variable,
) -> Result<Secret, Failure> {
    let service = release.project.services.get(&variable.service);
    service.and_then(|service| service.environment.get(&variable.env)).cloned().ok_or_else(|| {
        Failure::Blocked {
            reason: Reason::ManifestInvalid,
            message: format!(
                "service {} has no environment variable {}, which the manifest names",
                variable.service, variable.env
            ),
        }
    })
}

impl Context {
    /// The database of a release as it runs now.
    pub(super) async fn database(&self, release: &Release) -> Result<Target, Failure> {
        if release.manifest.spec.database.is_none() {
            return Err(Failure::Blocked {
                reason: Reason::ManifestInvalid,
                message: "the application has no database".to_owned(),
            });
        }
        self.running_database(release).await?.ok_or_else(|| {
            Failure::transient(Reason::PreflightFailed, "the database's container does not run")
        })
    }

    /// The same, where there is one and it runs.
    pub(in crate::rollout) async fn running_database(
        &self,
        release: &Release,
    ) -> Result<Option<Target>, Failure> {
        let Some(spec) = &release.manifest.spec.database else { return Ok(None) };
        let containers = self.engine.containers(&release.project.name).await?;
        let serving = self.ledger.serving(&self.app)?;
        target(self.engine.as_ref(), release, spec, &containers, &serving).await
    }

    /// The same, with PostgreSQL's client programs at hand for as long as the second part is held.
    pub(super) async fn database_with_programs(
        &self,
        release: &Release,
    ) -> Result<(Target, Option<Arc<Helper>>), Failure> {
        let target = self.database(release).await?;
        self.equipped(release, target).await
    }
}
