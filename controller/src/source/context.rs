//! A build's context, straight from the commit: which files go to the engine, and a digest of them.

use git2::{ObjectType, Oid};
use sha2::{Digest, Sha256};

use super::checkout::{Checkout, DIRECTORY, Found, LINK, TreeError, join, kind_of};
use super::dockerignore::Ignore;

const IGNORE_FILE: &str = ".dockerignore";

/// Why a context could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContextError {
    /// Something in the tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A line of the ignore file.
    #[error("{file}:{line}: `{text}`: {reason}")]
    Ignore {
        /// The ignore file.
        file: String,
        /// Its line.
        line: usize,
        /// The pattern.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Writing the archive.
    #[error("cannot write the build context to {path}: {reason}")]
    Write {
        /// Where.
        path: String,
        /// What the system said.
        reason: String,
    },
}

/// A build's input, all paths relative to the repository's root.
#[derive(Clone, Debug)]
pub(crate) struct ContextRequest {
    /// The directory; empty for the root.
    pub directory: String,
    /// The Dockerfile; not necessarily in the directory.
    pub dockerfile: String,
    /// The Dockerfile's text, where the Compose file holds it.
    pub inline: Option<String>,
}

/// The filtered list of a context.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// What goes in, sorted by path.
    pub entries: Vec<ContextEntry>,
    /// The Dockerfile's name in the context.
    pub dockerfile: String,
    /// A digest of the entries: equal digests, equal contexts.
    pub digest: String,
}

/// One file, link or directory of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContextEntry {
    /// Relative to the context.
    pub path: String,
    /// git's mode: `0100644`, `0100755`, `0120000` or `040000`.
    pub(crate) mode: u32,
    /// The blob's id; empty for a directory, whose content speaks for itself.
    pub id: String,
    pub(super) content: Content,
}

/// Where the bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    None,
    Blob(Oid),
    Text(String),
}

impl Checkout {
    /// Lists a context as `docker build` would send it: what the ignore file leaves, and the Dockerfile and ignore file in any
    /// case.
    ///
    /// # Errors
    /// Where the directory or the Dockerfile is missing or outside of the repository, a pattern is malformed, or something that
    /// goes in is a submodule or a Git LFS pointer.
    pub(crate) fn context(&self, request: &ContextRequest) -> Result<Context, ContextError> {
        self.listed(request).inspect_err(|error| {
            if let ContextError::Tree(error) = error {
                self.note(error);
            }
        })
    }

