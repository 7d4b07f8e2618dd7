//! The files that containers mount from the repository, written out for one release.
//!
//! A container's mount outlives commits, so every release has files of its own, under
//! `releases/<application>/<digest>/files/`. They appear at once, by a rename, once they are safely on disk; a second call finds
//! them by their ids and only mends what somebody has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use evenkeel_core::name::{AppName, ReleaseDigest};
use git2::{ObjectType, Oid};
use serde::{Deserialize, Serialize};

use super::checkout::{Checkout, DIRECTORY, EXECUTABLE, Found, LINK, TreeError, join};
use crate::space;

const MANIFEST: &str = "files.json";
const ABANDONED: Duration = Duration::from_secs(3600);

/// Why a release's files could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MaterialiseError {
    /// Something in the tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The disk.
    #[error("cannot write {path}: {reason}")]
    Write {
        /// Where.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The release already has another content at a path.
    #[error("release {digest} already has other content at {path}: a digest names one content only")]
    Conflict {
        /// The release.
        digest: String,
        /// The path.
        path: String,
    },
}

/// One file or link of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Item {
    mode: i32,
    id: String,
}

/// All of a release: files and links by path, and the directories that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    items: BTreeMap<String, Item>,
}

/// Where releases' files are.
#[derive(Clone, Debug)]
pub(crate) struct Releases {
    root: PathBuf,
}

