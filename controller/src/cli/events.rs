//! `evenkeel events`.

use std::process::ExitCode;

use evenkeel_core::name::AppName;

use super::client::target;
use super::output::{Format, Out};
use super::table::Table;
use super::{CliError, Shared, time};
use crate::ledger::EventRecord;

/// Show what evenkeel noticed and decided.
#[derive(Debug, clap::Args)]
pub(crate) struct Events {
    /// The application; all by default
    app: Option<AppName>,
    /// How many, the newest first
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    pub(super) shared: Shared,
}

impl Events {
    /// Shows them.
    pub(super) async fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        let target = target("/api/v1/events", self.app.as_ref(), Some(self.limit));
        let events: Vec<EventRecord> = self.shared.client().get(&target).await?;
        match out.format {
            Format::Json => out.json(&events)?,
            Format::Table if events.is_empty() => out.line("no event yet")?,
            Format::Table => table(&events).print(out, "")?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn table(events: &[EventRecord]) -> Table {
    let mut table = Table::new(&["AT", "APP", "KIND", "MESSAGE"]);
    for event in events {
        table.row([
            time::moment(event.at).into(),
            event.app.as_ref().map_or("", AppName::as_str).into(),
            event.kind.as_str().into(),
            event.message.as_str().into(),
        ]);
    }
    table
}
