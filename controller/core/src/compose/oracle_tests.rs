//! The corpus that is compared with docker-compose 1.29 says every key that both honour.

use std::collections::BTreeSet;
use std::path::Path;

use super::keys::tests::said;
use super::{Status, status};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle");

/// The first line of a case that docker-compose 1.29 does not read.
const FOR_NEWER: &str = "# for docker compose 2\n";

/// Keys that the comparison cannot have on a machine that anybody has, or that evenkeel refuses beside a file.
const NOT_COMPARED: &[(&str, &str)] = &[
    ("services.*.configs[].gid", "beside a `file` it is refused; docker-compose leaves it out"),
    ("services.*.configs[].mode", "beside a `file` it is refused; docker-compose leaves it out"),
    ("services.*.configs[].uid", "beside a `file` it is refused; docker-compose leaves it out"),
    ("services.*.cpu_rt_period", "the kernel has to be built for it"),
    ("services.*.cpu_rt_runtime", "the kernel has to be built for it"),
    (
        "services.*.mac_address",
        "evenkeel asks by the network, which takes API 1.44; docker-compose as engines before had it",
    ),
    ("services.*.secrets[].gid", "beside a `file` it is refused; docker-compose leaves it out"),
    ("services.*.secrets[].mode", "beside a `file` it is refused; docker-compose leaves it out"),
    ("services.*.secrets[].uid", "beside a `file` it is refused; docker-compose leaves it out"),
    ("services.*.storage_opt", "the engine's file system has to have quotas"),
];

fn compose_files(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let head = std::fs::read_to_string(path.join("compose.yaml")).unwrap_or_default();
            if !head.starts_with(FOR_NEWER) {
                compose_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.extend(said(&path.to_string_lossy(), &std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn every_key_that_docker_compose_knows_and_evenkeel_honours_is_compared() {
    let known = include_str!("../../tests/compose-1.29-keys.txt").lines();
    let honoured = |key: &&str| status(key) == Some(Status::Honoured);
    let known: BTreeSet<&str> = known.filter(|line| !line.starts_with('#')).filter(honoured).collect();
    let mut compared = BTreeSet::new();
    compose_files(Path::new(CORPUS), &mut compared);
    let excused = |key: &&str| NOT_COMPARED.iter().any(|(other, _)| other == key);
    let missing: Vec<&str> =
        known.iter().copied().filter(|key| !excused(key) && !compared.contains(*key)).collect();
    assert_eq!(missing, [""; 0], "no file of the corpus says these");
    let idle: Vec<&str> = NOT_COMPARED
        .iter()
        .map(|(key, _)| *key)
        .filter(|key| !known.contains(key) || compared.contains(*key))
        .collect();
    assert_eq!(idle, [""; 0], "these are compared, or not known");
    println!("oracle: {} keys compared, {} not", known.len() - NOT_COMPARED.len(), NOT_COMPARED.len());
}
