//! `evenkeel schema`.

use std::process::ExitCode;

use evenkeel_core::manifest::Application;

use super::CliError;
use super::output::Out;

/// Print the JSON Schema of the manifest.
#[derive(Debug, clap::Args)]
pub(crate) struct Schema {}

impl Schema {
    /// Prints it.
    pub(super) fn run(&self, out: &mut Out) -> Result<ExitCode, CliError> {
        out.json(&schemars::schema_for!(Application))?;
        Ok(ExitCode::SUCCESS)
    }
}
