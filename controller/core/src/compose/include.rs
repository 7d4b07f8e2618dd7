//! `include`: other Compose files, each with a directory and variables of its own, whose resources become the project's.

use std::sync::Arc;

use super::interpolate::Variables;
use super::load::{Loader, located, take};
use super::merge;
use super::path;
use super::scalar::{expected, word};
use super::scope::Scope;
use crate::located::Fault;
use crate::yaml::{Entry, Mapping, Node, Value};

/// A chain of inclusions longer than this is a mistake.
const MAX_DEPTH: usize = 50;

/// What an included file brings along.
const SECTIONS: [&str; 6] = ["services", "networks", "volumes", "configs", "secrets", "models"];

/// One item of `include`.
struct Item {
    /// The files, merged with each other; relative to the repository's root.
    paths: Vec<String>,
    scope: Scope,
}

impl Loader<'_> {
    /// Puts the resources of all that a file includes under its own. `chain` are the files that led to it, itself last.
    pub(super) fn include(
        &mut self,
        file: &str,
        mut node: Node,
        chain: &mut Vec<String>,
    ) -> Result<Node, Fault> {
        let Some(include) = take(&mut node, "include").filter(|include| !include.is_null()) else {
            return Ok(node);
        };
        let items = include.sequence().ok_or_else(|| expected(&include, "a list of files"))?;
        for place in items {
            let item = self.item(file, place)?;
            if let Some(included) = self.included(&item, place, chain)? {
                self.import(&mut node, included);
            }
        }
        Ok(node)
    }

    fn item(&mut self, file: &str, node: &Node) -> Result<Item, Fault> {
        let including = self.scopes.of(file).clone();
        let field = |key: &str| node.get(key).filter(|value| !value.is_null());
        let path = match node.mapping() {
            Some(_) => field("path").ok_or_else(|| node.fault("an item of `include` needs a `path`"))?,
            None => node,
        };
        let paths = many(path).map(|path| in_tree(&including.base, path)).collect::<Result<Vec<_>, _>>()?;
        let first = paths.first().ok_or_else(|| path.fault("`path` names no file"))?;
        let base = match field("project_directory") {
            Some(directory) => in_tree(&including.base, directory)?,
            None => path::parent(first).to_owned(),
        };
        let own = self.own_variables(&including, &base, field("env_file"), node)?;
        // What the including project says wins.
        let variables = own.into_iter().chain((*including.variables).clone()).collect();
        Ok(Item { paths, scope: Scope { base, variables: Arc::new(variables) } })
    }

    /// The variables of `env_file`, else of `.env` in the directory.
    fn own_variables(
        &mut self,
        including: &Scope,
        base: &str,
        env_file: Option<&Node>,
        place: &Node,
    ) -> Result<Variables, Fault> {
        let mut own = Variables::new();
        let Some(env_file) = env_file else {
            let outer = &including.variables;
            let added = self.places.add_variables(base, ".env", outer, &mut own, &mut self.host_files);
            return added.map(|_| own).map_err(|fault| located(fault, place));
        };
        for file in many(env_file) {
            let path = word(file)?;
            if path == "/dev/null" {
                continue;
            }
            let (base, outer) = (&including.base, &including.variables);
            let found = self.places.add_variables(base, &path, outer, &mut own, &mut self.host_files);
            if !found.map_err(|fault| located(fault, file))? {
                return Err(file.fault(format!("the env file {} is nowhere", file.shown())));
            }
        }
        Ok(own)
    }

    /// The files of an item as one tree; `None` where it has been included before.
    fn included(
        &mut self,
        item: &Item,
        place: &Node,
        chain: &mut Vec<String>,
    ) -> Result<Option<Node>, Fault> {
        let mut merged: Option<Node> = None;
        for path in &item.paths {
            if chain.contains(path) || chain.len() >= MAX_DEPTH {
                return Err(place.fault(format!("`include` goes round: {} → {path}", chain.join(" → "))));
            }
            self.scopes.enter(path, item.scope.clone(), place)?;
        }
        if !self.included.insert(item.paths.clone()) {
            return Ok(None);
        }
        for path in &item.paths {
            chain.push(path.clone());
            let node = self.file(path, chain).map_err(|fault| located(fault, place))?;
            chain.pop();
            match &mut merged {
                Some(base) => {
                    let faults = merge::files(base, node);
                    self.everybodys(faults);
                }
                None => merged = Some(node),
            }
        }
        Ok(merged)
    }

    /// What both define is what the including file says, put over what the included one says.
    fn import(&mut self, node: &mut Node, included: Node) {
        let Value::Mapping(included) = included.value else { return };
        for (section, entry) in included.into_iter().filter(|(key, _)| SECTIONS.contains(&key.as_str())) {
            let Value::Mapping(resources) = entry.node.value else { continue };
            let place = entry.node.place.clone();
            let empty = || Entry { key: entry.key, node: Node::new(Value::Mapping(Mapping::new()), place) };
            let Value::Mapping(map) = &mut node.value else { return };
            let own = map.entry(section.clone()).or_insert_with(empty);
            let Value::Mapping(own) = &mut own.node.value else { continue };
            for (name, resource) in resources {
                self.import_one(&section, own, name, resource);
            }
        }
    }

    fn import_one(&mut self, section: &str, own: &mut Mapping, name: String, resource: Entry) {
        let Some(existing) = own.get_mut(&name) else {
            own.insert(name, resource);
            return;
        };
        let (here, there) = (existing.key.location(), resource.key.location());
        if here != there {
            let what = format!("`{name}` of `{section}` is said here and at {there}; this is put over that");
            self.warnings.push(format!("{here}: {what}"));
            let over = std::mem::replace(&mut existing.node, resource.node);
            let faults = merge::resource(section, &mut existing.node, over);
            self.everybodys(faults);
        }
    }
}

/// One node, or the items of a list.
fn many(node: &Node) -> impl Iterator<Item = &Node> {
    node.sequence().unwrap_or(std::slice::from_ref(node)).iter()
}

fn in_tree(base: &str, node: &Node) -> Result<String, Fault> {
    let written = word(node)?;
    let elsewhere = written.contains("://") || written.starts_with("git@") || written.starts_with("oci:");
    let path = path::in_tree(base, &written).filter(|_| !elsewhere && !written.starts_with(['/', '~']));
    let fault = || node.fault(format!("{} is outside of the repository", node.shown()));
    path.ok_or_else(|| fault().hint("a release is one commit: put the file into the repository"))
}
