//! From a commit to the release that it means for one application.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::compose::{self, Request};
use evenkeel_core::files::Files;
use evenkeel_core::located::{Fault, Faults};
use evenkeel_core::manifest::{self, Application};
use evenkeel_core::name::{AppName, Revision, ServiceName};
use evenkeel_core::release::{DigestKey, Parts, Release};
use evenkeel_core::tags::Pins;

use crate::source::{Checkout, Source, TreeError};

/// A release, and what reading it warned of.
pub(super) struct Desired {
    pub(super) release: Release,
    pub(super) warnings: Vec<String>,
}

/// A manifest with its project, and what reading them warned of.
pub(super) struct Declared {
    pub(super) manifest: Application,
    pub(super) project: compose::Project,
    pub(super) warnings: Vec<String>,
}

/// A manifest that was found, by its path; or why it cannot be read.
pub(super) struct Found {
    pub(super) path: String,
    pub(super) application: Result<Application, Faults>,
}

/// Every manifest of a commit, under the source's path.
pub(super) async fn manifests(source: &Arc<Source>, revision: &Revision) -> Result<Vec<Found>, String> {
    let (source, revision) = (Arc::clone(source), revision.clone());
    let read = move || -> Result<Vec<Found>, String> {
        let checkout = opened(&source, &revision).map_err(|error| error.to_string())?;
        let paths = checkout.manifests(&source.config().path).map_err(|error| error.to_string());
        let read = |path: String| Found { application: application(&checkout, &path), path };
        let found = paths.map(|paths| paths.into_iter().map(read).collect());
        tell_of_a_broken_mirror(&source, &checkout);
        found
    };
    tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?
}

fn opened(source: &Source, revision: &Revision) -> Result<Checkout, TreeError> {
    let checkout = source.checkout(revision);
    if matches!(checkout, Err(TreeError::Corrupt(_))) {
        source.distrust_or_warn();
    }
    checkout
}

/// The next poll makes it anew.
fn tell_of_a_broken_mirror(source: &Source, checkout: &Checkout) {
    if checkout.broken() {
        source.distrust_or_warn();
    }
}

fn application(files: &dyn Files, path: &str) -> Result<Application, Faults> {
    manifest::read(path, &text(files, path)?)
}

fn text(files: &dyn Files, path: &str) -> Result<String, Fault> {
    let bytes = files.read(path).map_err(|error| Fault::new(error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| Fault::new(format!("{path} is not UTF-8")))
}

/// Reads the release of one application at a commit.
pub(super) async fn release(
    source: &Arc<Source>,
    revision: &Revision,
    manifest_path: &str,
    key: &DigestKey,
    pins: &Pins,
) -> Result<Desired, Faults> {
    let (source, revision, path, key, pins) =
        (Arc::clone(source), revision.clone(), manifest_path.to_owned(), key.clone(), pins.clone());
    let read = move || {
        let checkout = opened(&source, &revision).map_err(|error| Fault::new(error.to_string()))?;
        let desired = read(&checkout, &path, &key, pins);
        tell_of_a_broken_mirror(&source, &checkout);
        desired
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(Fault::new(error.to_string()).into()))
}

/// Reads the release of one manifest of a checkout.
pub(super) fn read(checkout: &Checkout, path: &str, key: &DigestKey, pins: Pins) -> Result<Desired, Faults> {
    let Declared { manifest, project, warnings } = declared(checkout, path)?;
    let contexts = contexts(checkout, &project)?;
    let parts = Parts {
        revision: checkout.revision().clone(),
        manifest_path: path.to_owned(),
        manifest,
        project,
        contexts,
        pins,
    };
    Ok(Desired { release: Release::new(key, parts), warnings })
}

/// Reads a manifest and its project, and checks one against the other: all that can be said without a commit.
pub(super) fn declared(files: &dyn Files, path: &str) -> Result<Declared, Faults> {
    let text = text(files, path)?;
    let manifest = manifest::read(path, &text)?;
    let request = Request {
        app: &manifest.metadata.name,
        manifest_dir: path.rsplit_once('/').map_or(".", |(directory, _)| directory),
        compose: &manifest.spec.compose,
        files,
    };
    let read = compose::read(&request);
    let (project, warnings) = read.map_err(|faults| placed(faults, path, &text))?;
    let faults = manifest::check_located(path, &text, &manifest, &project);
    if faults.0.is_empty() { Ok(Declared { manifest, project, warnings }) } else { Err(faults) }
}

/// A fault of the project as a whole (a Compose file that is not there) stands where the manifest asks for the project.
fn placed(faults: Faults, path: &str, text: &str) -> Faults {
    let Ok(node) = evenkeel_core::yaml::parse(path, text) else { return faults };
    let place = node.place_of(&["spec", "compose", "files", "0"]);
    let locate = |fault: Fault| match &fault.at {
        Some(_) => fault,
        None => Fault { hint: fault.hint, ..place.fault(fault.message) },
    };
    Faults(faults.0.into_iter().map(locate).collect())
}

/// The digest of every build's filtered context.
fn contexts(
    checkout: &Checkout,
    project: &compose::Project,
) -> Result<BTreeMap<ServiceName, String>, Faults> {
    let mut contexts: BTreeMap<ServiceName, String> = BTreeMap::new();
    for (name, service) in &project.services {
        let Some(build) = &service.build else { continue };
        // Read once, however many containers it has.
        if let Some(same) = contexts.get(&name.numbered(1)).cloned() {
            contexts.insert(name.clone(), same);
            continue;
        }
        let context = checkout
            .context(&crate::rollout::context_request(build))
            .map_err(|error| Fault::new(format!("service {name}: {error}")))?;
        contexts.insert(name.clone(), context.digest);
    }
    Ok(contexts)
}

/// Two manifests of one name: neither can be trusted to be the one that is meant.
pub(super) fn duplicates(found: &[Found]) -> BTreeMap<AppName, Vec<String>> {
    let mut by_name: BTreeMap<AppName, Vec<String>> = BTreeMap::new();
    for manifest in found {
        if let Ok(application) = &manifest.application {
            by_name.entry(application.metadata.name.clone()).or_default().push(manifest.path.clone());
        }
    }
    by_name.retain(|_, paths| paths.len() > 1);
    by_name
}