impl Releases {
    /// Below evenkeel's data directory.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { root: data_dir.join("releases") }
    }

    /// Where a release's files are, or will be.
    pub(crate) fn directory(&self, app: &AppName, digest: &ReleaseDigest) -> PathBuf {
        self.release(app, digest).join("files")
    }

    /// Whether a path leads to what a release mounts.
    pub(crate) fn has(&self, app: &AppName, digest: &ReleaseDigest, path: &Path) -> bool {
        path.starts_with(self.release(app, digest))
    }

    /// Writes what a release mounts: files or directories by their path in the repository. Done already: only checked, and
    /// mended. Files become read-only (0444, 0555); directories stay writable for their owner, so that a release can be removed.
    ///
    /// # Errors
    /// Where a path is missing, leads out of the repository, or is a submodule or LFS pointer, and where the disk fails.
    pub(crate) fn materialise(
        &self,
        checkout: &Checkout,
        app: &AppName,
        digest: &ReleaseDigest,
        paths: &[String],
    ) -> Result<PathBuf, MaterialiseError> {
        let wanted = wanted(checkout, paths)?;
        let release = self.release(app, digest);
        if !release.exists() {
            self.create(checkout, app, digest, &wanted)?;
        }
        mend(checkout, &release, digest, wanted)?;
        Ok(release.join("files"))
    }

    /// Removes a release's files. None there: fine.
    ///
    /// # Errors
    /// Where they cannot be removed.
    pub(crate) fn remove_release(
        &self,
        app: &AppName,
        digest: &ReleaseDigest,
    ) -> Result<(), MaterialiseError> {
        let release = self.release(app, digest);
        let doomed = self.temporary(app, digest);
        // Out of sight first, so that a crash leaves no release half there.
        match fs::rename(&release, &doomed) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(failed(&release, &e)),
            Ok(()) => fs::remove_dir_all(&doomed).map_err(|e| failed(&doomed, &e)),
        }
    }

    fn create(
        &self,
        checkout: &Checkout,
        app: &AppName,
        digest: &ReleaseDigest,
        wanted: &Contents,
    ) -> Result<(), MaterialiseError> {
        let (temporary, release) = (self.temporary(app, digest), self.release(app, digest));
        self.sweep(app);
        fill(checkout, &temporary, wanted).inspect_err(|_| drop(fs::remove_dir_all(&temporary)))?;
        match fs::rename(&temporary, &release) {
            // Somebody else was faster; what they wrote is checked next.
            Err(_) if release.exists() => fs::remove_dir_all(&temporary).map_err(|e| failed(&temporary, &e)),
            other => other.and_then(|()| sync_parent(&release)).map_err(|e| failed(&release, &e)),
        }
    }

    /// Removes what a crash left; only what is old, since another process may be at work.
    fn sweep(&self, app: &AppName) {
        for entry in fs::read_dir(self.root.join(app.as_str())).into_iter().flatten().flatten() {
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let modified = entry.metadata().and_then(|meta| meta.modified());
            let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            if hidden && age.is_some_and(|age| age > ABANDONED) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn release(&self, app: &AppName, digest: &ReleaseDigest) -> PathBuf {
        self.root.join(app.as_str()).join(digest.as_str())
    }

    fn temporary(&self, app: &AppName, digest: &ReleaseDigest) -> PathBuf {
        self.root.join(app.as_str()).join(format!(".{digest}.{}", unique()))
    }
}

/// What the commit holds at the paths. Links at their very end are followed; links below them are kept.
fn wanted(checkout: &Checkout, paths: &[String]) -> Result<Contents, MaterialiseError> {
    let mut contents = Contents::default();
    for path in paths {
        let asked = plain(path).ok_or_else(|| TreeError::Outside { path: path.clone() })?;
        let top = checkout.must_find(&asked)?;
        if top.mode != DIRECTORY {
            add(checkout, &mut contents, asked, &top)?;
            continue;
        }
        contents.items.insert(asked.clone(), Item { mode: DIRECTORY, id: String::new() });
        checkout.walk(&top, &mut |found| {
            let path = join(&asked, found.below(&top.path).unwrap_or_default());
            add(checkout, &mut contents, path, found)?;
            Ok(true)
        })?;
    }
    Ok(contents)
}

fn add(checkout: &Checkout, contents: &mut Contents, path: String, found: &Found) -> Result<(), TreeError> {
    found.usable()?;
    if found.mode == LINK {
        // Only to see whether it leaves the repository; one that leads nowhere is the user's affair.
        checkout.find(&found.path, true)?;
    } else if found.mode != DIRECTORY && checkout.is_lfs_pointer(found.id)? {
        return Err(TreeError::Lfs { path: found.path.clone() });
    }
    let id = if found.mode == DIRECTORY { String::new() } else { found.id.to_string() };
    contents.items.insert(path, Item { mode: found.mode, id });
    Ok(())
}

/// A path without `.`, doubled slashes or `..`; `None` where it climbs.
fn plain(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    (!path.starts_with('/') && !parts.contains(&"..")).then(|| parts.join("/"))
}

fn fill(checkout: &Checkout, release: &Path, wanted: &Contents) -> Result<(), MaterialiseError> {
    let files = release.join("files");
    fs::create_dir_all(&files).map_err(|e| failed(&files, &e))?;
    for (path, item) in &wanted.items {
        put(checkout, &files.join(path), item)?;
    }
    sync_directories(&files, wanted).map_err(|e| failed(&files, &e))?;
    record(release, wanted)
}

/// Brings an existing release up to what is wanted: adds what is missing, rewrites what was changed on disk.
fn mend(
    checkout: &Checkout,
    release: &Path,
    digest: &ReleaseDigest,
    wanted: Contents,
) -> Result<(), MaterialiseError> {
    let mut recorded = recorded(release);
    for (path, item) in wanted.items {
        let target = release.join("files").join(&path);
        let before = recorded.items.get(&path);
        if before.is_some_and(|before| *before != item) {
            return Err(MaterialiseError::Conflict { digest: digest.to_string(), path });
        }
        let known = before.is_some();
        if !intact(&target, &item) {
            tracing::warn!(path = %target.display(), known, "writing a release's file again");
            put(checkout, &target, &item)?;
        }
        if !known {
            recorded.items.insert(path, item);
            record(release, &recorded)?;
        }
    }
    Ok(())
}

fn recorded(release: &Path) -> Contents {
    let text = fs::read(release.join(MANIFEST)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn record(release: &Path, contents: &Contents) -> Result<(), MaterialiseError> {
    let path = release.join(MANIFEST);
    let text = serde_json::to_vec_pretty(contents).unwrap_or_default();
    write_file(&path, &text, 0o644).map_err(|e| failed(&path, &e))
}

/// Whether what lies there is what git has.
fn intact(target: &Path, item: &Item) -> bool {
    let Ok(meta) = fs::symlink_metadata(target) else { return false };
    let same = |id: Result<Oid, git2::Error>| id.is_ok_and(|id| id.to_string() == item.id);
    match item.mode {
        DIRECTORY => meta.is_dir(),
        LINK => meta.is_symlink() && fs::read_link(target).is_ok_and(|to| same(hash(&to))),
        mode => {
            let rights = meta.permissions().mode() & 0o777;
            meta.is_file() && rights == rights_of(mode) && same(Oid::hash_file(ObjectType::Blob, target))
        }
    }
}

fn hash(link: &Path) -> Result<Oid, git2::Error> {
    use std::os::unix::ffi::OsStrExt;
    Oid::hash_object(ObjectType::Blob, link.as_os_str().as_bytes())
}

fn rights_of(mode: i32) -> u32 {
    if mode == EXECUTABLE { 0o555 } else { 0o444 }
}

fn put(checkout: &Checkout, target: &Path, item: &Item) -> Result<(), MaterialiseError> {
    let content = || -> Result<Vec<u8>, TreeError> { checkout.blob(Oid::from_str(&item.id)?) };
    let done = match item.mode {
        DIRECTORY => make_directory(target),
        LINK => write_link(target, &content()?),
        mode => write_file(target, &content()?, rights_of(mode)),
    };
    done.map_err(|e| failed(target, &e))
}

/// Readable for every user whom a container may run as, whatever the umask.
fn make_directory(target: &Path) -> std::io::Result<()> {
    fs::create_dir_all(target)?;
    fs::set_permissions(target, Permissions::from_mode(0o755))
}

fn write_link(target: &Path, to: &[u8]) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let temporary = sibling(target)?;
    symlink(std::ffi::OsStr::from_bytes(to), &temporary)?;
    fs::rename(&temporary, target).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Writes a file whole or not at all: beside its place, to the disk, then renamed.
pub(super) fn write_file(target: &Path, content: &[u8], rights: u32) -> std::io::Result<()> {
    let temporary = sibling(target)?;
    let write = || -> std::io::Result<()> {
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(rights))?;
        file.sync_all()?;
        fs::rename(&temporary, target)
    };
    write().inspect_err(|_| drop(fs::remove_file(&temporary)))?;
    sync_parent(target)
}

fn sibling(target: &Path) -> std::io::Result<PathBuf> {
    let parent = target.parent().ok_or(ErrorKind::InvalidInput)?;
    if !parent.is_dir() {
        make_directory(parent)?;
    }
    Ok(parent.join(format!(".evenkeel-{}", unique())))
}

fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn sync_directories(files: &Path, contents: &Contents) -> std::io::Result<()> {
    let parents: BTreeSet<&Path> =
        contents.items.keys().flat_map(|path| Path::new(path).ancestors()).collect();
    let directories = parents.into_iter().map(|path| files.join(path)).filter(|path| path.is_dir());
    directories.map(File::open).try_for_each(|directory| directory?.sync_all())
}

pub(super) fn failed(path: &Path, e: &std::io::Error) -> MaterialiseError {
    MaterialiseError::Write { path: path.display().to_string(), reason: space::reason(path, e) }
}

#[cfg(test)]
#[path = "materialise_tests.rs"]
mod tests;
