//! One commit of the mirror, opened for reading.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use evenkeel_core::name::Revision;
use git2::{ErrorClass, ErrorCode, Oid, Repository, TreeEntry};

use super::search::{Steps, search};

/// git's mode of a symbolic link, a submodule, a directory and an executable file.
pub(super) const LINK: i32 = 0o120_000;
pub(super) const SUBMODULE: i32 = 0o160_000;
pub(super) const DIRECTORY: i32 = 0o040_000;
pub(super) const EXECUTABLE: i32 = 0o100_755;

/// Why a commit could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TreeError {
    /// The repository does not have the commit.
    #[error("commit {0} is not in the repository")]
    NoCommit(Revision),
    /// There is no repository, or it cannot be opened.
    #[error("{path}: no git repository can be read there: {reason}")]
    NoRepository {
        /// Where one was looked for.
        path: String,
        /// What the library said.
        reason: String,
    },
    /// There is nothing at the path.
    #[error("{0}: there is no such file")]
    Missing(String),
    /// A file or directory of a working tree cannot be read.
    #[error("{path}: {reason}")]
    Disk {
        /// Where.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// It is something else than was asked for.
    #[error("{path}: is a {is}, not a {wanted}")]
    Kind {
        /// Where.
        path: String,
        /// What it is.
        is: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// A path or a link leads out of the repository.
    #[error("{path}: leads out of the repository")]
    Outside {
        /// The path that was asked for.
        path: String,
    },
    /// Links lead in a circle.
    #[error("{path}: its symbolic links lead in a circle")]
    Circle {
        /// The path that was asked for.
        path: String,
    },
    /// A submodule.
    #[error(
        "{path}: is a submodule, and evenkeel does not fetch submodules: copy what is needed into the repository"
    )]
    Submodule {
        /// Where.
        path: String,
    },
    /// A pointer of Git LFS instead of content.
    #[error(
        "{path}: is a Git LFS pointer, and evenkeel does not fetch LFS objects: keep the file in git itself, or exclude it in \
         .dockerignore and fetch it while building"
    )]
    Lfs {
        /// Where.
        path: String,
    },
    /// A name that is no UTF-8.
    #[error("{path}: the name is not UTF-8")]
    Name {
        /// Where, as far as it can be shown.
        path: String,
    },
    /// The mirror lacks an object or holds a broken one; see [`super::Source::distrust`].
    #[error("the mirror is broken: {0}")]
    Corrupt(String),
}

impl From<git2::Error> for TreeError {
    fn from(e: git2::Error) -> Self {
        Self::Corrupt(e.message().to_owned())
    }
}

/// One commit. All reads are of git objects: there is no working tree that could differ from it.
pub(crate) struct Checkout {
    repository: Mutex<Repository>,
    pub(super) revision: Revision,
    pub(super) commit: Oid,
    broken: AtomicBool,
}

impl std::fmt::Debug for Checkout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checkout({})", self.revision)
    }
}

/// What stands at a path once every link on the way has been followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: String,
    pub(super) mode: i32,
    pub(super) id: Oid,
}

impl Found {
    /// Refuses what cannot be handed on truthfully: a submodule, which has no content here, and a name that is no text.
    pub(super) fn usable(&self) -> Result<(), TreeError> {
        match self.mode {
            _ if self.path.contains('\u{fffd}') => Err(TreeError::Name { path: self.path.clone() }),
            SUBMODULE => Err(TreeError::Submodule { path: self.path.clone() }),
            _ => Ok(()),
        }
    }

    /// The path below a directory; `None` where it is not below it.
    pub(super) fn below(&self, directory: &str) -> Option<&str> {
        if directory.is_empty() {
            return Some(&self.path);
        }
        self.path.strip_prefix(directory)?.strip_prefix('/')
    }
}

impl Checkout {
    /// Opens a commit of a bare repository.
    ///
    /// # Errors
    /// `NoCommit` where the repository does not have it.
    pub(crate) fn open(mirror: &Path, revision: &Revision) -> Result<Self, TreeError> {
        let missing = || TreeError::NoCommit(revision.clone());
        let repository = Repository::open_bare(mirror).map_err(|e| match e.code() {
            ErrorCode::NotFound => missing(),
            _ => e.into(),
        })?;
        let commit = Oid::from_str(revision.as_str()).map_err(|_| missing())?;
        repository.find_commit(commit).map_err(|e| match (e.code(), e.class()) {
            (ErrorCode::NotFound, _) | (_, ErrorClass::Invalid) => missing(),
            _ => e.into(),
        })?;
        Ok(Self {
            repository: Mutex::new(repository),
            revision: revision.clone(),
            commit,
            broken: AtomicBool::new(false),
        })
    }

