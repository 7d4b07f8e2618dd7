//! `evenkeel history`.

use std::process::ExitCode;

use evenkeel_core::name::AppName;
use evenkeel_core::status::{Outcome, RolloutRecord};

use super::client::target;
use super::output::{Format, Out, Tone};
use super::table::{Cell, Table};
use super::{CliError, Shared, time};
use crate::metrics::word;

/// Show past rollouts.
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// The application; all by default
    app: Option<AppName>,
    /// How many rollouts, the newest first
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Show each rollout's steps as well
    #[arg(long)]
    steps: bool,
    #[command(flatten)]
    pub(super) shared: Shared,
}

impl History {
    /// Shows it.
    pub(super) async fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        let target = target("/api/v1/history", self.app.as_ref(), Some(self.limit));
        let rollouts: Vec<RolloutRecord> = self.shared.client().get(&target).await?;
        match out.format {
            Format::Json => out.json(&rollouts)?,
            Format::Table if rollouts.is_empty() => out.line("no rollout yet")?,
            Format::Table if self.steps => {
                rollouts.iter().try_for_each(|rollout| with_steps(rollout, out))?
            }
            Format::Table => table(&rollouts).print(out, "")?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn table<'a>(rollouts: impl IntoIterator<Item = &'a RolloutRecord>) -> Table {
    let mut table =
        Table::new(&["ROLLOUT", "APP", "STARTED", "TOOK", "OUTCOME", "REVISION", "WHY", "MESSAGE"]);
    for rollout in rollouts {
        table.row([
            format!("r{}", rollout.id).into(),
            rollout.app.as_str().into(),
            time::moment(rollout.started_at).into(),
            rollout.duration.map(time::span).unwrap_or_default().into(),
            outcome(rollout.outcome),
            rollout.revision.short().into(),
            rollout.reason.as_str().into(),
            rollout.message.as_deref().unwrap_or_default().into(),
        ]);
    }
    table
}

fn outcome(outcome: Option<Outcome>) -> Cell {
    match outcome {
        Some(Outcome::Succeeded) => Cell::new("Succeeded", Tone::Good),
        Some(Outcome::Cancelled) => Cell::new("Cancelled", Tone::Faint),
        Some(outcome) => Cell::new(word(&outcome), Tone::Bad),
        None => Cell::new("going on", Tone::Busy),
    }
}

fn with_steps(rollout: &RolloutRecord, out: &mut Out) -> Result<(), CliError> {
    table([rollout]).print(out, "")?;
    let mut steps = Table::new(&[]);
    for step in &rollout.steps {
        steps.row([
            step.stage.as_str().into(),
            step.step.as_str().into(),
            step_outcome(step.outcome.as_deref()),
            step.duration.map(time::span).unwrap_or_default().into(),
            step.subject.as_str().into(),
            step.detail.as_deref().unwrap_or(&step.why).into(),
        ]);
    }
    steps.print(out, "  ")?;
    out.line("")
}

fn step_outcome(outcome: Option<&str>) -> Cell {
    match outcome {
        Some("done" | "already") => Cell::new(outcome.unwrap_or_default(), Tone::Good),
        Some(other) => Cell::new(other, Tone::Bad),
        None => Cell::new("going on", Tone::Busy),
    }
}
