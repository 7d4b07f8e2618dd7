//! `evenkeel validate`.

use std::path::PathBuf;
use std::process::ExitCode;

use evenkeel_core::located::{Fault, Faults};
use serde::Serialize;

use super::CliError;
use super::output::{Format, Out, Tone};
use crate::reconcile::{self, ValidateReport};

/// Check manifests and Compose files without a daemon.
#[derive(Debug, clap::Args)]
pub(crate) struct Validate {
    /// The folder or the manifest
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Read a commit of the repository there, not its working directory
    #[arg(long)]
    revision: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) output: Format,
}

/// The exit code of faults.
const FAULTS: u8 = 2;

/// The result, for programs.
#[derive(Serialize)]
struct Report<'a> {
    valid: bool,
    faults: &'a [Fault],
    #[serde(flatten)]
    found: &'a ValidateReport,
}

impl Validate {
    /// Checks, and shows every fault where it is.
    pub(super) fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        let (found, faults) = match reconcile::validate(&self.path, self.revision.as_deref()) {
            Ok(found) => (found, Faults::default()),
            Err(faults) => (ValidateReport::default(), faults),
        };
        let valid = faults.0.is_empty();
        match out.format {
            Format::Json => out.json(&Report { valid, faults: &faults.0, found: &found })?,
            Format::Table => show(&found, &faults, out)?,
        }
        Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(FAULTS) })
    }
}

fn show(found: &ValidateReport, faults: &Faults, out: &mut Out) -> Result<(), CliError> {
    for (app, place) in &found.applications {
        out.line(format!("{place}: application {app} is valid"))?;
    }
    for note in &found.notes {
        out.line(format!("note: {note}"))?;
    }
    faults.0.iter().try_for_each(|fault| out.text(&explain(fault, out)))
}

/// A fault with its line and a mark under its column.
pub(super) fn explain(fault: &Fault, out: &Out) -> String {
    let Fault { at, message, hint, snippet } = fault;
    let place = at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
    let mut text = format!("{place}{} {message}\n", out.paint("error:", Tone::Bad));
    if let Some(snippet) = snippet {
        let line = at.as_ref().map(|at| at.line.to_string()).unwrap_or_default();
        text.push_str(&format!("  {line} | {}\n", snippet.trim_end()));
        let before = at.as_ref().map_or(0, |at| at.column.saturating_sub(1));
        text.push_str(&format!("  {} | {}^\n", " ".repeat(line.len()), " ".repeat(before)));
    }
    if let Some(hint) = hint {
        text.push_str(&format!("  hint: {hint}\n"));
    }
    text
}
