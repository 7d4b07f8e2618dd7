//! From the parser's events to the tree.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::map::Entry as Slot;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag as RawTag};

use super::node::{Entry, Mapping, Node, Scalar, Tag, Value};
use super::place::{Place, Source};
use crate::located::Fault;

/// Nodes at most, those that aliases multiply included. Ten thousand services of fifty values fit; nine lines of aliases
/// that stand for a billion nodes do not.
const MAX_NODES: usize = 1_000_000;
/// Levels at most: what walks the tree recurses.
const MAX_DEPTH: usize = 64;

/// Reads the one document of a text.
///
/// # Errors
/// When it is not YAML, holds no or several documents, a key twice, an unknown tag, or is too large once its aliases are
/// resolved.
pub fn parse(file: &str, text: &str) -> Result<Node, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Builder::new(file, text).document()
}

struct Builder<'t> {
    parser: Parser<'t, StrInput<'t>>,
    source: Arc<Source>,
    /// By the parser's number: the node, and how many nodes each alias to it adds.
    anchors: HashMap<usize, (Node, usize)>,
    left: usize,
}

type RawTagRef<'e> = Option<std::borrow::Cow<'e, RawTag>>;

impl<'t> Builder<'t> {
    fn new(file: &str, text: &'t str) -> Self {
        let parser = Parser::new_from_str(text);
        Self { parser, source: Source::new(file, text), anchors: HashMap::new(), left: MAX_NODES }
    }

    fn document(mut self) -> Result<Node, Fault> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => return Err(self.second_document(span)),
                Event::DocumentStart(_) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                _ => {}
            }
        }
        root.ok_or_else(|| Place::new(&self.source, 1, 1).fault("the file is empty"))
    }

    fn second_document(&self, span: Span) -> Fault {
        self.place(span.start).fault("a second YAML document begins here").hint("one file holds one document")
    }

    fn place(&self, mark: Marker) -> Place {
        Place::new(&self.source, mark.line(), mark.col() + 1)
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.place(*error.marker()).fault(format!("not YAML: {}", error.info()))),
            None => Ok((Event::StreamEnd, Span::empty(Marker::new(0, 1, 0)))),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Fault> {
        let place = self.place(span.start);
        self.spend(1, &place)?;
        if depth > MAX_DEPTH {
            return Err(place.fault(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        match event {
            Event::Alias(anchor) => self.alias(anchor, &place),
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = Scalar::new(text, style == ScalarStyle::Plain);
                self.finish(Value::Scalar(scalar), place, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                let items = self.sequence(depth)?;
                self.finish(Value::Sequence(items), place, anchor, tag)
            }
            Event::MappingStart(anchor, tag) => {
                let map = self.mapping(depth)?;
                self.finish(Value::Mapping(map), place, anchor, tag)
            }
            _ => Err(place.fault("not YAML: a value is missing here")),
        }
    }

    fn spend(&mut self, nodes: usize, place: &Place) -> Result<(), Fault> {
        let Some(left) = self.left.checked_sub(nodes) else {
            return Err(place
                .fault(format!("the file stands for more than {MAX_NODES} values, its aliases resolved")));
        };
        self.left = left;
        Ok(())
    }

    fn alias(&mut self, anchor: usize, place: &Place) -> Result<Node, Fault> {
        let Some(size) = self.anchors.get(&anchor).map(|(_, size)| *size) else {
            return Err(place.fault("the alias stands inside of what it refers to"));
        };
        self.spend(size, place)?;
        let found = self.anchors.get(&anchor).map(|(node, _)| node.clone());
        found.ok_or_else(|| place.fault("the alias refers to nothing"))
    }

    fn finish(
        &mut self,
        value: Value,
        place: Place,
        anchor: usize,
        tag: RawTagRef<'_>,
    ) -> Result<Node, Fault> {
        let mut node = Node::new(value, place);
        if let Some(tag) = tag {
            apply_tag(&mut node, &tag)?;
        }
        if anchor != 0 {
            let size = node.size();
            self.spend(size, &node.place)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Mapping, Fault> {
        let mut map = Mapping::new();
        let mut merges = None;
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(with_merges(map, merges));
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            if is_merge { merge(&mut merges, &key, node)? } else { insert(&mut map, key, node)? }
        }
    }
}

fn apply_tag(node: &mut Node, tag: &RawTag) -> Result<(), Fault> {
    if tag.is_yaml_core_schema() {
        return apply_core_tag(node, &tag.suffix);
    }
    node.tag = match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", "reset") => Some(Tag::Reset),
        ("!", "override") => Some(Tag::Override),
        ("", "!") | ("!", "") => return apply_core_tag(node, "str"),
        _ => {
            return Err(node
                .fault(format!("unknown tag `{tag}`"))
                .hint("`!reset` and `!override` are known"));
        }
    };
    Ok(())
}

fn apply_core_tag(node: &mut Node, suffix: &str) -> Result<(), Fault> {
    match (suffix, &mut node.value) {
        ("str", Value::Scalar(scalar)) => scalar.plain = false,
        ("int" | "float" | "bool" | "null", Value::Scalar(scalar)) => scalar.plain = true,
        ("map", Value::Mapping(_)) | ("seq", Value::Sequence(_)) => {}
        _ => return Err(node.fault(format!("the tag `!!{suffix}` does not fit here"))),
    }
    Ok(())
}

fn insert(map: &mut Mapping, key: Node, node: Node) -> Result<(), Fault> {
    let Value::Scalar(scalar) = key.value else {
        return Err(key.place.fault("a key must be a single word, not a list or a map"));
    };
    match map.entry(scalar.text) {
        Slot::Occupied(first) => Err(twice(first.key(), &first.get().key, &key.place)),
        Slot::Vacant(slot) => {
            slot.insert(Entry { key: key.place, node });
            Ok(())
        }
    }
}

fn twice(key: &str, first: &Place, second: &Place) -> Fault {
    second.fault(format!("the key `{key}` stands here twice")).hint(format!("first at {}", first.location()))
}

/// Collects the maps of `<<`, one or a list of them.
fn merge(merges: &mut Option<(Place, Vec<Mapping>)>, key: &Node, node: Node) -> Result<(), Fault> {
    if let Some((first, _)) = merges {
        return Err(twice("<<", first, &key.place));
    }
    let nodes = match node.value {
        Value::Sequence(items) => items,
        value => vec![Node { value, ..Node::new(Value::Sequence(Vec::new()), node.place) }],
    };
    let maps = nodes.into_iter().map(merged_map).collect::<Result<_, _>>()?;
    *merges = Some((key.place.clone(), maps));
    Ok(())
}

fn merged_map(node: Node) -> Result<Mapping, Fault> {
    match node.value {
        Value::Mapping(map) => Ok(map),
        _ => Err(node.place.fault("`<<` takes a map or a list of maps")),
    }
}

/// A map's own keys win, then those of the maps merged into it, the first first.
fn with_merges(mut map: Mapping, merges: Option<(Place, Vec<Mapping>)>) -> Mapping {
    for (key, entry) in merges.into_iter().flat_map(|(_, maps)| maps).flatten() {
        map.entry(key).or_insert(entry);
    }
    map
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
