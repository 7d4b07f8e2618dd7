//! From paths to one merged tree: reading, interpolating, checking keys, extending.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::interpolate::{self, Variables};
use super::keys::{self, Findings};
use super::merge;
use super::path;
use super::scalar::{expected, word};
use super::scope::{Places, Scope, Scopes};
use crate::files::Files;
use crate::located::Fault;
use crate::yaml::{self, Mapping, Node, Value, suggestion};

/// A chain of `extends` longer than this is a mistake.
const MAX_EXTENDS: usize = 50;

/// Faults of single services: those of services outside the active profiles don't count.
type Scoped = (Option<String>, Fault);

/// Reads files once each.
pub(super) struct Loader<'l> {
    pub(super) places: Places<'l>,
    pub(super) scopes: Scopes,
    /// Files of the host that were read.
    pub(super) host_files: BTreeSet<String>,
    /// What has been included, so that nothing is twice.
    pub(super) included: HashSet<Vec<String>>,
    pub(super) faults: Vec<Scoped>,
    pub(super) warnings: Vec<String>,
    documents: HashMap<String, Node>,
    /// Bytes that interpolation may still make.
    budget: usize,
    /// What is wrong with a service itself, by file and name.
    own: HashMap<(String, String), Vec<Fault>>,
    /// Services that are already extended, by file and name, with what is wrong with them and all that they extend.
    done: HashMap<(String, String), (Node, Vec<Fault>)>,
}

/// Reads the text of a file and makes a tree of it.
pub(super) fn parse(files: &dyn Files, file: &str) -> Result<Node, Fault> {
    let content = files.read(file).map_err(|error| Fault::new(error.to_string()))?;
    let text = String::from_utf8(content).map_err(|_| Fault::new(format!("`{file}` is not UTF-8")))?;
    let mut node = yaml::parse(file, &text)?;
    match &mut node.value {
        // Anchors that stand there are copied already; nothing else of it counts.
        Value::Mapping(map) => map.retain(|key, _| !key.starts_with("x-")),
        _ => return Err(expected(&node, "a map with `services`")),
    }
    Ok(node)
}

impl<'l> Loader<'l> {
    pub(super) fn new(places: Places<'l>, variables: &Variables) -> Self {
        Self {
            places,
            scopes: Scopes::new(places.root, variables),
            host_files: BTreeSet::new(),
            included: HashSet::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
            documents: HashMap::new(),
            budget: interpolate::BUDGET,
            own: HashMap::new(),
            done: HashMap::new(),
        }
    }

    /// Whether all of it is one file that extends and includes nothing.
    pub(super) fn single(&self) -> bool {
        self.documents.len() == 1 && self.done.is_empty()
    }

    /// Reads the project's files and merges them.
    pub(super) fn project(&mut self, files: &[String]) -> Result<Node, Fault> {
        let mut merged: Option<Node> = None;
        for file in files {
            let node = self.file(file, &mut vec![file.clone()])?;
            match &mut merged {
                Some(base) => {
                    let faults = merge::files(base, node);
                    self.everybodys(faults);
                }
                None => merged = Some(node),
            }
        }
        let mut merged = merged.ok_or_else(|| Fault::new("the application names no Compose file"))?;
        merge::settle(&mut merged);
        Ok(merged)
    }

    /// Reads a file with all that it extends and includes; `chain` are the files that included it, itself last.
    pub(super) fn file(&mut self, file: &str, chain: &mut Vec<String>) -> Result<Node, Fault> {
        let mut node = parse(self.places.files, file)?;
        let (faults, warnings) = self.prepare(file, &mut node);
        self.everybodys(faults);
        self.warnings.extend(warnings);
        self.documents.insert(file.to_owned(), node.clone());
        let names: Vec<String> =
            services_mut(&mut node).into_iter().flat_map(|map| map.keys()).cloned().collect();
        for name in names {
            self.extend(file, name, &mut node);
        }
        self.include(file, node, chain)
    }

    /// Keeps faults that count whatever services are active.
    pub(super) fn everybodys(&mut self, faults: Vec<Fault>) {
        self.faults.extend(faults.into_iter().map(|fault| (None, fault)));
    }

    fn extend(&mut self, file: &str, name: String, node: &mut Node) {
        match self.extended(file, &name, &mut Vec::new()) {
            Err(fault) => self.faults.push((Some(name), fault)),
            Ok((service, faults)) => {
                put(node, &name, service);
                self.faults.extend(faults.into_iter().map(|fault| (Some(name.clone()), fault)));
            }
        }
    }

    /// A service with what it extends, and so on; and what is wrong with any of them.
    fn extended(
        &mut self,
        file: &str,
        name: &str,
        chain: &mut Vec<String>,
    ) -> Result<(Node, Vec<Fault>), Fault> {
        let key = (file.to_owned(), name.to_owned());
        if let Some(done) = self.done.get(&key) {
            return Ok(done.clone());
        }
        let mut service = self.service(file, name)?;
        let own = self.own.get(&key).cloned().unwrap_or_default();
        let Some(extends) = take(&mut service, "extends") else { return Ok((service, own)) };
        check_chain(chain, format!("{file}:{name}"), &extends)?;
        let (other, base) = self.base_of(file, &extends)?;
        let (mut result, mut faults) =
            self.extended(&other, &base, chain).map_err(|fault| located(fault, &extends))?;
        chain.pop();
        let unmerged = merge::service(&mut result, service);
        self.everybodys(unmerged);
        faults.extend(own);
        self.done.insert(key, (result.clone(), faults.clone()));
        Ok((result, faults))
    }

