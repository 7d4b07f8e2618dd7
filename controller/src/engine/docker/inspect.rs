//! From the engine's inspect to [`Container`]. Absent fields become empty ones: engines of different age leave out different ones.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, EndpointSettings,
    Health as EngineHealth, HealthConfig, HealthStatusEnum, HostConfig, MountPoint, PortMap,
    RestartPolicy as EnginePolicy, RestartPolicyNameEnum,
};
use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::limits::ResourceLimits;
use evenkeel_core::name::{ContainerId, ImageId};
use evenkeel_core::observed::{Container, Health, HealthStatus, Joined, State};
use evenkeel_core::secret::Secret;

/// The time that the engine gives for "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A container as it was inspected.
pub(super) fn container(inspected: ContainerInspectResponse) -> Container {
    let config = inspected.config.unwrap_or_default();
    let host = inspected.host_config.unwrap_or_default();
    let limits = limits(&host);
    let state = inspected.state.unwrap_or_default();
    let network = inspected.network_settings.unwrap_or_default();
    let id = ContainerId::new(inspected.id.unwrap_or_default());
    Container {
        name: inspected.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image: config.image.unwrap_or_default(),
        image_id: ImageId::new(inspected.image.unwrap_or_default()),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        state: status(&state),
        health: state.health.and_then(|state| health(state, config.healthcheck, config.shell)),
        created_at: inspected.created.unwrap_or_default(),
        started_at: state.started_at.filter(|time| time != NEVER).unwrap_or_default(),
        restart_count: inspected.restart_count.unwrap_or_default(),
        restart: host.restart_policy.map(restart).unwrap_or_default(),
        networks: joined(network.networks.unwrap_or_default(), &id),
        port_bindings: ports(host.port_bindings.unwrap_or_default()),
        bound_ports: ports(network.ports.unwrap_or_default()),
        limits,
        mounts: inspected.mounts.unwrap_or_default().into_iter().map(mount).collect(),
        environment: config.env.unwrap_or_default().into_iter().map(Secret::new).collect(),
        exit_code: state.exit_code.unwrap_or_default(),
        error: state.error.unwrap_or_default(),
        oom_killed: state.oom_killed.unwrap_or_default(),
        id,
    }
}

/// 0 is none to the engine, and so is any number of processes that nobody asked for.
pub(super) fn limits(host: &HostConfig) -> ResourceLimits {
    let some = |limit: Option<i64>| limit.filter(|limit| *limit != 0);
    let text = |set: &Option<String>| set.clone().filter(|set| !set.is_empty());
    ResourceLimits {
        memory: some(host.memory),
        memory_swap: some(host.memory_swap),
        memory_reservation: some(host.memory_reservation),
        nano_cpus: some(host.nano_cpus),
        cpu_shares: some(host.cpu_shares),
        cpu_period: some(host.cpu_period),
        cpu_quota: some(host.cpu_quota),
        cpu_rt_period: some(host.cpu_realtime_period),
        cpu_rt_runtime: some(host.cpu_realtime_runtime),
        blkio_weight: some(host.blkio_weight.map(i64::from)),
        pids: host.pids_limit.map(|pids| if pids > 0 { pids } else { -1 }),
        cpuset: text(&host.cpuset_cpus),
        cpuset_mems: text(&host.cpuset_mems),
    }
}

/// A container that is being stopped still runs.
fn status(state: &ContainerState) -> State {
    use ContainerStateStatusEnum as Engine;
    match state.status {
        Some(Engine::RUNNING | Engine::STOPPING) => State::Running,
        Some(Engine::PAUSED) => State::Paused,
        Some(Engine::RESTARTING) => State::Restarting,
        Some(Engine::REMOVING) => State::Removing,
        Some(Engine::EXITED) => State::Exited,
        Some(Engine::DEAD) => State::Dead,
        Some(Engine::CREATED | Engine::EMPTY) | None => State::Created,
    }
}

fn health(health: EngineHealth, check: Option<HealthConfig>, shell: Option<Vec<String>>) -> Option<Health> {
    let status = match health.status? {
        HealthStatusEnum::STARTING => HealthStatus::Starting,
        HealthStatusEnum::HEALTHY => HealthStatus::Healthy,
        HealthStatusEnum::UNHEALTHY => HealthStatus::Unhealthy,
        HealthStatusEnum::NONE | HealthStatusEnum::EMPTY => return None,
    };
    let last = health.log.unwrap_or_default().pop();
    let check = check.unwrap_or_default();
    Some(Health {
        status,
        failing_streak: health.failing_streak.unwrap_or_default(),
        last_output: last.and_then(|result| result.output).unwrap_or_default(),
        command: command(check.test.unwrap_or_default(), shell).into_iter().map(Secret::new).collect(),
        timeout: timeout(check.timeout),
    })
}

