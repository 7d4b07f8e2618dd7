//! The digests that `docker compose` writes on what it creates, against those that evenkeel makes of the same files: a container that is
//! adopted is told by nothing else. Both are over the whole of a service, so this compares how the two programs read the corpus, too.

use std::collections::BTreeMap;

use evenkeel_core::compose::Modern;
use evenkeel_core::name::ServiceName;

use super::case::{self, Case, docker};
use super::theirs::{Program, run_all};
use super::{abreast, ours};

/// Those of which evenkeel tells nothing, and why: they get another container. All others must be known.
const OTHERS: &[(&str, &str)] = &[
    (
        "deploy.device",
        "it is not known what `docker compose` makes of its `deploy.resources.reservations.devices`",
    ),
    ("limits.disk", "it has `blkio_config`"),
    ("limits.memory", "its `mem_swappiness` is 0"),
    ("namespaces.borrower", "it has `volumes_from`"),
    ("namespaces.guest", "it lives in a namespace of lender's container"),
    ("newer.cache", "it has `configs`"),
    ("newer.web", "it has `develop`"),
    // That program takes a date for a moment.
    ("reading.dated", "another digest"),
    ("secrets.api", "it has `secrets`"),
    ("tiers.frontend", "it has `configs`"),
    ("together.api", "it has `links`"),
];

/// What came of the services of a case, by their names.
fn compared(name: &str, program: &Program) -> Option<Vec<(String, Result<(), String>)>> {
    let case = Case::new(name);
    if case.says(program.refused_by()) {
        return None;
    }
    run_all(&case, program);
    let format = "{{.Label \"com.docker.compose.service\"}} {{.Label \"com.docker.compose.config-hash\"}}";
    let filter = format!("label=com.docker.compose.project={}", case.project);
    let listed = docker(&["ps", "-a", "--filter", &filter, "--format", format]).unwrap();
    let hashes: BTreeMap<&str, &str> = listed.lines().filter_map(|line| line.split_once(' ')).collect();
    let release = ours::release(&case);
    let told = hashes.into_iter().map(|(service, hash)| {
        let view = release.project.modern.get(&ServiceName::new(service));
        let told = match view {
            Some(view) if view.has(hash) => Ok(()),
            Some(Modern::Unknown(why)) => Err(why.clone()),
            _ => Err("another digest".to_owned()),
        };
        (format!("{name}.{service}"), told)
    });
    Some(told.collect())
}

#[test]
fn what_docker_compose_2_made_is_known_again() {
    let Some(program) = Program::modern() else {
        println!(
            "skipped: EVENKEEL_COMPOSE_2 says where `docker compose` 2 is (tests/newer-engine --compose)"
        );
        return;
    };
    let told: Vec<_> =
        abreast(case::names(), |name| compared(name, &program)).into_iter().flatten().collect();
    let mut others: Vec<(&str, &str)> = told
        .iter()
        .filter_map(|(service, told)| Some((service.as_str(), told.as_ref().err()?.as_str())))
        .collect();
    others.sort_unstable();
    println!("oracle: {} services, {} known by their digests", told.len(), told.len() - others.len());
    assert_eq!(others, OTHERS);
}
