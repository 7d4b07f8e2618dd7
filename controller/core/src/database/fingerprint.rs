//! A schema as its catalog has it, and what a change of it means for code that knows the older one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The kinds of catalog objects that a fingerprint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An extension; what belongs to one is not listed by itself.
    Extension,
    /// A schema.
    Schema,
    /// An enum, domain, composite or range type.
    Type,
    /// A sequence, without its value.
    Sequence,
    /// A table: ordinary, partitioned or foreign.
    Table,
    /// A view, materialized or not.
    View,
    /// A column of a table.
    Column,
    /// A constraint of a table.
    Constraint,
    /// An index, unless a constraint owns it.
    Index,
    /// A trigger of a table, or an event trigger.
    Trigger,
    /// A rewrite rule of a table.
    Rule,
    /// A row security policy of a table.
    Policy,
    /// Extended statistics.
    Statistics,
    /// A function, procedure or aggregate.
    Function,
    /// What a role may do with an object.
    Grant,
    /// What a role will be able to do with objects yet to be made.
    DefaultGrant,
}

/// What names a catalog object. Names are quoted as SQL needs them, and qualified.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// The table (or other object) that it belongs to, such as `public.users`.
    pub on: Option<String>,
    /// Its name: qualified where it does not belong to a table.
    pub name: String,
}

/// What an object's definition says that decides whether older code notices it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trait {
    /// A column that refuses nulls.
    NotNull,
    /// A column that gets a value by itself: a default, an identity, a generated one.
    HasValue,
    /// An index that refuses equal rows.
    Unique,
    /// An index that a failed `CREATE INDEX CONCURRENTLY` left behind.
    Invalid,
}

/// An object as the catalog defines it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its definition, with its owner and state.
    pub definition: String,
    /// What the definition says that decides.
    pub traits: BTreeSet<Trait>,
}

/// A schema's catalog, object by object. The order of columns is not part of it: a downgrade that gives a dropped column
/// back can only give it back as the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<(Key, Object)>", from = "Vec<(Key, Object)>")]
pub struct Fingerprint {
    objects: BTreeMap<Key, Object>,
}

/// How an object changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It is new.
    Added {
        /// Its definition.
        now: String,
    },
    /// It is gone.
    Removed {
        /// Its definition.
        was: String,
    },
    /// It is defined otherwise.
    Changed {
        /// Its definition before.
        was: String,
        /// And after.
        now: String,
    },
}

/// One object by which two schemas differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which.
    pub key: Key,
    /// How.
    #[serde(flatten)]
    pub change: Change,
}

impl Fingerprint {
    /// The objects.
    pub fn objects(&self) -> &BTreeMap<Key, Object> {
        &self.objects
    }

    /// The same schema without a table and all that belongs to it: the revision table is the migration tool's own.
    #[must_use]
    pub fn without_table(mut self, table: &str) -> Self {
        let of_it =
            |key: &Key| key.on.as_deref() == Some(table) || (key.kind == Kind::Table && key.name == table);
        self.objects.retain(|key, _| !of_it(key));
        self
    }

    /// A hash of it all, in hexadecimal. Lengths go in as well, so that no two lists run together.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (key, object) in &self.objects {
            for part in [&key.to_string(), &object.definition, &format!("{:?}", object.traits)] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        hex::encode(hash.finalize())
    }

    /// The same schema without some indexes, by qualified name.
    #[must_use]
    pub fn without_indexes(mut self, indexes: &BTreeSet<String>) -> Self {
        self.objects.retain(|key, _| key.kind != Kind::Index || !indexes.contains(&key.name));
        self
    }

    /// Indexes that are not valid, by qualified name.
    pub fn invalid_indexes(&self) -> BTreeSet<String> {
        let invalid = |(_, object): &(&Key, &Object)| object.traits.contains(&Trait::Invalid);
        self.objects.iter().filter(invalid).map(|(key, _)| key.name.clone()).collect()
    }

    fn has_table(&self, table: &str) -> bool {
        let key = Key { kind: Kind::Table, on: None, name: table.to_owned() };
        self.objects.contains_key(&key)
    }
}

