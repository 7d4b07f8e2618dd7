//! Reading containers, making them, changing them.

use bollard::models::{ContainerInspectResponse, ContainerSummary, ContainerUpdateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptions, ListContainersOptions, RenameContainerOptions};
use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::container::{ContainerSpec, label};
use evenkeel_core::name::{ContainerId, ProjectName};
use evenkeel_core::observed::Container;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Docker, create, errors, inspect, path::segment};
use crate::engine::EngineError;

/// How many containers are inspected at a time.
const ABREAST: usize = 8;
/// Fewer digits of an id than this are more likely to be a name.
const SHORT_ID: usize = 12;

impl Docker {
    /// Lists the project's containers, then inspects each; those that went away in between are left out.
    pub(super) async fn project_containers(
        &self,
        project: &ProjectName,
    ) -> Result<Vec<Container>, EngineError> {
        let filter = format!("{}={project}", label::COMPOSE_PROJECT);
        let listed = self.list(true, vec![("label", filter)]).await?;
        let ids = listed.into_iter().filter_map(|summary| summary.id);
        stream::iter(ids)
            .map(|id| async move { self.find_container(&id).await })
            .buffered(ABREAST)
            .try_filter_map(|container| async move { Ok(container) })
            .try_collect()
            .await
    }

    /// Inspects a container. The engine also finds by the beginning of an id, which a name may happen to be: that is not a find.
    pub(super) async fn find_container(&self, id_or_name: &str) -> Result<Option<Container>, EngineError> {
        let Some(inspected) = errors::found(self.inspect(id_or_name).await)? else { return Ok(None) };
        let doubtful = inspect::doubtful(&inspected);
        let mut container = inspect::container(inspected);
        for network in doubtful {
            if !self.is_on(&container.id, &network).await? {
                container.networks.remove(&network);
            }
        }
        Ok(is_meant(&container, id_or_name).then_some(container))
    }

    /// Whether the network itself knows the container.
    async fn is_on(&self, id: &ContainerId, network: &str) -> Result<bool, EngineError> {
        Ok(self.find_network(network).await?.is_some_and(|network| network.containers.contains(id)))
    }

    pub(super) async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, EngineError> {
        let client = self.client().await?;
        self.ask(format!("inspect container {id}"), client.inspect_container(&segment(id), None)).await
    }

    pub(super) async fn list(
        &self,
        all: bool,
        filters: Vec<(&str, String)>,
    ) -> Result<Vec<ContainerSummary>, EngineError> {
        let client = self.client().await?;
        let filters = filters.into_iter().map(|(key, value)| (key.to_owned(), vec![value])).collect();
        let options = ListContainersOptions { all, filters: Some(filters), ..Default::default() };
        self.ask("list containers", client.list_containers(Some(options))).await
    }

    /// Who holds a port of the host. Only what runs holds one. A listing may be a moment behind (seen of engine 26, which still lists what
    /// it has just stopped), so whoever is found is looked at.
    pub(super) async fn holder_of(
        &self,
        port: u16,
        protocol: &str,
    ) -> Result<Option<(String, Option<String>)>, EngineError> {
        let running = self.list(false, Vec::new()).await?;
        for holder in running.into_iter().filter(|container| holds(container, port, protocol)) {
            let now = self.find_container(holder.id.as_deref().unwrap_or_default()).await?;
            if now.is_some_and(|container| container.running()) {
                return Ok(Some(introduce(holder)));
            }
        }
        Ok(None)
    }

    /// Creates a container on its first network and joins the others: engines below API 1.44 refuse two at once. One that could
    /// not join them all is removed again, so that a name is never taken by half a container.
    pub(super) async fn create_container(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        let client = self.client().await?;
        let platform = spec.service.platform.clone().unwrap_or_default();
        let options = CreateContainerOptions { name: Some(spec.name.clone()), platform };
        let action = format!("create container {}", spec.name);
        let created = self.ask(action, client.create_container(Some(options), create::body(spec))).await;
        let id = created.map_err(|error| without_secrets(error, spec))?.id;
        if let Err(error) = self.join_the_others(&id, spec).await {
            self.remove_container(&id, true).await?;
            return Err(error);
        }
        Ok(ContainerId::new(id))
    }

    async fn join_the_others(&self, id: &str, spec: &ContainerSpec) -> Result<(), EngineError> {
        for endpoint in spec.endpoints.iter().skip(1) {
            self.join_network(id, endpoint).await?;
        }
        Ok(())
    }

    pub(super) async fn rename_container(&self, id: &str, name: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let options = RenameContainerOptions { name: name.to_owned() };
        self.ask(format!("rename container {id} to {name}"), client.rename_container(&segment(id), options))
            .await
    }

    pub(super) async fn update_restart(&self, id: &str, policy: RestartPolicy) -> Result<(), EngineError> {
        let change = ContainerUpdateBody {
            restart_policy: Some(create::restart_policy(policy)),
            ..Default::default()
        };
        self.update(format!("set the restart policy of container {id}"), id, change).await
    }

