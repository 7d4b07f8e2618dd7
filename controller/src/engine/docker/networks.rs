//! Networks, and containers' places on them.

use bollard::models::{
    Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest, NetworkInspect,
};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptions};
use evenkeel_core::compose::IpamPool;
use evenkeel_core::container::Endpoint;
use evenkeel_core::name::ContainerId;
use evenkeel_core::observed::NetworkState;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Docker, create, errors, path::segment};
use crate::engine::{EngineError, NetworkSpec};

/// How many networks are inspected at a time.
const ABREAST: usize = 8;

impl Docker {
    /// A network by its name or full id. The engine also finds by the beginning of an id: that is not a find.
    pub(super) async fn find_network(&self, name: &str) -> Result<Option<NetworkState>, EngineError> {
        let client = self.client().await?;
        let path = segment(name);
        let request = client.inspect_network(&path, None::<InspectNetworkOptions>);
        let found = errors::found(self.ask(format!("inspect network {name}"), request).await)?.map(state);
        Ok(found.filter(|network| network.name == name || network.id == name))
    }

    /// Every network, inspected: the list alone does not tell who is on it.
    pub(super) async fn every_network(&self) -> Result<Vec<NetworkState>, EngineError> {
        let client = self.client().await?;
        let listed = self.ask("list networks", client.list_networks(None::<ListNetworksOptions>)).await?;
        stream::iter(listed.into_iter().filter_map(|network| network.id))
            .map(|id| async move { self.find_network(&id).await })
            .buffered(ABREAST)
            .try_filter_map(|network| async move { Ok(network) })
            .try_collect()
            .await
    }

    /// Creates a network. Engines below API 1.44 would make a second one of the same name, so one is looked for first.
    pub(super) async fn make_network(&self, spec: &NetworkSpec) -> Result<String, EngineError> {
        let action = format!("create network {}", spec.name);
        if self.find_network(&spec.name).await?.is_some() {
            return Err(errors::refused(action, 409, "a network of that name exists already"));
        }
        let client = self.client().await?;
        self.ask(action, client.create_network(request(spec))).await.map(|created| created.id)
    }

    /// Joins a container to a network. A place that it has already stays as it is, with the names given then.
    ///
    /// For a container that does not run, the engine notes down any name and refuses only the start, so the network is looked
    /// for first. A join that fails because somebody else holds a port leaves an interface behind in a container that runs, and
    /// every further join to that network fails: the container must be stopped, disconnected and started.
    pub(super) async fn join_network(&self, container: &str, endpoint: &Endpoint) -> Result<(), EngineError> {
        let client = self.client().await?;
        let settings = create::endpoint_settings(endpoint);
        let request =
            NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(settings) };
        let action = format!("connect container {container} to network {}", endpoint.network);
        if self.find_network(&endpoint.network).await?.is_none() {
            return Err(errors::refused(action, 404, format!("network {} not found", endpoint.network)));
        }
        match self.ask(action, client.connect_network(&segment(&endpoint.network), request)).await {
            // The engine says the same of a stale endpoint that it forgot to clean up, so it is asked.
            Err(error) if says_joined(&error) && self.is_joined(container, &endpoint.network).await? => {
                Ok(())
            }
            answer => answer,
        }
    }

    async fn is_joined(&self, container: &str, network: &str) -> Result<bool, EngineError> {
        let found = self.find_container(container).await?;
        Ok(found.is_some_and(|container| container.networks.contains_key(network)))
    }

    /// Takes a container off a network, by force, so that one that stopped, or whose network is gone, is freed too.
    pub(super) async fn leave_network(&self, container: &str, network: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        let action = format!("disconnect container {container} from network {network}");
        match self.ask(action, client.disconnect_network(&segment(network), request)).await {
            Err(EngineError::Refused { reason, .. }) if reason.contains("is not connected to") => Ok(()),
            answer => errors::gone_is_fine(answer),
        }
    }
}

fn says_joined(error: &EngineError) -> bool {
    matches!(error, EngineError::Refused { reason, .. } if reason.contains("already exists in network"))
}

fn request(spec: &NetworkSpec) -> NetworkCreateRequest {
    let NetworkSpec { name, driver, options, internal, attachable, enable_ipv6, ipam, ipam_options, labels } =
        spec;
    NetworkCreateRequest {
        name: name.clone(),
        driver: driver.clone(),
        internal: Some(*internal),
        attachable: Some(*attachable),
        enable_ipv6: Some(*enable_ipv6),
        ipam: (!ipam.is_empty() || !ipam_options.is_empty()).then(|| Ipam {
            config: Some(ipam.iter().map(pool).collect()),
            options: create::some_map(ipam_options),
            ..Default::default()
        }),
        options: Some(options.clone().into_iter().collect()),
        labels: Some(labels.clone().into_iter().collect()),
        ..Default::default()
    }
}

fn pool(pool: &IpamPool) -> IpamConfig {
    let IpamPool { subnet, gateway, ip_range, aux_addresses } = pool.clone();
    IpamConfig { subnet, gateway, ip_range, auxiliary_addresses: create::some_map(&aux_addresses) }
}

fn pool_of(config: IpamConfig) -> IpamPool {
    let IpamConfig { subnet, gateway, ip_range, auxiliary_addresses } = config;
    let aux_addresses = auxiliary_addresses.unwrap_or_default().into_iter().collect();
    IpamPool { subnet, gateway, ip_range, aux_addresses }
}

fn state(network: NetworkInspect) -> NetworkState {
    let pools: Vec<IpamPool> =
        network.ipam.and_then(|ipam| ipam.config).unwrap_or_default().into_iter().map(pool_of).collect();
    // A key that is no id belongs to an endpoint of the engine's own, such as a load balancer.
    let ids = network.containers.unwrap_or_default().into_keys().filter(|key| key.len() == 64);
    let mut containers: Vec<_> = ids.map(ContainerId::new).collect();
    containers.sort();
    NetworkState {
        id: network.id.unwrap_or_default(),
        name: network.name.unwrap_or_default(),
        labels: network.labels.unwrap_or_default().into_iter().collect(),
        subnets: pools.iter().filter_map(|pool| pool.subnet.clone()).collect(),
        pools,
        internal: network.internal.unwrap_or_default(),
        attachable: network.attachable.unwrap_or_default(),
        enable_ipv6: network.enable_ipv6.unwrap_or_default(),
        options: network.options.unwrap_or_default().into_iter().collect(),
        driver: network.driver.unwrap_or_default(),
        containers,
    }
}
