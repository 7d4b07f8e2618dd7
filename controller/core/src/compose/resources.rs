//! Limits and reservations: `deploy` and the older keys, which must not contradict each other.

use super::fields::Fields;
use super::scalar::{bytes, bytes_or_unlimited, count, expected, integer, nano_cpus, text};
use super::{Resources, RestartPolicy};
use crate::located::Fault;
use crate::yaml::Node;

pub(super) fn read(fields: &mut Fields<'_>) -> Resources {
    let deploy = fields.node("deploy");
    if let Some(deploy) = deploy {
        let result = check_deploy(deploy);
        fields.report.take(result);
    }
    fields.get("scale", how_many);
    if let (Some(scale), Some(replicas)) =
        (fields.node("scale"), deploy.and_then(|deploy| at(deploy, &["replicas"])))
        && integer(scale).ok() != integer(replicas).ok()
    {
        let fault = scale.fault("`deploy.replicas` says something else").hint("keep one of the two");
        fields.report.faults.push(fault);
    }
    let mut both = |old: &str, path: [&str; 2], read: fn(&Node) -> Result<i64, Fault>| {
        let new = deploy.and_then(|deploy| at(deploy, &["resources", path[0], path[1]]));
        either(fields, old, new, read)
    };
    let mut resources = Resources {
        nano_cpus: both("cpus", ["limits", "cpus"], nano_cpus),
        memory: both("mem_limit", ["limits", "memory"], bytes),
        memory_reservation: both("mem_reservation", ["reservations", "memory"], bytes),
        pids: both("pids_limit", ["limits", "pids"], integer),
        ..Resources::default()
    };
    resources.memory_swap = fields.get("memswap_limit", bytes_or_unlimited);
    resources.cpu_shares = fields.get("cpu_shares", integer);
    resources.cpuset = fields.text("cpuset");
    resources
}

fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, key| node.get(key)).filter(|node| !node.is_null())
}

fn either(
    fields: &mut Fields<'_>,
    old: &str,
    new: Option<&Node>,
    read: fn(&Node) -> Result<i64, Fault>,
) -> Option<i64> {
    let older = fields.get(old, read);
    let newer = new.and_then(|node| fields.report.take(read(node)));
    if let (Some(older), Some(newer), Some(node)) = (older, newer, new)
        && older != newer
    {
        fields
            .report
            .faults
            .push(node.fault(format!("`{old}` says something else")).hint("keep one of the two"));
    }
    newer.or(older)
}

/// Whether a service is to have no container at all: `scale: 0` or `replicas: 0`.
pub(super) fn none_wanted(service: &Node) -> bool {
    let replicas = at(service, &["scale"]).or_else(|| at(service, &["deploy", "replicas"]));
    replicas.and_then(|node| integer(node).ok()) == Some(0)
}

/// How many containers a service is to have; what is wrong with the number is told where it is read.
pub(super) fn replicas(service: &Node) -> u32 {
    let replicas = at(service, &["scale"]).or_else(|| at(service, &["deploy", "replicas"]));
    replicas.and_then(|node| integer(node).ok()).and_then(|count| count.try_into().ok()).unwrap_or(1)
}

/// `restart`, or what `deploy.restart_policy` says instead.
pub(super) fn restart(
    fields: &mut Fields<'_>,
    read: fn(&Node) -> Result<RestartPolicy, Fault>,
) -> RestartPolicy {
    let older = fields.get("restart", read);
    let policy = fields.node("deploy").and_then(|deploy| at(deploy, &["restart_policy"]));
    let newer = policy.and_then(|node| fields.report.take(restart_policy(node)));
    if let (Some(older), Some(newer), Some(node)) = (older, newer, policy)
        && older != newer
    {
        let fault = node.fault("`restart` says something else").hint("keep one of the two");
        fields.report.faults.push(fault);
    }
    newer.or(older).unwrap_or_default()
}

fn restart_policy(node: &Node) -> Result<RestartPolicy, Fault> {
    node.mapping().ok_or_else(|| expected(node, "a map"))?;
    let attempts = at(node, &["max_attempts"]).map(count).transpose()?;
    let condition = at(node, &["condition"]);
    let policy = match condition.map(text).transpose()?.as_deref() {
        None | Some("any") => RestartPolicy::Always,
        Some("none") => RestartPolicy::No,
        Some("on-failure") => RestartPolicy::OnFailure(attempts.unwrap_or_default()),
        Some(_) => return Err(expected(condition.unwrap_or(node), "none, on-failure or any")),
    };
    if let (Some(_), Some(node), false) =
        (attempts, at(node, &["max_attempts"]), matches!(policy, RestartPolicy::OnFailure(_)))
    {
        let fault = node.fault("the engine counts attempts of `condition: on-failure` only");
        return Err(fault.hint("write that condition, or leave `max_attempts` out"));
    }
    Ok(policy)
}

/// What `deploy` may say without Swarm.
fn check_deploy(deploy: &Node) -> Result<(), Fault> {
    deploy.mapping().ok_or_else(|| expected(deploy, "a map"))?;
    if let Some(mode) = at(deploy, &["mode"])
        && !matches!(text(mode)?.as_str(), "replicated" | "global")
    {
        return Err(mode
            .fault(format!("{} is refused", mode.shown()))
            .hint("jobs are Swarm's; `replicated` and `global` are one container on one engine"));
    }
    at(deploy, &["replicas"]).map_or(Ok(()), how_many)
}

/// More of them are more than one engine serves.
const MOST: i64 = 100;

fn how_many(node: &Node) -> Result<(), Fault> {
    if (0..=MOST).contains(&integer(node)?) {
        return Ok(());
    }
    Err(expected(node, "a number of containers between 0 and 100"))
}
