//! What needs a newer engine than the oldest that is supported (20.10, API 1.41). An older one would leave it out without a word.

use super::{Build, Project, Recursive, Service};
use crate::name::ServiceName;

/// A key that only newer engines know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newer {
    /// The service that has it.
    pub service: ServiceName,
    /// The key.
    pub key: &'static str,
    /// The minor number of the API from which on it is known: 44 for 1.44.
    pub api: u16,
}

/// Everything of a project that an older engine would leave out.
pub fn newer(project: &Project) -> Vec<Newer> {
    let of_service = |(name, service): (&ServiceName, &Service)| {
        let name = name.clone();
        keys(service).into_iter().map(move |(key, api)| Newer { service: name.clone(), key, api })
    };
    project.services.iter().flat_map(of_service).collect()
}

fn keys(service: &Service) -> Vec<(&'static str, u16)> {
    let mounts = |recursive| service.mounts.iter().any(|mount| mount.recursive == recursive);
    let asks = |build: &&Build| !build.secrets.is_empty() || !build.ssh.is_empty();
    let asking = service.build.as_ref().filter(asks);
    let limits = |build: &Build| !build.ulimits.is_empty() || build.shm_size.is_some();
    let said = [
        ("build.secrets or build.ssh", 39, asking.is_some()),
        ("build.ulimits or shm_size, beside secrets or ssh", 42, asking.is_some_and(limits)),
        ("annotations", 43, !service.kernel.annotations.is_empty()),
        (
            "healthcheck.start_interval",
            44,
            service.healthcheck.as_ref().is_some_and(|check| check.start_interval.is_some()),
        ),
        ("mac_address", 44, service.networks.values().any(|network| network.mac_address.is_some())),
        ("volumes.bind.recursive", 44, mounts(Recursive::Writable) || mounts(Recursive::Readonly)),
    ];
    said.into_iter().filter(|(_, _, said)| *said).map(|(key, api, _)| (key, api)).collect()
}
