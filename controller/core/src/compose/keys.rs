//! Checks the keys of a file against the table of the specification's keys.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::scalar::expected;
use super::table::{self, Status};
use crate::located::Fault;
use crate::yaml::{Mapping, Node, Place, Value, suggestion};

/// The table as a tree.
#[derive(Debug, Default)]
struct Keys {
    status: Option<Status>,
    /// It may be said in a short form as well.
    short: bool,
    children: BTreeMap<&'static str, Keys>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut root = Keys::default();
    table::KEYS.iter().for_each(|(path, status)| root.add(path, *status));
    table::SHORT_FORMS.iter().for_each(|path| root.at(path).short = true);
    root
});

impl Keys {
    fn add(&mut self, path: &'static str, status: Status) {
        self.at(path).status = Some(status);
    }

    fn at(&mut self, path: &'static str) -> &mut Self {
        let mut keys = self;
        for part in path.split('.') {
            let (name, list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
            keys = keys.children.entry(name).or_default();
            if list {
                keys = keys.children.entry("[]").or_default();
                // An item of a list has a short form nearly everywhere; the readers know where not.
                keys.short = true;
            }
        }
        keys
    }

    /// Whether only a map says anything.
    fn map_only(&self) -> bool {
        !self.free() && !self.short && !self.children.contains_key("[]")
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.get(name).or_else(|| self.children.get("*"))
    }

    fn free(&self) -> bool {
        !self.children.keys().any(|name| *name != "[]")
    }
}

/// What becomes of a key such as `services.*.build.args`; `None` where the specification has no such key.
pub fn status(path: &str) -> Option<Status> {
    let mut keys = &*KEYS;
    for part in path.split('.') {
        let (name, list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
        keys = keys.child(name)?;
        if matches!(keys.status, Some(Status::Refused(_) | Status::Inert(_))) {
            return keys.status;
        }
        if list {
            keys = keys.children.get("[]")?;
        }
    }
    keys.status
}

/// What is wrong with the keys of a tree.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<String>,
}

/// Checks the keys of a node that stands at `path` (`[]` for the whole file, `["services", "*"]` for a service).
pub(super) fn check(node: &Node, path: &[&str]) -> Findings {
    let mut findings = Findings::default();
    if let Some(keys) = path.iter().try_fold(&*KEYS, |keys, name| keys.child(name)) {
        walk(node, keys, &mut findings);
    }
    findings
}

fn walk(node: &Node, keys: &Keys, findings: &mut Findings) {
    match &node.value {
        Value::Mapping(map) if !keys.free() => known_keys(map, keys, findings),
        Value::Sequence(items) => {
            if let Some(keys) = keys.children.get("[]") {
                items.iter().for_each(|item| walk(item, keys, findings));
            }
        }
        Value::Mapping(_) | Value::Scalar(_) => {}
    }
    if keys.map_only() && node.mapping().is_none() && !node.is_null() {
        findings.faults.push(expected(node, "a map"));
    }
}

fn known_keys(map: &Mapping, keys: &Keys, findings: &mut Findings) {
    let named = keys.children.contains_key("*");
    for (name, entry) in map.iter().filter(|(name, _)| named || !name.starts_with("x-")) {
        let Some(child) = keys.child(name) else {
            findings.faults.push(unknown(name, &entry.key, keys));
            continue;
        };
        match child.status {
            Some(Status::Refused(reason)) => findings.faults.push(refused(name, &entry.key, reason)),
            Some(Status::Inert(reason)) => findings.warnings.push(inert(name, &entry.key, reason)),
            Some(Status::Honoured) | None => walk(&entry.node, child, findings),
        }
    }
}

fn unknown(name: &str, place: &Place, keys: &Keys) -> Fault {
    let fault = place.fault(format!("unknown key `{name}`"));
    match suggestion(name, keys.children.keys().copied()) {
        Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
        None => fault.hint("keys of your own begin with `x-`"),
    }
}

fn refused(name: &str, place: &Place, reason: &str) -> Fault {
    place.fault(format!("`{name}` is refused")).hint(reason)
}

fn inert(name: &str, place: &Place, reason: &str) -> String {
    format!("{}: `{name}` has no effect: {reason}", place.location())
}

#[cfg(test)]
#[path = "keys_tests.rs"]
pub(super) mod tests;
