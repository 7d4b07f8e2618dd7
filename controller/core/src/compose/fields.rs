//! Reading a map key by key, collecting every fault instead of stopping at the first; and what the readers share.

use std::collections::{BTreeMap, BTreeSet};

use super::interpolate::Variables;
use super::merge;
use super::scalar::{boolean, expected, text};
use super::scope::{Places, Scopes};
use crate::files::Files;
use crate::located::Fault;
use crate::yaml::{Mapping, Node};

/// What every reader needs to know.
pub(super) struct Context<'c> {
    pub(super) places: Places<'c>,
    pub(super) scopes: Scopes,
    /// The whole project, merged.
    pub(super) document: &'c Node,
    pub(super) services: BTreeSet<String>,
    pub(super) active: BTreeSet<String>,
    /// Those in an active profile that are scaled to 0.
    pub(super) none_wanted: BTreeSet<String>,
    pub(super) networks: BTreeSet<String>,
    pub(super) volumes: BTreeSet<String>,
}

impl<'c> Context<'c> {
    pub(super) fn files(&self) -> &'c dyn Files {
        self.places.files
    }

    /// The directory of the tree that the relative paths of a node start from.
    pub(super) fn base(&self, node: &Node) -> &str {
        &self.scopes.of(node.place.file()).base
    }

    /// The variables that a node's file is read with.
    pub(super) fn variables(&self, node: &Node) -> &Variables {
        &self.scopes.of(node.place.file()).variables
    }

    /// A path of a node as the host has it; `None` where nobody said where the stack lives.
    pub(super) fn on_host(&self, node: &Node, relative: &str) -> Option<String> {
        self.places.on_host(self.base(node), relative)
    }
}

/// What reading finds out beside the values.
#[derive(Default)]
pub(super) struct Report {
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<String>,
    pub(super) host_files: BTreeSet<String>,
}

impl Report {
    pub(super) fn take<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.faults.push(fault)).ok()
    }

    pub(super) fn warn(&mut self, node: &Node, message: &str) {
        self.warnings.push(format!("{}: {message}", node.place.location()));
    }
}

/// A map that is being read. A key without a value counts as left out.
pub(super) struct Fields<'f> {
    pub(super) map: &'f Mapping,
    pub(super) report: &'f mut Report,
}

impl<'f> Fields<'f> {
    pub(super) fn new(node: &'f Node, report: &'f mut Report) -> Result<Self, Fault> {
        let map = node.mapping().ok_or_else(|| expected(node, "a map"))?;
        Ok(Self { map, report })
    }

    pub(super) fn node(&self, key: &str) -> Option<&'f Node> {
        self.map.get(key).map(|entry| &entry.node).filter(|node| !node.is_null())
    }

    pub(super) fn get<T>(&mut self, key: &str, read: impl FnOnce(&Node) -> Result<T, Fault>) -> Option<T> {
        let result = read(self.node(key)?);
        self.report.take(result)
    }

    /// As [`Fields::get`], with a reader that has more to report.
    pub(super) fn with<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&'f Node, &mut Report) -> Result<T, Fault>,
    ) -> Option<T> {
        let result = read(self.node(key)?, self.report);
        self.report.take(result)
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        self.get(key, boolean).unwrap_or_default()
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.get(key, text)
    }

    pub(super) fn list(&mut self, key: &str) -> Vec<String> {
        self.get(key, super::scalar::one_or_many).unwrap_or_default()
    }

    pub(super) fn pairs(&mut self, key: &str) -> BTreeMap<String, String> {
        self.get(key, pairs).unwrap_or_default()
    }
}

/// `[KEY=value]` or a map, as text; a key without a value is empty.
pub(super) fn pairs(node: &Node) -> Result<BTreeMap<String, String>, Fault> {
    entries(node)?.into_iter().map(|(key, value)| Ok((key, value.unwrap_or_default()))).collect()
}

/// `[KEY=value]` or a map; a key without a value is `None`.
pub(super) fn entries(node: &Node) -> Result<Vec<(String, Option<String>)>, Fault> {
    if let Some(odd) = node.sequence().and_then(|items| items.iter().find(|item| item.scalar().is_none())) {
        return Err(expected(odd, "`KEY=value`"));
    }
    let node = merge::pairs(node.clone());
    let map = node.mapping().ok_or_else(|| expected(&node, "a list of `KEY=value` or a map"))?;
    let value = |node: &Node| if node.is_null() { Ok(None) } else { text(node).map(Some) };
    map.iter().map(|(key, entry)| Ok((key.clone(), value(&entry.node)?))).collect()
}

/// The names of a list, or the keys of a map.
pub(super) fn named(node: &Node) -> Result<Mapping, Fault> {
    if let Some(odd) = node.sequence().and_then(|items| items.iter().find(|item| item.scalar().is_none())) {
        return Err(expected(odd, "a name"));
    }
    let node = merge::names(node.clone());
    node.mapping().cloned().ok_or_else(|| expected(&node, "a list of names or a map"))
}

/// The items of a list.
pub(super) fn items<'n>(node: &'n Node, report: &mut Report) -> &'n [Node] {
    report.take(node.sequence().ok_or_else(|| expected(node, "a list"))).unwrap_or_default()
}