/// Every object by which two schemas differ, in order.
pub fn compare(before: &Fingerprint, after: &Fingerprint) -> Vec<Difference> {
    let keys: BTreeSet<&Key> = before.objects.keys().chain(after.objects.keys()).collect();
    keys.into_iter()
        .filter_map(|key| difference(key, before.objects.get(key), after.objects.get(key)))
        .collect()
}

fn difference(key: &Key, before: Option<&Object>, after: Option<&Object>) -> Option<Difference> {
    let text = |object: &Object| object.definition.clone();
    let change = match (before, after) {
        (Some(was), Some(now)) if was != now => Change::Changed { was: text(was), now: text(now) },
        (Some(was), None) => Change::Removed { was: text(was) },
        (None, Some(now)) => Change::Added { now: text(now) },
        _ => return None,
    };
    Some(Difference { key: key.clone(), change })
}

/// Whether code that knows the schema `before` can go on with `after`: nothing that existed changed, and nothing new stands in
/// its way.
///
/// # Errors
/// The differences that are more than additions.
pub fn additive(before: &Fingerprint, after: &Fingerprint) -> Result<(), Vec<Difference>> {
    let mut differences = compare(before, after);
    differences.retain(|difference| !harmless(difference, before, after));
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

fn harmless(difference: &Difference, before: &Fingerprint, after: &Fingerprint) -> bool {
    let (Change::Added { .. }, Some(object)) = (&difference.change, after.objects.get(&difference.key))
    else {
        return false;
    };
    let on_old_table = difference.key.on.as_ref().is_some_and(|table| before.has_table(table));
    let has = |word| object.traits.contains(&word);
    match difference.key.kind {
        Kind::Column => !on_old_table || !has(Trait::NotNull) || has(Trait::HasValue),
        Kind::Index => !(has(Trait::Invalid) || (on_old_table && has(Trait::Unique))),
        Kind::Constraint | Kind::Rule | Kind::Policy => !on_old_table,
        // One without a table is an event trigger, which every session meets.
        Kind::Trigger => difference.key.on.is_some() && !on_old_table,
        Kind::DefaultGrant => false,
        Kind::Extension
        | Kind::Schema
        | Kind::Type
        | Kind::Sequence
        | Kind::Table
        | Kind::View
        | Kind::Statistics
        | Kind::Function
        | Kind::Grant => true,
    }
}

impl Kind {
    /// The word for it; also what the catalog queries call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Extension => "extension",
            Self::Schema => "schema",
            Self::Type => "type",
            Self::Sequence => "sequence",
            Self::Table => "table",
            Self::View => "view",
            Self::Column => "column",
            Self::Constraint => "constraint",
            Self::Index => "index",
            Self::Trigger => "trigger",
            Self::Rule => "rule",
            Self::Policy => "policy",
            Self::Statistics => "statistics",
            Self::Function => "function",
            Self::Grant => "grant",
            Self::DefaultGrant => "default-grant",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.kind.word();
        match (&self.on, self.kind) {
            (Some(table), Kind::Column) => write!(f, "{word} {table}.{}", self.name),
            (Some(table), _) => write!(f, "{word} {} on {table}", self.name),
            (None, _) => write!(f, "{word} {}", self.name),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.change {
            Change::Added { now } => write!(f, "{} is new: {}", self.key, short(now)),
            Change::Removed { was } => write!(f, "{} is gone: {}", self.key, short(was)),
            Change::Changed { was, now } => write!(f, "{} was {}, is {}", self.key, short(was), short(now)),
        }
    }
}

/// The body of a function would drown the message.
fn short(definition: &str) -> String {
    let line = definition.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

impl From<Vec<(Key, Object)>> for Fingerprint {
    fn from(objects: Vec<(Key, Object)>) -> Self {
        Self { objects: objects.into_iter().collect() }
    }
}

impl From<Fingerprint> for Vec<(Key, Object)> {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.objects.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