    fn service(&self, file: &str, name: &str) -> Result<Node, Fault> {
        let services = self.documents.get(file).and_then(|node| node.get("services"));
        if let Some(service) = services.and_then(|services| services.get(name)) {
            return Ok(service.clone());
        }
        let fault = Fault::new(format!("`{file}` has no service `{name}`"));
        let known = services.and_then(Node::mapping).into_iter().flat_map(Mapping::keys).map(String::as_str);
        Err(match suggestion(name, known) {
            Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
            None => fault,
        })
    }

    /// The file and service that `extends` names.
    fn base_of(&mut self, file: &str, extends: &Node) -> Result<(String, String), Fault> {
        if extends.scalar().is_some() {
            return Ok((file.to_owned(), word(extends)?));
        }
        let service = extends.get("service").ok_or_else(|| extends.fault("`extends` needs a `service`"))?;
        let Some(other) = extends.get("file") else { return Ok((file.to_owned(), word(service)?)) };
        let scope = self.scopes.of(file).clone();
        let outside = || other.fault(format!("{} is outside of the repository", other.shown()));
        let path = path::in_tree(&scope.base, &word(other)?).ok_or_else(outside)?;
        self.other_file(&path, other, scope)?;
        Ok((path, word(service)?))
    }

    /// Reads a file that is extended, with the variables of the one that extends it.
    fn other_file(&mut self, path: &str, place: &Node, scope: Scope) -> Result<(), Fault> {
        if self.documents.contains_key(path) {
            return Ok(());
        }
        let mut node = parse(self.places.files, path).map_err(|fault| located(fault, place))?;
        self.scopes.enter(path, Scope { base: path::parent(path).to_owned(), ..scope }, place)?;
        // Only what is wrong with its extended services matters: they bring it along.
        self.prepare(path, &mut node);
        self.documents.insert(path.to_owned(), node);
        Ok(())
    }

    /// Interpolates and checks keys, service by service, so that each fault knows whose it is. Gives what belongs to no
    /// service.
    fn prepare(&mut self, file: &str, node: &mut Node) -> (Vec<Fault>, Vec<String>) {
        let variables = std::sync::Arc::clone(&self.scopes.of(file).variables);
        let mut budget = self.budget;
        let Findings { faults, mut warnings } =
            without_services(node, |node| findings(node, &[], &variables, &mut budget));
        for (name, entry) in services_mut(node).into_iter().flatten() {
            let found = findings(&mut entry.node, &["services", "*"], &variables, &mut budget);
            warnings.extend(found.warnings);
            self.own.insert((file.to_owned(), name.clone()), found.faults);
        }
        self.budget = budget;
        (faults, warnings)
    }
}

fn findings(node: &mut Node, path: &[&str], variables: &Variables, budget: &mut usize) -> Findings {
    let mut findings = keys::check(node, path);
    interpolate::tree(node, variables, budget, &mut findings.faults);
    findings
}

/// Remembers a step of a chain; one that comes back to itself is a fault.
fn check_chain(chain: &mut Vec<String>, step: String, extends: &Node) -> Result<(), Fault> {
    let round = chain.contains(&step) || chain.len() >= MAX_EXTENDS;
    chain.push(step);
    if round { Err(extends.fault(format!("`extends` goes round: {}", chain.join(" → ")))) } else { Ok(()) }
}

pub(super) fn located(fault: Fault, node: &Node) -> Fault {
    if fault.at.is_some() { fault } else { Fault { hint: fault.hint, ..node.fault(fault.message) } }
}

fn services_mut(node: &mut Node) -> Option<&mut Mapping> {
    let Value::Mapping(map) = &mut node.value else { return None };
    match &mut map.get_mut("services")?.node.value {
        Value::Mapping(services) => Some(services),
        _ => None,
    }
}

fn put(node: &mut Node, name: &str, service: Node) {
    if let Some(entry) = services_mut(node).and_then(|services| services.get_mut(name)) {
        entry.node = service;
    }
}

pub(super) fn take(node: &mut Node, key: &str) -> Option<Node> {
    match &mut node.value {
        Value::Mapping(map) => map.shift_remove(key).map(|entry| entry.node),
        _ => None,
    }
}

fn without_services<T>(node: &mut Node, run: impl FnOnce(&mut Node) -> T) -> T {
    let place = node.place.clone();
    let services = services_mut(node).map(std::mem::take);
    let result = run(node);
    if let (Some(slot), Some(services)) = (services_mut(node), services) {
        *slot = services;
    }
    node.place = place;
    result
}

/// Faults that count: everybody's, and those of active services. Each once.
pub(super) fn counting(faults: Vec<Scoped>, active: &BTreeSet<String>) -> Vec<Fault> {
    let counts = |scope: &Option<String>| scope.as_ref().is_none_or(|name| active.contains(name));
    each_once(faults.into_iter().filter(|(scope, _)| counts(scope)).map(|(_, fault)| fault))
}

/// The faults without repetitions.
pub(super) fn each_once(faults: impl IntoIterator<Item = Fault>) -> Vec<Fault> {
    let mut seen = HashSet::new();
    faults.into_iter().filter(|fault| seen.insert(fault.to_string())).collect()
}
