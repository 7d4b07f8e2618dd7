//! The bare mirror on disk: its lock, its references, its health.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use git2::{ErrorCode, Oid, Repository, RepositoryInitOptions};

use super::error::SourceError;
use crate::space;

/// Where branches are mirrored to. Not straight below `refs/evenkeel/`: a branch may be called `keep`.
const BRANCHES: &str = "refs/evenkeel/branch/";
const KEEP: &str = "refs/evenkeel/keep/";
/// Left-over lock files are only removed at this age: `keep` takes them for a moment without holding the mirror's lock.
const STALE: Duration = Duration::from_secs(60);

/// The paths of one source.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
}

impl Layout {
    pub(super) fn repository(&self) -> PathBuf {
        self.root.join("repo.git")
    }
    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }
    /// Says that a reader has found the mirror broken.
    pub(super) fn marker(&self) -> PathBuf {
        self.root.join("broken")
    }
    /// Says that a new mirror is being made, and that the one that was moved aside has not given up what it keeps yet.
    pub(super) fn renewing(&self) -> PathBuf {
        self.root.join("renewing")
    }
    fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }
    fn aside(&self) -> PathBuf {
        self.root.join("repo.git.broken")
    }
}

pub(super) fn branch_ref(branch: &str) -> String {
    format!("{BRANCHES}{branch}")
}

/// Holds the mirror against other processes until dropped; the system releases it when a process dies.
pub(super) fn lock(layout: &Layout, wait: Duration, alive: &mut dyn FnMut()) -> Result<File, SourceError> {
    let failed = |e: std::io::Error| SourceError::local("lock the mirror", space::reason(&layout.root, &e));
    let file = File::options().create(true).append(true).open(layout.lock()).map_err(failed)?;
    let until = Instant::now() + wait;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(SourceError::Busy { mirror: layout.repository().display().to_string() });
            }
            Err(TryLockError::WouldBlock) => alive(),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The mirror, made where there is none. The lock must be held.
pub(super) fn open_or_create(layout: &Layout) -> Result<Repository, git2::Error> {
    let path = layout.repository();
    if !path.exists() {
        let fresh = layout.root.join("repo.git.new");
        let _ = fs::remove_dir_all(&fresh);
        let mut options = RepositoryInitOptions::new();
        options.bare(true).mkpath(true).external_template(false);
        Repository::init_opts(&fresh, &options)?;
        fs::rename(&fresh, &path).map_err(|e| git2::Error::from_str(&e.to_string()))?;
    }
    remove_leftovers(&path);
    let repository = Repository::open_bare(&path)?;
    check(&repository)?;
    Ok(repository)
}

/// Every reference leads to a commit with a tree, and every pack opens.
fn check(repository: &Repository) -> Result<(), git2::Error> {
    for reference in repository.references_glob("refs/evenkeel/*")? {
        reference?.peel_to_commit()?.tree()?;
    }
    Ok(())
}

/// What a killed fetch leaves behind. The lock must be held.
fn remove_leftovers(repository: &Path) {
    let known = |path: &Path| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("pack-"))
    };
    for path in children(&repository.join("objects/pack")).filter(|path| !known(path)) {
        let _ = fs::remove_file(path);
    }
    remove_stale_locks(repository, 0);
}

fn remove_stale_locks(directory: &Path, depth: usize) {
    for path in children(directory) {
        if path.extension().is_some_and(|e| e == "lock") && stale(&path) {
            let _ = fs::remove_file(&path);
        } else if depth < 12 && path.is_dir() && !path.ends_with("objects") {
            remove_stale_locks(&path, depth + 1);
        }
    }
}

fn stale(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|meta| meta.modified());
    modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > STALE))
}

fn children(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Moves a broken mirror out of the way; the one before it goes. The lock must be held. Where an earlier try did not come to its
/// end, the one aside is still what there is to save, and only what that try had made goes.
pub(super) fn set_aside(layout: &Layout) -> Result<PathBuf, SourceError> {
    let (aside, repository) = (layout.aside(), layout.repository());
    let failed = |e| SourceError::local("move the broken mirror aside", e);
    if layout.renewing().exists() && aside.exists() {
        let _ = fs::remove_dir_all(&repository);
        return Ok(aside);
    }
    let _ = fs::remove_dir_all(&aside);
    fs::write(layout.renewing(), b"").map_err(failed)?;
    match fs::rename(repository, &aside) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(failed(e)),
        _ => Ok(aside),
    }
}

/// The new mirror has all that could be saved.
pub(super) fn renewed(layout: &Layout) {
    let _ = fs::remove_file(layout.marker());
    let _ = fs::remove_file(layout.renewing());
}

/// The tip of a branch as last fetched.
pub(super) fn tip(repository: &Repository, branch: &str) -> Result<Option<Oid>, git2::Error> {
    match repository.refname_to_id(&branch_ref(branch)) {
        Ok(id) => Ok(Some(id)),
        Err(e) if e.code() == ErrorCode::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Forgets branches that are followed no longer: `release` would stand in the way of `release/1`.
pub(super) fn forget_other_branches(repository: &Repository, branch: &str) -> Result<(), git2::Error> {
    let own = branch_ref(branch);
    for reference in repository.references_glob(&format!("{BRANCHES}*"))? {
        let mut reference = reference?;
        if reference.name()? != own {
            reference.delete()?;
        }
    }
    Ok(())
}

/// Keeps a commit, with its history, for as long as a release points to it.
pub(super) fn keep(repository: &Repository, commit: Oid) -> Result<(), git2::Error> {
    repository.find_commit(commit)?;
    repository.reference(&format!("{KEEP}{commit}"), commit, true, "keep").map(drop)
}

/// Lets a commit go.
pub(super) fn unkeep(repository: &Repository, commit: Oid) -> Result<(), git2::Error> {
    match repository.find_reference(&format!("{KEEP}{commit}")) {
        Ok(mut reference) => reference.delete(),
        Err(e) if e.code() == ErrorCode::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// The commits that are kept.
pub(super) fn kept(repository: &Repository) -> Result<Vec<Oid>, git2::Error> {
    let references = repository.references_glob(&format!("{KEEP}*"))?;
    references
        .map(|reference| reference?.target().ok_or_else(|| git2::Error::from_str("a symbolic keep")))
        .collect()
}

/// Brings the kept commits of a broken mirror over into a new one; those that could not be saved come back.
pub(super) fn rescue(aside: &Path, repository: &Repository) -> Vec<Oid> {
    let mut lost = kept_in_ruins(aside);
    lost.retain(|commit| {
        keep(repository, *commit).is_err() && fetch_kept(aside, repository, *commit).is_err()
    });
    lost
}

fn fetch_kept(aside: &Path, repository: &Repository, commit: Oid) -> Result<(), git2::Error> {
    let mut remote = repository.remote_anonymous(&aside.to_string_lossy())?;
    remote.fetch(&[format!("+{KEEP}{commit}:{KEEP}{commit}")], None, None)?;
    keep(repository, commit)
}

/// From the file names alone, and from packed references where the library still reads them.
fn kept_in_ruins(aside: &Path) -> Vec<Oid> {
    let names = children(&aside.join(KEEP)).filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
    let mut found: Vec<Oid> = names.filter_map(|name| Oid::from_str(&name).ok()).collect();
    found.extend(Repository::open_bare(aside).and_then(|repository| kept(&repository)).unwrap_or_default());
    found.sort_unstable();
    found.dedup();
    found
}
