//! From a [`ContainerSpec`] to the body of a create request. Nothing is asked and nothing fails: the engine judges.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig,
    HostConfigLogConfig, Mount, MountBindOptions, MountType, NetworkingConfig, PortBinding, PortMap,
    ResourcesUlimits, RestartPolicy as EnginePolicy, RestartPolicyNameEnum,
};
use evenkeel_core::compose::{Healthcheck, Logging, Port, Recursive, Resources, RestartPolicy, Service};
use evenkeel_core::container::{BindMount, ContainerSpec, Endpoint};
use evenkeel_core::secret::Secret;

use super::kernel;

/// The body of the request that creates a container, on its first network only.
///
/// Both levels are destructured in full, so that a new key of the Compose model cannot be forgotten here. What is named `_` is
/// settled by the specification's own fields or before a container is made at all.
pub(super) fn body(spec: &ContainerSpec) -> ContainerCreateBody {
    let ContainerSpec {
        name: _,
        image,
        service,
        labels,
        publish,
        endpoints,
        restart,
        binds,
        mounts,
        tmpfs,
        anonymous,
        auto_remove,
    } = spec;
    let Service {
        image: _,
        build: _,
        mounts: _,
        networks: _,
        depends_on: _,
        restart: _,
        container_name: _,
        labels: _,
        platform: _,
        one_shot: _,
        pull_policy: _,
        // Run by whoever starts and stops it.
        post_start: _,
        pre_stop: _,
        // The endpoints have them.
        links: _,
        expose,
        command,
        entrypoint,
        environment,
        unset,
        ports,
        network_mode,
        healthcheck,
        user,
        working_dir,
        hostname,
        domainname,
        resources,
        logging,
        stop_signal,
        stop_grace_period,
        init,
        ulimits,
        extra_hosts,
        dns,
        dns_search,
        dns_opt,
        cap_add,
        cap_drop,
        group_add,
        devices,
        security_opt,
        privileged,
        read_only,
        sysctls,
        shm_size,
        tty,
        stdin_open,
        pid,
        ipc,
        volumes_from,
        kernel,
    } = service;
    let first = endpoints.first();
    // What the engine knows as two empty lists.
    let (open, engines): (Vec<String>, Vec<String>) = security_opt
        .iter()
        .cloned()
        .partition(|option| matches!(option.as_str(), "systempaths=unconfined" | "systempaths:unconfined"));
    let open_paths = !open.is_empty();
    let host = HostConfig {
        binds: some(binds),
        mounts: (!mounts.is_empty()).then(|| mounts.iter().map(bind_mount).collect()),
        volumes_from: some(volumes_from),
        tmpfs: map(tmpfs),
        auto_remove: Some(*auto_remove),
        restart_policy: Some(restart_policy(*restart)),
        network_mode: Some(mode(first, network_mode.as_deref())),
        port_bindings: publish.then(|| bindings(ports)),
        log_config: logging.as_ref().map(log_config),
        init: *init,
        ulimits: Some(ulimits.iter().map(ulimit).collect()),
        extra_hosts: some(extra_hosts),
        dns: some(dns),
        dns_search: some(dns_search),
        dns_options: some(dns_opt),
        cap_add: some(cap_add),
        cap_drop: some(cap_drop),
        group_add: some(group_add),
        devices: Some(devices.iter().map(|device| self::device(device)).collect()),
        security_opt: some(&engines),
        masked_paths: open_paths.then(Vec::new),
        readonly_paths: open_paths.then(Vec::new),
        privileged: Some(*privileged),
        readonly_rootfs: Some(*read_only),
        sysctls: map(sysctls),
        shm_size: *shm_size,
        pid_mode: pid.clone(),
        ipc_mode: ipc.clone(),
        ..kernel::host_config(kernel, limits(resources))
    };
    ContainerCreateBody {
        image: Some(image.clone()),
        cmd: command.clone(),
        entrypoint: entrypoint.clone(),
        env: Some(environment.iter().map(variable).chain(unset.iter().cloned()).collect()),
        exposed_ports: Some(exposed(ports, expose)),
        volumes: some(anonymous),
        labels: map(labels),
        healthcheck: healthcheck.as_ref().map(health),
        user: user.clone(),
        working_dir: working_dir.clone(),
        hostname: hostname.clone(),
        domainname: domainname.clone(),
        stop_signal: stop_signal.clone(),
        stop_timeout: stop_grace_period.map(whole_seconds),
        tty: Some(*tty),
        open_stdin: Some(*stdin_open),
        host_config: Some(host),
        networking_config: first.map(networking),
        ..Default::default()
    }
}

/// A container's place on a network, as the engine takes it.
pub(super) fn endpoint_settings(endpoint: &Endpoint) -> EndpointSettings {
    let Endpoint {
        network: _,
        aliases,
        links,
        ipv4_address,
        ipv6_address,
        mac_address,
        link_local_ips,
        driver_opts,
    } = endpoint;
    let fixed = ipv4_address.is_some() || ipv6_address.is_some() || !link_local_ips.is_empty();
    EndpointSettings {
        aliases: some(aliases),
        links: (!links.is_empty())
            .then(|| links.iter().map(|(container, alias)| format!("{container}:{alias}")).collect()),
        ipam_config: fixed.then(|| EndpointIpamConfig {
            ipv4_address: ipv4_address.clone(),
            ipv6_address: ipv6_address.clone(),
            link_local_ips: some(link_local_ips),
        }),
        mac_address: mac_address.clone(),
        driver_opts: some_map(driver_opts),
        ..Default::default()
    }
}

