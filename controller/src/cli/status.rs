//! `evenkeel status`.

use std::process::ExitCode;

use evenkeel_core::name::{AppName, Revision};
use evenkeel_core::status::{AppStatus, HealthWord, Phase, SchemaStatus, Status as Report, Sync};

use super::client::target;
use super::output::{Format, Out, Tone, plain};
use super::table::{Cell, Table};
use super::{CliError, Shared, time};
use crate::metrics::word;

/// Show applications, and what happens next.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// The application; all by default
    app: Option<AppName>,
    #[command(flatten)]
    pub(super) shared: Shared,
}

impl Status {
    /// Shows it.
    pub(super) async fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        let client = self.shared.client();
        let report: Report = client.get(&target("/api/v1/status", self.app.as_ref(), None)).await?;
        if report.applications.is_empty() && self.app.is_some() {
            client.app(self.app.as_ref()).await?;
        }
        match out.format {
            Format::Json => out.json(&report)?,
            Format::Table => show(&report, self.app.is_some(), out)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The evidence has many lines: all of them for one application that was asked for, the first ones else.
fn show(report: &Report, whole: bool, out: &mut Out) -> Result<(), CliError> {
    if report.applications.is_empty() {
        return out.line("no application yet; `evenkeel events` tells what evenkeel has seen");
    }
    overview(report).print(out, "")?;
    for app in &report.applications {
        details(app, out)?;
        if whole {
            evidence(app, out)?;
        }
    }
    Ok(())
}

fn overview(report: &Report) -> Table {
    let mut table = Table::new(&["APP", "SYNC", "HEALTH", "PHASE", "LIVE", "DESIRED", "SCHEMA"]);
    for app in &report.applications {
        table.row([
            app.name.as_str().into(),
            Cell::new(word(&app.sync), sync_tone(app.sync)),
            Cell::new(word(&app.health), health_tone(app.health)),
            Cell::new(word(&app.phase), if app.phase == Phase::Idle { Tone::Plain } else { Tone::Busy }),
            short(app.live_revision.as_ref()).into(),
            short(app.desired_revision.as_ref()).into(),
            app.schema.as_ref().map(schema).unwrap_or_default().into(),
        ]);
    }
    table
}

/// What has more lines is marked.
fn first_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    if lines.next().is_some() { format!("{first} […]") } else { first.to_owned() }
}

/// The messages that have more than one line.
fn evidence(app: &AppStatus, out: &mut Out) -> Result<(), CliError> {
    let conditions = app.conditions.iter().map(|condition| (word(&condition.reason), &condition.message));
    let quarantine =
        app.quarantine.iter().map(|one| (format!("release {}", one.release.short()), &one.reason));
    for (what, message) in conditions.chain(quarantine).filter(|(_, message)| message.lines().count() > 1) {
        out.line("")?;
        out.line(format!("  {what}:"))?;
        message.lines().try_for_each(|line| out.line(format!("    {}", plain(line))))?;
    }
    Ok(())
}

fn details(app: &AppStatus, out: &mut Out) -> Result<(), CliError> {
    out.line("")?;
    out.line(format!("{} (from {}): {}", app.name, app.source, super::output::clean(&app.next)))?;
    services(app).print(out, "  ")?;
    let mut facts = Table::new(&[]);
    for condition in &app.conditions {
        let reason = Cell::new(word(&condition.reason), Tone::Bad);
        facts.row([
            reason,
            format!("since {}", time::moment(condition.since)).into(),
            first_line(&condition.message).into(),
        ]);
    }
    for one in &app.quarantine {
        let (release, reason) = (one.release.short(), first_line(&one.reason));
        let what = format!("release {release} at {}: {reason}", one.revision.short());
        facts.row([
            Cell::new("in quarantine", Tone::Bad),
            format!("since {}", time::moment(one.since)).into(),
            what.into(),
        ]);
    }
    facts.print(out, "  ")
}

fn services(app: &AppStatus) -> Table {
    let mut table = Table::new(if app.services.is_empty() {
        &[]
    } else {
        &["SERVICE", "STATE", "HEALTH", "CONTAINER", "IMAGE"]
    });
    for service in &app.services {
        table.row([
            service.name.as_str().into(),
            service.state.as_str().into(),
            Cell::new(&service.health, words_tone(&service.health)),
            service.container.as_deref().unwrap_or_default().into(),
            service.image.as_deref().unwrap_or_default().into(),
        ]);
    }
    table
}

fn short(revision: Option<&Revision>) -> &str {
    revision.map(Revision::short).unwrap_or_default()
}

fn schema(schema: &SchemaStatus) -> String {
    let SchemaStatus { desired, current, state } = schema;
    let state = state.as_ref().map_or_else(|| "Unknown".to_owned(), word);
    if desired == current {
        return format!("{} ({state})", current.join(", "));
    }
    format!("{} → {} ({state})", current.join(", "), desired.join(", "))
}

fn sync_tone(sync: Sync) -> Tone {
    match sync {
        Sync::Synced => Tone::Good,
        Sync::OutOfSync => Tone::Busy,
        Sync::Unknown => Tone::Faint,
    }
}

fn health_tone(health: HealthWord) -> Tone {
    match health {
        HealthWord::Healthy => Tone::Good,
        HealthWord::Progressing | HealthWord::Suspended => Tone::Busy,
        HealthWord::Degraded | HealthWord::Missing => Tone::Bad,
        HealthWord::Unknown => Tone::Faint,
    }
}

fn words_tone(health: &str) -> Tone {
    match health {
        text if text.starts_with("Healthy") => Tone::Good,
        "Progressing" => Tone::Busy,
        "Degraded" | "Missing" => Tone::Bad,
        _ => Tone::Plain,
    }
}
