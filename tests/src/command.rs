//! Other programs: run to their end, with everything they printed.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What a program left behind.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Finished {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }

    /// What it printed, without the last line's end; it has to have succeeded.
    pub fn must(self, name: &str) -> String {
        assert!(self.success(), "{name} failed with {}: {}{}", self.code, self.stderr, self.stdout);
        self.stdout.trim_end().to_owned()
    }
}

/// Runs a command to its end, with nothing to read.
pub fn run(command: &mut Command) -> Finished {
    let name = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|problem| panic!("cannot run {name}: {problem}"));
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a command that has to succeed, and gives what it printed, without the last line's end.
pub fn must(command: &mut Command) -> String {
    let name = format!("{command:?}");
    run(command).must(&name)
}

/// A command from its parts.
pub fn command<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Runs a command that has to succeed on a text.
pub fn feed(command: &mut Command, text: &str) -> String {
    let name = format!("{command:?}");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|problem| panic!("cannot run {name}: {problem}"));
    if let Some(mut input) = child.stdin.take() {
        // A program that fails early closes its input; its exit code says so below.
        let _ = input.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().expect("a child that was spawned can be waited for");
    assert!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
