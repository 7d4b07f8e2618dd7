//! `evenkeel backup …`.

use std::process::ExitCode;

use evenkeel_core::database::Backup as Manifest;
use evenkeel_core::name::{AppName, SchemaRevision};

use super::act::{Act, carry_out};
use super::client::encode;
use super::output::{Format, Out};
use super::table::Table;
use super::{CliError, Shared, time};
use crate::metrics::word;

/// List, make, verify and restore backups.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Backup {
    /// List an application's backups, the newest first
    List(Act),
    /// Back an application's database up now
    Create(Act),
    /// Verify a backup: its hash, and by decoding all of it
    #[command(allow_missing_positional = true)]
    Verify(Verify),
    /// Put a backup back in place of the application's database; what it replaces is kept beside it
    #[command(allow_missing_positional = true)]
    Restore(Restore),
}

/// One backup of an application.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// The application; may be left out where there is only one
    app: Option<AppName>,
    /// The backup's id, as `backup list` gives it
    #[arg(required = true)]
    id: String,
    #[command(flatten)]
    shared: Shared,
}

/// Verify a backup.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    one: One,
    /// Restore it into a scratch database as well, and compare
    #[arg(long)]
    restored: bool,
}

/// Restore a backup.
#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    one: One,
    /// Don't ask; needed where nobody can be asked
    #[arg(long)]
    yes: bool,
}

impl Backup {
    /// Carries it out.
    pub(super) async fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        match self {
            Self::List(act) => list(act, out).await,
            Self::Create(act) => act.run("backups", out).await,
            Self::Verify(verify) => verify.run(out).await,
            Self::Restore(restore) => restore.run(out).await,
        }
    }

    /// Where the daemon is and how to print.
    pub(super) fn shared(&self) -> &Shared {
        match self {
            Self::List(act) | Self::Create(act) => &act.shared,
            Self::Verify(verify) => &verify.one.shared,
            Self::Restore(restore) => &restore.one.shared,
        }
    }
}

impl Verify {
    async fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        let query = if self.restored { "?restored=true" } else { "" };
        self.one.run(&format!("verify{query}"), out).await
    }
}

impl Restore {
    async fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        if !self.yes
            && !super::output::confirm(&format!("put backup {} in place of the database?", self.one.id))?
        {
            return Err(CliError::usage(
                "a restore replaces what is in the database now, and nobody said yes",
            )
            .hint("run it again with --yes; the replaced database is kept beside it"));
        }
        self.one.run("restore", out).await
    }
}

impl One {
    async fn run(&self, verb: &str, out: &mut Out) -> Result<ExitCode, CliError> {
        let app = self.shared.client().app(self.app.as_ref()).await?;
        carry_out(&self.shared, &app, &format!("backups/{}/{verb}", encode(&self.id)), out).await?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(act: &Act, out: &mut Out) -> Result<ExitCode, CliError> {
    let client = act.shared.client();
    let app = client.app(act.app.as_ref()).await?;
    let backups: Vec<Manifest> =
        client.get(&format!("/api/v1/apps/{}/backups", encode(app.as_str()))).await?;
    match out.format {
        Format::Json => out.json(&backups)?,
        Format::Table if backups.is_empty() => out.line(format!("{app}: no backup yet"))?,
        Format::Table => table(&backups).print(out, "")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(backups: &[Manifest]) -> Table {
    let mut table = Table::new(&["ID", "MADE", "LEVEL", "SIZE", "ROWS", "REVISION", "WHY"]);
    for backup in backups {
        let revisions: Vec<&str> = backup.revisions.iter().map(SchemaRevision::as_str).collect();
        let level = if backup.broken.is_some() { "broken".to_owned() } else { word(&backup.level) };
        table.row([
            backup.id.as_str().into(),
            time::moment(backup.created_at).into(),
            level.into(),
            size(backup.size).into(),
            backup.total_rows().to_string().into(),
            revisions.join(", ").into(),
            word(&backup.reason).into(),
        ]);
    }
    table
}

/// Bytes in the largest binary unit that leaves a number: `9.4 KiB`.
fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    let mut number = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if number < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{number:.1} {unit}") };
        }
        number /= 1024.0;
    }
    format!("{number:.1} TiB")
}
