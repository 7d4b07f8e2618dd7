//! A working tree as it lies on disk, read as if it were a commit.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use evenkeel_core::files::{Entry, EntryKind, FileError, Files};
use evenkeel_core::name::Revision;
use git2::{ErrorClass, ErrorCode, ObjectType, Oid, Repository};

use super::checkout::{Checkout, DIRECTORY, EXECUTABLE, Found, LINK, SUBMODULE, TreeError, join, kind_of};
use super::search::{Steps, search};
use super::tree::{MANIFESTS, explain, read_host};

/// git's own directory, in no tree.
const GIT: &str = ".git";

/// A repository's working tree, or a folder outside git.
///
/// It is read as a commit of all that is in it would be, ignored files included: links stay inside, submodules are refused, and
/// sockets and the like are not there.
#[derive(Clone, Debug)]
pub(crate) struct Working {
    /// The repository's top, or the folder itself outside git.
    root: PathBuf,
}

impl Working {
    /// The working tree that a folder (or file) is in, and where it is in there; empty for the top.
    ///
    /// # Errors
    /// Where there is nothing at the path, or its name is no UTF-8.
    pub(crate) fn of(path: &Path) -> Result<(Self, String), TreeError> {
        let path = real(path)?;
        let folder = if path.is_dir() { &path } else { path.parent().unwrap_or(&path) };
        // Not asked of the library, which refuses repositories of other users: this only reads plain files.
        let root = folder.ancestors().find(|folder| folder.join(GIT).exists()).unwrap_or(folder).to_owned();
        let below = relative(&path, &root)?;
        Ok((Self { root }, below))
    }

    /// The manifests below a folder (empty: the whole tree), sorted. A path of a file is taken for a manifest. Directories that
    /// this user may not enter (a database's, usually) are passed over.
    ///
    /// # Errors
    /// Where there is nothing, or a directory cannot be read.
    pub(crate) fn manifests(&self, folder: &str) -> Result<Vec<String>, TreeError> {
        let top = self.must_find(folder)?;
        let mut found = Vec::new();
        match top.mode {
            DIRECTORY => self.collect(&top, &mut found)?,
            _ => found.push(top.path),
        }
        found.sort();
        Ok(found)
    }

