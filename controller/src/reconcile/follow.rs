//! Follows a source: polls it, finds its applications, and tells each of them where the branch is.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_core::name::{AppName, Revision};
use evenkeel_core::release::Release;
use evenkeel_core::status::{Condition, Reason};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::app::{Handle, Tip};
use super::daemon::{Daemon, Followed};
use super::desired::{self, Found};
use super::doubt::{ASK_AGAIN, Doubt};
use crate::ledger::LedgerError;
use crate::source::{self, SourceError};

/// Polls until the process goes down: at its interval with a little jitter, and whenever somebody says that it changed.
pub(super) async fn follow(daemon: Arc<Daemon>, followed: Arc<Followed>) {
    let mut seen: Option<Revision> = None;
    let mut doubt = Doubt::default();
    // Nobody stands between this process and a repository on its own machine.
    let is_local = followed.source.local_directory().is_some();
    loop {
        let polled = poll(&daemon, &followed).await;
        let answered = polled.is_ok();
        match polled {
            Ok(tip) => {
                followed.forget(Reason::SourceUnreachable);
                let believed = is_local || doubt.believes(&tip, seen.as_ref(), Instant::now());
                let revision = tip.revision;
                if !believed {
                    let source = &followed.source.config().name;
                    tracing::warn!(%source, %revision, "the branch went back; it is asked again before that is followed");
                } else if seen.as_ref() != Some(&revision) && spread(&daemon, &followed, &revision).await {
                    seen = Some(revision);
                }
            }
            Err(error) => {
                followed.unreachable(&error);
                // What was last fetched goes on being the truth.
                if let (None, Ok(Some(revision))) = (&seen, followed.source.last_tip())
                    && spread(&daemon, &followed, &revision).await
                {
                    seen = Some(revision);
                }
            }
        }
        daemon.source_looked_at(&followed);
        // Whoever wants to know where the branch is waits as long as that is in doubt.
        if !(answered && doubt.is_open()) {
            followed.polls.send_modify(|count| *count += 1);
        }
        tokio::select! {
            () = daemon.life.stop.cancelled() => return,
            () = followed.nudge.notified() => {}
            () = tokio::time::sleep(if doubt.is_open() { ASK_AGAIN } else { jittered(followed.poll) }) => {}
        }
    }
}

/// A tenth more or less, so that a hundred controllers do not ask at the same moment.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fastrand::f64())
}

async fn poll(daemon: &Daemon, followed: &Followed) -> Result<source::Tip, String> {
    let name = &followed.source.config().name;
    let began = Instant::now();
    let result = followed.source.poll().await;
    let seconds = began.elapsed().as_secs_f64();
    match result {
        Ok(tip) => {
            let op = if tip.moved { "fetch" } else { "ls-remote" };
            daemon.metrics.git_request(name, op, "success", seconds);
            daemon.metrics.git_success(name, Timestamp::now());
            if tip.forced {
                tracing::warn!(source = %name, revision = %tip.revision, "the branch was rewritten; its new tip is followed");
            }
            Ok(tip)
        }
        Err(error) => {
            daemon.metrics.git_request(name, "ls-remote", error.kind(), seconds);
            Err(told(&error))
        }
    }
}

/// Whether waiting is enough, or somebody has to do something.
fn told(error: &SourceError) -> String {
    let next = if error.transient() {
        "it is asked again by itself"
    } else {
        "waiting does not mend this by itself"
    };
    format!("{error}; {next}")
}

