//! The arguments of `evenkeel run`; its life is in `main.rs`.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_core::manifest::duration;

use super::{CliError, env};
use crate::config::{self, Config, LogFormat, Overrides};

/// Follow repositories, and keep what runs as they say.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The configuration file; /etc/evenkeel/config.yaml, if there is one, by default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The repository to follow, in place of the file's sources
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// The branch (main by default)
    #[arg(long)]
    branch: Option<String>,
    /// The folder of the repository in which manifests are looked for
    #[arg(long)]
    path: Option<String>,
    /// How often to look (30s by default)
    #[arg(long, value_parser = poll)]
    poll: Option<Duration>,
    /// Where to keep ledger, repositories and backups (/var/lib/evenkeel by default)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where to serve metrics, health and the webhook (127.0.0.1:9180 by default), or `off`
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The control socket (evenkeel.sock in the data directory by default)
    #[arg(long, env = env::SOCKET)]
    socket: Option<PathBuf>,
    /// The log's format
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

impl Run {
    /// The configuration: the file with the flags over it.
    pub(crate) fn config(&self) -> Result<Config, CliError> {
        Ok(config::load(&self.overrides())?)
    }

    /// How to log.
    pub(crate) fn log_format(&self, config: &Config) -> LogFormat {
        self.log_format.unwrap_or(config.log.format)
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            config: self.config.clone(),
            repo: self.repo.clone(),
            branch: self.branch.clone(),
            path: self.path.clone(),
            poll: self.poll,
            data_dir: self.data_dir.clone(),
            listen: self.listen.clone(),
            socket: self.socket.clone(),
        }
    }
}

fn poll(text: &str) -> Result<Duration, String> {
    duration::parse(text)
        .filter(|poll| *poll >= Duration::from_secs(1))
        .ok_or_else(|| "write for example 30s or 5m; at least 1s".to_owned())
}
