//! What docker-compose, or `docker compose`, makes of a case.

use std::process::Command;

use super::case::{Case, docker};
use super::fields::Seen;
use super::inspect::seen;

/// Whose word it is: other versions do other things.
const CLASSIC: &str = "1.29.2";
/// The same of the one that is written in Go; Debian 13 has 2.26.1.
const MODERN: &str = "2.26.";

/// A program that a case is made by.
pub(super) enum Program {
    /// Debian 12's docker-compose.
    Classic,
    /// `docker compose`, and where it is.
    Modern(String),
}

impl Program {
    /// `docker compose`, where this machine has it, and an engine that knows what the corpus asks for (API 1.44). `tests/newer-engine`
    /// has both.
    pub(super) fn modern() -> Option<Self> {
        let program = std::env::var("EVENKEEL_COMPOSE_2").ok().filter(|path| !path.is_empty());
        let version = docker(&["version", "--format", "{{.Server.APIVersion}}"]).unwrap();
        let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u16>().ok());
        let program = program.filter(|_| minor.is_some_and(|minor| minor >= 44));
        if program.is_none() {
            println!("skipped: it takes `docker compose` 2 and a newer engine (tests/newer-engine oracle::)");
        }
        program.map(Self::Modern)
    }

    /// What stands at the head of a case that only the other program reads.
    pub(super) fn refused_by(&self) -> &'static str {
        match self {
            Self::Classic => "# for docker compose 2",
            Self::Modern(_) => "# for docker-compose 1",
        }
    }
}

pub(super) fn create(case: &Case, program: &Program) -> Seen {
    run_all(case, program);
    seen(case, None)
}

/// Has it make all of a case.
pub(super) fn run_all(case: &Case, program: &Program) {
    let version = run(case, program, &["version", "--short"]);
    let expected = match program {
        Program::Classic => version.trim() == CLASSIC,
        Program::Modern(_) => version.starts_with(MODERN),
    };
    assert!(expected, "the oracle is Debian's docker-compose, not {version}");
    // Networks beside the first are joined, and namespaces of others borrowed, only by what starts.
    run(case, program, if case.starts() { &["up", "-d"] } else { &["up", "--no-start"] });
}

fn run(case: &Case, program: &Program, arguments: &[&str]) -> String {
    let files = case.compose_files().into_iter().flat_map(|file| ["-f", file]);
    // It waits for ever for a condition that never comes true.
    let mut command = Command::new("timeout");
    command.arg("120");
    match program {
        Program::Classic => {
            command.args(["docker-compose", "--compatibility"]);
            command.env("COMPOSE_DOCKER_CLI_BUILD", "0").env("DOCKER_BUILDKIT", "0");
        }
        Program::Modern(path) => drop(command.arg(path)),
    }
    let output = command
        .args(["-p", &case.project])
        .args(files)
        .args(arguments)
        .current_dir(case.directory.path())
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
