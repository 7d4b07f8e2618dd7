//! A commit and a host in memory, for tests.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, EntryKind, FileError, Files};

/// A commit and a host. Directories are where files are.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) tree: BTreeMap<String, String>,
    pub(crate) links: BTreeMap<String, Option<String>>,
    pub(crate) host: BTreeMap<String, String>,
    /// What of the host cannot be read, and whether it is unfit.
    pub(crate) unreadable: BTreeMap<String, bool>,
}

impl Disk {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let tree = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { tree, ..Self::default() }
    }

    pub(crate) fn host(mut self, path: &str, text: &str) -> Self {
        self.host.insert(path.to_owned(), text.to_owned());
        self
    }
}

impl Files for Disk {
    fn entry(&self, path: &str) -> Result<Option<Entry>, FileError> {
        let kind = if self.tree.contains_key(path) {
            EntryKind::File { executable: false }
        } else if self.links.contains_key(path) {
            EntryKind::Symlink
        } else if path == "." || self.tree.keys().any(|file| file.starts_with(&format!("{path}/"))) {
            EntryKind::Directory
        } else {
            return Ok(None);
        };
        Ok(Some(Entry { kind, id: format!("id-of-{path}") }))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let target = self.links.get(path).cloned().flatten().unwrap_or_else(|| path.to_owned());
        let missing = || FileError { path: path.to_owned(), reason: "no such file".to_owned(), unfit: false };
        self.tree.get(&target).map(|text| text.clone().into_bytes()).ok_or_else(missing)
    }

    fn read_host(&self, path: &str) -> Result<Option<Vec<u8>>, FileError> {
        if let Some(unfit) = self.unreadable.get(path).copied() {
            let reason = if unfit { "is not a regular file" } else { "Permission denied" };
            return Err(FileError { path: path.to_owned(), reason: reason.to_owned(), unfit });
        }
        Ok(self.host.get(path).map(|text| text.clone().into_bytes()))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        let prefix = if path == "." { String::new() } else { format!("{path}/") };
        let below = self.tree.keys().chain(self.links.keys()).filter_map(|file| file.strip_prefix(&prefix));
        let names: BTreeSet<&str> = below.filter_map(|rest| rest.split('/').next()).collect();
        let missing =
            || FileError { path: path.to_owned(), reason: "no such directory".to_owned(), unfit: false };
        if names.is_empty() { Err(missing()) } else { Ok(names.into_iter().map(str::to_owned).collect()) }
    }
}
