//! Commands in running containers.

use std::io::ErrorKind;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Docker, errors, path::segment};
use crate::engine::{EngineError, Exec, ExecOutcome};

/// How much standard output is kept in memory.
const STDOUT: usize = 16 << 20;
/// How much of the end of standard error is kept.
const STDERR: usize = 64 << 10;
/// Pieces in which data moves.
const PIECE: usize = 64 << 10;
/// First pause between two looks at a command that closed its output but has not ended.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

type Output = BoxStream<'static, Result<LogOutput, bollard::errors::Error>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;
type Source = Box<dyn AsyncRead + Send + Unpin>;
type Sink = Box<dyn AsyncWrite + Send + Unpin>;

impl Docker {
    /// Runs a command: feeds and drains it at the same time, then asks for its exit code.
    ///
    /// Dropping the future closes the command's input and leaves it running: the engine has no way to end it. A source that
    /// fails half way closes the input too, so a command must not take the end of its input for a success by itself.
    pub(super) async fn run_exec(&self, id: &str, exec: Exec) -> Result<ExecOutcome, EngineError> {
        let client = self.client().await?;
        // The arguments may hold secrets: errors name the program only.
        let action =
            format!("run {} in container {id}", exec.command.first().map_or("nothing", String::as_str));
        let created = self.ask(&action, client.create_exec(&segment(id), config(&exec))).await?;
        let options = StartExecOptions { output_capacity: Some(PIECE), ..Default::default() };
        let started = self.ask(&action, client.start_exec(&created.id, Some(options))).await?;
        let StartExecResults::Attached { output, input } = started else {
            return Err(errors::hindered(action, "it detached from the command"));
        };
        let mut outcome = self.converse(&action, exec, output, input).await?;
        outcome.exit_code = self.exit_code(&client, &action, &created.id).await?;
        Ok(outcome)
    }

    /// Feeds and drains until the output ends. What the command did not read by then, it will not read.
    async fn converse(
        &self,
        action: &str,
        exec: Exec,
        output: Output,
        input: Input,
    ) -> Result<ExecOutcome, EngineError> {
        let feeding = feed(action, exec.stdin, input);
        let draining = self.drain(action, output, exec.stdout);
        tokio::pin!(feeding, draining);
        // Dropping `feeding` half way is meant: the output ended, so nobody reads any more.
        tokio::select! {
            drained = &mut draining => drained,
            fed = &mut feeding => {
                let _kept_open = fed?;
                draining.await
            }
        }
    }

    async fn drain(
        &self,
        action: &str,
        mut output: Output,
        sink: Option<Sink>,
    ) -> Result<ExecOutcome, EngineError> {
        let mut kept = Kept { sink, stdout: Vec::new(), stderr: Vec::new() };
        while let Some(piece) = self.ask(action, output.try_next()).await? {
            match piece {
                LogOutput::StdOut { message } => {
                    kept.stdout(&message).await.map_err(|error| broken_sink(action, &error))?
                }
                LogOutput::StdErr { message } => kept.stderr(&message),
                LogOutput::StdIn { .. } => {}
                // Without a terminal everything is framed: this is the torn rest of a frame.
                LogOutput::Console { .. } => {
                    return Err(errors::unreachable_at(
                        &self.address,
                        format!("the connection broke off while it was to {action}"),
                    ));
                }
            }
        }
        kept.finish().await.map_err(|error| broken_sink(action, &error))
    }

    /// Waits until the engine knows how the command ended: a moment after its output did, or later if it closed that itself.
    async fn exit_code(
        &self,
        client: &bollard::Docker,
        action: &str,
        exec: &str,
    ) -> Result<i64, EngineError> {
        let mut pause = PAUSE;
        loop {
            let state = self.ask(action, client.inspect_exec(exec)).await?;
            match (state.running, state.exit_code) {
                (Some(false) | None, Some(code)) => return Ok(code),
                (Some(false) | None, None) => {
                    return Err(errors::hindered(action, "it lost the command's exit code"));
                }
                (Some(true), _) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn config(exec: &Exec) -> ExecConfig {
    ExecConfig {
        attach_stdin: Some(exec.stdin.is_some()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(exec.command.clone()),
        env: Some(exec.environment.clone()),
        user: exec.user.clone(),
        working_dir: exec.working_dir.clone(),
        privileged: Some(exec.privileged),
        ..Default::default()
    }
}

/// Copies the source to the command and closes its input. The connection itself must stay open for the output.
async fn feed(action: &str, source: Option<Source>, mut input: Input) -> Result<Input, EngineError> {
    let Some(mut source) = source else { return Ok(input) };
    let mut piece = vec![0; PIECE];
    loop {
        let read = source.read(&mut piece).await.map_err(|error| broken_source(action, &error))?;
        let data = piece.get(..read).unwrap_or_default();
        if read == 0 || input.write_all(data).await.is_err() {
            break;
        }
    }
    // A command that ended early breaks the pipe; its exit code tells why.
    let _ = input.shutdown().await;
    Ok(input)
}

/// What a command wrote, or where it went.
struct Kept {
    sink: Option<Sink>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Kept {
    async fn stdout(&mut self, piece: &[u8]) -> std::io::Result<()> {
        if let Some(sink) = &mut self.sink {
            return sink.write_all(piece).await;
        }
        if self.stdout.len() + piece.len() > STDOUT {
            return Err(std::io::Error::new(ErrorKind::FileTooLarge, "it is larger than 16 MiB"));
        }
        self.stdout.extend_from_slice(piece);
        Ok(())
    }

    fn stderr(&mut self, piece: &[u8]) {
        self.stderr.extend_from_slice(piece);
        if self.stderr.len() > 2 * STDERR {
            keep_end(&mut self.stderr);
        }
    }

    async fn finish(mut self) -> std::io::Result<ExecOutcome> {
        if let Some(sink) = &mut self.sink {
            sink.shutdown().await?;
        }
        keep_end(&mut self.stderr);
        Ok(ExecOutcome {
            exit_code: 0,
            stdout: self.stdout,
            stderr: String::from_utf8_lossy(&self.stderr).into_owned(),
        })
    }
}

fn keep_end(bytes: &mut Vec<u8>) {
    bytes.drain(..bytes.len().saturating_sub(STDERR));
}

fn broken_source(action: &str, error: &std::io::Error) -> EngineError {
    errors::hindered(action, format!("what it was to read failed half way: {error}"))
}

fn broken_sink(action: &str, error: &std::io::Error) -> EngineError {
    let reason = format!("its output cannot be kept: {error}");
    match error.kind() {
        // The command itself is to blame for that.
        ErrorKind::FileTooLarge => errors::refused(action, 0, reason),
        _ => errors::hindered(action, reason),
    }
}
