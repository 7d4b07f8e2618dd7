//! evenkeel: a GitOps controller for Docker Compose on your own servers.

mod api;
mod cli;
mod config;
mod database;
mod engine;
mod ledger;
mod life;
mod metrics;
mod owner;
mod reconcile;
mod rollout;
#[cfg(test)]
mod sim;
mod source;
mod space;
mod verify;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};

use api::{Api, Listener, Socket};
use cli::{Arguments, CliError, Command};
use config::Config;
use life::Life;
use metrics::Metrics;
use owner::Surroundings;
use reconcile::Daemon;

/// How long what is under way may take to come to a point where it can be taken up again. Docker kills after its own grace
/// period, so a unit or container of evenkeel wants a longer one than this.
const GRACE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    if let Some(code) = source::helper::run_if_asked() {
        return code;
    }
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run(run) => cli::conclude(run.config().and_then(|config| {
            cli::log(run.log_format(&config));
            block_on(live(Arc::new(config)))
        })),
        command => cli::conclude(block_on(cli::dispatch(command))),
    }
}

/// Start, serve, wait for a signal, drain, end.
async fn live(config: Arc<Config>) -> Result<ExitCode, CliError> {
    let mut signals = Signals::listen()?;
    let life = Life::default();
    let metrics = Arc::new(Metrics::new(cli::VERSION, cli::REVISION)?);
    // First, because it takes the lock on the data directory: whoever gets past it is alone there.
    let control = Daemon::start(config.clone(), Surroundings::look()?, metrics.clone(), life.clone()).await?;
    serve(&config, Api { control, metrics, webhook_secret: config.webhook.secret_file.clone() }, &life)
        .await?;
    let signal = signals.next().await;
    tracing::info!(signal, grace = GRACE.as_secs(), "stopping; a second signal stops at once");
    // Cancel-safe: both only wait, and losing either ends the process.
    tokio::select! {
        ended = life.end(GRACE) => Ok(farewell(ended)),
        signal = signals.next() => { tracing::warn!(signal, "stopping at once"); Ok(ExitCode::FAILURE) }
    }
}

/// Puts the daemon within reach: the control socket, and the read-only listener unless it is off.
async fn serve(config: &Config, api: Api, life: &Life) -> Result<(), CliError> {
    let socket = Socket::bind(&config.socket())?;
    if let Some(address) = config.listen() {
        let listener = Listener::bind(address).await?;
        tracing::info!(address = ?listener.address(), "metrics, health and webhook");
        life.tasks.spawn(listener.serve(api.clone(), life.stop.clone()));
    }
    tracing::info!(version = cli::VERSION, socket = %config.socket().display(), "evenkeel runs");
    life.tasks.spawn(socket.serve(api, life.stop.clone()));
    Ok(())
}

fn farewell(ended: bool) -> ExitCode {
    if ended {
        tracing::info!("stopped");
        return ExitCode::SUCCESS;
    }
    tracing::warn!("stopped in the middle of something; the next start takes it up from the ledger");
    ExitCode::FAILURE
}

fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A build or dump on a blocking thread must not hold the process back.
    runtime.shutdown_background();
    result
}

/// The two signals that ask a process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        // Cancel-safe: a signal that came is kept until it is received.
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
