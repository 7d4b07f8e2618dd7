//! Local changes, as soon as they happen: a repository on this machine that gets a commit, a host file that is edited.
//!
//! A change is a reason to look, never a fact: what is sent may be too much (a neighbour's change is not, but a change that is
//! undone is), and it comes once things have been quiet for a moment. Directories are watched, never files: editors, `mv` and git
//! put a new file in the old one's place, and a watch would stay with the old one. Where the system grants no more watches, the
//! targets concerned are looked at every few seconds instead.

mod place;
mod state;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::{Event, RecommendedWatcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use state::State;

/// A storm of changes is told of at least this often.
const PATIENCE: u32 = 10;

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    /// A repository: a working tree, a worktree whose `.git` is a file, or a bare one. Its HEAD and branches, not its files.
    Repository(PathBuf),
    /// A file on the host, which need not exist yet, and neither need its directory.
    File(PathBuf),
}

impl Target {
    /// The path that was asked for.
    pub(crate) fn path(&self) -> &PathBuf {
        match self {
            Self::Repository(path) | Self::File(path) => path,
        }
    }
}

/// Something about a target has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The target's path, as it was asked for.
    pub path: PathBuf,
}

/// The watches. Targets come and go while it runs; it ends when this is dropped.
pub(crate) struct Watches {
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watches {
    /// Starts watching nothing. Changes are sent after `quiet`; what cannot be watched is looked at every `interval`.
    /// Must be called within a tokio runtime.
    pub(crate) fn new(quiet: Duration, interval: Duration) -> (Self, mpsc::Receiver<Changed>) {
        let (events, inbox) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Reading is no change, and evenkeel itself reads.
            if event.as_ref().map_or(true, |event| !is_reading(event)) {
                let _ = events.send(event);
            }
        });
        Self::with(watcher, inbox, quiet, interval)
    }

    fn with(
        watcher: notify::Result<RecommendedWatcher>,
        inbox: mpsc::UnboundedReceiver<notify::Result<Event>>,
        quiet: Duration,
        interval: Duration,
    ) -> (Self, mpsc::Receiver<Changed>) {
        let state = Arc::new(Mutex::new(State::new(watcher)));
        let (sender, receiver) = mpsc::channel(64);
        let task = tokio::spawn(run(Arc::clone(&state), inbox, sender, quiet, interval));
        (Self { state, task }, receiver)
    }

    /// Watches a target, from now on, until everybody who asked for it has let it go.
    pub(crate) fn watch(&self, target: Target) {
        lock(&self.state).add(target);
    }

    /// Lets a target go.
    pub(crate) fn unwatch(&self, target: &Target) {
        lock(&self.state).remove(target);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opening, reading and closing after reading.
fn is_reading(event: &Event) -> bool {
    use notify::event::{AccessKind, AccessMode, EventKind};
    matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write))
}

/// Gathers changes until it is quiet, then tells. Cancel-safe: every await is a receive, a timer or a send of what stays noted.
async fn run(
    state: Arc<Mutex<State>>,
    mut inbox: mpsc::UnboundedReceiver<notify::Result<Event>>,
    sender: mpsc::Sender<Changed>,
    quiet: Duration,
    interval: Duration,
) {
    let mut look = tokio::time::interval(interval);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pending = Pending::default();
    loop {
        let due = pending.due(quiet);
        tokio::select! {
            Some(event) = inbox.recv() => pending.add(lock(&state).on_event(event)),
            _ = look.tick() => pending.add(lock(&state).look()),
            () = sleep_until(due) => {
                for target in std::mem::take(&mut pending).targets {
                    if sender.send(Changed { path: target.path().clone() }).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Changes that have not been told yet.
#[derive(Default)]
struct Pending {
    targets: BTreeSet<Target>,
    since: Option<(Instant, Instant)>,
}

impl Pending {
    fn add(&mut self, targets: Vec<Target>) {
        if !targets.is_empty() {
            let now = Instant::now();
            self.since = Some((self.since.map_or(now, |(first, _)| first), now));
            self.targets.extend(targets);
        }
    }

    fn due(&self, quiet: Duration) -> Option<Instant> {
        self.since.map(|(first, last)| (last + quiet).min(first + quiet * PATIENCE))
    }
}

#[cfg(test)]
mod tests;
