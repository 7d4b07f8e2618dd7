//! `evenkeel init`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::CliError;
use super::output::Out;
use crate::reconcile;

/// The manifest's name.
const MANIFEST: &str = "evenkeel.yaml";

/// Write a manifest for an existing Compose project.
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// The project's folder
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Print it, and write nothing
    #[arg(long)]
    print: bool,
}

impl Init {
    /// Writes it beside the Compose file; one that is there stays.
    pub(super) fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        let text = reconcile::init(&self.path)?;
        if self.print {
            out.text(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
        let file = self.path.join(MANIFEST);
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&file)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        match made {
            Ok(()) => out.line(format!(
                "wrote {}; look it over, then `evenkeel validate` and commit it",
                file.display()
            ))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(CliError::new("conflict", format!("{} exists already", file.display()))
                    .hint("`evenkeel init --print` shows what would be written"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(ExitCode::SUCCESS)
    }
}