    fn listed(&self, request: &ContextRequest) -> Result<Context, ContextError> {
        let top = self.must_find(&request.directory)?;
        if top.mode != DIRECTORY {
            let path = request.directory.clone();
            return Err(TreeError::Kind { path, is: kind_of(top.mode), wanted: "directory" }.into());
        }
        let dockerfile = match &request.inline {
            Some(text) => Dockerfile::brought(text.clone(), None),
            None => self.dockerfile(&top, &request.dockerfile)?,
        };
        let (ignore, text) = self.ignore_file(&top, dockerfile.own_ignore.as_deref())?;
        let mut entries = self.list(&top, &ignore, &dockerfile.always)?;
        dockerfile.add_to(&mut entries, text)?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Context { digest: digest(&entries), entries, dockerfile: dockerfile.name })
    }

    fn dockerfile(&self, top: &Found, path: &str) -> Result<Dockerfile, TreeError> {
        let text = self.file(path)?;
        let named = self.find(path, false)?.ok_or_else(|| TreeError::Missing(path.to_owned()))?;
        let real = self.must_find(path)?;
        let own_ignore = Some(format!("{path}.dockerignore"));
        match (named.below(&top.path), real.below(&top.path)) {
            (Some(name), Some(target)) => Ok(Dockerfile {
                name: name.to_owned(),
                always: vec![name.to_owned(), target.to_owned(), IGNORE_FILE.to_owned()],
                own_ignore,
                brought: None,
            }),
            _ => Ok(Dockerfile::brought(String::from_utf8_lossy(&text).into_owned(), own_ignore)),
        }
    }

    /// The Dockerfile's own ignore file wins over the context's. Also the text of the context's, which is sent either way.
    fn ignore_file(&self, top: &Found, own: Option<&str>) -> Result<(Ignore, String), ContextError> {
        let shared = join(&top.path, IGNORE_FILE);
        let general = self.optional(&shared)?;
        let (file, text) = match own.map(|own| Ok::<_, TreeError>((own, self.optional(own)?))).transpose()? {
            Some((own, Some(text))) => (own, text),
            _ => (shared.as_str(), general.clone().unwrap_or_default()),
        };
        let ignore = Ignore::parse(&text).map_err(|e| ContextError::Ignore {
            file: file.to_owned(),
            line: e.line,
            text: e.text,
            reason: e.reason,
        })?;
        Ok((ignore, general.unwrap_or_default()))
    }

    fn optional(&self, path: &str) -> Result<Option<String>, TreeError> {
        match self.find(path, true)? {
            Some(found) if found.mode != DIRECTORY => {
                Ok(Some(String::from_utf8_lossy(&self.file(path)?).into_owned()))
            }
            _ => Ok(None),
        }
    }

    fn list(&self, top: &Found, ignore: &Ignore, always: &[String]) -> Result<Vec<ContextEntry>, TreeError> {
        let mut entries = Vec::new();
        self.walk(top, &mut |found| {
            let path = found.below(&top.path).unwrap_or_default();
            let within = |wanted: &String| {
                wanted == path || wanted.strip_prefix(path).is_some_and(|r| r.starts_with('/'))
            };
            let ignored = ignore.ignores(path);
            let wanted = always.iter().any(within);
            if !ignored || wanted && found.mode != DIRECTORY {
                entries.push(self.take(found, path)?);
            }
            Ok(!ignored || wanted || ignore.has_exceptions())
        })?;
        Ok(entries)
    }

    fn take(&self, found: &Found, path: &str) -> Result<ContextEntry, TreeError> {
        found.usable()?;
        if found.mode == DIRECTORY {
            let path = path.to_owned();
            return Ok(ContextEntry {
                path,
                mode: mode(DIRECTORY),
                id: String::new(),
                content: Content::None,
            });
        }
        if found.mode != LINK && self.is_lfs_pointer(found.id)? {
            return Err(TreeError::Lfs { path: found.path.clone() });
        }
        let (path, id) = (path.to_owned(), found.id.to_string());
        Ok(ContextEntry { path, mode: mode(found.mode), id, content: Content::Blob(found.id) })
    }
}

/// The Dockerfile within the context.
struct Dockerfile {
    name: String,
    always: Vec<String>,
    own_ignore: Option<String>,
    /// Its text, where the context does not hold it.
    brought: Option<String>,
}

impl Dockerfile {
    /// One from elsewhere comes under a name of its own.
    fn brought(text: String, own_ignore: Option<String>) -> Self {
        let id = hex::encode(Sha256::digest(text.as_bytes()));
        let name = format!(".evenkeel.{}.Dockerfile", id.get(..12).unwrap_or(&id));
        Self { name, always: vec![IGNORE_FILE.to_owned()], own_ignore, brought: Some(text) }
    }

    /// Adds one that is brought, and hides it from `COPY . .` by the same means as the Docker command line.
    fn add_to(&self, entries: &mut Vec<ContextEntry>, ignore: String) -> Result<(), TreeError> {
        let Some(text) = &self.brought else { return Ok(()) };
        entries.retain(|entry| entry.path != IGNORE_FILE && entry.path != self.name);
        let own = if ignore.is_empty() { format!("{IGNORE_FILE}\n") } else { String::new() };
        let hidden = format!("{ignore}\n{own}{}\n", self.name);
        entries.push(given(IGNORE_FILE, hidden)?);
        entries.push(given(&self.name, text.clone())?);
        Ok(())
    }
}

fn given(path: &str, text: String) -> Result<ContextEntry, TreeError> {
    let id = Oid::hash_object(ObjectType::Blob, text.as_bytes())?.to_string();
    Ok(ContextEntry { path: path.to_owned(), mode: 0o100_644, id, content: Content::Text(text) })
}

fn mode(mode: i32) -> u32 {
    u32::try_from(mode).unwrap_or_default()
}

fn digest(entries: &[ContextEntry]) -> String {
    let mut hash = Sha256::new();
    for ContextEntry { path, mode, id, content: _ } in entries {
        // A path holds no NUL, so that no two lists run together to the same text.
        hash.update(format!("{mode:o}\0{path}\0{id}\0"));
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
