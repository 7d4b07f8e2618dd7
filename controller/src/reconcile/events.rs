//! The engine's events and changed files: reasons to look, never facts to act on.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::plan::drift::tells;
use futures_util::StreamExt;
use tokio::sync::mpsc::Receiver;

use super::daemon::Daemon;
use crate::engine::{Engine, EngineEvent, EngineInfo};
use crate::source::Changed;

/// Why everybody looks again after an outage.
const BACK: &str = "the engine is back (event)";

/// Says once which engine it is, for whoever reads the log of a machine that is not his.
pub(super) async fn name_engine(engine: Arc<dyn Engine>) {
    match engine.info().await {
        Ok(EngineInfo { id, version, api_version, buildkit }) => {
            tracing::info!(id, version, api_version, buildkit, "the Docker Engine answers");
        }
        Err(error) => tracing::warn!(%error, "the Docker Engine does not answer yet; it is asked again"),
    }
}

/// Listens to the engine until the process goes down; a lost connection is made again.
pub(super) async fn engine_events(daemon: Arc<Daemon>) {
    let mut lost = false;
    loop {
        let mut events = daemon.engine.events();
        if lost && daemon.engine.info().await.is_ok() {
            // Not one of the events that a pass makes by itself, which a failed one forgets.
            daemon.handles().iter().for_each(|handle| handle.trigger_afresh(BACK));
        }
        loop {
            let event = tokio::select! {
                () = daemon.life.stop.cancelled() => return,
                event = events.next() => event,
            };
            match event {
                Some(Ok(event)) => dispatch(&daemon, &event),
                Some(Err(error)) => {
                    tracing::warn!(%error, "the engine's events are lost; asking again");
                    break;
                }
                None => break,
            }
        }
        lost = true;
        tokio::select! {
            () = daemon.life.stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

/// What happens at the engine that can mean drift asks those to look whom it concerns. A container that is unpaused is not drift, but
/// the end of one.
fn dispatch(daemon: &Daemon, event: &EngineEvent) {
    let ends = event.kind == "container" && event.action == "unpause";
    if !ends && !tells(&event.kind, &event.action) {
        return;
    }
    for handle in daemon.handles().iter().filter(|handle| handle.is_meant(event)) {
        handle.trigger(&format!("event: {} {} {}", event.kind, event.action, event.name));
    }
}

/// Hears of changed files: a repository on this machine is polled at once, an application that reads the file looks at once.
pub(super) async fn file_changes(daemon: Arc<Daemon>, mut changes: Receiver<Changed>) {
    loop {
        let changed = tokio::select! {
            () = daemon.life.stop.cancelled() => return,
            changed = changes.recv() => changed,
        };
        let Some(changed) = changed else { return };
        let path = changed.path.to_string_lossy();
        for followed in &daemon.sources {
            let local = followed.source.local_directory();
            if local.is_some_and(|directory| changed.path.starts_with(&directory)) {
                followed.nudge.notify_one();
            }
        }
        for handle in daemon.handles().iter().filter(|handle| handle.reads(&path)) {
            handle.trigger(&format!("file {path} changed"));
        }
    }
}
