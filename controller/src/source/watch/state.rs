//! What is watched at the moment, and what is only looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::Target;
use super::place::{Mark, Places, Watched};

/// The targets, and the system's watches that serve them.
pub(super) struct State {
    watcher: Option<RecommendedWatcher>,
    targets: BTreeMap<Target, Places>,
    /// How many have asked for each target: applications may read the same file.
    asked: BTreeMap<Target, usize>,
    armed: BTreeMap<PathBuf, bool>,
    /// Directories that the system would not watch.
    refused: BTreeSet<PathBuf>,
    /// What the targets looked like when last looked at; only those that are not fully watched.
    seen: BTreeMap<Target, Vec<Mark>>,
}

impl State {
    pub(super) fn new(watcher: notify::Result<RecommendedWatcher>) -> Self {
        let watcher = watcher
            .inspect_err(
                |e| tracing::warn!(reason = %e, "cannot watch files; looking every few seconds instead"),
            )
            .ok();
        let (targets, asked, armed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { watcher, targets, asked, armed, refused: BTreeSet::new(), seen: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, target: Target) {
        *self.asked.entry(target.clone()).or_default() += 1;
        if !self.targets.contains_key(&target) {
            let places = Places::of(&target);
            // At once, so that nothing between now and the first look is missed.
            self.seen.insert(target.clone(), places.signature());
            self.targets.insert(target, places);
            self.arm();
        }
    }

    pub(super) fn remove(&mut self, target: &Target) {
        let Some(asked) = self.asked.get_mut(target) else { return };
        *asked -= 1;
        if *asked == 0 {
            self.asked.remove(target);
            self.targets.remove(target);
            self.seen.remove(target);
            self.arm();
        }
    }

    /// The targets that an event concerns.
    pub(super) fn on_event(&mut self, event: notify::Result<Event>) -> Vec<Target> {
        let Ok(event) = event else { return self.all() };
        if event.need_rescan() {
            return self.all();
        }
        if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
            event.paths.iter().for_each(|path| self.disarm(path));
        }
        let concerned = |places: &Places| event.paths.iter().any(|path| places.concern(path));
        let concerned: Vec<Target> = self
            .targets
            .iter()
            .filter(|(_, places)| concerned(places))
            .map(|(target, _)| target.clone())
            .collect();
        if !concerned.is_empty() {
            self.arm();
        }
        concerned
    }

    /// The targets that are not fully watched and have changed since the last look. Also tries again to watch them.
    pub(super) fn look(&mut self) -> Vec<Target> {
        self.arm();
        let unwatched: Vec<Target> =
            self.targets.iter().filter(|(_, p)| self.lacks(p)).map(|(t, _)| t.clone()).collect();
        let mut changed = Vec::new();
        for target in unwatched {
            let now = Places::of(&target).signature();
            if self.seen.insert(target.clone(), now.clone()).is_some_and(|before| before != now) {
                changed.push(target);
            }
        }
        changed
    }

    fn all(&mut self) -> Vec<Target> {
        self.arm();
        self.targets.keys().cloned().collect()
    }

    fn lacks(&self, places: &Places) -> bool {
        places.watched().iter().any(|watched| !self.armed.contains_key(&watched.directory))
    }

    /// A directory that has gone, or is somebody else's now, takes its watch with it.
    fn disarm(&mut self, path: &Path) {
        let gone: Vec<PathBuf> =
            self.armed.keys().filter(|directory| directory.starts_with(path)).cloned().collect();
        for directory in gone {
            self.unwatch(&directory);
        }
    }

    /// Makes the system's watches what they should be, until there is nothing left to do: a directory may appear between the
    /// look at the disk and the watch above it, and nobody would tell of it.
    fn arm(&mut self) {
        for _ in 0..8 {
            let places = self.targets.keys().map(|target| (target.clone(), Places::of(target))).collect();
            self.targets = places;
            if !self.arm_once() {
                return;
            }
        }
    }

    /// Whether anything had to be changed.
    fn arm_once(&mut self) -> bool {
        let mut wanted: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for Watched { directory, recursive } in self.targets.values().flat_map(Places::watched) {
            *wanted.entry(directory).or_default() |= recursive;
        }
        let stale: Vec<PathBuf> = self
            .armed
            .iter()
            .filter(|(path, mode)| wanted.get(*path) != Some(mode))
            .map(|(p, _)| p.clone())
            .collect();
        stale.iter().for_each(|directory| self.unwatch(directory));
        self.refused.retain(|directory| wanted.contains_key(directory));
        let missing = wanted.into_iter().filter(|(directory, _)| !self.armed.contains_key(directory));
        let missing: Vec<(PathBuf, bool)> = missing.collect();
        missing.into_iter().fold(!stale.is_empty(), |changed, (path, mode)| self.watch(path, mode) || changed)
    }

    fn watch(&mut self, directory: PathBuf, recursive: bool) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        match watcher.watch(&directory, mode) {
            Ok(()) => {
                if self.refused.remove(&directory) {
                    tracing::info!(directory = %directory.display(), "watching again");
                }
                self.armed.insert(directory, recursive);
                true
            }
            Err(e) => {
                self.refuse(directory, &e);
                false
            }
        }
    }

    /// Says so once for each directory.
    fn refuse(&mut self, directory: PathBuf, e: &notify::Error) {
        // A recursive watch may have been granted in part.
        if let Some(watcher) = &mut self.watcher {
            let _ = watcher.unwatch(&directory);
        }
        if !self.refused.contains(&directory) {
            let shown = directory.display();
            tracing::warn!(directory = %shown, reason = %e, "cannot watch; looking every few seconds instead");
            self.refused.insert(directory);
        }
    }

    fn unwatch(&mut self, directory: &Path) {
        self.armed.remove(directory);
        if let Some(watcher) = &mut self.watcher {
            // The system has often dropped it already, with the directory.
            let _ = watcher.unwatch(directory);
        }
    }
}
