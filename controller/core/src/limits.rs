//! The limits that `docker update` sets: what a release asks for, what a container has, and how the one becomes the other.

use serde::{Deserialize, Serialize};

use crate::compose::Service;

/// The limits of a container that can be changed while it lives (engine API, "Update a container"), in the engine's units. `None`: it
/// has no such limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceLimits {
    /// `mem_limit`, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// `memswap_limit`, bytes of memory and swap together; -1 for as much as there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<i64>,
    /// `mem_reservation`, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<i64>,
    /// `cpus`, in 10⁻⁹ CPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nano_cpus: Option<i64>,
    /// `cpu_shares`, a weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<i64>,
    /// `cpu_period`, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_period: Option<i64>,
    /// `cpu_quota`, microseconds of each period; -1 for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<i64>,
    /// `cpu_rt_period`, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_rt_period: Option<i64>,
    /// `cpu_rt_runtime`, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_rt_runtime: Option<i64>,
    /// `blkio_config.weight`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blkio_weight: Option<i64>,
    /// `pids_limit`; -1 for any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<i64>,
    /// `cpuset`, the CPUs that it may run on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset: Option<String>,
    /// The memory nodes that it may use; Compose has no key for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset_mems: Option<String>,
}

/// A limit that somebody changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Compose's key for it, or the engine's.
    pub key: &'static str,
    /// What the container has.
    pub has: String,
    /// What the release says; `None` where it says nothing.
    pub asked: Option<String>,
}

impl ResourceLimits {
    /// What a release asks for, and what the engine makes of that when it creates a container: as much swap as memory beside it.
    #[must_use]
    pub fn asked(service: &Service) -> Self {
        let (resources, kernel) = (&service.resources, &service.kernel);
        let some = |limit: Option<i64>| limit.filter(|limit| *limit != 0);
        let memory = some(resources.memory);
        Self {
            memory,
            memory_swap: some(resources.memory_swap).or(memory.map(|memory| memory.saturating_mul(2))),
            memory_reservation: some(resources.memory_reservation),
            nano_cpus: some(resources.nano_cpus),
            cpu_shares: some(resources.cpu_shares),
            cpu_period: some(kernel.cpu_period),
            cpu_quota: some(kernel.cpu_quota),
            cpu_rt_period: some(kernel.cpu_rt_period),
            cpu_rt_runtime: some(kernel.cpu_rt_runtime),
            blkio_weight: kernel.blkio.as_ref().and_then(|blkio| blkio.weight).map(i64::from),
            pids: resources.pids.filter(|pids| *pids > 0),
            cpuset: resources.cpuset.clone().filter(|cpus| !cpus.is_empty()),
            cpuset_mems: None,
        }
    }

    /// What somebody changed of what a release asks for. A limit that a container has not although it is asked for is none of that: the
    /// engine takes no limit away, so its host cannot limit that. Nor is swap without a limit: such a host looks the same.
    #[must_use]
    pub fn changed(&self, container: &Self) -> Vec<Changed> {
        let pairs = self.by_key().into_iter().zip(container.by_key());
        let differs = |((key, asked), (_, has)): ((&'static str, Option<String>), (_, Option<String>))| {
            let has = has.filter(|has| asked.as_ref() != Some(has))?;
            let is_none_at_all = has == "-1" && (asked.is_none() || key == MEMORY_SWAP);
            (!is_none_at_all).then_some(Changed { key, has, asked })
        };
        pairs.filter_map(differs).collect()
    }

    /// Whether a container has a limit that is not asked for, and that only another container is without: 0 means "as it is" to the engine,
    /// but for processes.
    #[must_use]
    pub fn only_a_new_one(&self, container: &Self) -> bool {
        self.changed(container).iter().any(|changed| changed.asked.is_none() && changed.key != PIDS)
    }

    fn by_key(&self) -> [(&'static str, Option<String>); 13] {
        let number = |limit: Option<i64>| limit.map(|limit| limit.to_string());
        [
            ("mem_limit", number(self.memory)),
            (MEMORY_SWAP, number(self.memory_swap)),
            ("mem_reservation", number(self.memory_reservation)),
            ("cpus", self.nano_cpus.map(cpus)),
            ("cpu_shares", number(self.cpu_shares)),
            ("cpu_period", number(self.cpu_period)),
            ("cpu_quota", number(self.cpu_quota)),
            ("cpu_rt_period", number(self.cpu_rt_period)),
            ("cpu_rt_runtime", number(self.cpu_rt_runtime)),
            ("blkio_config.weight", number(self.blkio_weight)),
            (PIDS, number(self.pids)),
            ("cpuset", self.cpuset.clone()),
            ("cpuset-mems", self.cpuset_mems.clone()),
        ]
    }
}

const MEMORY_SWAP: &str = "memswap_limit";
const PIDS: &str = "pids_limit";

#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn cpus(nano: i64) -> String {
    (nano as f64 / 1e9).to_string()
}

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, has, asked } = self;
        let asked = asked.as_deref().unwrap_or("nothing of it");
        write!(f, "its {key} is {has}, the release says {asked}")
    }
}

/// What somebody changed, in one line.
#[must_use]
pub fn told(changed: &[Changed]) -> String {
    changed.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(limit: i64) -> ResourceLimits {
        ResourceLimits { memory: Some(limit), memory_swap: Some(2 * limit), ..Default::default() }
    }

    fn told(asked: &ResourceLimits, has: &ResourceLimits) -> String {
        super::told(&asked.changed(has))
    }

    #[test]
    fn what_somebody_changed_is_named() {
        assert_eq!(
            told(&memory(64), &memory(96)),
            "its mem_limit is 96, the release says 64; its memswap_limit is 192, the release says 128"
        );
        let slower = ResourceLimits { nano_cpus: Some(250_000_000), ..Default::default() };
        assert_eq!(
            told(&ResourceLimits::default(), &slower),
            "its cpus is 0.25, the release says nothing of it"
        );
        assert_eq!(told(&memory(64), &memory(64)), "");
    }

    #[test]
    fn what_the_host_cannot_limit_was_changed_by_nobody() {
        assert_eq!(told(&memory(64), &ResourceLimits::default()), "");
        assert_eq!(told(&memory(64), &ResourceLimits { memory_swap: Some(-1), ..memory(64) }), "");
    }

    #[test]
    fn any_number_of_processes_is_a_limit_taken_away() {
        let [few, any] = [100, -1].map(|pids| ResourceLimits { pids: Some(pids), ..Default::default() });
        assert_eq!(told(&few, &any), "its pids_limit is -1, the release says 100");
        assert_eq!(told(&ResourceLimits::default(), &any), "");
    }

    #[test]
    fn only_processes_are_freed_in_place() {
        let nothing = ResourceLimits::default();
        assert!(nothing.only_a_new_one(&memory(64)) && !memory(96).only_a_new_one(&memory(64)));
        assert!(!nothing.only_a_new_one(&ResourceLimits { pids: Some(9), ..Default::default() }));
    }
}
