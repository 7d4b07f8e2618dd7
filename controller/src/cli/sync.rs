//! `evenkeel sync`.

use std::process::ExitCode;

use super::CliError;
use super::act::{Act, carry_out};
use super::output::Out;

/// Look at the repository now, and roll out what is new.
#[derive(Debug, clap::Args)]
pub(crate) struct Sync {
    #[command(flatten)]
    pub(super) act: Act,
    /// Wait until the rollout has ended, and show its progress
    #[arg(long)]
    wait: bool,
}

impl Sync {
    /// Looks again for the named application, or for all.
    pub(super) async fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        let shared = &self.act.shared;
        for app in shared.client().apps(self.act.app.as_ref()).await? {
            let verb = if self.wait { "sync?wait=true" } else { "sync" };
            carry_out(shared, &app, verb, out).await?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
