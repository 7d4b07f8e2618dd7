//! What a service asks of the kernel, the runtime and the engine beyond the ordinary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::blkio::{self, Blkio};
use super::devices::{self, DeviceRequest};
use super::fields::Fields;
use super::scalar::{duration, expected, integer, text, word};
use crate::located::Fault;
use crate::yaml::Node;

/// What a service asks of the kernel, the runtime and the engine beyond the ordinary. What is not said is left out of the
/// model's text, so that the digests of services that don't say it stay what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kernel {
    /// `annotations:`, for the runtime. From API 1.43 on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// `blkio_config:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blkio: Option<Blkio>,
    /// `cgroup:`, the cgroup namespace: `host` or `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// `cgroup_parent:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_parent: Option<String>,
    /// `cpu_period:` in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_period: Option<i64>,
    /// `cpu_quota:` in microseconds of each period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<i64>,
    /// `cpu_rt_period:` in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_rt_period: Option<i64>,
    /// `cpu_rt_runtime:` in microseconds of each period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_rt_runtime: Option<i64>,
    /// `device_cgroup_rules:` as the kernel takes them (`c 1:3 mr`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_cgroup_rules: Vec<String>,
    /// `gpus:` and `deploy.resources.reservations.devices`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_requests: Vec<DeviceRequest>,
    /// `mem_swappiness:`, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_swappiness: Option<i64>,
    /// `oom_kill_disable:`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oom_kill_disable: bool,
    /// `oom_score_adj:`, -1000 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i64>,
    /// `runtime:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// `storage_opt:`, for the storage driver.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage_opt: BTreeMap<String, String>,
    /// `userns_mode:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userns_mode: Option<String>,
    /// `uts:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uts: Option<String>,
}

impl Kernel {
    /// Whether nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

pub(super) fn read(fields: &mut Fields<'_>) -> Kernel {
    Kernel {
        annotations: fields.pairs("annotations"),
        blkio: fields.with("blkio_config", blkio::read),
        cgroup: fields.get("cgroup", cgroup),
        cgroup_parent: fields.get("cgroup_parent", word),
        cpu_period: fields.get("cpu_period", microseconds),
        cpu_quota: fields.get("cpu_quota", microseconds),
        cpu_rt_period: fields.get("cpu_rt_period", microseconds),
        cpu_rt_runtime: fields.get("cpu_rt_runtime", microseconds),
        device_cgroup_rules: fields.list("device_cgroup_rules"),
        device_requests: devices::requests(fields),
        mem_swappiness: fields.get("mem_swappiness", |node| between(node, 0, 100)),
        oom_kill_disable: fields.flag("oom_kill_disable"),
        oom_score_adj: fields.get("oom_score_adj", |node| between(node, -1000, 1000)),
        runtime: fields.get("runtime", word),
        storage_opt: fields.pairs("storage_opt"),
        userns_mode: fields.get("userns_mode", userns),
        uts: fields.get("uts", uts),
    }
}

fn cgroup(node: &Node) -> Result<String, Fault> {
    one_of(node, &["host", "private"], "host or private")
}

/// The engine knows these namespaces of users; anything else it would take for its own without a word.
fn userns(node: &Node) -> Result<String, Fault> {
    one_of(node, &["host"], "host, the one user namespace that can be named,")
}

fn uts(node: &Node) -> Result<String, Fault> {
    one_of(node, &["host"], "host, the one UTS namespace that can be named,")
}

fn one_of(node: &Node, known: &[&str], wanted: &str) -> Result<String, Fault> {
    text(node).and_then(
        |text| {
            if known.contains(&text.as_str()) { Ok(text) } else { Err(expected(node, wanted)) }
        },
    )
}

/// A whole number within bounds.
pub(super) fn between(node: &Node, least: i64, most: i64) -> Result<i64, Fault> {
    let wanted = || expected(node, &format!("a whole number from {least} to {most}"));
    integer(node).ok().filter(|number| (least..=most).contains(number)).ok_or_else(wanted)
}

/// Microseconds as a number, or any duration.
fn microseconds(node: &Node) -> Result<i64, Fault> {
    let wanted = || expected(node, "microseconds or a duration such as `50ms`");
    let number = integer(node).ok().filter(|number| *number >= 0);
    let long = || duration(node).ok().and_then(|duration| i64::try_from(duration.as_micros()).ok());
    number.or_else(long).ok_or_else(wanted)
}