/// A restart policy, as the engine takes it.
pub(super) fn restart_policy(policy: RestartPolicy) -> EnginePolicy {
    let (name, retries) = match policy {
        RestartPolicy::No => (RestartPolicyNameEnum::NO, None),
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        RestartPolicy::OnFailure(retries) => (RestartPolicyNameEnum::ON_FAILURE, Some(retries)),
    };
    EnginePolicy { name: Some(name), maximum_retry_count: retries }
}

/// Seconds, rounded up: a grace period may be longer than asked for, never shorter.
pub(super) fn whole_seconds(duration: Duration) -> i64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn mode(first: Option<&Endpoint>, network_mode: Option<&str>) -> String {
    let named = first.map(|endpoint| endpoint.network.as_str()).or(network_mode);
    named.unwrap_or("none").to_owned()
}

fn networking(endpoint: &Endpoint) -> NetworkingConfig {
    let settings = HashMap::from([(endpoint.network.clone(), endpoint_settings(endpoint))]);
    NetworkingConfig { endpoints_config: Some(settings) }
}

fn limits(resources: &Resources) -> HostConfig {
    let Resources { nano_cpus, cpu_shares, cpuset, memory, memory_reservation, memory_swap, pids } =
        resources;
    HostConfig {
        nano_cpus: *nano_cpus,
        cpu_shares: *cpu_shares,
        cpuset_cpus: cpuset.clone(),
        memory: *memory,
        memory_reservation: *memory_reservation,
        memory_swap: *memory_swap,
        pids_limit: *pids,
        ..Default::default()
    }
}

fn health(check: &Healthcheck) -> HealthConfig {
    let Healthcheck { test, interval, timeout, retries, start_period, start_interval } = check;
    HealthConfig {
        test: some(test),
        interval: interval.map(nanoseconds),
        timeout: timeout.map(nanoseconds),
        retries: *retries,
        start_period: start_period.map(nanoseconds),
        start_interval: start_interval.map(nanoseconds),
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn log_config(logging: &Logging) -> HostConfigLogConfig {
    let Logging { driver, options } = logging;
    HostConfigLogConfig { typ: driver.clone(), config: map(options) }
}

fn ulimit((name, (soft, hard)): (&String, &(i64, i64))) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.clone()), soft: Some(*soft), hard: Some(*hard) }
}

/// `host[:container[:permissions]]`.
fn device(text: &str) -> DeviceMapping {
    let mut parts = text.split(':');
    let host = parts.next().unwrap_or_default();
    let container = parts.next().unwrap_or(host);
    let permissions = parts.next().unwrap_or("rwm");
    DeviceMapping {
        path_on_host: Some(host.to_owned()),
        path_in_container: Some(container.to_owned()),
        cgroup_permissions: Some(permissions.to_owned()),
    }
}

/// A bind of the long form: the engine refuses one whose source is missing, unless it is told to make it.
fn bind_mount(mount: &BindMount) -> Mount {
    let BindMount { source, target, read_only, propagation, recursive, create } = mount;
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.clone()),
        target: Some(target.clone()),
        read_only: Some(*read_only),
        bind_options: Some(MountBindOptions {
            propagation: propagation.as_deref().and_then(|propagation| propagation.parse().ok()),
            non_recursive: (*recursive == Recursive::Disabled).then_some(true),
            create_mountpoint: create.then_some(true),
            read_only_non_recursive: (*recursive == Recursive::Writable).then_some(true),
            read_only_force_recursive: (*recursive == Recursive::Readonly).then_some(true),
        }),
        ..Default::default()
    }
}

fn variable((name, value): (&String, &Secret)) -> String {
    format!("{name}={}", value.expose())
}

fn key(port: &Port) -> String {
    format!("{}/{}", port.target, port.protocol)
}

/// Each port once: two published ports may lead to the same one.
fn exposed(ports: &[Port], expose: &[String]) -> Vec<String> {
    let with_protocol = |port: &String| if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
    let mut keys: Vec<_> = ports.iter().map(key).chain(expose.iter().map(with_protocol)).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn bindings(ports: &[Port]) -> PortMap {
    let mut map = PortMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: Some(port.host_ip.clone().unwrap_or_default()),
            host_port: Some(port.published.map(|port| port.to_string()).unwrap_or_default()),
        };
        map.entry(key(port)).or_default().get_or_insert_default().push(binding);
    }
    map
}

/// A list that is left out while it is empty: the engine then takes the image's or its own.
pub(super) fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn map(entries: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    Some(entries.clone().into_iter().collect())
}

/// A map that is left out while it is empty.
pub(super) fn some_map(entries: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!entries.is_empty()).then(|| entries.clone().into_iter().collect())
}

#[cfg(test)]
#[path = "create_tests.rs"]
mod tests;
