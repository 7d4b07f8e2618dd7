//! The hashes are those of `docker compose config --hash '*'`, version 2.26.1, for the file of the classic tests, read in `/opt/shop`.

use super::Modern;
use crate::compose::Project;
use crate::compose::testing::{WITH_DIGESTS as FILE, host_of_digests as host};
use crate::name::ServiceName;

const HASHES: [(&str, &str); 5] = [
    ("api", "d3f49fd58d097a9654b410da94d8b2ad6a7e712c71e7b2db7d2e64d8651504c2"),
    ("cache", "722681d3c92c4e3385ed7e485617770f510ec1cb5dc94e47ab68912c4399a71d"),
    ("db", "724622063e63aeb1b6bd0af6cc2584cedf13c137ab363ef67aa796f9bdcd75e5"),
    ("host", "01735752bc999d3a679418f9ee76581fde7f4a53a0c7006b9481871bc4db9613"),
    ("rest", "ae18297ad7c2880412e90ead601b17ebf4e78e2d09ccbf1d4c94ffdec697c2a6"),
];

const HERE: &str = "projectDirectory: /opt/shop";

fn of<'p>(project: &'p Project, service: &str) -> &'p Modern {
    &project.modern[&ServiceName::new(service)]
}

#[test]
fn the_digest_is_that_of_the_program_itself() {
    let project = host(FILE).project(HERE);
    for (name, hash) in HASHES {
        let view = of(&project, name);
        assert!(view.has(hash), "{name}: {view:#?}");
    }
}

#[test]
fn what_ties_it_to_others_is_doubted() {
    let project = host(FILE).project(HERE);
    assert!(of(&project, "beside").doubt().is_some_and(|why| why.contains("cache's container")));
    assert!(of(&project, "worker").doubt().is_some_and(|why| why.contains("`links`")));
}
