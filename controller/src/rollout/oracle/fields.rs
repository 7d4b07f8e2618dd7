//! Two readings of the same case, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value as Json;

use super::listed::Listed;

/// What there is of a case: objects by kind and name, as the engine tells of them.
pub(super) struct Seen {
    pub(super) objects: BTreeMap<String, Json>,
}

/// Lists in which the order says nothing.
const SETS: &[&str] = &[
    "Aliases",
    "Binds",
    "CapAdd",
    "CapDrop",
    "Env",
    "ExtraHosts",
    "Links",
    "Mounts",
    "SecurityOpt",
    "Ulimits",
    "VolumesFrom",
];

/// A field that is not equal.
pub(super) struct Difference {
    /// Of what: `container web`.
    pub(super) object: String,
    /// Which: `HostConfig.Binds{…}`; empty where the whole object is there on one side only.
    pub(super) field: String,
    /// What docker-compose has.
    pub(super) theirs: Option<Json>,
    /// What evenkeel has.
    pub(super) ours: Option<Json>,
}

impl Difference {
    /// Why it may be, if it may.
    pub(super) fn listed(&self, listed: &[Listed]) -> Option<&'static str> {
        listed.iter().find(|listed| listed.covers(self)).map(|listed| listed.reason)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            |value: &Option<Json>| value.as_ref().map_or_else(|| "nothing".to_owned(), Json::to_string);
        write!(f, "{}: {}: -{} +{}", self.object, self.field, text(&self.theirs), text(&self.ours))
    }
}

/// How many fields there are, and which are not equal.
pub(super) fn compare(theirs: &Seen, ours: &Seen) -> (usize, Vec<Difference>) {
    let (mut number, mut differences) = (0, Vec::new());
    let objects: BTreeSet<&String> = theirs.objects.keys().chain(ours.objects.keys()).collect();
    for object in objects {
        let (Some(one), Some(other)) = (theirs.objects.get(object), ours.objects.get(object)) else {
            let is_theirs = theirs.objects.contains_key(object).then(|| Json::from("there"));
            let is_ours = ours.objects.contains_key(object).then(|| Json::from("there"));
            differences.push(Difference {
                object: object.clone(),
                field: String::new(),
                theirs: is_theirs,
                ours: is_ours,
            });
            continue;
        };
        let (mut one, mut other) = (fields(one), fields(other));
        let names: BTreeSet<String> = one.keys().chain(other.keys()).cloned().collect();
        number += names.len();
        for field in names {
            let (theirs, ours) = (one.remove(&field), other.remove(&field));
            if theirs != ours {
                differences.push(Difference { object: object.clone(), field, theirs, ours });
            }
        }
    }
    (number, differences)
}

fn fields(object: &Json) -> BTreeMap<String, Json> {
    let mut fields = BTreeMap::new();
    collect(object, String::new(), "", &mut fields);
    fields
}

/// An empty list, an empty map and nothing at all say the same.
fn collect(value: &Json, path: String, name: &str, fields: &mut BTreeMap<String, Json>) {
    match value {
        Json::Null => {}
        Json::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(value, path, key, fields);
            }
        }
        Json::Array(items) if SETS.contains(&name) => {
            for item in items {
                let key = ["Destination", "Target", "Name"].iter().find_map(|key| item.get(key));
                let key = key.and_then(Json::as_str).or_else(|| item.as_str()).unwrap_or_default();
                collect(item, format!("{path}{{{key}}}"), "", fields);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{path}[{index}]"), "", fields);
            }
        }
        scalar => drop(fields.insert(path, scalar.clone())),
    }
}
