//! `validate` and `init`: the same reading as a rollout's, without a daemon.

use std::path::Path;

use evenkeel_core::located::{Fault, Faults};
use evenkeel_core::name::AppName;
use evenkeel_core::release::DigestKey;
use evenkeel_core::tags::Pins;
use serde::Serialize;

use super::desired;
use crate::source::{Checkout, TreeError, Working};

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
    let mut found = match revision {
        Some(revision) => committed(path, revision)?,
        None => working(path)?,
    };
    if found.report.applications.is_empty() && found.faults.0.is_empty() {
        return Err(Fault::new(format!("there is no evenkeel.yaml in {}", path.display()))
            .hint("`evenkeel init` writes one for a Compose project")
            .into());
    }
    twice(&found.report, &mut found.faults);
    if found.faults.0.is_empty() { Ok(found.report) } else { Err(found.faults) }
}

/// What one manifest after the other adds up to.
#[derive(Default)]
struct Found {
    report: ValidateReport,
    faults: Faults,
}

impl Found {
    fn add(&mut self, path: String, read: Result<(AppName, Vec<String>), Faults>) {
        match read {
            Ok((app, notes)) => {
                self.report.notes.extend(notes);
                self.report.applications.push((app, path));
            }
            Err(faults) => self.faults.0.extend(faults.0),
        }
    }
}

fn working(path: &Path) -> Result<Found, Faults> {
    let (tree, folder) = Working::of(path).map_err(fault)?;
    let mut found = Found::default();
    for manifest in tree.manifests(&folder).map_err(fault)? {
        let read = desired::declared(&tree, &manifest);
        found.add(manifest, read.map(|declared| (declared.manifest.metadata.name, declared.warnings)));
    }
    Ok(found)
}

/// As a rollout would read it, down to the build contexts.
fn committed(path: &Path, revision: &str) -> Result<Found, Faults> {
    let (checkout, folder) = Checkout::at(path, revision).map_err(fault)?;
    // Nobody sees the digest, so that any key will do.
    let key = DigestKey::new([0; 32]);
    let one = path.is_file().then(|| vec![folder.clone()]);
    let mut found = Found::default();
    for manifest in one.map_or_else(|| checkout.manifests(&folder), Ok).map_err(fault)? {
        let read = desired::read(&checkout, &manifest, &key, Pins::default());
        found.add(manifest, read.map(|desired| (desired.release.app, desired.warnings)));
    }
    Ok(found)
}

fn fault(error: TreeError) -> Fault {
    Fault::new(error.to_string())
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
    let (tree, folder) = Working::of(path).map_err(fault)?;
    let on_host = path.canonicalize().map_err(|error| Fault::new(format!("{}: {error}", path.display())))?;
    evenkeel_core::manifest::init(&tree, &folder, &on_host.to_string_lossy())
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
