//! Reading containers, making them, changing them.

use bollard::models::{ContainerInspectResponse, ContainerSummary, ContainerUpdateBody};
use bollard::query_parameters::{CreateContainerOptions, ListContainersOptions, RenameContainerOptions};
use evenkeel_core::compose::{Port, RestartPolicy};
use evenkeel_core::container::{ContainerSpec, label};
use evenkeel_core::limits::ResourceLimits;
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
        port: &Port,
    ) -> Result<Option<(String, Option<String>)>, EngineError> {
        let running = self.list(false, Vec::new()).await?;
        for holder in running.into_iter().filter(|container| holds(container, port)) {
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

    pub(super) async fn update_limits(&self, id: &str, limits: &ResourceLimits) -> Result<(), EngineError> {
        let now = inspect::limits(&self.inspect(id).await?.host_config.unwrap_or_default());
        let action = format!("set the limits of container {id}");
        if limits.only_a_new_one(&now) {
            return Err(errors::refused(
                action,
                400,
                "only a new container is without the limit that this one has",
            ));
        }
        self.update(action, id, change(limits, &now)).await
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

fn holds(container: &ContainerSummary, port: &Port) -> bool {
    container.ports.iter().flatten().any(|held| {
        held.public_port == port.published
            && held.typ.is_some_and(|typ| typ.to_string() == port.protocol)
            && port.on(held.ip.as_deref().unwrap_or_default())
    })
}

fn introduce(container: ContainerSummary) -> (String, Option<String>) {
    // A container that others link to has further names, of the form `/other/alias`.
    let names = container.names.unwrap_or_default();
    let own = names.iter().filter_map(|name| name.strip_prefix('/')).find(|name| !name.contains('/'));
    let name = own.map(str::to_owned).or(container.id).unwrap_or_default();
    (name, container.labels.unwrap_or_default().remove(label::COMPOSE_PROJECT))
}

/// The change that leads to these limits: only what differs, and memory always with its swap, or the engine would refuse one above the
/// other.
fn change(limits: &ResourceLimits, now: &ResourceLimits) -> ContainerUpdateBody {
    fn differing<T: PartialEq + Clone>(limit: &Option<T>, now: &Option<T>) -> Option<T> {
        limit.clone().filter(|_| limit != now)
    }
    let memory = limits.memory != now.memory || limits.memory_swap != now.memory_swap;
    let weight = differing(&limits.blkio_weight, &now.blkio_weight);
    ContainerUpdateBody {
        memory: limits.memory.filter(|_| memory),
        memory_swap: limits.memory_swap.filter(|_| memory),
        memory_reservation: differing(&limits.memory_reservation, &now.memory_reservation),
        nano_cpus: differing(&limits.nano_cpus, &now.nano_cpus),
        cpu_shares: differing(&limits.cpu_shares, &now.cpu_shares),
        cpu_period: differing(&limits.cpu_period, &now.cpu_period),
        cpu_quota: differing(&limits.cpu_quota, &now.cpu_quota),
        cpu_realtime_period: differing(&limits.cpu_rt_period, &now.cpu_rt_period),
        cpu_realtime_runtime: differing(&limits.cpu_rt_runtime, &now.cpu_rt_runtime),
        blkio_weight: weight.and_then(|weight| weight.try_into().ok()),
        pids_limit: differing(&limits.pids.or(Some(-1)), &now.pids.or(Some(-1))),
        cpuset_cpus: differing(&limits.cpuset, &now.cpuset),
        cpuset_mems: differing(&limits.cpuset_mems, &now.cpuset_mems),
        ..Default::default()
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

    #[test]
    fn only_what_differs_is_changed() {
        let asked = ResourceLimits {
            memory: Some(64),
            memory_swap: Some(128),
            cpu_shares: Some(512),
            cpuset: Some("0".into()),
            ..Default::default()
        };
        assert_eq!(change(&asked, &asked), ContainerUpdateBody::default());
        let now = ResourceLimits {
            memory_swap: Some(-1),
            cpuset: Some("0-1".into()),
            pids: Some(9),
            ..asked.clone()
        };
        assert_eq!(
            change(&asked, &now),
            ContainerUpdateBody {
                memory: Some(64),
                memory_swap: Some(128),
                cpuset_cpus: Some("0".into()),
                pids_limit: Some(-1),
                ..Default::default()
            }
        );
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