    fn collect(&self, directory: &Found, into: &mut Vec<String>) -> Result<(), TreeError> {
        for name in self.names(directory, true)? {
            match self.child(directory, &name)? {
                Some(below) if below.mode == DIRECTORY => self.collect(&below, into)?,
                Some(file) if MANIFESTS.contains(&name.as_str()) && file.mode != SUBMODULE => {
                    into.push(file.path)
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The names in a directory, sorted, without git's own.
    fn names(&self, directory: &Found, lenient: bool) -> Result<Vec<String>, TreeError> {
        let failed = |e: io::Error| disk(&directory.path, &e);
        let entries = match fs::read_dir(self.root.join(&directory.path)) {
            Err(e) if lenient && e.kind() == ErrorKind::PermissionDenied => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let name = |entry: io::Result<fs::DirEntry>| {
            Ok(String::from_utf8_lossy(entry.map_err(failed)?.file_name().as_encoded_bytes()).into_owned())
        };
        let mut names: Vec<String> = entries.map(name).collect::<Result<_, TreeError>>()?;
        names.retain(|name| name != GIT);
        names.sort();
        Ok(names)
    }

    fn find(&self, path: &str, last: bool) -> Result<Option<Found>, TreeError> {
        search(self, found(String::new(), DIRECTORY), path, last)
    }

    fn must_find(&self, path: &str) -> Result<Found, TreeError> {
        self.find(path, true)?.ok_or_else(|| TreeError::Missing(path.to_owned()))
    }

    fn directory(&self, path: &str) -> Result<Found, TreeError> {
        match self.must_find(path)? {
            found if found.mode == DIRECTORY => Ok(found),
            found => Err(kind(path, &found, "directory")),
        }
    }

    fn content(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let found = self.must_find(path)?;
        match found.mode {
            SUBMODULE => Err(TreeError::Submodule { path: path.to_owned() }),
            DIRECTORY => Err(kind(path, &found, "file")),
            _ => read_host(&self.root.join(&found.path))
                .map_err(|e| TreeError::Disk { path: path.to_owned(), reason: e.reason })?
                .ok_or_else(|| TreeError::Missing(path.to_owned())),
        }
    }

    fn described(&self, path: &str) -> Result<Option<Entry>, TreeError> {
        let Some(found) = self.find(path, false)? else { return Ok(None) };
        let kind = match found.mode {
            SUBMODULE => return Err(TreeError::Submodule { path: path.to_owned() }),
            DIRECTORY => EntryKind::Directory,
            LINK => EntryKind::Symlink,
            mode => EntryKind::File { executable: mode == EXECUTABLE },
        };
        Ok(Some(Entry { kind, id: self.id(&found)?.to_string() }))
    }

    /// As git would name it. A directory goes by its listing only: to hash all that is below could take minutes, and nobody
    /// compares working trees.
    fn id(&self, found: &Found) -> Result<Oid, TreeError> {
        Ok(match found.mode {
            LINK => Oid::hash_object(ObjectType::Blob, &self.target(found)?)?,
            DIRECTORY => Oid::hash_object(ObjectType::Blob, self.names(found, false)?.join("\0").as_bytes())?,
            _ => Oid::hash_file(ObjectType::Blob, self.root.join(&found.path))?,
        })
    }
}

impl Steps for Working {
    fn child(&self, parent: &Found, name: &str) -> Result<Option<Found>, TreeError> {
        let path = join(&parent.path, name);
        let on_disk = self.root.join(&path);
        match fs::symlink_metadata(&on_disk) {
            _ if name == GIT => Ok(None),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(disk(&path, &e)),
            Ok(meta) => Ok(mode(&meta, &on_disk).map(|mode| found(path, mode))),
        }
    }

    fn target(&self, link: &Found) -> Result<Vec<u8>, TreeError> {
        let target = fs::read_link(self.root.join(&link.path)).map_err(|e| disk(&link.path, &e))?;
        Ok(target.into_os_string().into_vec())
    }
}

impl Files for Working {
    fn entry(&self, path: &str) -> Result<Option<Entry>, FileError> {
        self.described(path).map_err(|e| explain(path, &e))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.content(path).map_err(|e| explain(path, &e))
    }

    fn read_host(&self, path: &str) -> Result<Option<Vec<u8>>, FileError> {
        read_host(Path::new(path))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        let names = self.directory(path).and_then(|found| self.names(&found, false));
        names.map_err(|e| explain(path, &e))
    }
}

impl Checkout {
    /// A commit (an id, a branch, `HEAD~1`) of the repository that a folder is in, and where the folder is in there.
    ///
    /// # Errors
    /// `NoRepository` where there is none, `NoCommit` where it does not have the commit.
    pub(crate) fn at(path: &Path, revision: &str) -> Result<(Self, String), TreeError> {
        let path = real(path)?;
        let none = |e: git2::Error| no_repository(&path, e.message());
        let repository = Repository::discover(&path).map_err(none)?;
        let root = repository.workdir().ok_or_else(|| no_repository(&path, "it has no working tree"))?;
        let below = relative(&path, &real(root)?)?;
        let commit = repository.revparse_single(revision).and_then(|object| object.peel_to_commit());
        let commit = commit.map_err(|e| match (e.code(), e.class()) {
            (ErrorCode::NotFound | ErrorCode::InvalidSpec | ErrorCode::Ambiguous | ErrorCode::Peel, _)
            | (_, ErrorClass::Invalid) => TreeError::NoCommit(Revision::new(revision)),
            _ => e.into(),
        })?;
        Ok((Self::open(repository.commondir(), &Revision::new(commit.id().to_string()))?, below))
    }
}

fn real(path: &Path) -> Result<PathBuf, TreeError> {
    path.canonicalize().map_err(|e| match e.kind() {
        ErrorKind::NotFound => TreeError::Missing(path.display().to_string()),
        _ => disk(&path.display().to_string(), &e),
    })
}

fn relative(path: &Path, root: &Path) -> Result<String, TreeError> {
    let below =
        path.strip_prefix(root).map_err(|_| TreeError::Outside { path: path.display().to_string() })?;
    below.to_str().map(str::to_owned).ok_or_else(|| TreeError::Name { path: path.display().to_string() })
}

/// A directory with a repository of its own is a submodule to git, registered or not.
fn mode(meta: &Metadata, path: &Path) -> Option<i32> {
    let kind = meta.file_type();
    match () {
        () if kind.is_symlink() => Some(LINK),
        () if kind.is_dir() && path.join(GIT).exists() => Some(SUBMODULE),
        () if kind.is_dir() => Some(DIRECTORY),
        () if kind.is_file() && meta.permissions().mode() & 0o111 != 0 => Some(EXECUTABLE),
        () => kind.is_file().then_some(0o100_644),
    }
}

/// The id is found when it is asked for.
fn found(path: String, mode: i32) -> Found {
    Found { path, mode, id: Oid::ZERO_SHA1 }
}

fn kind(path: &str, found: &Found, wanted: &'static str) -> TreeError {
    TreeError::Kind { path: path.to_owned(), is: kind_of(found.mode), wanted }
}

fn disk(path: &str, e: &io::Error) -> TreeError {
    TreeError::Disk { path: path.to_owned(), reason: e.to_string() }
}

fn no_repository(path: &Path, reason: &str) -> TreeError {
    TreeError::NoRepository { path: path.display().to_string(), reason: reason.to_owned() }
}

#[cfg(test)]
#[path = "working_tests.rs"]
mod tests;
