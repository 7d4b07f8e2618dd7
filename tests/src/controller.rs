//! The controller as its users have it: a process, a log, a socket and a command line.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::command::{Finished, command, must, run};
use crate::metrics::Scrape;
use crate::report::{Rollout, Status};
use crate::world::{Port, World};

/// Seconds that a controller has for its orderly end.
const GRACE: Duration = Duration::from_secs(30);

/// A running `evenkeel run`; killed when it goes out of scope.
#[derive(Debug)]
pub struct Controller {
    child: Child,
    setup: Setup,
    /// Its port, where that is none of the world's.
    _port: Option<Port>,
    /// The name of the application that tests look at by default.
    pub app: String,
}

/// All that a start needs, so that a restart is the same.
#[derive(Clone, Debug)]
struct Setup {
    repo: PathBuf,
    directory: PathBuf,
    port: u16,
    environment: Vec<(String, String)>,
}

impl Controller {
    /// Starts one on a world.
    pub fn start(world: &World) -> Self {
        Self::start_with(world, &[])
    }

    /// Starts one with variables of its own.
    pub fn start_with(world: &World, environment: &[(&str, &str)]) -> Self {
        let environment =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (repo, directory) = (world.repo.path().to_owned(), world.directory().to_owned());
        let setup = Setup { repo, directory, port: world.ports.controller.number(), environment };
        Self { child: setup.spawn(), setup, _port: None, app: world.names.app.clone() }
    }

    /// Starts another one on the same world, with a data directory of its own.
    pub fn beside(world: &World) -> Self {
        let (repo, directory) = (world.repo.path().to_owned(), world.directory().join("beside"));
        std::fs::create_dir(&directory).expect("a world's directory can be written");
        let port = Port::claim();
        let setup = Setup { repo, directory, port: port.number(), environment: Vec::new() };
        Self { child: setup.spawn(), setup, _port: Some(port), app: world.names.app.clone() }
    }

    /// `kill -9`, without a word of warning.
    pub fn kill9(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// SIGTERM, and the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        must(&mut command("kill", ["-TERM", &self.child.id().to_string()]));
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the controller did not end within {GRACE:?} of SIGTERM\n{}", self.log_tail(40));
    }

    /// Whether it is still there.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Starts it again, after `kill9` or `terminate`.
    pub fn restart(&mut self) {
        assert!(!self.alive(), "it still runs");
        self.child = self.setup.spawn();
    }

    /// Starts it again with one variable changed.
    pub fn restart_with(&mut self, key: &str, value: &str) {
        self.setup.environment.retain(|(known, _)| known != key);
        self.setup.environment.push((key.to_owned(), value.to_owned()));
        self.restart();
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.setup.directory.join("data")
    }

    /// A verb of the command line, against this controller.
    pub fn cli(&self, args: &[&str]) -> Finished {
        run(self.setup.evenkeel().args(args).arg("--socket").arg(self.setup.socket()))
    }

    /// A verb whose JSON is wanted; `None` where it failed or printed something else.
    pub fn json<T: DeserializeOwned>(&self, args: &[&str]) -> Result<T, String> {
        let finished = self.cli(&[args, &["--output", "json"]].concat());
        let parsed = serde_json::from_str(&finished.stdout);
        parsed.map_err(|problem| {
            format!(
                "{args:?} exited with {}: {problem}\n{}{}",
                finished.code, finished.stderr, finished.stdout
            )
        })
    }

    /// `status`.
    pub fn status(&self) -> Result<Status, String> {
        self.json(&["status"])
    }

    /// `history`, the latest rollout last, whatever order it is printed in.
    pub fn history(&self) -> Result<Vec<Rollout>, String> {
        let mut all: Vec<Rollout> = self.json(&["history", "--limit", "1000"])?;
        all.sort_by_key(|rollout| rollout.id);
        Ok(all)
    }

    /// Its metrics.
    pub fn metrics(&self) -> Scrape {
        Scrape::of(&self.url("/metrics"))
    }

    /// An address that it serves.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.setup.port)
    }

    /// All of its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.setup.log()).unwrap_or_default()
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Setup {
    fn spawn(&self) -> Child {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("a world's directory can be written");
        let errors = log.try_clone().expect("a file can be shared");
        self.evenkeel()
            .args([
                "run",
                "--branch",
                "main",
                "--poll",
                "2s",
                "--listen",
                &format!("127.0.0.1:{}", self.port),
            ])
            .arg("--repo")
            .arg(&self.repo)
            .arg("--data-dir")
            .arg(self.directory.join("data"))
            .arg("--socket")
            .arg(self.socket())
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("the controller can be started")
    }

    fn evenkeel(&self) -> Command {
        Command::new(binary())
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("evenkeel.sock")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("evenkeel.log")
    }
}

/// A verb of the command line that needs no controller.
pub fn offline(args: &[&str]) -> Finished {
    run(Command::new(binary()).args(args))
}

/// The binary: `EVENKEEL_BIN`, else the one that was built beside this test.
pub fn binary() -> PathBuf {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("evenkeel"));
    let path =
        std::env::var_os("EVENKEEL_BIN").map(PathBuf::from).or_else(beside).expect("a test has a path");
    assert!(Path::exists(&path), "{} is missing: build it with `cargo build -p evenkeel`", path.display());
    path
}
