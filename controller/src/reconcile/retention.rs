//! What is kept: images and scripts of live and recent releases, the last good backups, never less.

use std::collections::BTreeSet;
use std::path::PathBuf;

use evenkeel_core::name::{ReleaseDigest, Revision};
use evenkeel_core::plan::{Move, explain};
use evenkeel_core::release::{ImageSource, Release};

use super::app::Handle;
use crate::engine::{Engine, EngineError};
use crate::rollout::Failure;
use crate::source::Releases;

/// Releases beside the live one whose images, files and records stay.
const KEEP: usize = 10;

/// Removes what nobody can go back to any more: of each release the images, its files, and last its record, which is what tells
/// after a crash that there is something to remove.
pub(super) async fn retain(handle: &Handle, live: &Release) -> Result<(), Failure> {
    let ledger = &handle.context.ledger;
    let releases = ledger.releases(&handle.name)?;
    let quarantined: BTreeSet<ReleaseDigest> =
        ledger.quarantined(&handle.name)?.into_iter().map(|entry| entry.release).collect();
    let explain_schema = explain_schema(handle, live)?;
    let stays = |digest: &ReleaseDigest| {
        *digest == live.digest || quarantined.contains(digest) || explain_schema.contains(digest)
    };
    let mut doomed: Vec<ReleaseDigest> = releases
        .iter()
        .skip(KEEP)
        .map(|(digest, ..)| digest.clone())
        .filter(|digest| !stays(digest))
        .collect();
    if doomed.is_empty() {
        return Ok(());
    }
    let mounted = mounted(handle, live).await?;
    let files = Releases::new(&handle.context.data_dir);
    doomed.retain(|digest| !mounted.iter().any(|path| files.has(&handle.name, digest, path)));
    let mut kept = BTreeSet::new();
    for (digest, ..) in releases.iter().filter(|(digest, ..)| !doomed.contains(digest)) {
        kept.extend(ledger.release(&handle.name, digest)?.iter().flat_map(built));
    }
    let commits = commits(handle, &doomed)?;
    for digest in doomed {
        let release = ledger.release(&handle.name, &digest)?;
        for image in release.iter().flat_map(built).filter(|image| !kept.contains(image)) {
            remove_image(handle.context.engine.as_ref(), &image).await?;
        }
        if let Err(error) = files.remove_release(&handle.name, &digest) {
            tracing::warn!(app = %handle.name, %error, "files of an old release stay");
        }
        if let Some(release) = release.filter(|release| !commits.contains(&release.revision))
            && let Err(error) = handle.source.unkeep(&release.revision)
        {
            tracing::warn!(app = %handle.name, %error, "a commit of an old release stays");
        }
        ledger.remove_release(&handle.name, &digest)?;
    }
    Ok(())
}

/// What containers mount of the host. A service that many releases have left as it is goes on with the files of the first of them.
async fn mounted(handle: &Handle, live: &Release) -> Result<BTreeSet<PathBuf>, Failure> {
    let containers = handle.context.engine.containers(&live.project.name).await?;
    let mounts = containers.into_iter().flat_map(|container| container.mounts);
    Ok(mounts.map(|(source, ..)| PathBuf::from(source)).collect())
}

/// The commits of the source that releases stand at which stay, those of its other applications as well: several may stand at one.
fn commits(handle: &Handle, doomed: &[ReleaseDigest]) -> Result<BTreeSet<Revision>, Failure> {
    let ledger = &handle.context.ledger;
    let source = handle.source.config().name.as_str();
    let mut commits = BTreeSet::new();
    for app in ledger.apps()?.into_iter().filter(|app| app.source.as_deref() == Some(source)) {
        let stays = |digest: &ReleaseDigest| app.name != handle.name || !doomed.contains(digest);
        let releases = ledger.releases(&app.name)?.into_iter();
        commits.extend(releases.filter(|(digest, ..)| stays(digest)).map(|(_, revision, _)| revision));
    }
    Ok(commits)
}

/// Those without which nobody could tell how the schema came to where it stands, nor take it down again.
fn explain_schema(handle: &Handle, live: &Release) -> Result<BTreeSet<ReleaseDigest>, Failure> {
    let ledger = &handle.context.ledger;
    let Some(schema) = ledger.app(&handle.name)?.schema else { return Ok(BTreeSet::new()) };
    let scripts = ledger.outputs(&handle.name, &live.digest)?.scripts;
    let applied = ledger.applied(&handle.name)?;
    let moves: Vec<Move<'_>> = applied
        .iter()
        .map(|it| Move { release: &it.release, direction: it.direction, from: &it.from, to: &it.to })
        .collect();
    let heads = scripts.as_ref().map(|scripts| &scripts.heads);
    Ok(explain(&moves, &schema, heads).into_iter().cloned().collect())
}

fn built(release: &Release) -> Vec<String> {
    release
        .images
        .values()
        .filter_map(|source| match source {
            ImageSource::Build { name, .. } => Some(name.clone()),
            ImageSource::Registry { .. } => None,
        })
        .collect()
}

/// An engine that is away is asked again in the next pass; an image that it will not give up stays.
async fn remove_image(engine: &dyn Engine, image: &str) -> Result<(), EngineError> {
    match engine.remove_image(image).await {
        Err(error @ (EngineError::Unreachable { .. } | EngineError::Timeout { .. })) => Err(error),
        Err(error) => {
            tracing::warn!(image, %error, "an old image stays");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