    /// Sets the limits. Swap moves along with memory, or the engine would refuse a memory limit above the old swap limit.
    pub(super) async fn update_limits(
        &self,
        id: &str,
        memory: i64,
        nano_cpus: i64,
    ) -> Result<(), EngineError> {
        let now = self.inspect(id).await?.host_config.unwrap_or_default();
        let action = format!("set the limits of container {id}");
        let Some(change) = limits(&now, memory, nano_cpus) else {
            return Err(errors::refused(
                action,
                400,
                "only a new container is without the limit that this one has",
            ));
        };
        self.update(action, id, change).await
    }

    async fn update(&self, action: String, id: &str, change: ContainerUpdateBody) -> Result<(), EngineError> {
        let client = self.client().await?;
        self.ask(action, client.update_container(&segment(id), change)).await
    }
}

fn is_meant(container: &Container, id_or_name: &str) -> bool {
    let by_id = id_or_name.len() >= SHORT_ID && container.id.as_str().starts_with(id_or_name);
    by_id || container.name == id_or_name.trim_start_matches('/')
}

fn holds(container: &ContainerSummary, port: u16, protocol: &str) -> bool {
    let mut ports = container.ports.iter().flatten();
    ports
        .any(|held| held.public_port == Some(port) && held.typ.is_some_and(|typ| typ.to_string() == protocol))
}

fn introduce(container: ContainerSummary) -> (String, Option<String>) {
    // A container that others link to has further names, of the form `/other/alias`.
    let names = container.names.unwrap_or_default();
    let own = names.iter().filter_map(|name| name.strip_prefix('/')).find(|name| !name.contains('/'));
    let name = own.map(str::to_owned).or(container.id).unwrap_or_default();
    (name, container.labels.unwrap_or_default().remove(label::COMPOSE_PROJECT))
}

/// The change that leads to these limits; `None` where there is none. To the engine, 0 means "as it is": a limit that a
/// container has can be changed, never taken away.
fn limits(now: &HostConfig, memory: i64, nano_cpus: i64) -> Option<ContainerUpdateBody> {
    let (had, had_cpus) = (now.memory.unwrap_or_default(), now.nano_cpus.unwrap_or_default());
    let taken_away = (memory == 0 && had != 0) || (nano_cpus == 0 && had_cpus != 0);
    (!taken_away).then(|| ContainerUpdateBody {
        memory: (memory != had).then_some(memory),
        memory_swap: (memory != had).then(|| swap(now.memory_swap.unwrap_or_default(), had, memory)),
        nano_cpus: (nano_cpus != had_cpus).then_some(nano_cpus),
        ..Default::default()
    })
}

/// The swap limit that stands to the new memory limit as the old one stood to the old: none, no swap at all, or the engine's
/// own double.
fn swap(swap: i64, had: i64, memory: i64) -> i64 {
    match swap {
        -1 => -1,
        fixed if fixed == had && had > 0 => memory,
        fixed if fixed > memory && fixed != had.saturating_mul(2) => fixed,
        _ => memory.saturating_mul(2),
    }
}

/// The engine repeats a variable that it does not like.
fn without_secrets(error: EngineError, spec: &ContainerSpec) -> EngineError {
    let EngineError::Refused { action, status, mut reason } = error else { return error };
    for secret in spec.service.environment.values().filter(|secret| secret.expose().len() > 3) {
        reason = reason.replace(secret.expose(), "[redacted]");
    }
    EngineError::Refused { action, status, reason }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn host(memory: i64, memory_swap: i64) -> HostConfig {
        HostConfig { memory: Some(memory), memory_swap: Some(memory_swap), ..Default::default() }
    }

    #[test]
    fn swap_keeps_its_relation_to_memory() {
        assert_eq!(swap(0, 0, 100), 200);
        assert_eq!(swap(200, 100, 50), 100);
        assert_eq!(swap(100, 100, 50), 50);
        assert_eq!(swap(-1, 100, 50), -1);
        assert_eq!(swap(500, 100, 50), 500);
        assert_eq!(swap(500, 100, 600), 1200);
    }

    #[test]
    fn only_what_differs_is_changed() {
        let same = limits(&host(100, 200), 100, 0).expect("a change");
        assert_eq!((same.memory, same.memory_swap, same.nano_cpus), (None, None, None));
        let slower = limits(&host(0, 0), 0, 500_000_000).expect("a change");
        assert_eq!((slower.memory, slower.nano_cpus), (None, Some(500_000_000)));
        assert!(limits(&host(100, 200), 0, 0).is_none());
    }

    #[test]
    fn a_name_is_never_taken_for_the_beginning_of_an_id() {
        let container = inspect::container(ContainerInspectResponse {
            id: Some("cafe0123456789abcdef".into()),
            name: Some("/web".into()),
            ..Default::default()
        });
        assert!(is_meant(&container, "web") && is_meant(&container, "/web"));
        assert!(is_meant(&container, "cafe0123456789abcdef") && is_meant(&container, "cafe01234567"));
        assert!(!is_meant(&container, "cafe"));
    }
}