/// Tells every application of the source where the branch is; new ones get a worker. Whether the commit could be read.
async fn spread(daemon: &Arc<Daemon>, followed: &Arc<Followed>, revision: &Revision) -> bool {
    let found = match desired::manifests(&followed.source, revision).await {
        Ok(found) => found,
        Err(error) => {
            followed.unreachable(&error);
            return false;
        }
    };
    followed.forget(Reason::ManifestInvalid);
    if found.is_empty() {
        let path = &followed.source.config().path;
        let under = if path.is_empty() { String::new() } else { format!(" under {path}") };
        followed.condition(
            Reason::ManifestInvalid,
            &format!("commit {} has no evenkeel.yaml{under}", revision.short()),
        );
    }
    let duplicates = desired::duplicates(&found);
    for (name, paths) in &duplicates {
        followed.condition(
            Reason::ManifestInvalid,
            &format!(
                "two manifests are named {name}: {}; nothing of either is rolled out",
                paths.join(" and ")
            ),
        );
    }
    let mut named: BTreeMap<AppName, String> = BTreeMap::new();
    let mut elsewhere = Vec::new();
    let told = found
        .iter()
        .try_for_each(|manifest| {
            let name = name_of(daemon, followed, manifest)?.filter(|name| !duplicates.contains_key(name));
            let Some(name) = name else { return Ok(()) };
            match daemon.other_source(&name, &followed.source.config().name)? {
                Some(other) => {
                    elsewhere.push(format!("{name} of {} is followed from source {other}", manifest.path))
                }
                None => drop(named.insert(name, manifest.path.clone())),
            }
            Ok(())
        })
        .and_then(|()| daemon.tell(followed, revision, &named, &duplicates));
    if !elsewhere.is_empty() {
        followed.condition(
            Reason::ManifestInvalid,
            &format!(
                "{}: a name stands for one application. Choose another `metadata.name`; what has moved here is taken out there, and \
                 evenkeel restarted",
                elsewhere.join("; ")
            ),
        );
    }
    // The next poll tries again.
    told.inspect_err(|error| tracing::error!(source = %followed.source.config().name, %error, "the applications of a commit cannot be told of it"))
        .is_ok_and(|()| elsewhere.is_empty())
}

/// A manifest that cannot be read any more is still its application's: by where it stood.
fn name_of(daemon: &Daemon, followed: &Followed, manifest: &Found) -> Result<Option<AppName>, LedgerError> {
    match &manifest.application {
        Ok(application) => Ok(Some(application.metadata.name.clone())),
        Err(faults) => {
            let known = daemon.ledger.apps()?.into_iter().find(|record| {
                record.manifest_path.as_deref() == Some(manifest.path.as_str())
                    && record.source.as_deref() == Some(followed.source.config().name.as_str())
            });
            if known.is_none() {
                followed.condition(Reason::ManifestInvalid, &faults.to_string());
            }
            Ok(known.map(|record| record.name))
        }
    }
}

impl Followed {
    /// The remote cannot be asked; the last good commit goes on being kept.
    fn unreachable(&self, error: &str) {
        let name = &self.source.config().name;
        tracing::warn!(source = %name, error, "the source cannot be read");
        self.condition(
            Reason::SourceUnreachable,
            &format!("{error}; the last commit that was read goes on being kept"),
        );
    }

    fn condition(&self, reason: Reason, message: &str) {
        let mut conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        let since = conditions
            .iter()
            .find(|condition| condition.reason == reason)
            .map_or_else(Timestamp::now, |it| it.since);
        conditions.retain(|condition| condition.reason != reason);
        conditions.push(Condition { reason, message: message.to_owned(), since });
    }

    fn forget(&self, reason: Reason) {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner).retain(|it| it.reason != reason);
    }
}

/// Ends a rollout's proofs and bake when the branch asks for another release. A commit that means the same release does not.
///
/// The branch may have moved on since its tip was `read` for this rollout.
///
/// Cancel-safe: it only reads. Never ends by itself.
pub(super) async fn cancel_when_superseded(
    handle: &Handle,
    read: &Revision,
    target: &Release,
    cancel: &CancellationToken,
) {
    let mut tip = handle.tip.subscribe();
    if tip.borrow().revision != *read {
        tip.mark_changed();
    }
    loop {
        if tip.changed().await.is_err() {
            return std::future::pending().await;
        }
        let Tip { revision, manifest: Some(manifest) } = tip.borrow_and_update().clone() else { continue };
        let Ok(pins) = handle.context.ledger.pins(&handle.name) else { continue };
        let read = desired::release(&handle.source, &revision, &manifest, &handle.key, &pins).await;
        let Ok(desired) = read else { continue };
        if desired.release.digest != target.digest {
            tracing::info!(app = %handle.name, revision = %revision, "a newer release is wanted");
            cancel.cancel();
        }
    }
}

/// When a commit was made.
pub(super) async fn committed_at(
    source: &Arc<crate::source::Source>,
    revision: &Revision,
) -> Option<Timestamp> {
    let (source, revision) = (Arc::clone(source), revision.clone());
    let read = move || {
        source.checkout(&revision).and_then(|checkout| checkout.meta()).map(|meta| meta.committed_at).ok()
    };
    tokio::task::spawn_blocking(read).await.ok().flatten()
}
