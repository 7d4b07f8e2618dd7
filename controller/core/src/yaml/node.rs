//! The tree.

use indexmap::IndexMap;

use super::core::{self, Core};
use super::place::Place;
use crate::located::Fault;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it begins.
    pub place: Place,
    /// The tag, where it is one that means something here.
    pub tag: Option<Tag>,
}

/// Tags that mean something to Compose. All others are refused when the text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `!reset`: forget what an earlier file said.
    Reset,
    /// `!override`: replace it whole.
    Override,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// A scalar.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// A map.
    Mapping(Mapping),
}

/// A map, in the order of the text.
pub type Mapping = IndexMap<String, Entry>;

/// A map's value, and where its key stands.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key's place.
    pub key: Place,
    /// The value.
    pub node: Node,
}

/// A scalar as text.
#[derive(Clone)]
pub struct Scalar {
    /// The text. After interpolation it may hold a secret: [`Scalar::shown`] is for people.
    pub text: String,
    /// Written without quotes: may mean null, a boolean or a number.
    pub plain: bool,
    written: Option<String>,
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.shown(), f)
    }
}

impl Scalar {
    /// A scalar as written.
    pub fn new(text: impl Into<String>, plain: bool) -> Self {
        Self { text: text.into(), plain, written: None }
    }

    /// Puts in what interpolation made of it. It is a string from now on, and people are still shown what was written.
    pub fn interpolated(&mut self, text: String) {
        let before = std::mem::replace(&mut self.text, text);
        self.written.get_or_insert(before);
        self.plain = false;
    }

    /// What the file says, for messages: never an interpolated value.
    pub fn shown(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.text)
    }

    /// What YAML's core schema takes it for.
    pub fn core(&self) -> Core {
        if self.plain { core::resolve(&self.text) } else { Core::Text }
    }
}

impl Node {
    /// A node at a place.
    pub fn new(value: Value, place: Place) -> Self {
        Self { value, place, tag: None }
    }

    /// A string at a place.
    pub fn string(text: impl Into<String>, place: Place) -> Self {
        Self::new(Value::Scalar(Scalar::new(text, false)), place)
    }

    /// The scalar, where it is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        if let Value::Scalar(scalar) = &self.value { Some(scalar) } else { None }
    }

    /// The map, where it is one.
    pub fn mapping(&self) -> Option<&Mapping> {
        if let Value::Mapping(mapping) = &self.value { Some(mapping) } else { None }
    }

    /// The list, where it is one.
    pub fn sequence(&self) -> Option<&[Node]> {
        if let Value::Sequence(items) = &self.value { Some(items) } else { None }
    }

    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.mapping()?.get(key).map(|entry| &entry.node)
    }

    /// Whether it is null: `~`, `null`, or nothing at all.
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.core() == Core::Null)
    }

    /// The place of the deepest part of `path` that exists: of the key, or of a list's item (by number).
    pub fn place_of(&self, path: &[&str]) -> &Place {
        let Some((first, rest)) = path.split_first() else { return &self.place };
        match &self.value {
            Value::Mapping(map) => match map.get(*first) {
                Some(entry) if rest.is_empty() && entry.node.scalar().is_none() => &entry.key,
                Some(entry) => entry.node.place_of(rest),
                None => &self.place,
            },
            Value::Sequence(items) => first
                .parse()
                .ok()
                .and_then(|index: usize| items.get(index))
                .map_or(&self.place, |n| n.place_of(rest)),
            Value::Scalar(_) => &self.place,
        }
    }

    /// A fault at the node, with its line.
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        self.place.fault(message)
    }

    /// The node in a few words, for messages: the text of a scalar as written, else its kind.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Scalar(_) if self.is_null() => "nothing".to_owned(),
            Value::Scalar(scalar) => format!("`{}`", clip(scalar.shown())),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a map".to_owned(),
        }
    }

    /// How many nodes the tree has.
    pub(super) fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar(_) => 0,
            Value::Sequence(items) => items.iter().map(Node::size).sum(),
            Value::Mapping(map) => map.values().map(|entry| entry.node.size()).sum(),
        }
    }
}

/// Messages name the offending text; they don't repeat a page of it.
fn clip(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.len() == text.len() && line.chars().count() <= 80 {
        return line.to_owned();
    }
    format!("{}…", line.chars().take(79).collect::<String>())
}
