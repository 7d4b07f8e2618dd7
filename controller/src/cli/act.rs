//! Verbs that change something, each about one application.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use evenkeel_core::name::AppName;
use serde::Serialize;

use super::client::encode;
use super::output::{Format, Out, clean};
use super::{CliError, Shared, time};
use crate::api::ProgressLine;

/// What these verbs take.
#[derive(Debug, clap::Args)]
pub(crate) struct Act {
    /// The application; may be left out where there is only one
    pub(super) app: Option<AppName>,
    #[command(flatten)]
    pub(super) shared: Shared,
}

impl Act {
    /// Carries out a verb on the one application.
    pub(super) async fn run(&self, verb: &str, out: &mut Out) -> Result<ExitCode, CliError> {
        let app = self.shared.client().app(self.app.as_ref()).await?;
        carry_out(&self.shared, &app, verb, out).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What was done, for programs.
#[derive(Serialize)]
struct Done<'a> {
    app: &'a AppName,
    done: &'a str,
}

/// Carries out a verb (the end of its path, with a query), showing progress and what was done.
pub(super) async fn carry_out(
    shared: &Shared,
    app: &AppName,
    verb: &str,
    out: &mut Out,
) -> Result<(), CliError> {
    let target = format!("/api/v1/apps/{}/{verb}", encode(app.as_str()));
    let done = shared.client().act(&target, &mut show).await?;
    match out.format {
        Format::Table => out.line(format!("{app}: {}", clean(&done))),
        Format::Json => out.json(&Done { app, done: &done }),
    }
}

/// Progress goes to the terminal of whoever waits, never into a pipe.
fn show(line: &ProgressLine) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let phase = crate::metrics::word(&line.phase);
        let _ = writeln!(stderr, "{}  {phase:<9}  {}", time::moment(line.at), clean(&line.message));
    }
}
