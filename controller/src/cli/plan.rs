//! `evenkeel plan`.

use std::process::ExitCode;

use evenkeel_core::name::{AppName, ReleaseDigest};

use super::client::target;
use super::output::{Format, Out, Tone, clean};
use super::table::{Cell, Table};
use super::{CliError, Shared};
use crate::api::PlanReport;
use crate::metrics::word;

/// Show what would be done now, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    /// The application; all by default
    app: Option<AppName>,
    #[command(flatten)]
    pub(super) shared: Shared,
}

/// "There are changes."
const CHANGES: u8 = 1;

impl Plan {
    /// Shows it; the exit code tells whether there is anything to do.
    pub(super) async fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        let client = self.shared.client();
        let plans: Vec<PlanReport> = client.get(&target("/api/v1/plan", self.app.as_ref(), None)).await?;
        match out.format {
            Format::Json => out.json(&plans)?,
            Format::Table if plans.is_empty() => out.line("no application yet")?,
            Format::Table => plans.iter().try_for_each(|plan| show(plan, out))?,
        }
        let changes = plans.iter().any(|plan| !plan.empty || waits(plan));
        Ok(if changes { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS })
    }
}

fn show(plan: &PlanReport, out: &mut Out) -> Result<(), CliError> {
    out.line(headline(plan))?;
    let mut steps = Table::new(&[]);
    for (number, step) in plan.steps.iter().enumerate() {
        steps.row([
            (number + 1).to_string().into(),
            Cell::new(&step.step, Tone::Busy),
            step.subject.as_str().into(),
            Cell::new(&step.why, Tone::Faint),
        ]);
    }
    steps.print(out, "  ")?;
    for (title, lines) in [
        ("users will notice", &plan.gaps),
        ("worth knowing", &plan.notes),
        ("held back", &plan.conditions),
        ("commits", &plan.commits),
    ] {
        list(title, lines, out)?;
    }
    Ok(())
}

/// Whether another release is asked for, and nothing can be done towards it.
fn waits(plan: &PlanReport) -> bool {
    plan.empty && plan.to.is_some() && plan.to != plan.from
}

fn headline(plan: &PlanReport) -> String {
    let at =
        plan.revision.as_ref().map(|revision| format!(" (commit {})", revision.short())).unwrap_or_default();
    if waits(plan) {
        let (from, to) = (short(plan.from.as_ref()), short(plan.to.as_ref()));
        return format!("{}: release {to}{at} cannot be rolled out now, {from} stays", plan.app);
    }
    if plan.empty {
        return format!("{}: nothing to do, release {} runs{at}", plan.app, short(plan.to.as_ref()));
    }
    let schema = match word(&plan.strategy) {
        // Before the image is there, nobody knows its migrations.
        none if none == "none" && plan.stage == "prepare" => String::new(),
        none if none == "none" => ", the schema stays".to_owned(),
        strategy => format!(", the schema moves {strategy}"),
    };
    format!(
        "{}: {} → {}{at}, {}{schema}",
        plan.app,
        short(plan.from.as_ref()),
        short(plan.to.as_ref()),
        plan.stage
    )
}

fn short(release: Option<&ReleaseDigest>) -> &str {
    release.map_or("nothing", ReleaseDigest::short)
}

fn list(title: &str, lines: &[String], out: &mut Out) -> Result<(), CliError> {
    if lines.is_empty() {
        return Ok(());
    }
    out.line(format!("  {title}:"))?;
    lines.iter().try_for_each(|line| out.line(format!("    - {}", clean(line))))
}
