//! `validate` and `init`: the same reading as a rollout's, without a daemon.

use std::path::Path;

use evenkeel_core::located::{Fault, Faults};
use evenkeel_core::name::AppName;
use serde::Serialize;


/// What `validate` found.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ValidateReport {
    /// The applications, by name, each with where its manifest stands.
    pub(crate) applications: Vec<(AppName, String)>,
    /// Things worth knowing that are no faults.
    pub(crate) notes: Vec<String>,
}

/// Reads every manifest under a path, as a rollout would: from the commit `revision`, or from the working tree as it is.
///
/// # Errors
/// Every fault, with its place.
pub(crate) fn validate(path: &Path, revision: Option<&str>) -> Result<ValidateReport, Faults> {
    let _ = (path, revision);
    Err(Fault::new("not yet").into())
}

fn twice(report: &ValidateReport, faults: &mut Faults) {
    for (index, (name, path)) in report.applications.iter().enumerate() {
        if let Some((_, other)) = report.applications.iter().take(index).find(|(other, _)| other == name) {
            faults.0.push(Fault::new(format!("two manifests are named {name}: {other} and {path}")));
        }
    }
}

/// A manifest for the Compose project in a folder, with the guesses explained.
///
/// # Errors
/// Where there is no Compose file, or it cannot be read.
pub(crate) fn init(path: &Path) -> Result<String, Faults> {
    let _ = path;
    Err(Fault::new("not yet").into())
}
