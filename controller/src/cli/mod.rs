//! The command line: one file a command. All but `run` and those that only read files ask the daemon over its socket.

mod act;
mod backup;
mod claim;
mod client;
mod env;
mod error;
mod events;
mod history;
mod init;
mod log;
mod output;
mod plan;
mod run;
mod schema;
mod status;
mod sync;
mod table;
mod time;
mod validate;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use error::{CliError, conclude};
pub(crate) use log::start as log;

use client::Client;
use output::{Format, Out};

/// The version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that this program was built from, where the build said so.
pub(crate) const REVISION: &str = match option_env!("EVENKEEL_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// A GitOps controller for Docker Compose: code and schema move, and come back, as one release.
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, max_term_width = 110)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Follow repositories, and keep what runs as they say, until told to stop
    Run(run::Run),
    /// Check manifests and Compose files without a daemon; faults are shown where they are
    Validate(validate::Validate),
    /// Show what would be done now, and why (exit code 0: nothing, 1: changes, 2: error)
    Plan(plan::Plan),
    /// Show applications, and what happens next
    Status(status::Status),
    /// Show past rollouts
    History(history::History),
    /// Look at the repository now, and roll out what is new
    Sync(sync::Sync),
    /// Try a quarantined release again
    Retry(act::Act),
    /// Roll nothing out until resumed; the way back of what failed and repairs go on
    Suspend(act::Act),
    /// End a suspension
    Resume(act::Act),
    /// Make this evenkeel the one that looks after an application's project, where another is or was
    Claim(claim::Claim),
    /// Let a suspended application's project go, so that another evenkeel can look after it
    Disown(act::Act),
    /// Let an application's stack go, so that docker-compose looks after it again as before
    #[command(visible_alias = "let-go")]
    Release(act::Act),
    /// List, make, verify and restore backups
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Show what evenkeel noticed and decided
    Events(events::Events),
    /// Print the JSON Schema of the manifest
    Schema(schema::Schema),
    /// Write a manifest for an existing Compose project
    Init(init::Init),
}

/// Where the daemon is and how to print.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Shared {
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// The daemon's socket
    #[arg(long, env = env::SOCKET, default_value = env::DEFAULT_SOCKET)]
    socket: PathBuf,
}

impl Shared {
    fn client(&self) -> Client {
        Client::new(&self.socket)
    }
}

impl Command {
    fn format(&self) -> Format {
        match self {
            Self::Run(_) | Self::Schema(_) | Self::Init(_) => Format::Table,
            Self::Validate(command) => command.output,
            Self::Plan(command) => command.shared.output,
            Self::Status(command) => command.shared.output,
            Self::History(command) => command.shared.output,
            Self::Events(command) => command.shared.output,
            Self::Sync(command) => command.act.shared.output,
            Self::Retry(act)
            | Self::Suspend(act)
            | Self::Resume(act)
            | Self::Disown(act)
            | Self::Release(act) => act.shared.output,
            Self::Claim(command) => command.act.shared.output,
            Self::Backup(command) => command.shared().output,
        }
    }
}

/// Carries out any verb but `run`, printing to standard output.
pub(crate) async fn dispatch(command: Command) -> Result<ExitCode, CliError> {
    let mut out = Out::stdout(command.format());
    dispatch_to(command, &mut out).await
}

async fn dispatch_to(command: Command, out: &mut Out) -> Result<ExitCode, CliError> {
    match command {
        Command::Run(_) => Err(CliError::usage("`run` has a life of its own")),
        Command::Validate(command) => command.run(out),
        Command::Plan(command) => command.run(out).await,
        Command::Status(command) => command.run(out).await,
        Command::History(command) => command.run(out).await,
        Command::Sync(command) => command.run(out).await,
        Command::Retry(act) => act.run("retry", out).await,
        Command::Suspend(act) => act.run("suspend", out).await,
        Command::Resume(act) => act.run("resume", out).await,
        Command::Claim(command) => command.run(out).await,
        Command::Disown(act) => act.run("disown", out).await,
        Command::Release(act) => act.run("release", out).await,
        Command::Backup(command) => command.run(out).await,
        Command::Events(command) => command.run(out).await,
        Command::Schema(command) => command.run(out),
        Command::Init(command) => command.run(out),
    }
}
