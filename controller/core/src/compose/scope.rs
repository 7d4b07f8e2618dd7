//! What a file's text is read with: where its relative paths start, and its variables.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::dotenv::{self, Format};
use super::interpolate::Variables;
use super::path;
use crate::files::{FileError, Files};
use crate::located::Fault;
use crate::yaml::Node;

/// What a file's text is read with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// The directory of the tree that relative paths start from.
    pub(super) base: String,
    pub(super) variables: Arc<Variables>,
}

/// The scopes of all files that are read.
#[derive(Debug)]
pub(super) struct Scopes {
    /// The project's own: its directory in the tree, and its variables.
    pub(super) project: Scope,
    /// Of files that have one of their own: those that are included or extended.
    others: HashMap<String, Scope>,
}

impl Scopes {
    pub(super) fn new(root: &str, variables: &Variables) -> Self {
        let project = Scope { base: root.to_owned(), variables: Arc::new(variables.clone()) };
        Self { project, others: HashMap::new() }
    }

    /// The scope of a file; the project's where it has none of its own.
    pub(super) fn of(&self, file: &str) -> &Scope {
        self.others.get(file).unwrap_or(&self.project)
    }

    /// Gives a file a scope of its own.
    ///
    /// # Errors
    /// When it has another one already: its paths and variables would mean two things.
    pub(super) fn enter(&mut self, file: &str, scope: Scope, place: &Node) -> Result<(), Fault> {
        let before = self.others.entry(file.to_owned()).or_insert_with(|| scope.clone());
        if *before == scope {
            return Ok(());
        }
        let fault =
            place.fault(format!("`{file}` is already read with another directory or other variables"));
        Err(fault.hint("name it once, or give both the same `project_directory` and `env_file`"))
    }
}

/// Where files are looked for.
#[derive(Clone, Copy)]
pub(super) struct Places<'p> {
    pub(super) files: &'p dyn Files,
    /// Where the stack lives on the host.
    pub(super) project_directory: Option<&'p str>,
    /// The directory of the tree that stands for it.
    pub(super) root: &'p str,
}

impl Places<'_> {
    /// A relative path as the host has it; `None` where nobody said where the stack lives.
    pub(super) fn on_host(&self, base: &str, relative: &str) -> Option<String> {
        let directory = self.project_directory?;
        if base == self.root {
            return Some(path::on_host(directory, relative));
        }
        let up = "../".repeat(self.root.split('/').filter(|part| *part != ".").count());
        Some(path::on_host(directory, &format!("{up}{base}/{relative}")))
    }

    /// Adds the variables of a file: those of the tree's, then those of the host's, which wins. Whether there is any.
    /// What their values use is looked up in `outer` first.
    pub(super) fn add_variables(
        &self,
        base: &str,
        relative: &str,
        outer: &Variables,
        variables: &mut Variables,
        host_files: &mut BTreeSet<String>,
    ) -> Result<bool, Fault> {
        let unreadable = |error: FileError| Fault::new(error.to_string());
        let mut found = false;
        if let Some(path) = path::in_tree(base, relative)
            && self.files.entry(&path).map_err(unreadable)?.is_some()
        {
            add(variables, outer, &path, self.files.read(&path).map_err(unreadable)?)?;
            found = true;
        }
        if let Some(host) = self.on_host(base, relative)
            && let Some(content) = self.files.read_host(&host).map_err(unreadable)?
        {
            add(variables, outer, &host, content)?;
            host_files.insert(host);
            found = true;
        }
        Ok(found)
    }
}

fn add(variables: &mut Variables, outer: &Variables, file: &str, content: Vec<u8>) -> Result<(), Fault> {
    let text = String::from_utf8(content).map_err(|_| Fault::new(format!("`{file}` is not UTF-8")))?;
    let outer = |name: &str| outer.get(name).map(|value| value.expose().to_owned());
    let lines = dotenv::read(file, &text, &outer, variables.clone(), Format::Compose)?;
    variables.extend(lines.into_iter().filter_map(|line| Some((line.name, line.value?))));
    Ok(())
}
