//! How the pure readers of manifests and Compose files get at file contents: through a trait that the shell implements.

#[cfg(any(test, fuzzing))]
pub(crate) mod testing;

/// What stands at a path of the commit's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// File, directory or symbolic link.
    pub kind: EntryKind,
    /// git's object id of the blob or tree: equal ids mean equal content.
    pub id: String,
}

/// The kinds of tree entries that matter to Compose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Whether git records it as executable.
        executable: bool,
    },
    /// A directory.
    Directory,
    /// A symbolic link; its target is its content.
    Symlink,
}

/// Why a file could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot read {path}: {reason}")]
pub struct FileError {
    /// The path that was asked for.
    pub path: String,
    /// What the system or git said.
    pub reason: String,
    /// Whether it is there and could be looked at, but is nothing that is read: a directory, a pipe, or too large.
    pub unfit: bool,
}

/// The files that an application may read: the commit's tree, and the host's project directory.
pub trait Files {
    /// What the commit holds at `path` (relative to the repository's root, `/`-separated, no `..`); `None` where there is
    /// nothing.
    ///
    /// # Errors
    /// When the repository cannot be read.
    fn entry(&self, path: &str) -> Result<Option<Entry>, FileError>;

    /// The content of the commit's file at `path`; symbolic links inside the tree are followed, one that leaves the tree is
    /// an error.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;

    /// The content of a file on the host, by absolute path; `None` where there is none. Used for env files that are kept
    /// outside git.
    ///
    /// # Errors
    /// When it exists but cannot be read.
    fn read_host(&self, path: &str) -> Result<Option<Vec<u8>>, FileError>;

    /// The names in the commit's directory at `path` (`.` for the repository's root), sorted, hidden ones as well; links on the
    /// way are followed.
    ///
    /// # Errors
    /// When there is no such directory, or it cannot be read.
    fn list(&self, path: &str) -> Result<Vec<String>, FileError>;
}
