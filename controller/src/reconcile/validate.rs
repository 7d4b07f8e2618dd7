//! `validate` and `init`: the same reading as a rollout's, without a daemon.

use std::path::Path;

use evenkeel_core::located::{Fault, Faults};
use evenkeel_core::name::AppName;
use evenkeel_core::release::DigestKey;
use serde::Serialize;

use super::desired;
use crate::source::Checkout;

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
    let (checkout, folder) =
        Checkout::of_directory(path, revision).map_err(|error| Fault::new(error.to_string()))?;
    let key = DigestKey::new([0; 32]);
    let paths = checkout.manifests(&folder).map_err(|error| Fault::new(error.to_string()))?;
    if paths.is_empty() {
        return Err(Fault::new(format!("there is no evenkeel.yaml in {}", path.display()))
            .hint("`evenkeel init` writes one for a Compose project")
            .into());
    }
    let mut report = ValidateReport::default();
    let mut faults = Faults::default();
    for manifest in paths {
        match desired::read(&checkout, &manifest, &key) {
            Ok(desired) => {
                report.notes.extend(desired.warnings);
                report.applications.push((desired.release.app, manifest));
            }
            Err(found) => faults.0.extend(found.0),
        }
    }
    twice(&report, &mut faults);
    if faults.0.is_empty() { Ok(report) } else { Err(faults) }
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
    let (checkout, folder) = Checkout::of_directory(path, None).map_err(|error| Fault::new(error.to_string()))?;
    evenkeel_core::manifest::init(&checkout, &folder, &path.canonicalize().unwrap_or_else(|_| path.to_owned()).to_string_lossy())
}
