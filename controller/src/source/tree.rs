//! Reading files at a commit, and files of the host.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use evenkeel_core::files::{Entry, EntryKind, FileError, Files};

use super::checkout::{Checkout, DIRECTORY, EXECUTABLE, Found, LINK, SUBMODULE, TreeError, kind_of};

/// An env file larger than this is no env file.
const LARGEST: u64 = 16 * 1024 * 1024;
pub(super) const MANIFESTS: [&str; 2] = ["evenkeel.yaml", "evenkeel.yml"];

impl Checkout {
    /// The manifests below a folder (empty: the whole repository), sorted.
    ///
    /// # Errors
    /// Where the folder does not exist or the mirror is broken.
    pub(crate) fn manifests(&self, folder: &str) -> Result<Vec<String>, TreeError> {
        self.found(folder).inspect_err(|error| self.note(error))
    }

    fn found(&self, folder: &str) -> Result<Vec<String>, TreeError> {
        let top = self.directory(folder)?;
        let mut found = Vec::new();
        self.walk(&top, &mut |entry| {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            if MANIFESTS.contains(&name) && ![DIRECTORY, SUBMODULE].contains(&entry.mode) {
                found.push(entry.path.clone());
            }
            Ok(true)
        })?;
        found.sort();
        Ok(found)
    }

    /// The names in a directory, sorted.
    fn names(&self, path: &str) -> Result<Vec<String>, TreeError> {
        let directory = self.directory(path)?;
        let name = |entry: Found| entry.path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut names: Vec<String> = self.children(&directory)?.into_iter().map(name).collect();
        names.sort();
        Ok(names)
    }

    fn directory(&self, path: &str) -> Result<Found, TreeError> {
        let found = self.must_find(path)?;
        match found.mode {
            DIRECTORY => Ok(found),
            mode => Err(TreeError::Kind { path: path.to_owned(), is: kind_of(mode), wanted: "directory" }),
        }
    }

    fn explain(&self, path: &str, error: &TreeError) -> FileError {
        self.note(error);
        explain(path, error)
    }

    /// The content of a file, links followed.
    pub(super) fn file(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let found = self.must_find(path)?;
        match found.mode {
            SUBMODULE => Err(TreeError::Submodule { path: path.to_owned() }),
            DIRECTORY => Err(TreeError::Kind { path: path.to_owned(), is: "directory", wanted: "file" }),
            _ if self.is_lfs_pointer(found.id)? => Err(TreeError::Lfs { path: path.to_owned() }),
            _ => self.blob(found.id),
        }
    }
}

impl Files for Checkout {
    fn entry(&self, path: &str) -> Result<Option<Entry>, FileError> {
        let found = self.find(path, false).map_err(|e| self.explain(path, &e))?;
        found.map(|found| entry(path, &found)).transpose()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.file(path).map_err(|e| self.explain(path, &e))
    }

    fn read_host(&self, path: &str) -> Result<Option<Vec<u8>>, FileError> {
        read_host(Path::new(path))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        self.names(path).map_err(|e| self.explain(path, &e))
    }
}

fn entry(path: &str, found: &Found) -> Result<Entry, FileError> {
    let kind = match found.mode {
        SUBMODULE => return Err(explain(path, &TreeError::Submodule { path: path.to_owned() })),
        DIRECTORY => EntryKind::Directory,
        LINK => EntryKind::Symlink,
        mode => EntryKind::File { executable: mode == EXECUTABLE },
    };
    Ok(Entry { kind, id: found.id.to_string() })
}

/// The path stands in front of a file error already.
pub(super) fn explain(path: &str, e: &TreeError) -> FileError {
    let text = e.to_string();
    let reason = text.strip_prefix(&format!("{path}: ")).unwrap_or(&text).to_owned();
    FileError { path: path.to_owned(), reason, unfit: false }
}

pub(super) fn read_host(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let said = |reason: String, unfit| FileError { path: path.display().to_string(), reason, unfit };
    let failed = |e: std::io::Error| said(e.to_string(), false);
    let unfit = |reason: &str| said(reason.to_owned(), true);
    if !path.is_absolute() {
        return Err(said("a path on the host must be absolute".to_owned(), false));
    }
    // Before opening: opening a pipe that nobody writes to would wait for ever.
    match std::fs::metadata(path) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(failed(e)),
        Ok(meta) if !meta.is_file() => return Err(unfit("is not a regular file")),
        Ok(_) => {}
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LARGEST + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > LARGEST {
        return Err(unfit("is larger than 16 MiB"));
    }
    Ok(Some(content))
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