/// `CMD` executes its arguments, `CMD-SHELL` has the container's shell read one.
fn command(mut test: Vec<String>, shell: Option<Vec<String>>) -> Vec<String> {
    let arguments = if test.is_empty() { Vec::new() } else { test.split_off(1) };
    match test.first().map(String::as_str) {
        Some("CMD") => arguments,
        Some("CMD-SHELL") => {
            let shell =
                shell.filter(|shell| !shell.is_empty()).unwrap_or(vec!["/bin/sh".into(), "-c".into()]);
            shell.into_iter().chain(arguments).collect()
        }
        _ => Vec::new(),
    }
}

/// Nothing said is half a minute (Dockerfile reference, HEALTHCHECK).
fn timeout(nanoseconds: Option<i64>) -> Duration {
    let said = nanoseconds.and_then(|value| u64::try_from(value).ok()).filter(|value| *value > 0);
    said.map_or(Duration::from_secs(30), Duration::from_nanos)
}

fn restart(policy: EnginePolicy) -> RestartPolicy {
    match policy.name {
        Some(RestartPolicyNameEnum::ALWAYS) => RestartPolicy::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => RestartPolicy::UnlessStopped,
        Some(RestartPolicyNameEnum::ON_FAILURE) => {
            RestartPolicy::OnFailure(policy.maximum_retry_count.unwrap_or_default())
        }
        Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY) | None => RestartPolicy::No,
    }
}

fn joined(networks: HashMap<String, EndpointSettings>, id: &ContainerId) -> BTreeMap<String, Joined> {
    networks.into_iter().map(|(name, endpoint)| (name, place(endpoint, id))).collect()
}

/// The networks that a running container may not be on, although its inspect says so: a join that failed half way, over a port
/// that somebody else holds, leaves a place that lacks only the gateway. Only the network knows better.
pub(super) fn doubtful(inspected: &ContainerInspectResponse) -> Vec<String> {
    let running = inspected.state.as_ref().and_then(|state| state.running).unwrap_or_default();
    let networks = inspected.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let without_gateway = |place: &EndpointSettings| place.gateway.as_deref().unwrap_or_default().is_empty();
    let doubtful = |(name, place): (&String, &EndpointSettings)| without_gateway(place).then(|| name.clone());
    let names = networks.into_iter().flatten().filter(|(name, _)| !["host", "none"].contains(&name.as_str()));
    if running { names.filter_map(doubtful).collect() } else { Vec::new() }
}

/// Engines before API 1.44 list the container's own short id as an alias. It is left out: nobody asked for it.
fn place(endpoint: EndpointSettings, id: &ContainerId) -> Joined {
    let mut aliases = endpoint.aliases.unwrap_or_default();
    aliases.retain(|alias| alias != id.short());
    Joined {
        network_id: endpoint.network_id.unwrap_or_default(),
        ip_address: endpoint.ip_address.unwrap_or_default(),
        aliases,
        links: endpoint.links.unwrap_or_default().iter().filter_map(|link| pair(link)).collect(),
    }
}

fn pair(link: &str) -> Option<(String, String)> {
    link.split_once(':').map(|(target, name)| (target.to_owned(), name.to_owned()))
}

/// (`port/protocol`, host address, host port), sorted. Every address of the host is written as none, whether the engine shows
/// it as nothing (asked for) or as both of its families (bound).
fn ports(map: PortMap) -> Vec<(String, String, String)> {
    let mut ports = Vec::new();
    for (port, bindings) in map {
        for binding in bindings.unwrap_or_default() {
            let address = binding.host_ip.filter(|ip| ip != "0.0.0.0" && ip != "::").unwrap_or_default();
            ports.push((port.clone(), address, binding.host_port.unwrap_or_default()));
        }
    }
    ports.sort();
    ports.dedup();
    ports
}

/// Named volumes by their name, binds by the host's path.
fn mount(mount: MountPoint) -> (String, String, bool) {
    let source = mount.name.filter(|name| !name.is_empty()).or(mount.source);
    (source.unwrap_or_default(), mount.destination.unwrap_or_default(), mount.rw.unwrap_or_default())
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
