//! Contact with remotes, in a process of its own.
//!
//! A remote that accepts a connection and then says nothing would hold a thread of this process for ever: the library's time
//! limits can only be set through functions that Rust calls unsafe, and a hung network file system has none. So evenkeel starts
//! itself as a helper, which does one poll and ends. The parent kills it when it is silent for too long, and the helper ends
//! itself when the parent is gone. Locks go with the process, and the helper sees none of the user's git configuration.
//!
//! The request, with its credentials, goes over stdin; never over arguments or the environment, which others can read.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::config::Credentials;
use super::error::SourceError;
use super::repository::Tip;

/// The argument that makes this program a helper.
pub(crate) const ARGUMENT: &str = "source-helper";

/// All that one poll needs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) url: String,
    pub(super) branch: String,
    pub(super) root: PathBuf,
    pub(super) credentials: Credentials,
    pub(super) host: String,
    pub(super) keyscan: String,
    pub(super) known_hosts: PathBuf,
}

/// What the helper says, a line each.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    /// Still at work.
    Alive,
    /// The end.
    Done(Result<Tip, SourceError>),
}

/// The helper's whole life, where the program was started as one. `main` calls this before anything else.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    (std::env::args().nth(1).as_deref() == Some(ARGUMENT)).then(serve)
}

fn serve() -> ExitCode {
    let mut text = String::new();
    if std::io::stdin().lock().read_line(&mut text).is_err() {
        return ExitCode::FAILURE;
    }
    let Ok(request) = serde_json::from_str::<Request>(&text) else { return ExitCode::FAILURE };
    std::thread::spawn(end_with_parent);
    let mut last = Instant::now();
    let mut alive = || {
        if last.elapsed() >= Duration::from_millis(500) {
            last = Instant::now();
            say(&Line::Alive);
        }
    };
    say(&Line::Done(super::remote::poll(&request, &mut alive)));
    ExitCode::SUCCESS
}

/// The parent keeps the pipe open for as long as it cares.
fn end_with_parent() {
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut rest);
    std::process::exit(1);
}

/// Starts with a line break, so that a line is whole whatever stood there before.
fn say(line: &Line) {
    let mut out = std::io::stdout().lock();
    if let Ok(text) = serde_json::to_string(line) {
        let _ = writeln!(out, "\n{text}").and_then(|()| out.flush());
    }
}

/// One poll by a helper, which is killed when it says nothing for `silence`, or when this future is dropped.
pub(super) async fn poll(request: &Request, home: &Path, silence: Duration) -> Result<Tip, SourceError> {
    let mut child = start(home)?;
    let _stdin = hand_over(&mut child, request).await?;
    let answer = listen(&mut child, request, silence).await;
    if answer.is_err() {
        let _ = child.kill().await;
    }
    let _ = child.wait().await;
    answer
}

fn start(home: &Path) -> Result<Child, SourceError> {
    let mut command = command();
    command.env("HOME", home).env("XDG_CONFIG_HOME", home).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.kill_on_drop(true).spawn().map_err(|e| SourceError::local("start the git helper", e))
}

#[cfg(not(test))]
fn command() -> Command {
    // Not the program's path: it may have been replaced by an upgrade since.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("evenkeel").arg(ARGUMENT);
    command
}

/// In unit tests the program is the test harness, which can be asked for exactly one test.
#[cfg(test)]
fn command() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", "source::helper::tests::helper_process", "--nocapture"]).env("HELPER", "1");
    command
}

async fn hand_over(child: &mut Child, request: &Request) -> Result<tokio::process::ChildStdin, SourceError> {
    let failed = |e: &dyn std::fmt::Display| SourceError::local("talk to the git helper", e);
    let mut stdin = child.stdin.take().ok_or_else(|| failed(&"it has no input"))?;
    let mut text = serde_json::to_vec(request).map_err(|e| failed(&e))?;
    text.push(b'\n');
    stdin.write_all(&text).await.map_err(|e| failed(&e))?;
    Ok(stdin)
}

async fn listen(child: &mut Child, request: &Request, silence: Duration) -> Result<Tip, SourceError> {
    let unreachable = |reason| SourceError::Unreachable { url: request.url.clone(), reason };
    let gone = || SourceError::local("talk to the git helper", "it ended without an answer");
    let mut lines = BufReader::new(child.stdout.take().ok_or_else(gone)?).lines();
    loop {
        let line = tokio::time::timeout(silence, lines.next_line()).await;
        let line = line.map_err(|_| unreachable(format!("no answer for {:?}", silence)))?;
        let line = line.map_err(|e| SourceError::local("talk to the git helper", e))?.ok_or_else(gone)?;
        if let Ok(Line::Done(answer)) = serde_json::from_str(&line) {
            return answer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a test by itself: the other tests start it as their helper.
    #[test]
    fn helper_process() {
        if std::env::var_os("HELPER").is_some() {
            serve();
            std::process::exit(0);
        }
    }
}