    /// The commit's id.
    pub(crate) fn revision(&self) -> &Revision {
        &self.revision
    }

    /// Whether something that was read of it turned out to be broken in the mirror: see [`super::Source::distrust`].
    pub(crate) fn broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Remembers what an error says of the mirror; those who get it may only want its text.
    pub(super) fn note(&self, error: &TreeError) {
        if matches!(error, TreeError::Corrupt(_)) {
            self.broken.store(true, Ordering::Relaxed);
        }
    }

    /// The library's handle may only be used by one thread at a time.
    pub(super) fn repository(&self) -> MutexGuard<'_, Repository> {
        self.repository.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is at `path`, links on the way followed; a link at its very end only where `last` says so.
    pub(super) fn find(&self, path: &str, last: bool) -> Result<Option<Found>, TreeError> {
        let repository = self.repository();
        let id = repository.find_commit(self.commit)?.tree_id();
        let root = Found { path: String::new(), mode: DIRECTORY, id };
        search(&*repository, root, path, last)
    }

    /// Like `find` to the very end, where there must be something.
    pub(super) fn must_find(&self, path: &str) -> Result<Found, TreeError> {
        self.find(path, true)?.ok_or_else(|| TreeError::Missing(path.to_owned()))
    }

    /// A blob's content.
    pub(super) fn blob(&self, id: Oid) -> Result<Vec<u8>, TreeError> {
        Ok(self.repository().find_blob(id)?.content().to_vec())
    }

    /// Whether a blob is a pointer that Git LFS left in place of the content.
    pub(super) fn is_lfs_pointer(&self, id: Oid) -> Result<bool, TreeError> {
        let repository = self.repository();
        let (size, _) = repository.odb()?.read_header(id)?;
        if !(100..1024).contains(&size) {
            return Ok(false);
        }
        let blob = repository.find_blob(id)?;
        let pointer = blob.content().starts_with(b"version https://git-lfs.github.com/spec/");
        Ok(pointer && blob.content().windows(11).any(|text| text == b"oid sha256:"))
    }

    /// Calls `visit` for all that is below a directory, in git's order; it says whether to enter a directory.
    pub(super) fn walk(
        &self,
        directory: &Found,
        visit: &mut dyn FnMut(&Found) -> Result<bool, TreeError>,
    ) -> Result<(), TreeError> {
        for child in self.children(directory)? {
            if visit(&child)? && child.mode == DIRECTORY {
                self.walk(&child, visit)?;
            }
        }
        Ok(())
    }

    pub(super) fn children(&self, directory: &Found) -> Result<Vec<Found>, TreeError> {
        let repository = self.repository();
        let tree = repository.find_tree(directory.id)?;
        Ok(tree.iter().map(|entry| found(&directory.path, &entry)).collect())
    }
}

impl Steps for Repository {
    fn child(&self, parent: &Found, name: &str) -> Result<Option<Found>, TreeError> {
        let tree = self.find_tree(parent.id)?;
        Ok(tree.get_name(name).map(|entry| found(&parent.path, &entry)))
    }

    fn target(&self, link: &Found) -> Result<Vec<u8>, TreeError> {
        Ok(self.find_blob(link.id)?.content().to_vec())
    }
}

/// Names that are no UTF-8 are only refused by those who would use them: see `Found::usable`.
fn found(parent: &str, entry: &TreeEntry<'_>) -> Found {
    let name = String::from_utf8_lossy(entry.name_bytes());
    Found { path: join(parent, &name), mode: normal(entry.filemode()), id: entry.id() }
}

/// Old repositories hold 0664 and the like: git itself only knows executable or not.
fn normal(mode: i32) -> i32 {
    match mode {
        LINK | SUBMODULE | DIRECTORY => mode,
        _ if mode & 0o111 != 0 => EXECUTABLE,
        _ => 0o100_644,
    }
}

/// `a/b` from `a` and `b`; the root's path is empty.
pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }
}

pub(super) fn kind_of(mode: i32) -> &'static str {
    match mode {
        LINK => "symbolic link",
        SUBMODULE => "submodule",
        DIRECTORY => "directory",
        _ => "file",
    }
}
