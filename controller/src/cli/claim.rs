//! `evenkeel claim`.

use std::process::ExitCode;

use evenkeel_core::name::InstanceId;

use super::CliError;
use super::act::{Act, carry_out};
use super::client::encode;
use super::output::Out;

/// Make this evenkeel the one that looks after an application's project.
///
/// Of several evenkeels that follow an application on one engine, one alone touches its Compose project: the one that came first.
/// Who it is, is on record in the engine itself and stays there when that evenkeel ends. The others show the condition
/// `OwnedElsewhere`, with the owner's id, and wait.
///
/// This gives the project to the evenkeel that is asked. Where another is on record it has to be named, with --from: make sure
/// first that it is stopped and does not come back. On this host that is checked; on another one, behind a remote engine, it
/// cannot be. What runs is adopted: what the other one knew (which release was live, what it migrated, its backups) is in
/// its own data directory. To keep that, move the data directory instead.
#[derive(Debug, clap::Args)]
pub(crate) struct Claim {
    #[command(flatten)]
    pub(super) act: Act,
    /// The evenkeel to take it over from, by the id that `evenkeel status` shows
    #[arg(long, value_name = "OWNER-ID")]
    from: Option<InstanceId>,
}

impl Claim {
    /// Takes the application's project over.
    pub(super) async fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        let shared = &self.act.shared;
        let app = shared.client().app(self.act.app.as_ref()).await?;
        let from = self.from.as_ref().map(|from| format!("?from={}", encode(from.as_str())));
        carry_out(shared, &app, &format!("claim{}", from.unwrap_or_default()), out).await?;
        Ok(ExitCode::SUCCESS)
    }
}
