//! What docker-compose makes of a case.

use std::process::Command;

use super::case::Case;
use super::fields::Seen;
use super::inspect::seen;

/// Whose word it is: other versions do other things.
const VERSION: &str = "1.29.2";

pub(super) fn create(case: &Case) -> Seen {
    let version = run(case, &["version", "--short"]);
    assert_eq!(version.trim(), VERSION, "the oracle is Debian's docker-compose");
    // Networks beside the first are joined, and namespaces of others borrowed, only by what starts.
    run(case, if case.starts() { &["up", "-d"] } else { &["up", "--no-start"] });
    seen(case, None)
}

fn run(case: &Case, arguments: &[&str]) -> String {
    let files = case.compose_files().into_iter().flat_map(|file| ["-f", file]);
    // It waits for ever for a condition that never comes true.
    let output = Command::new("timeout")
        .args(["120", "docker-compose"])
        .args(["-p", &case.project, "--compatibility"])
        .args(files)
        .args(arguments)
        .current_dir(case.directory.path())
        .env("COMPOSE_DOCKER_CLI_BUILD", "0")
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .expect("docker-compose: apt-get install docker-compose");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "docker-compose {arguments:?} of {:?}: {complaint}",
        case.compose_files()
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
