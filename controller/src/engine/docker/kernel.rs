//! What a service asks of the kernel and the runtime, as the engine takes it.

use bollard::models::{
    DeviceRequest as EngineRequest, HostConfig, HostConfigCgroupnsModeEnum, ResourcesBlkioWeightDevice,
    ThrottleDevice,
};
use evenkeel_core::compose::{Blkio, DeviceRequest, Kernel};

use super::create::{some, some_map};

/// Adds it to a container's configuration.
pub(super) fn host_config(kernel: &Kernel, config: HostConfig) -> HostConfig {
    let Kernel {
        annotations,
        blkio,
        cgroup,
        cgroup_parent,
        cpu_period,
        cpu_quota,
        cpu_rt_period,
        cpu_rt_runtime,
        device_cgroup_rules,
        device_requests,
        mem_swappiness,
        oom_kill_disable,
        oom_score_adj,
        runtime,
        storage_opt,
        userns_mode,
        uts,
    } = kernel;
    let config = HostConfig {
        annotations: some_map(annotations),
        cgroupns_mode: cgroup.as_deref().map(cgroup_namespace),
        cgroup_parent: cgroup_parent.clone(),
        cpu_period: *cpu_period,
        cpu_quota: *cpu_quota,
        cpu_realtime_period: *cpu_rt_period,
        cpu_realtime_runtime: *cpu_rt_runtime,
        device_cgroup_rules: some(device_cgroup_rules),
        device_requests: (!device_requests.is_empty())
            .then(|| device_requests.iter().map(device_request).collect()),
        memory_swappiness: *mem_swappiness,
        oom_kill_disable: oom_kill_disable.then_some(true),
        oom_score_adj: *oom_score_adj,
        runtime: runtime.clone(),
        storage_opt: some_map(storage_opt),
        userns_mode: userns_mode.clone(),
        uts_mode: uts.clone(),
        ..config
    };
    match blkio {
        Some(blkio) => with_blkio(blkio, config),
        None => config,
    }
}

fn cgroup_namespace(cgroup: &str) -> HostConfigCgroupnsModeEnum {
    if cgroup == "host" { HostConfigCgroupnsModeEnum::HOST } else { HostConfigCgroupnsModeEnum::PRIVATE }
}

fn device_request(request: &DeviceRequest) -> EngineRequest {
    let DeviceRequest { driver, count, device_ids, capabilities, options } = request;
    EngineRequest {
        driver: driver.clone(),
        count: *count,
        device_ids: some(device_ids),
        capabilities: Some(vec![capabilities.clone()]),
        options: some_map(options),
    }
}

fn with_blkio(blkio: &Blkio, config: HostConfig) -> HostConfig {
    let Blkio {
        weight,
        weight_device,
        device_read_bps,
        device_write_bps,
        device_read_iops,
        device_write_iops,
    } = blkio;
    let weighted = |(path, weight): &(String, u16)| ResourcesBlkioWeightDevice {
        path: Some(path.clone()),
        weight: Some((*weight).into()),
    };
    HostConfig {
        blkio_weight: *weight,
        blkio_weight_device: (!weight_device.is_empty())
            .then(|| weight_device.iter().map(weighted).collect()),
        blkio_device_read_bps: throttled(device_read_bps),
        blkio_device_write_bps: throttled(device_write_bps),
        blkio_device_read_iops: throttled(device_read_iops),
        blkio_device_write_iops: throttled(device_write_iops),
        ..config
    }
}

fn throttled(devices: &[(String, i64)]) -> Option<Vec<ThrottleDevice>> {
    let device =
        |(path, rate): &(String, i64)| ThrottleDevice { path: Some(path.clone()), rate: Some(*rate) };
    (!devices.is_empty()).then(|| devices.iter().map(device).collect())
}
